"""A published result table, with the results of recorded runs beside each number; cells without a run are empty.

python tools/tables.py                                                   lists the tables
python tools/tables.py librispeech_encoder_decoder                       runs in runs/, recipes/ and results/
python tools/tables.py librispeech_streaming RUN ... --format csv --output streaming.csv

A run counts for the row of its experiment if it is finished, used the table's data, and had no other options than the
row. For other runs of that experiment stderr says why they do not count. Error rates on synthetic speech never count.
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
        The arguments; by default those of this process.
    root : pathlib.Path
        Without folders on the command line, runs are looked for in its ``runs``, ``recipes`` and ``results``.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", help="name of the table; without it the tables are listed")
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="RUN",
        help="run folders, or folders that contain some; default: runs recipes results",
    )
    parser.add_argument("--format", choices=FORMATS, default="markdown")
    parser.add_argument("--output", type=Path, metavar="FILE", help="file to write; default: print the table")
    arguments = parser.parse_args(argv)
    if arguments.name is None:
        width = max(map(len, TABLES))
        print("\n".join(f"{name:{width}}  {table.title}" for name, table in TABLES.items()))
        return
    # Any of these may hold no run yet, which is not an error.
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
