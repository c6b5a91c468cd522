"""No ratio of a mixer is shown while its tests fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import summarymixing
from summarymixing.benchmarks.registry import entry

ROOT = Path(summarymixing.__file__).resolve().parent.parent


class Guard:
    """Runs the tests of mixers, each set once, and remembers which passed.

    Parameters
    ----------
    root : pathlib.Path
        The checkout whose tests are run.

    Examples
    --------
    >>> Guard().passed(["a mixer whose tests nobody ran"])
    False
    """

    def __init__(self, root: Path = ROOT):
        self.root = root
        self.found = {}
        self._runs = {}

    def check(self, names, progress=None) -> None:
        """Run the tests of these mixers.

        Parameters
        ----------
        names : iterable of str
            Of the registry.
        progress : callable, optional
            Called with each name before its tests run.
        """
        for name in dict.fromkeys(names):
            if name in self.found:
                continue
            if progress is not None:
                progress(name)
            tests = entry(name).tests
            if tests not in self._runs:
                self._runs[tests] = self._run(tests)
            self.found[name] = {"tests": list(tests), **self._runs[tests]}

    def passed(self, names) -> bool:
        """Whether the tests of all these mixers ran and passed."""
        return all(self.found.get(name, {}).get("passed", False) for name in names)

    def _run(self, tests):
        words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not slow", *tests]
        # The tests are small: one thread is faster than several, and leaves the machine to what it does besides.
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(words, cwd=self.root, capture_output=True, text=True, env=environment)
        lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["no output"]
        # Status 5, no test found, is no pass either.
        return {"passed": done.returncode == 0, "summary": lines[-1].strip("= ")}
