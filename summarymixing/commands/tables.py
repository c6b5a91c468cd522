"""A published result table, and beside each number what recorded runs hold; a cell that nobody ran is empty.

python tools/tables.py                                                   lists the tables
python tools/tables.py librispeech_encoder_decoder                       runs in runs/, recipes/ and results/
python tools/tables.py librispeech_streaming RUN ... --format csv --output streaming.csv

A run counts for the row of its experiment if it finished, on the table's data, with no other option than the row's.
Why another run of that experiment does not count, stderr tells. Error rates on synthetic speech never do.
"""

import argparse
import sys
from pathlib import Path

from summarymixing.experiment.run_folder import RunFolder
from summarymixing.reports.tables.layout import comma_separated, fill, markdown
from summarymixing.reports.tables.registry import TABLES
from summarymixing.reports.tables.runs import find_runs
from summarymixing.utils.errors import command_line
from summarymixing.utils.files import atomic_open

FORMATS = {"markdown": markdown, "csv": comma_separated}


@command_line
def main(argv=None, root=Path()):
    """Parse the command line and print the table, or write it to a file.

    Parameters
    ----------
    argv : list of str, optional
        The words after the program's name; those of this process by default.
    root : pathlib.Path
        Where runs are looked for unless folders are given: in its ``runs``, ``recipes`` and ``results``.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", help="table; none: list them")
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="RUN",
        help="run folder, or folder of them; default runs recipes results",
    )
    parser.add_argument("--format", choices=FORMATS, default="markdown")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: print")
    arguments = parser.parse_args(argv)
    if arguments.name is None:
        width = max(map(len, TABLES))
        print("\n".join(f"{name:{width}}  {table.title}" for name, table in TABLES.items()))
        return
    # Any of these may hold no run yet, which is no mistake of the user's.
    usual = [root / name for name in ("runs", "recipes", "results")]
    folders = arguments.folders or [folder for folder in usual if RunFolder.find(folder)]
    header, rows, notes = fill(arguments.name, find_runs(folders))
    for note in notes:
        print(note, file=sys.stderr)
    text = FORMATS[arguments.format](arguments.name, header, rows)
    if arguments.output is None:
        print(text, end="")
        return
    with atomic_open(arguments.output) as file:
        file.write(text)
    print(f"written: {arguments.output}")
