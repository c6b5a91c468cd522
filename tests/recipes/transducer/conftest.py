"""Runs of the transducer recipe with random weights, in no time."""

import pytest
import torch

from summarymixing.corpora import librispeech
from summarymixing.data.tokenizer import train_tokenizer
from summarymixing.experiment import load_experiment
from summarymixing.inference import Transcriber

HPARAMS = "recipes/LibriSpeech/ASR/transducer/hparams"


@pytest.fixture(scope="session")
def talkative(command_line, corpus, tmp_path_factory):
    """Run folders with untrained weights: a few seconds of training teach little but silence."""

    def make(name, **settings):
        folder = tmp_path_factory.mktemp("runs") / name
        words = command_line(f"{HPARAMS}/{name}.yaml", output_folder=folder, **settings)
        hparams = load_experiment(words).hparams
        librispeech.prepare(corpus, folder / "manifests", ["dev-clean", "test-clean", "test-other"], 0.01)
        manifest = folder / "manifests" / "dev-clean.csv"
        train_tokenizer(manifest, folder / "tokenizer.ckpt", hparams["vocab_size"], hparams["tokenizer_type"])
        model = hparams["model"]
        with torch.no_grad():
            model.speech_encoder.normalize.mean.fill_(-40.0)  # dB
            model.speech_encoder.normalize.std.fill_(20.0)
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
