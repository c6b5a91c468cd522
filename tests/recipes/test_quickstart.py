"""train.py end to end: what a run leaves, killing and resuming it, what it says to bad input."""

import json
import os
import shutil
from pathlib import Path

import numpy
import pytest
import soundfile

from summarymixing.corpora.manifest import read_manifest
from summarymixing.metrics.wer import score

ROOT = Path(__file__).parents[2]
QUICKSTART = "hparams/conformer_summarymixing.yaml"


def record(folder):
    return json.loads((folder / "run.json").read_text())


def test_a_run_leaves_everything_that_is_promised(finished_run):
    names = {path.name for path in finished_run.iterdir()}
    promised = {"hyperparams.yaml", "run.json", "train_log.txt", "save", "tokenizer.ckpt", "model.ckpt"}
    assert promised | {"wer_test-clean.txt", "transcripts_test-other.csv"} <= names
    run = record(finished_run)
    assert run["finished"] and run["seed"] == 1234 and len(run["epochs"]) == 2
    for split in ("test-clean", "test-other"):
        rows = read_manifest(finished_run / f"transcripts_{split}.csv")
        assert run["metrics"][split]["wer"] == pytest.approx(score(rows)["wer"])
        assert rows[0]["reference"] in (finished_run / f"wer_{split}.txt").read_text().replace("*", "")


@pytest.mark.slow
def test_killed_in_mid_epoch_and_started_again_it_ends_the_same(train_killed, same_epochs, finished_run, tmp_path):
    folder = tmp_path / "killed"
    train_killed(QUICKSTART, folder, step=5)
    same_epochs(finished_run, folder)
    whole, resumed = record(finished_run), record(folder)
    for split in ("test-clean", "test-other"):
        assert read_manifest(folder / f"transcripts_{split}.csv") == read_manifest(
            finished_run / f"transcripts_{split}.csv"
        )
        assert resumed["metrics"][split]["wer"] == whole["metrics"][split]["wer"]
        assert resumed["metrics"][split]["loss"] == pytest.approx(whole["metrics"][split]["loss"], rel=1e-6)
    assert len(resumed["command"]) == 2


def variant_of(base):
    return f"base: !applyref:summarymixing.variant_of [{base}]\n"


def test_bad_settings_are_one_line_each(refused, tmp_path):
    def failure(yaml, *more, output="run"):
        return refused("train.py", yaml, "--output_folder", tmp_path / output, *more)

    good, variant = ROOT / QUICKSTART, tmp_path / "mine.yaml"
    line = failure(good, "--data_folder", tmp_path / "nowhere")
    assert "nowhere" in line and "data_folder" in line
    line = failure(good, "--number_of_epoch", "3")
    assert "number_of_epoch" in line and "number_of_epochs" in line
    variant.write_text(variant_of("nowhere.yaml"))
    line = failure(variant)
    assert "nowhere.yaml" in line and "mine.yaml" in line and "base" in line
    variant.write_text(variant_of(ROOT / "hparams/conformer.yaml") + "mixxer: !name:summarymixing.mixers.Identity\n")
    line = failure(variant)
    assert "mixxer" in line and "mixer" in line
    variant.write_text(
        variant_of(ROOT / "hparams/conformer.yaml") + "mixer: !name:summarymixing.mixers.SummaryMixing\n  nheads: 4\n"
    )
    assert "nheads" in failure(variant, output="another")


@pytest.mark.slow
def test_bad_recordings_are_counted_and_the_rest_trains(corpus, train, refused, command_line, tmp_path):
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
    words = command_line("hparams/conformer.yaml", data_folder=broken, output_folder=tmp_path / "strict")
    line = refused("train.py", *words)
    assert "max_bad_fraction" in line and "train-clean-100.skipped.csv" in line
    folder = tmp_path / "run"
    train("hparams/conformer.yaml", folder, data_folder=broken, max_bad_fraction=0.5)
    report = (folder / "manifests" / "train-clean-100.skipped.csv").read_text()
    assert len(report.splitlines()) == 1 + 3
    for file in files[:3]:
        assert file.stem in report
    assert files[3].stem in (folder / "manifests" / "train-clean-100.csv").read_text()
    assert os.path.getsize(folder / "model.ckpt")
