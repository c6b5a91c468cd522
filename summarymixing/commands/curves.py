"""Learning curves of runs: what they measured after each epoch, as tables, JSON and a figure."""

import argparse
import json
import sys
from pathlib import Path

from summarymixing.reports.curves import curve_rows, draw_curves, learning_curves
from summarymixing.reports.provenance import provenance
from summarymixing.reports.text_tables import markdown_table, terminal_table
from summarymixing.utils.errors import command_line
from summarymixing.utils.files import atomic_open


@command_line
def main(argv=None):
    """Parse the command line, print the tables and write them, the numbers and the figure to a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folder, finished or not")
    parser.add_argument("--metrics", nargs="+", default=["cer"], help="measures of the epochs in run.json")
    parser.add_argument("--output", type=Path, default=Path("results/curves"), help="folder of the report")
    arguments = parser.parse_args(argv)
    words = sys.argv[1:] if argv is None else argv
    curves = learning_curves(arguments.runs, arguments.metrics)
    tables = [curve_rows(curves, key) for key in arguments.metrics]
    print("\n\n".join(map(terminal_table, tables)))
    curves = {**provenance(["python", "tools/curves.py", *map(str, words)]), **curves}
    with atomic_open(arguments.output / "curves.json") as file:
        json.dump(curves, file, indent=1, ensure_ascii=False)
        file.write("\n")
    with atomic_open(arguments.output / "curves.md") as file:
        file.write("\n\n".join(map(markdown_table, tables)) + "\n\n![learning curves](curves.png)\n")
    with atomic_open(arguments.output / "curves.png", "wb") as file:
        draw_curves(curves).savefig(file, format="png")
    print(f"written: {arguments.output}/curves.md, curves.json, curves.png")
