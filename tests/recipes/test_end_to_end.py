"""Recipes end to end, small, on synthetic speech: each script, each mixer and each kind of encoder and decoder.

The other listed experiments differ from these in what `test_forward_and_loss.py` trains for a step.
"""

import json
import re

import pytest
import torch

from summarymixing.corpora.manifest import read_manifest
from summarymixing.inference import Transcriber, UtteranceClassifier
from summarymixing.metrics.wer import score
from summarymixing.upstreams import RunUpstream

TRAINED = [
    "hparams/branchformer_hypermixing.yaml",
    "hparams/branchformer_windowed.yaml",
    "hparams/conformer_fastformer.yaml",
    "hparams/conformer_mhsa_stochastic.yaml",
    "recipes/CommonVoice/ASR/lowresource/hparams/attention.yaml",
    "recipes/CommonVoice/ASR/lowresource/hparams/windowed.yaml",
    "recipes/CommonVoice/ASR/transformer/hparams/small_mhsa_relpos.yaml",
    "recipes/GoogleSpeechCommands/KWS/hparams/branchformer_mhsa.yaml",
    "recipes/LibriSpeech/ASR/CTC/hparams/conformer_mhsa_relpos.yaml",
    "recipes/LibriSpeech/ASR/finetune/hparams/small_commonvoice.yaml",
    "recipes/LibriSpeech/ASR/transducer/hparams/conformer_transducer_summarymixing_fast.yaml",
    "recipes/LibriSpeech/ASR/transformer/hparams/branchformer_cnn_only.yaml",
    "recipes/LibriSpeech/ASR/transformer/hparams/branchformer_summarymixing_decoder.yaml",
    "recipes/LibriSpeech/ASR/transformer/hparams/branchformer_summarymixing_lite.yaml",
    "recipes/LibriSpeech/ASR/transformer/hparams/contextnet.yaml",
    "recipes/LibriSpeech/ASR/transformer/hparams/transformer_mhsa.yaml",
    "recipes/LibriSpeech/self-supervised-learning/wav2vec2/hparams/small_summarymixing.yaml",
    "recipes/SLURP/SLU/classification/hparams/conformer_summarymixing.yaml",
    "recipes/SLURP/SLU/direct/hparams/branchformer_mhsa_relpos.yaml",
]


def three_recordings(run_folder, split):
    """The first of a test set, by ID; none of them a piece of a longer one."""
    rows = read_manifest(run_folder / "manifests" / f"{split}.csv")
    return {row["ID"]: row["wav"] for row in [row for row in rows if not float(row.get("start", 0))][:3]}


def check_transcripts(run_folder, run):
    """Error rates are those of the transcripts, and the run transcribes as it was scored."""
    assert {"wer", "cer"} < set(run["epochs"][0])
    for name, result in run["metrics"].items():
        rows = read_manifest(run_folder / f"transcripts_{name}.csv")
        assert result["wer"] == pytest.approx(score(rows)["wer"]) and result["wer"] > 0
    split = next(iter(run["metrics"]))
    scored = {row["ID"]: row["hypothesis"] for row in read_manifest(run_folder / f"transcripts_{split}.csv")}
    files = three_recordings(run_folder, split)
    assert Transcriber(run_folder).transcribe(files.values()) == [scored[name] for name in files]


def check_labels(run_folder, run):
    """Accuracies are those of the predictions, and the run classifies as it was scored."""
    ((split, result),) = run["metrics"].items()
    rows = read_manifest(run_folder / f"predictions_{split}.csv")
    classifier = UtteranceClassifier(run_folder)
    for target in classifier.labels:
        right = sum(row[target] == row[f"{target}_predicted"] for row in rows)
        assert result[f"{target}_accuracy"] == pytest.approx(100 * right / len(rows))
        assert f"{target}_accuracy" in run["epochs"][0]
    told = {row["ID"]: {target: row[f"{target}_predicted"] for target in classifier.labels} for row in rows}
    files = three_recordings(run_folder, split)
    assert classifier.classify(files.values()) == [told[name] for name in files]


def check_pretraining(run_folder, run):
    """Accuracy stands beside chance, and the encoder is an upstream."""
    assert {"valid_accuracy", "valid_chance", "train_code_perplexity", "gradient_norm"} < set(run["epochs"][0])
    result = run["metrics"]["valid"]
    assert result["accuracy"] == pytest.approx(run["epochs"][0]["valid_accuracy"]) and result["chance"] > 0
    states, counts = RunUpstream(run_folder)(torch.randn(1, 16000))
    assert len(states) == 3 and counts.tolist() == [24]


#: By a row's Task; the others transcribe.
CHECKS = {"KWS": check_labels, "SLU-classification": check_labels, "SSL": check_pretraining}
#: What is evaluated where there is no test set, by a row's Task.
EVALUATED = {"SSL": {"valid"}}


#: Keys whose class makes an experiment another kind of experiment.
PARTS = ("mixer", "front_end", "encoder", "token_decoder", "model", "decoder")


@pytest.mark.slow
def test_every_script_mixer_encoder_and_decoder_is_trained_end_to_end(experiments, settings_of):
    kinds = {}
    for row in experiments:
        settings = settings_of(row["Hparam_file"])
        parts = {(key, settings[key][0]) for key in PARTS if key in settings}  # the tag names the class
        kinds[row["Hparam_file"]] = {("script", row["Script_file"])} | parts
    assert len(set(TRAINED)) == len(TRAINED)
    assert set().union(*kinds.values()) == set().union(*[kinds[yaml] for yaml in TRAINED])


@pytest.mark.slow
@pytest.mark.parametrize("yaml", TRAINED)
def test_a_recipe_runs_end_to_end(yaml, experiments, train, tmp_path):
    """A run holds what its row promises, and says of a file what it was scored by."""
    (experiment,) = [row for row in experiments if row["Hparam_file"] == yaml]
    train(yaml, tmp_path)
    promised = re.search(r"file_exists=\[(.*)\]", experiment["test_debug_checks"])[1].split(",")
    assert [name for name in promised if not (tmp_path / name).exists()] == []
    assert all((tmp_path / name).stat().st_size for name in promised)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["finished"] and len(run["epochs"]) == 1 and run["data"]["synthetic"]
    assert {"train_loss", "valid_loss", "seconds"} < set(run["epochs"][0])
    assert "train_loss" in (tmp_path / "train_log.txt").read_text()
    results = {re.sub(r"^(wer|predictions)_|\.(txt|csv|jsonl)$", "", name) for name in promised if "_test" in name}
    results -= {name for name in results if name.startswith(("transcripts_", "confusion_"))}
    assert set(run["metrics"]) == results | EVALUATED.get(experiment["Task"], set())
    CHECKS.get(experiment["Task"], check_transcripts)(tmp_path, run)
