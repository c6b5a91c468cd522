"""The transducer recipe: a run killed and resumed, the published sizes."""

import json
from pathlib import Path

import pytest
from hyperpyyaml import load_hyperpyyaml

from summarymixing.corpora.manifest import read_manifest
from summarymixing.experiment import load_experiment

ROOT = Path(__file__).parents[3]
HPARAMS = "recipes/LibriSpeech/ASR/transducer/hparams"


def record(folder):
    return json.loads((folder / "run.json").read_text())


@pytest.mark.slow
def test_killed_in_mid_epoch_and_started_again_it_ends_the_same(train, train_killed, same_epochs, tmp_path):
    yaml = f"{HPARAMS}/conformer_transducer_summarymixing_fast.yaml"
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    settings = {"number_of_epochs": 2, "test_beam_size": 1}
    train(yaml, whole, **settings)
    train_killed(yaml, folder, step=6, ckpt_interval_steps=1, **settings)
    same_epochs(whole, folder)
    for split in ("test-clean", "test-other"):
        assert read_manifest(folder / f"transcripts_{split}.csv") == read_manifest(whole / f"transcripts_{split}.csv")


def test_published_sizes(tmp_path):
    """The base stands for the published network: 12 x 512, width 512, LSTM 512, joint 640, 1000 tokens."""
    yaml = ROOT / HPARAMS / "conformer_transducer.yaml"
    hparams = load_experiment([str(yaml), "--data_folder=x", f"--output_folder={tmp_path}"]).hparams
    model = hparams["model"]
    layers = model.speech_encoder.encoder.layers
    assert len(layers) == 12 and layers[0].mixer.fused_proj[0].weight.numel() == 512 * 2 * 512
    assert model.lstm.rnn.hidden_size == 512 and model.output.weight.shape == (1000, 640)
    assert hparams["modules"]["decoder"] is hparams["decoder"]
    with open(tmp_path / "hyperparams.yaml") as file:
        assert "model" in load_hyperpyyaml(file)  # stock HyperPyYAML builds it too
