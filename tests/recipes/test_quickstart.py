"""train.py end to end: what a run leaves, killing and resuming it, what it says to bad input."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import soundfile
from ruamel.yaml import YAML

from summarymixing.tasks.scoring import read_transcripts, score

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted(path.stem for path in (ROOT / "hparams").glob("*.yaml"))


def record(folder):
    return json.loads((folder / "run.json").read_text())


def test_a_run_leaves_everything_that_is_promised(finished_run):
    names = {path.name for path in finished_run.iterdir()}
    promised = {"hyperparams.yaml", "run.json", "train_log.txt", "save", "tokenizer.ckpt", "model.ckpt"}
    assert promised | {"wer_test-clean.txt", "transcripts_test-other.csv"} <= names
    run = record(finished_run)
    assert run["finished"] and run["seed"] == 1234 and len(run["epochs"]) == 2
    for split in ("test-clean", "test-other"):
        rows = read_transcripts(finished_run, split)
        assert run["metrics"][split]["wer"] == pytest.approx(score(rows)["wer"])
        assert rows[0]["reference"] in (finished_run / f"wer_{split}.txt").read_text().replace("*", "")


@pytest.mark.slow
def test_killed_in_mid_epoch_and_started_again_it_ends_the_same(train, finished_run, tmp_path):
    folder = tmp_path / "killed"
    kill = """
import os, signal
from summarymixing.tasks.ctc import CTC
def on_fit_batch_end(self, *arguments):
    if (self.epoch, self.step) == (2, 5):
        os.kill(os.getpid(), signal.SIGKILL)
CTC.on_fit_batch_end = on_fit_batch_end
"""
    often = {"ckpt_interval_minutes": 0, "ckpt_interval_steps": 2}
    killed = train("conformer_summarymixing", folder, prelude=kill, check=False, **often)
    assert killed.returncode == -signal.SIGKILL
    assert not record(folder)["finished"] and len(record(folder)["epochs"]) == 1
    train("conformer_summarymixing", folder, **often)
    assert "Going into epoch 1" not in (folder / "log.txt").read_text().split("Going into epoch 2", 1)[1]

    whole, resumed = record(finished_run), record(folder)
    for one, other in zip(whole["epochs"], resumed["epochs"], strict=True):
        one, other = dict(one), dict(other)
        one.pop("seconds"), other.pop("seconds")
        assert other == pytest.approx(one, rel=1e-6)
    for split in ("test-clean", "test-other"):
        assert read_transcripts(folder, split) == read_transcripts(finished_run, split)
        assert resumed["metrics"][split]["wer"] == whole["metrics"][split]["wer"]
        assert resumed["metrics"][split]["loss"] == pytest.approx(whole["metrics"][split]["loss"], rel=1e-6)
    assert len(resumed["command"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_runs_end_to_end(train, tmp_path, name):
    train(name, tmp_path, number_of_epochs=1)
    assert set(record(tmp_path)["metrics"]) == {"test-clean", "test-other"}


def test_every_variant_is_short_and_uses_all_its_keys():
    yaml = YAML(typ="rt")
    for name in EXPERIMENTS:
        text = (ROOT / "hparams" / f"{name}.yaml").read_text()
        if name not in ("conformer", "branchformer"):
            assert set(yaml.load(text)) <= {"base", "mixer", "merge", "chunk_sampler"}, name
    base = (ROOT / "hparams" / "conformer.yaml").read_text()
    code = (ROOT / "train.py").read_text()
    code += "".join(path.read_text() for path in (ROOT / "summarymixing").rglob("*.py"))
    for key in yaml.load(base):
        used = f"<{key}>" in base or f'"{key}"' in code or f"hparams.{key}" in code
        # SpeechBrain's Brain reads these by itself.
        brain = {"precision", "grad_accumulation_factor", "max_grad_norm", "skip_nonfinite_grads"}
        inference = {"modules", "decoding_function", "pretrainer", "__set_seed", "ckpt_interval_minutes"}
        assert used or key in brain | inference, f"nothing uses the key {key} of conformer.yaml"


def failure(*arguments):
    done = subprocess.run([sys.executable, "train.py", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    return line


def test_bad_settings_are_one_line_each(tmp_path):
    variant = tmp_path / "mine.yaml"
    good = "hparams/conformer_summarymixing.yaml"
    out = ["--output_folder", tmp_path / "run"]
    line = failure(good, "--data_folder", tmp_path / "nowhere", *out)
    assert "nowhere" in line and "data_folder" in line
    line = failure(good, "--number_of_epoch", "3", *out)
    assert "number_of_epoch" in line and "number_of_epochs" in line
    variant.write_text("base: nowhere.yaml\n")
    line = failure(variant, *out)
    assert "nowhere.yaml" in line and "mine.yaml" in line and "base" in line
    variant.write_text(f"base: {ROOT}/hparams/conformer.yaml\nmixxer: !name:summarymixing.mixers.Identity\n")
    line = failure(variant, *out)
    assert "mixxer" in line and "mixer" in line
    out = ["--output_folder", tmp_path / "another"]
    variant.write_text(
        f"base: {ROOT}/hparams/conformer.yaml\nmixer: !name:summarymixing.mixers.SummaryMixing\n  nheads: 4\n"
    )
    assert "nheads" in failure(variant, *out)


@pytest.mark.slow
def test_bad_recordings_are_counted_and_the_rest_trains(corpus, train, tmp_path):
    broken = tmp_path / "corpus"
    shutil.copytree(corpus, broken)
    files = sorted((broken / "train-clean-100").rglob("*.flac"))
    noise = 0.1 * numpy.random.default_rng(0).standard_normal(32000)
    files[0].write_bytes(b"not a flac file")
    files[1].write_bytes(b"")
    files[2].unlink()
    soundfile.write(files[2].with_suffix(".wav"), numpy.full(16000, numpy.nan), 16000, subtype="FLOAT")
    # Another rate and two channels are converted, not left out.
    soundfile.write(files[3], numpy.stack([noise, noise], 1), 44100)
    line = failure("hparams/conformer.yaml", "--data_folder", broken, "--output_folder", tmp_path / "strict")
    assert "max_bad_fraction" in line and "train-clean-100.skipped.csv" in line
    folder = tmp_path / "run"
    train("conformer", folder, data_folder=broken, max_bad_fraction=0.5, number_of_epochs=1)
    report = (folder / "manifests" / "train-clean-100.skipped.csv").read_text()
    assert len(report.splitlines()) == 1 + 3
    for file in files[:3]:
        assert file.stem in report
    assert files[3].stem in (folder / "manifests" / "train-clean-100.csv").read_text()
    assert os.path.getsize(folder / "model.ckpt")
