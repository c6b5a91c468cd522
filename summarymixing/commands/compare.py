"""Compare finished runs: error rates or accuracies with bootstrap intervals, cost, and speed against input length."""

import argparse
import json
import sys
from pathlib import Path

from summarymixing.benchmarks import speed
from summarymixing.reports.comparison import compare, read_run
from summarymixing.reports.comparison_plots import draw
from summarymixing.reports.comparison_report import origin, report, title
from summarymixing.reports.text_tables import markdown_table, terminal_table
from summarymixing.utils.errors import InputError, command_line
from summarymixing.utils.files import atomic_open


def write(folder, comparison, measured):
    """Write ``comparison.md``, ``comparison.json`` and ``comparison.png`` into a folder."""
    with atomic_open(folder / "comparison.json") as file:
        json.dump({**comparison, "speed": measured}, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")
    with atomic_open(folder / "comparison.md") as file:
        file.write(report(comparison, measured, markdown_table))
        file.write(f"\n![{title(comparison)}](comparison.png)\n\n{origin(comparison)}")
    with atomic_open(folder / "comparison.png", "wb") as file:
        draw(comparison, measured).savefig(file, format="png")


@command_line
def main(argv=None):
    """Parse the command line, compare, print the tables and write them to a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a finished run; differences are to the first")
    parser.add_argument("--output", type=Path, default=Path("results/compare"), help="folder for the report")
    parser.add_argument("--no-speed", action="store_true", help="do not measure speed and memory")
    parser.add_argument("--seconds", type=float, nargs="+", default=speed.LENGTHS, help="input lengths for speed")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="device for speed; None: CUDA if there is one")
    arguments = parser.parse_args(argv)
    words = sys.argv[1:] if argv is None else argv
    comparison = compare([read_run(run) for run in arguments.runs], ["python", "tools/compare.py", *map(str, words)])
    try:
        arguments.output.mkdir(parents=True, exist_ok=True)  # now, not after a minute of measuring
    except OSError as error:
        raise InputError(f"--output {arguments.output}: cannot create this folder ({error.strerror})") from None
    measured = None
    if not arguments.no_speed:
        print("measuring speed and memory, about a minute; --no-speed leaves this out", file=sys.stderr)
        measured = speed.measure(arguments.runs, arguments.seconds, arguments.device)
    print(report(comparison, measured, terminal_table))
    write(arguments.output, comparison, measured)
    print(f"written: {arguments.output}/comparison.md, comparison.json, comparison.png")
