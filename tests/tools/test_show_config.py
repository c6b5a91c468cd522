"""Tests of tools/show_config.py: what it prints is the file that a run would have."""

import runpy
import sys
from pathlib import Path

import pytest
from hyperpyyaml import load_hyperpyyaml

from summarymixing.experiment import load_experiment
from summarymixing.experiment.yaml_tree import comparable

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def show(monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["show_config.py", *map(str, words)])
        runpy.run_path(str(ROOT / "tools" / "show_config.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_it_is_the_file_of_the_run_and_plain_hyperpyyaml_loads_it(show, tmp_path):
    words = [
        ROOT / "hparams" / "conformer_mhsa.yaml",
        "--mixer",
        "{nhead: 8}",
        "--vocab_size=30",
        "--precision",
        "bf16",
    ]
    words = [*map(str, words), "--num_layers", "1", "--output_folder", str(tmp_path / "run"), "--device", "cpu"]
    text = show(*words)
    assert not (tmp_path / "run").exists()
    experiment = load_experiment(words)
    assert comparable(text) == comparable((experiment.run_folder / "hyperparams.yaml").read_text())
    (tmp_path / "complete.yaml").write_text(text)
    with open(tmp_path / "complete.yaml") as file:
        hparams = load_hyperpyyaml(file)
    assert hparams["experiment"] == "conformer_mhsa" and hparams["precision"] == "bf16"
    assert hparams["mixer"].keywords == {"nhead": 8}
    assert hparams["model"].state_dict().keys() == experiment.hparams["model"].state_dict().keys()
    assert not any(key.startswith("__") or key == "base" for key in hparams)


def test_what_has_no_value_yet_is_shown_as_it_is(show):
    text = show(ROOT / "recipes/LibriSpeech/ASR/transformer/hparams/branchformer_mhsa.yaml")
    assert "data_folder: !PLACEHOLDER\n" in text and "test_beam_size: 66  # [P]\n" in text


def test_a_mistake_is_one_line(show, capsys):
    with pytest.raises(SystemExit):
        show(ROOT / "hparams" / "conformer_mhsa.yaml", "--mixxer", "null")
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and "did you mean 'mixer'?" in message
