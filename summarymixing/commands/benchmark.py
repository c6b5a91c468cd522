"""Measure time and memory of mixers side by side, in suites: JSON, Markdown tables and plots.

A suite is one interleaved run. ``floor``, ``chunks``, ``windows``, ``encoder``, ``growth`` and ``stream`` check the
limits of SummaryMixing; ``mixers`` measures every mixer; ``cuda`` needs an NVIDIA GPU; ``sweep`` measures the settings
of its own options.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from summarymixing.benchmarks import plots, report, side_by_side, targets
from summarymixing.benchmarks.cells import DTYPES, LEVELS, MODES, STEPS
from summarymixing.benchmarks.measure import Options
from summarymixing.benchmarks.registry import REGISTRY
from summarymixing.benchmarks.run import check_device, run_suite
from summarymixing.benchmarks.suite import Sizes, frames_of
from summarymixing.utils.errors import InputError, command_line
from summarymixing.utils.files import atomic_open

SUITES = {
    "floor": targets.floor,
    "chunks": targets.chunks,
    "windows": targets.windows,
    "encoder": targets.encoder,
    "growth": targets.growth,
    "stream": targets.stream,
    "mixers": side_by_side.mixers,
}


def parse(argv):
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("suites", nargs="+", metavar="SUITE", help=f"{', '.join(SUITES)}, all (of these), cuda, sweep")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("results/benchmarks/cpu"),
        help="folder for the files",
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of PyTorch")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, inputs and the order of visits")
    parser.add_argument("--rounds", type=int, nargs=2, metavar=("FEWEST", "MOST"), help="timed visits of every cell")
    parser.add_argument("--budget", type=float, help="seconds of timing per suite, in addition to the fewest rounds")
    parser.add_argument(
        "--memory-limit-gb", type=float, help="a cell that needs more is out of memory; None: 3/4 of the free memory"
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, only to see that it works; the numbers mean nothing"
    )
    sweep = parser.add_argument_group("sweep")
    first = "mixers to measure; ratios are to the first"
    sweep.add_argument(
        "--mixers", nargs="+", choices=REGISTRY, default=["summarymixing_1", "rope_attention"], help=first
    )
    sweep.add_argument("--levels", nargs="+", choices=LEVELS[:5], default=["mixer"], help="measured part of a model")
    sweep.add_argument("--seconds", type=float, nargs="+", default=[5, 15, 60, 300], help="lengths of an utterance")
    sweep.add_argument(
        "--total-seconds", type=float, default=60, help="seconds of audio in a batch; at least one utterance"
    )
    sweep.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS), help="without or with gradients")
    sweep.add_argument(
        "--dtypes", nargs="+", choices=DTYPES, default=["float32"], help="bfloat16 casts the weights too"
    )
    sweep.add_argument("--modes", nargs="+", choices=MODES, default=["eager"], help="eager, or torch.compile")
    sweep.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="device of the sweep")
    sweep.add_argument("--d-model", type=int, default=512, help="features of the mixer")
    sweep.add_argument("--layers", type=int, default=12, help="layers of the encoder")
    arguments = parser.parse_args(argv)
    rounds = arguments.rounds or (1, 1)
    if arguments.threads < 1 or not 1 <= rounds[0] <= rounds[1]:
        raise InputError("--threads and --rounds must be at least 1, and FEWEST of --rounds not above MOST")
    for name in ("budget", "memory_limit_gb", "total_seconds"):
        value = getattr(arguments, name)
        if value is not None and not 0 < value < math.inf:
            raise InputError(f"--{name.replace('_', '-')} {value:g} must be positive")
    if not all(0 < seconds < math.inf for seconds in arguments.seconds):
        raise InputError("--seconds must be positive")
    return arguments


def build(name, arguments):
    """The suite of this name."""
    sizes = Sizes(arguments.quick)
    if name == "cuda":
        return side_by_side.cuda(sizes)
    if name != "sweep":
        if name not in SUITES:
            raise InputError(f"no suite {name!r}; choose from {', '.join(SUITES)}, all, cuda, sweep")
        return SUITES[name](sizes)
    return side_by_side.side_by_side(
        "sweep",
        "Sweep",
        arguments.mixers,
        sizes.frames(map(frames_of, arguments.seconds)),
        sizes.frames([frames_of(arguments.total_seconds)])[0],
        arguments.levels,
        arguments.steps,
        arguments.dtypes,
        arguments.modes,
        arguments.device,
        **{"d_model": arguments.d_model, "layers": arguments.layers, **sizes.model},
    )


class Progress:
    """A bar for each phase of a suite."""

    def __init__(self, suite):
        self.suite, self.bar, self.what = suite, None, None

    def __call__(self, what, done, total):
        if what != self.what:
            self.close()
            self.bar, self.what = tqdm(desc=f"{self.suite}: {what}", total=total, leave=False, disable=None), what
        self.bar.total = total
        self.bar.update(done - self.bar.n)

    def close(self):
        """End the bar."""
        if self.bar is not None:
            self.bar.close()


def write(folder, record):
    """Write the JSON, Markdown and PNG files of a suite."""
    name = record["suite"]
    with atomic_open(folder / f"{name}.json") as file:
        json.dump(record, file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write("\n")
    with atomic_open(folder / f"{name}.md") as file:
        file.write(report.markdown(record))
    for kind in ("time", "memory"):
        with atomic_open(folder / f"{name}_{kind}.png", "wb") as file:
            plots.draw(record, kind).savefig(file, format="png")


@command_line
def main(argv=None, check=None):
    """Parse the command line, and measure, print and write suite after suite.

    Parameters
    ----------
    argv : list of str, optional
        The arguments; by default those of this process.
    check : callable, optional
        As for `summarymixing.benchmarks.run.run_suite`: ratios of a mixer whose tests fail are left out.

    Returns
    -------
    int
        The exit status, 1 if a cell failed.
    """
    arguments = parse(argv)
    names = [name for word in arguments.suites for name in (SUITES if word == "all" else [word])]
    suites = [build(name, arguments) for name in dict.fromkeys(names)]
    for suite in suites:
        check_device(suite)
    # Before the first operation, which would start the threads.
    torch.set_num_threads(arguments.threads)
    limit = arguments.memory_limit_gb
    failed = 0
    for suite in suites:
        if arguments.quick:
            suite.title += " (quick: tiny sizes, the numbers mean nothing)"
        options = Options(
            arguments.threads,
            arguments.seed,
            tuple(arguments.rounds or ((2, 3) if arguments.quick else suite.rounds)),
            arguments.budget or suite.budget_seconds,
            None if limit is None else int(limit * 1e9),
        )
        progress = Progress(suite.name)
        program = "tools/benchmark.py" if check else "summarymixing-benchmark"
        command = [program, *(sys.argv[1:] if argv is None else argv)]
        record = run_suite(suite, options, command, progress, check)
        progress.close()
        record["settings"]["quick"] = arguments.quick
        write(arguments.output, record)
        print(f"# {suite.title}\n\n{report.tables(record)}\n")
        for cell in record["cells"]:
            if cell.get("reason") and not cell["oom"]:
                failed += 1
                print(f"failed: {cell['label']}, {cell['level']}, {cell['step']}: {cell['reason']}", file=sys.stderr)
        print(f"written: {arguments.output}/{suite.name}.json, .md, _time.png, _memory.png\n", flush=True)
    return 1 if failed else 0
