"""Speech to semantics on SLURP: started from another run, resumed, and from files to frames."""

import json

import pytest
import torch

from summarymixing.corpora.manifest import read_manifest
from summarymixing.corpora.semantic_frame import SemanticFrame
from summarymixing.inference import Transcriber
from summarymixing.metrics.slu import slu_scores

HPARAMS = "recipes/SLURP/SLU/direct/hparams"
SUMMARY = f"{HPARAMS}/conformer_summarymixing.yaml"
CTC = "recipes/LibriSpeech/ASR/CTC/hparams/conformer.yaml"


@pytest.fixture(scope="module")
def slurp(corpora):
    """Synthetic commands in SLURP's layout."""
    return corpora("SLURP")


def record(folder):
    return json.loads((folder / "run.json").read_text())


@pytest.mark.slow
def test_it_trains_on_synthetic_speech_too_and_predicts_frames(train, slurp, tmp_path):
    done = train(SUMMARY, tmp_path, data_folder=slurp, train_splits="[train,train_synthetic]")
    assert "intent accuracy" in done.stdout
    run = record(tmp_path)
    assert run["finished"] and run["data"]["synthetic"] and run["task"] == "Understanding"
    assert set(run["data"]["hours"]) == {"train+train_synthetic", "devel", "test"}
    intents = [row["intent"] for row in read_manifest(tmp_path / "manifests/train+train_synthetic.csv")]
    right = [row["intent"] == max(intents, key=intents.count) for row in read_manifest(tmp_path / "manifests/test.csv")]
    files = {}
    for name in ("test", "test_greedy"):
        assert run["metrics"][name]["intent_majority_accuracy"] == pytest.approx(100 * sum(right) / len(right))
        rows = read_manifest(tmp_path / f"transcripts_{name}.csv")
        frames = {key: [SemanticFrame.from_text(row[key]) for row in rows] for key in ("reference", "hypothesis")}
        scores = slu_scores(frames["reference"], frames["hypothesis"])
        assert {key: run["metrics"][name][key] for key in scores} == pytest.approx(scores)
        lines = (tmp_path / f"predictions_{name}.jsonl").read_text().splitlines()
        predicted = {line["file"]: (line["scenario"], line["action"]) for line in map(json.loads, lines)}
        assert list(predicted.values()) == [(frame.scenario, frame.action) for frame in frames["hypothesis"]]
        files = {row["ID"]: slurp / "audio/slurp_real" / file for row, file in zip(rows, predicted, strict=True)}
        assert all(key.endswith(file.name) and file.is_file() for key, file in files.items())
    # A file from the run: its frame is the one that was scored.
    scored = {row["ID"]: row["hypothesis"] for row in read_manifest(tmp_path / "transcripts_test.csv")}
    key = next(iter(files))
    assert Transcriber(tmp_path).transcribe([files[key]]) == [scored[key]]


@pytest.mark.slow
def test_started_from_a_run_of_speech_recognition_killed_and_resumed(train, train_killed, tmp_path):
    asr, slu = tmp_path / "ctc", tmp_path / "slu"
    train(CTC, asr, test_beam_size=1)
    settings = {"pretrained_encoder": asr, "freeze_encoder": "true", "ckpt_interval_steps": 1, "max_batch_length": 10}
    train_killed(SUMMARY, slu, step=3, **settings)
    assert len(record(slu)["epochs"]) == 2 and record(slu)["finished"]
    # Frozen, it is still the one of speech recognition, with its statistics.
    before, after = (torch.load(folder / "model.ckpt", weights_only=True) for folder in (asr, slu))
    kept = [key for key in before if key.startswith("speech_encoder.")]
    assert len(kept) > 20 and all(torch.equal(before[key], after[key]) for key in kept)


@pytest.mark.slow
def test_errors_name_file_key_and_cure(refused, command_line, slurp, tmp_path):
    script = "recipes/SLURP/SLU/direct/train.py"

    def error(**settings):
        settings = {"data_folder": slurp, "output_folder": tmp_path / "run", **settings}
        line = refused(script, *command_line(SUMMARY, **settings))
        # Only the manifests may be there; another value of a key would be refused otherwise.
        (tmp_path / "run" / "hyperparams.yaml").unlink()
        return line

    assert "nowhere: no such folder; set the key pretrained_encoder" in error(pretrained_encoder=tmp_path / "nowhere")
    assert "pretrained_encoder" in error(freeze_encoder="true")
    assert "microphones: 'close' is not one of all, headset, far-field" in error(microphones="close")
    line = error(valid_split="dev")
    assert "has no split 'dev'" in line and "devel" in line and "data_folder" in line
    line = error(data_folder=tmp_path)
    assert "no such folder; set the key data_folder to the folder that holds SLURP's" in line
