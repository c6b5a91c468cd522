"""The complete YAML file that a run would have: bases merged, the command line's values in it, references as they are.

python tools/show_config.py hparams/conformer_mhsa.yaml                           prints it
python tools/show_config.py hparams/conformer_mhsa.yaml --mixer "{nhead: 8}"      takes the options of train.py

Plain `hyperpyyaml.load_hyperpyyaml` loads what is printed, once every !PLACEHOLDER has a value, and vocab_size where it
is null: a run takes that from its data.
"""

import argparse

from summarymixing.experiment.load import read_settings
from summarymixing.utils.errors import command_line


@command_line
def main(argv=None):
    """Parse the command line and print the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE", help="YAML file of an experiment")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="--key value", help="as for train.py")
    arguments = parser.parse_args(argv)
    print(read_settings([arguments.file, *arguments.words]).text, end="")


if __name__ == "__main__":
    main()
