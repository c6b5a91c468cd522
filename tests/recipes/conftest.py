"""The recipe test lists, a few minutes of synthetic speech, and recipes called small.

The CSV files beside this one are SpeechBrain's recipe test lists, a row an experiment: ``test_debug_flags`` make it
train in seconds, ``test_debug_checks`` say what its run folder must hold. Data and output folder are the tests' own.
"""

import csv
import os
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from summarymixing.synthetic import make_librispeech

ROOT = Path(__file__).parents[2]


def _rows():
    for file in sorted(Path(__file__).parent.glob("*.csv")):
        with open(file, newline="", encoding="utf-8") as lines:
            yield from csv.DictReader(lines)


ROWS = list(_rows())
#: The first experiment of each LibriSpeech recipe.
RECIPES = {row["Script_file"]: row for row in reversed(ROWS) if row["Dataset"] == "LibriSpeech"}


def pytest_generate_tests(metafunc):
    """A test that takes an ``experiment`` is run for each row of the lists, one of a ``recipe`` for each recipe."""
    for name, rows in (("experiment", ROWS), ("recipe", list(RECIPES.values()))):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, rows, ids=[row["Hparam_file"] for row in rows])


@pytest.fixture(scope="session")
def experiments():
    """All rows of the lists."""
    return ROWS


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Two minutes of training speech in LibriSpeech's layout."""
    folder = tmp_path_factory.mktemp("corpus") / "synthetic"
    return make_librispeech(folder, 2, seed=3, dev_minutes=0.3, test_minutes=0.5, workers=1, progress=False)


@pytest.fixture(scope="session")
def command_line(corpus):
    """The command line of a listed YAML file: the sizes of its row, the corpus, then settings of the test."""

    def of(yaml, **settings):
        (row,) = [row for row in ROWS if row["Hparam_file"] == yaml]
        more = [f"--{key}={value}" for key, value in {"data_folder": corpus, **settings}.items()]
        return [str(ROOT / yaml), *shlex.split(row["test_debug_flags"]), *more]

    return of


@pytest.fixture(scope="session")
def python():
    """Run Python on the arguments, in a process of its own."""

    def call(*arguments, cwd=ROOT, **options):
        # One thread: sums in another order would differ in the last bits.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, **options)

    return call


@pytest.fixture(scope="session")
def train(python, command_line):
    """Train a listed YAML file, in a process of its own; returns the finished process."""

    def call(yaml, output_folder, prelude="", check=True, **settings):
        words = command_line(yaml, output_folder=output_folder, **settings)
        (script,) = {ROOT / row["Script_file"] for row in ROWS if row["Hparam_file"] == yaml}
        code = f"import sys, runpy; {prelude}\nrunpy.run_path({str(script)!r}, run_name='__main__')"
        # In the recipe's own folder, as its README has it, nothing is found by chance.
        done = python("-c", code, *words, cwd=script.parent, text=True)
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return call


@pytest.fixture
def refused(monkeypatch, capsys):
    """Call a program in this process, which takes seconds less than in its own; returns its one line of error."""

    def call(script, *arguments):
        monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        assert ended.value.code == 2
        *before, line = capsys.readouterr().err.splitlines()
        assert line.startswith("error:") and not any(other.startswith("error:") for other in before)
        return line

    return call


@pytest.fixture(scope="session")
def finished_run(train, tmp_path_factory):
    """The run folder of the quickstart's conformer_summarymixing."""
    folder = tmp_path_factory.mktemp("runs") / "conformer_summarymixing"
    train("hparams/conformer_summarymixing.yaml", folder, number_of_epochs=2)
    return folder
