"""Speech to semantics: what a validation and a test score and leave behind, and that frames are learned."""

import functools
import json
from pathlib import Path

import pytest
import soundfile
import torch

from summarymixing.corpora import slurp
from summarymixing.corpora.manifest import read_manifest
from summarymixing.corpora.semantic_frame import SemanticFrame
from summarymixing.data.transcripts import asr_splits
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.metrics.slu import slu_scores
from summarymixing.tasks.understanding import VALIDATED, Understanding

HPARAMS = Path(__file__).parents[2] / "recipes/SLURP/SLU/direct/hparams"
SMALL = {
    "train_splits": "[train]",
    "test_splits": "[devel]",
    "d_model": 32,
    "d_ffn": 64,
    "nhead": 4,
    "num_layers": 1,
    "num_decoder_layers": 1,
    "kernel_size": 5,
    "channels": "[8, 8]",
    "tokenizer_type": "bpe",
    "vocab_size": 45,
    "max_batch_length": 12,
    "num_workers": 0,
    "test_beam_size": 2,
    "avg_checkpoints": 1,
    "dropout": 0.0,
    "number_of_epochs": 1,
    "max_decode_ratio": 0.5,
    "valid_search_interval": 1,
    "augment": "null",
    "spec_augment": "null",
    "normalization_batches": 1,
}
#: Words are tones; the first says the scenario, the second the action, the last is an entity if it is no "low".
TONES = {"low": 300, "mid": 1000, "high": 3000}
SCENARIOS = {"low": "alarm", "mid": "music", "high": "news"}
ACTIONS = {"low": "set", "mid": "query", "high": "play"}


def line_of(slurp_id, words, file):
    scenario, action = SCENARIOS[words[0]], ACTIONS[words[1]]
    return {
        "slurp_id": slurp_id,
        "sentence": " ".join(words),
        "scenario": scenario,
        "action": action,
        "intent": f"{scenario}_{action}",
        "tokens": [{"surface": word, "id": i} for i, word in enumerate(words)],
        "entities": [] if words[2] == "low" else [{"span": [2], "type": "time"}],
        "recordings": [{"file": file}],
    }


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Commands that are three tones of 0.4 s, in SLURP's layout: 27 to train, of which 7 validate as well."""
    root = tmp_path_factory.mktemp("tones")
    audio, lists = root / "audio" / "slurp_real", root / "dataset" / "slurp"
    audio.mkdir(parents=True), lists.mkdir(parents=True)
    time = torch.arange(6400) / 16000
    generator = torch.Generator().manual_seed(0)
    commands = [(a, b, c) for a in TONES for b in TONES for c in TONES]
    lines = []
    for index, words in enumerate(commands):
        wave = torch.cat([0.3 * torch.sin(2 * torch.pi * TONES[word] * time) for word in words])
        wave += 0.01 * torch.randn(len(wave), generator=generator)
        soundfile.write(audio / f"audio-{index}.flac", wave.numpy(), 16000)
        lines.append(json.dumps(line_of(index, words, f"audio-{index}.flac")) + "\n")
    (lists / "train.jsonl").write_text("".join(lines))
    (lists / "devel.jsonl").write_text("".join(lines[::4]))
    return root


@pytest.fixture
def task(tones, tmp_path):
    """Builds and trains the task from a YAML file of the recipe; returns it with its evaluation set."""

    def build(yaml_name="conformer", **settings):
        words = [str(HPARAMS / f"{yaml_name}.yaml"), "--data_folder", str(tones)]
        for key, value in {**SMALL, "output_folder": tmp_path / "run", **settings}.items():
            words += [f"--{key}", str(value)]
        experiment = load_experiment([*words, "--device", "cpu", "--noprogressbar"])
        record = RunRecord.open(experiment.run_folder, argv=words, seed=1)
        prepare = functools.partial(slurp.prepare, microphones=experiment.hparams["microphones"], progress=False)
        train_set, data, batches = asr_splits(experiment, record, prepare)
        understanding = Understanding(experiment, record)
        understanding.train(train_set, data["devel"], batches, {"batch_size": 4})
        return understanding, data["devel"]

    return build


def test_a_test_scores_what_was_said_and_its_files_are_replaced(task, monkeypatch, capsys):
    understanding, devel = task()
    (epoch,) = understanding.record.data["epochs"]
    assert {"wer", "accuracy", *VALIDATED} <= set(epoch)

    said = {
        "alarm|set": "alarm|set",
        "alarm|query|time:mid": "alarm|query|time:mid",
        "alarm|play|time:high": "alarm|set|time:mid",
        "music|query": "",
        "music|play|time:mid": "music|play",
        "news|set|time:high": "alarm|set|:|x",
        "news|play": "|||news||play|time:low",
    }
    assert [devel.data[key]["wrd"] for key in devel.data_ids] == list(said)
    monkeypatch.setattr(Understanding, "texts", lambda self, decoded: [remaining.pop(0) for _ in decoded])
    for _ in range(2):
        remaining = list(said.values())
        result = understanding.test("devel", devel, {"batch_size": 4})
    # Of 4 entities, 3 were said: one right, one "mid" for "high" (1 word of 1, 3 characters of 4), one too much.
    expected = {
        "scenario_accuracy": 4 / 7,
        "action_accuracy": 4 / 7,
        "intent_accuracy": 3 / 7,
        "entity_precision": 1 / 3,
        "entity_recall": 1 / 4,
        "word_f1": 2 * 2 / (2 * 2 + (1 + 1) + (1 + 2)),
        "char_f1": 2 * 2 / (2 * 2 + (0.75 + 1) + (0.75 + 2)),
        "slu_f1": 2 * 4 / (2 * 4 + 5 + 4.5),
    }
    assert {name: result[name] for name in expected} == pytest.approx({k: 100 * v for k, v in expected.items()})
    assert understanding.record.data["metrics"]["devel"] == pytest.approx(result)
    assert {"wer", "loss", "rtf", "word_f1", "char_f1", "slu_f1"} <= set(result)

    lines = (understanding.run_folder / "predictions_devel.jsonl").read_text().splitlines()
    predictions = {line["file"]: line for line in map(json.loads, lines)}
    assert len(lines) == len(predictions) == 7  # not once for each test
    assert predictions["audio-4.flac"] == {
        "file": "audio-4.flac",
        "scenario": "alarm",
        "action": "query",
        "entities": [{"type": "time", "filler": "mid"}],
    }
    assert predictions["audio-12.flac"] == {"file": "audio-12.flac", "scenario": "", "action": "", "entities": []}
    out = capsys.readouterr().out
    assert "conformer devel: scenario accuracy 57.14 %, action accuracy 57.14 %, intent accuracy 42.86 %" in out


@pytest.mark.slow
def test_it_learns_frames_by_heart(task):
    # Three tones in a row are heard in the order of their frame: here CTC helps, and so small a model learns surely.
    understanding, devel = task(
        number_of_epochs=120,
        warmup_steps=60,
        lr=0.004,
        valid_search_interval=200,
        max_decode_ratio=1.0,
        ctc_weight=0.3,
        ctc_weight_decode=0.3,
    )
    for name, search in (("beam", None), ("greedy", understanding.hparams.greedy_decoder)):
        result = understanding.test(name, devel, {"batch_size": 3}, search)
        rows = read_manifest(understanding.run_folder / f"transcripts_{name}.csv")
        again = slu_scores(
            *([SemanticFrame.from_text(row[key]) for row in rows] for key in ("reference", "hypothesis"))
        )
        assert {key: result[key] for key in again} == pytest.approx(again)
        assert result["intent_accuracy"] == result["slu_f1"] == 100, rows
