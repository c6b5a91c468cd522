"""A few minutes of synthetic speech and one tiny finished run, made once for all tests of this folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from summarymixing.synthetic import make_librispeech

ROOT = Path(__file__).parents[2]
#: Small enough to train in seconds; everything else is the quickstart's.
TINY = {
    "d_model": 32,
    "d_ffn": 64,
    "num_layers": 2,
    "kernel_size": 5,
    "number_of_epochs": 2,
    "max_batch_length": 16,
    "csgu_linear_units": 64,
    # Two minutes do not hold every letter.
    "tokenizer_type": "bpe",
    "vocab_size": 40,
}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Two minutes of training speech in LibriSpeech's layout."""
    folder = tmp_path_factory.mktemp("corpus") / "synthetic"
    return make_librispeech(folder, 2, seed=3, dev_minutes=0.3, test_minutes=0.5, workers=1, progress=False)


@pytest.fixture(scope="session")
def train(corpus):
    """Call train.py in a process of its own; returns the finished process."""

    def call(yaml_name, output_folder, *more, prelude="", check=True, **settings):
        script = f"import sys, runpy; {prelude}\nrunpy.run_path('train.py', run_name='__main__')"
        keys = {**TINY, "data_folder": corpus, "output_folder": output_folder, **settings}
        if "branchformer" not in yaml_name:
            keys.pop("csgu_linear_units")
        arguments = [f"hparams/{yaml_name}.yaml", *more]
        for key, value in keys.items():
            arguments += [f"--{key}", str(value)]
        # One thread: sums in another order would differ in the last bits.
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return call


@pytest.fixture(scope="session")
def finished_run(train, tmp_path_factory):
    """The run folder of conformer_summarymixing."""
    folder = tmp_path_factory.mktemp("runs") / "conformer_summarymixing"
    train("conformer_summarymixing", folder)
    return folder
