"""Every YAML of the recipe end to end, a run killed and resumed, the published sizes."""

import json
import signal
from pathlib import Path

import pytest
from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml import YAML

from summarymixing.experiment import load_experiment
from summarymixing.inference import Transcriber
from summarymixing.tasks.scoring import read_transcripts, score

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "recipes" / "LibriSpeech" / "ASR" / "transducer"
BASE = "conformer_transducer"
EXPERIMENTS = sorted(path.stem for path in (RECIPE / "hparams").glob("*.yaml"))


def record(folder):
    return json.loads((folder / "run.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_runs_end_to_end(train_recipe, tmp_path, name, files):
    train_recipe(name, tmp_path)
    run = record(tmp_path)
    assert run["finished"] and len(run["epochs"]) == 1 and run["epochs"][0]["valid_loss"] > 0
    assert set(run["metrics"]) == {
        f"{split}{beam}" for split in ("test-clean", "test-other") for beam in ("", "_beam2")
    }
    for split, metrics in run["metrics"].items():
        rows = read_transcripts(tmp_path, split)
        assert metrics["wer"] == pytest.approx(score(rows)["wer"])
        assert (tmp_path / f"wer_{split}.txt").is_file()
    scored = {row["ID"]: row["hypothesis"] for row in read_transcripts(tmp_path, "test-clean")}
    assert Transcriber(tmp_path).transcribe(files) == [scored[file.stem] for file in files]


@pytest.mark.slow
def test_killed_in_mid_epoch_and_started_again_it_ends_the_same(train_recipe, tmp_path):
    name, whole, folder = "conformer_transducer_summarymixing_fast", tmp_path / "whole", tmp_path / "killed"
    settings = {"number_of_epochs": 2, "test_beam_size": 1}
    kill = """
import os, signal
from summarymixing.tasks.transducer import Transducer
def on_fit_batch_end(self, *arguments):
    if (self.epoch, self.step) == (2, 6):
        os.kill(os.getpid(), signal.SIGKILL)
Transducer.on_fit_batch_end = on_fit_batch_end
"""
    often = {**settings, "ckpt_interval_minutes": 0, "ckpt_interval_steps": 1}
    train_recipe(name, whole, **settings)
    killed = train_recipe(name, folder, prelude=kill, check=False, **often)
    assert killed.returncode == -signal.SIGKILL and not record(folder)["finished"]
    train_recipe(name, folder, **often)
    assert "Going into epoch 1" not in (folder / "log.txt").read_text().split("Going into epoch 2", 1)[1]
    for one, other in zip(record(whole)["epochs"], record(folder)["epochs"], strict=True):
        one.pop("seconds"), other.pop("seconds")
        assert other == pytest.approx(one, rel=1e-6)
    for split in ("test-clean", "test-other"):
        assert read_transcripts(folder, split) == read_transcripts(whole, split)


def test_every_variant_is_short_and_every_key_is_used():
    yaml = YAML(typ="rt")
    for name in EXPERIMENTS:
        if name != BASE:
            text = (RECIPE / "hparams" / f"{name}.yaml").read_text()
            assert set(yaml.load(text)) <= {"base", "mixer", "positions"}, name
    base = (RECIPE / "hparams" / f"{BASE}.yaml").read_text()
    code = (RECIPE / "train.py").read_text()
    code += "".join(path.read_text() for path in (ROOT / "summarymixing").rglob("*.py"))
    for key in yaml.load(base):
        used = f"<{key}>" in base or f'"{key}"' in code or f"hparams.{key}" in code
        # SpeechBrain reads these by itself.
        brain = {"precision", "grad_accumulation_factor", "max_grad_norm", "skip_nonfinite_grads"}
        brain |= {"optimizer_step_limit", "ckpt_interval_minutes", "__set_seed", "pretrainer"}
        assert used or key in brain, f"nothing uses the key {key} of {BASE}.yaml"


def test_the_data_folder_must_be_given(shell, tmp_path):
    yaml = RECIPE / "hparams" / f"{BASE}.yaml"
    done = shell.python(RECIPE / "train.py", yaml, *shell.words(output_folder=tmp_path), text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "key 'data_folder' has no value yet; give it with --data_folder" in done.stderr


def test_published_sizes(shell, tmp_path):
    """The base stands for the published network: 12 x 512, width 512, LSTM 512, joint 640, 1000 tokens."""
    settings = shell.words(data_folder="x", output_folder=tmp_path)
    hparams = load_experiment([str(RECIPE / "hparams" / f"{BASE}.yaml"), *settings]).hparams
    model = hparams["model"]
    layers = model.encoder.encoder.layers
    assert len(layers) == 12 and layers[0].mixer.fused_proj[0].weight.numel() == 512 * 2 * 512
    assert model.lstm.rnn.hidden_size == 512 and model.output.weight.shape == (1000, 640)
    assert hparams["modules"]["decoder"] is hparams["decoder"]
    with open(tmp_path / "hyperparams.yaml") as file:
        assert "model" in load_hyperpyyaml(file)  # stock HyperPyYAML builds it too
