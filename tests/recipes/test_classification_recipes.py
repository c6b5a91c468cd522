"""The recipes that classify: they tell what they were scored by, resume, share the work, start from other runs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from summarymixing.corpora.audio import read_audio
from summarymixing.corpora.manifest import read_manifest
from summarymixing.corpora.speech_commands import COMMANDS
from summarymixing.inference import Transcriber, UtteranceClassifier
from summarymixing.utils.errors import InputError

ROOT = Path(__file__).parents[2]
KWS = "recipes/GoogleSpeechCommands/KWS/hparams/conformer.yaml"
KWS_SCRIPT = ROOT / "recipes/GoogleSpeechCommands/KWS/train.py"
SLURP = "recipes/SLURP/SLU/classification/hparams/conformer.yaml"


def predictions(folder, split="test"):
    return read_manifest(folder / f"predictions_{split}.csv")


def record(folder):
    return json.loads((folder / "run.json").read_text())


@pytest.fixture(scope="module")
def run(train, tmp_path_factory):
    """A finished run of 35 words, which tests the validation set as well."""
    folder = tmp_path_factory.mktemp("runs") / "kws"
    train(KWS, folder, classes=35, test_splits="[test,valid]", eval_batch_size=8)
    return folder


@pytest.fixture(scope="module")
def files(corpora):
    """The test set's recordings, by ID."""
    root = corpora("GoogleSpeechCommands")
    return {name[:-4]: root / name for name in (root / "testing_list.txt").read_text().split()}


@pytest.fixture(scope="module")
def opinionated(run, files, tmp_path_factory):
    """The finished run without what it thinks of all words alike: an epoch teaches it little more."""
    folder = tmp_path_factory.mktemp("runs") / "opinionated"
    shutil.copytree(run, folder)
    model = UtteranceClassifier(run).model
    with torch.no_grad():
        scores = torch.cat([model(read_audio(path)[None])[0]["command"] for path in files.values()])
    state = torch.load(folder / "model.ckpt")
    state["heads.command.bias"] -= scores.mean(0)
    for part in ("weight", "bias"):
        state[f"heads.command.{part}"] /= scores.std(0).mean()
    torch.save(state, folder / "model.ckpt")
    return folder


@pytest.mark.slow
def test_a_run_tells_what_it_was_scored_by(run, files):
    rows = predictions(run)
    assert [row["ID"] for row in rows] == sorted(files) and len(rows) == 35
    told = UtteranceClassifier(run).classify([files[row["ID"]] for row in rows])
    assert told == [{"command": row["command_predicted"]} for row in rows]
    assert set(record(run)["metrics"]) == {"test", "valid"} and len(predictions(run, "valid")) == 35


@pytest.mark.slow
def test_the_batch_never_changes_the_answer(run, opinionated, files):
    classifier = UtteranceClassifier(opinionated)
    waves = [read_audio(path)[: 16000 - 300 * number] for number, path in enumerate(files.values())]
    together = classifier.classify(waves)
    assert together == [label for wave in waves for label in classifier.classify([wave])]
    assert len({label["command"] for label in together}) > 3
    assert classifier.classify([]) == []
    counts = torch.tensor([len(wave) for wave in waves])
    model = UtteranceClassifier(run).model
    with torch.no_grad():
        batch, _ = model(pad_sequence(waves, batch_first=True), counts / counts.max())
        for wave, scores in zip(waves, batch["command"], strict=True):
            torch.testing.assert_close(model(wave[None])[0]["command"][0], scores, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_the_tool_prints_every_label_that_it_can(opinionated, files, tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    first, second, *_ = files.values()

    def tool(*arguments):
        command = [sys.executable, "tools/transcribe.py", *map(str, [opinionated, *arguments])]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    done = tool(first, tmp_path / "empty.wav", second)
    assert done.returncode == 2 and "empty.wav" in done.stderr and "Traceback" not in done.stderr
    for file, label in zip((first, second), UtteranceClassifier(opinionated).classify([first, second]), strict=True):
        assert f"{file}\t{label['command']}\n" in done.stdout
    done = tool(first, "--stream")
    assert done.returncode == 2 and "a classification hears the whole recording; leave out --stream" in done.stderr


@pytest.mark.slow
def test_a_run_of_something_else_is_named(run, tmp_path):
    with pytest.raises(InputError, match=r"tokenizer.ckpt: missing"):
        Transcriber(run)
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "labels_command.txt").unlink()
    with pytest.raises(InputError, match=r"labels_command.txt: missing, so .*run holds no finished run"):
        UtteranceClassifier(tmp_path / "run")


@pytest.mark.slow
def test_killed_in_mid_epoch_and_started_again_it_ends_the_same(train, train_killed, same_epochs, tmp_path):
    """With noise, shifts and 12 classes."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(KWS, whole, number_of_epochs=2, avg_checkpoints=2)
    train_killed(KWS, killed, step=4, avg_checkpoints=2)
    same_epochs(whole, killed)
    assert predictions(killed) == predictions(whole)
    assert {row["command"] for row in predictions(whole)} == {*COMMANDS, "unknown", "silence"}


@pytest.mark.slow
def test_two_processes_score_every_recording_once(command_line, files, tmp_path):
    words = command_line(KWS, output_folder=tmp_path, classes=35, device="cpu", eval_batch_size=8)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*torchrun, str(KWS_SCRIPT), *words], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = predictions(tmp_path)
    assert [row["ID"] for row in rows] == sorted(files)
    right = sum(row["command"] == row["command_predicted"] for row in rows)
    result = record(tmp_path)["metrics"]["test"]
    assert result["command_accuracy"] == pytest.approx(100 * right / len(rows)) and result["utterances"] == len(files)


@pytest.mark.slow
def test_an_encoder_that_starts_from_another_run(train, run, tmp_path):
    """Of the same sizes; frozen, it stays what it was, statistics included."""
    train(SLURP, tmp_path, pretrained_encoder=run, freeze_encoder="true")
    before, after = (torch.load(folder / "model.ckpt") for folder in (run, tmp_path))
    names = [name for name in before if name.startswith("speech_encoder.")]
    assert len(names) > 20 and all(torch.equal(before[name], after[name]) for name in names)
    assert set(UtteranceClassifier(tmp_path).labels) == {"scenario", "action", "intent"}


@pytest.mark.slow
def test_data_that_do_not_fit_are_named(refused, command_line, corpora, tmp_path):
    line = refused(KWS_SCRIPT, *command_line(KWS, output_folder=tmp_path / "version", version=1))
    assert "holds 'backward', a word of version 2; set the key version to 2" in line
    line = refused(KWS_SCRIPT, *command_line(KWS, output_folder=tmp_path / "classes", classes=30))
    assert "classes=30, version=2" in line
    line = refused(KWS_SCRIPT, *command_line(KWS, output_folder=tmp_path / "data", data_folder=tmp_path))
    assert "lacks 35 of the 35 word folders" in line
    line = refused(KWS_SCRIPT, *command_line(KWS, output_folder=tmp_path / "archive", test_splits="[test-archive]"))
    assert "test_archive=None: the split test-archive needs the unpacked folder" in line
    script = ROOT / "recipes/SLURP/SLU/classification/train.py"
    line = refused(script, *command_line(SLURP, output_folder=tmp_path / "slurp", targets="{scenario: 1}"))
    assert "classes of 'scenario' but the model only 1 outputs; raise that number: --targets \"{scenario:" in line
