"""The transducer recipe, small: trained in a process of its own, or with random weights in no time."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from summarymixing.corpora import librispeech
from summarymixing.experiment import load_experiment
from summarymixing.inference import Transcriber
from summarymixing.tasks.tokenizer import train_tokenizer

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "recipes" / "LibriSpeech" / "ASR" / "transducer"
SMALL = {
    "train_splits": "[train-clean-100]",
    "tokenizer_type": "bpe",
    "vocab_size": 40,
    "d_model": 32,
    "d_ffn": 64,
    "num_layers": 2,
    "kernel_size": 5,
    "channels": "[8, 4]",
    "predictor_size": 32,
    "joint_size": 32,
    "number_of_epochs": 1,
    "max_batch_length": 16,
    "num_buckets": 10,
    "num_workers": 0,
    "grad_accumulation_factor": 2,
    "warmup_steps": 4,
    "total_steps": 20,
    "test_beam_size": 2,
}


def words(**settings):
    return [word for key, value in settings.items() for word in (f"--{key}", str(value))]


def python(*arguments, **options):
    """Run Python on the arguments; one thread, because sums in another order would differ in the last bits."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, **options)


@pytest.fixture(scope="session")
def shell():
    """The functions above, for the test files."""
    return SimpleNamespace(words=words, python=python)


@pytest.fixture(scope="session")
def train_recipe(corpus):
    """Call the recipe's train.py in a process of its own."""

    def call(name, folder, prelude="", check=True, **settings):
        script = f"import sys, runpy; {prelude}\nrunpy.run_path({str(RECIPE / 'train.py')!r}, run_name='__main__')"
        keys = {**SMALL, "data_folder": corpus, "output_folder": folder, **settings}
        done = python("-c", script, RECIPE / "hparams" / f"{name}.yaml", *words(**keys), text=True)
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return call


@pytest.fixture(scope="session")
def talkative(corpus, tmp_path_factory):
    """Run folders with untrained weights: a few seconds of training teach little but silence."""

    def make(name, **settings):
        folder = tmp_path_factory.mktemp("runs") / name
        keys = {**SMALL, "data_folder": corpus, "output_folder": folder, **settings}
        experiment = load_experiment([str(RECIPE / "hparams" / f"{name}.yaml"), *words(**keys)])
        librispeech.prepare(corpus, folder / "manifests", ["dev-clean", "test-clean", "test-other"], 0.01)
        train_tokenizer(folder / "manifests" / "dev-clean.csv", folder / "tokenizer.ckpt", SMALL["vocab_size"], "bpe")
        model = experiment.hparams["model"]
        with torch.no_grad():
            model.encoder.normalize.mean.fill_(-40.0)  # dB
            model.encoder.normalize.std.fill_(20.0)
            model.output.weight.mul_(8)
            model.output.weight[0] += 0.12  # of the blank; the joint's GELU is positive on average
        torch.save(model.state_dict(), folder / "model.ckpt")
        return folder

    return make


@pytest.fixture(scope="session")
def run(talkative):
    return talkative("conformer_transducer_summarymixing_fast")


@pytest.fixture(scope="session")
def talkative_of(talkative):
    """The transcriber of an untrained run, made once an experiment."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = Transcriber(talkative(name))
        return made[name]

    return get


@pytest.fixture(scope="session")
def transcriber(run):
    return Transcriber(run)


@pytest.fixture(scope="session")
def files(corpus):
    return sorted((corpus / "test-clean").rglob("*.flac"))[:4]
