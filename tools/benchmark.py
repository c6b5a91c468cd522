"""Measure mixers side by side, as summarymixing-benchmark does; a mixer whose tests fail gets no ratio."""

import functools
import os
import subprocess
import sys
from pathlib import Path

from summarymixing.benchmarks.registry import entry
from summarymixing.commands.benchmark import main

ROOT = Path(__file__).resolve().parents[1]


def check_mixer(name: str) -> dict:
    """Run the tests of a mixer of the benchmark.

    Parameters
    ----------
    name : str
        Of `summarymixing.benchmarks.registry.REGISTRY`.

    Returns
    -------
    dict
        ``tests``, the arguments of pytest; ``passed``; ``summary``, its last line.
    """
    tests = entry(name).tests
    return {"tests": list(tests), **run_tests(tests)}


@functools.cache  # mixers share their tests
def run_tests(tests: tuple[str, ...]) -> dict:
    """Run pytest with these arguments in this checkout."""
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not slow", *tests]
    # The tests are small: one thread is faster than several, and leaves the other cores free.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, env=environment)
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["no output"]
    # Status 5, no test found, does not count as passed.
    return {"passed": done.returncode == 0, "summary": lines[-1].strip("= ")}


if __name__ == "__main__":
    raise SystemExit(main(check=check_mixer))
