"""Print the complete YAML file of a run: bases merged, with the values of the command line, references not followed.

python tools/show_config.py hparams/conformer_mhsa.yaml                           prints it
python tools/show_config.py hparams/conformer_mhsa.yaml --mixer "{nhead: 8}"      takes the options of train.py

Plain `hyperpyyaml.load_hyperpyyaml` loads the printed file if every !PLACEHOLDER has a value. If vocab_size is null, a
run takes it from its data; HyperPyYAML needs a number.
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
