"""Classification: the loss and the scores by hand, labels, and that it learns."""

import json
import logging
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.encoder import CategoricalEncoder

from summarymixing.corpora.manifest import read_manifest, write_manifest
from summarymixing.data.labels import (
    classification_splits,
    load_labels,
    read_piece,
)
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.tasks.classification import Classification, classification_scores
from summarymixing.utils.errors import InputError

YAML = Path(__file__).parents[2] / "recipes/SLURP/SLU/classification/hparams/conformer.yaml"
SMALL = {
    "d_model": 32,
    "nhead": 4,
    "num_layers": 1,
    "kernel_size": 5,
    "channels": "[8, 8]",
    "targets": "{scenario: 4, action: 5, intent: 6}",
    "train_splits": "[train]",
    "valid_split": "devel",
    "max_batch_length": 5,
    "num_buckets": 2,
    "num_workers": 0,
    "avg_checkpoints": 1,
    "dropout": 0.0,
    "augment": "null",
    "spec_augment": "null",
    "data_folder": "nowhere",
}
FIELDS = ["ID", "duration", "wav", "spk_id", "wrd", "scenario", "action", "intent"]
TONES = {"low": 300, "mid": 1000, "high": 3000}
SPLITS = {"train": 30, "devel": 9, "test": 12}


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Rows of recordings of one tone (the scenario) that begins late or not (the action), by split."""
    root = tmp_path_factory.mktemp("tones")
    time = np.arange(6400) / 16000
    splits = {}
    for split, count in SPLITS.items():
        splits[split] = []
        for index in range(count):
            # The majority is unequal between the sets: low in training, nothing in particular elsewhere.
            scenario = "low" if split == "train" and index < 6 else list(TONES)[index % 3]
            action = ["keep", "wait"][index // 3 % 2]
            loudness = np.where(time < 0.2, 0.001, 0.3) if action == "wait" else 0.3
            path = root / f"{split}-{index}.wav"
            soundfile.write(path, loudness * np.sin(2 * np.pi * (TONES[scenario] + index) * time), 16000)
            labels = {"scenario": scenario, "action": action, "intent": f"{scenario}_{action}"}
            row = {"ID": path.stem, "duration": "0.4", "wav": str(path), "spk_id": "s", "wrd": scenario}
            splits[split].append({**row, **labels})
    return splits


@pytest.fixture
def task(tones, tmp_path):
    """Builds the task, on the tones or other rows; returns it with its data."""

    def build(changed=None, **settings):
        splits = {**tones, **(changed or {})}

        def prepare(data_folder, manifest_folder, names, max_bad_fraction):
            for name in names:
                write_manifest(manifest_folder / f"{name}.csv", splits[name], FIELDS)

        words = [str(YAML)]
        for key, value in {**SMALL, "output_folder": tmp_path / "run", **settings}.items():
            words += [f"--{key}", str(value)]
        experiment = load_experiment([*words, "--device", "cpu", "--noprogressbar"])
        record = RunRecord.open(experiment.run_folder, argv=words, seed=1)
        data = classification_splits(experiment, record, prepare)
        return Classification(experiment, record), data

    return build


def batch(dataset, count):
    return PaddedBatch([dataset[index] for index in range(count)])


def test_the_loss_is_the_sum_of_cross_entropies(task):
    task, (train_set, *_) = task(label_smoothing=0.1)
    inputs = batch(train_set, 4)
    task.modules.eval()
    with torch.no_grad():
        scores = task.compute_forward(inputs, sb.Stage.VALID)
        # The model has outputs to spare.
        assert {target: tuple(each.shape) for target, each in scores.items()} == {
            "scenario": (4, 3),
            "action": (4, 2),
            "intent": (4, 6),
        }
        for stage, smoothing in ((sb.Stage.TRAIN, 0.1), (sb.Stage.VALID, 0.0)):
            task.scored = []
            expected = 0.0
            for target, each in scores.items():
                classes = task.labels[target].lab2ind
                for row, label in enumerate(getattr(inputs, target)):
                    weights = np.full(len(classes), smoothing / len(classes))
                    weights[classes[label]] += 1 - smoothing
                    odds = np.exp(each[row].double().numpy())
                    expected -= (weights * np.log(odds / odds.sum())).sum() / 4
            assert float(task.compute_objectives(scores, inputs, stage)) == pytest.approx(expected, rel=1e-5)


def test_labels_are_numbered_by_frequency(task, tones):
    task, _ = task()
    assert task.labels["scenario"].ind2lab[0] == "low"
    counts = [sum(row["intent"] == label for row in tones["train"]) for label in task.labels["intent"].ind2lab.values()]
    assert counts == sorted(counts, reverse=True) and sum(counts) == SPLITS["train"]
    assert load_labels(task.run_folder, ["intent"])["intent"].lab2ind == task.labels["intent"].lab2ind


def by_definition(pairs, majority):
    """Accuracy, macro-F1 and majority baseline from precision and recall of each class."""
    f1 = []
    for label in {label for pair in pairs for label in pair}:
        told = [wanted == label for wanted, given in pairs if given == label]
        wanted = [given == label for wanted, given in pairs if wanted == label]
        precision = sum(told) / len(told) if told else 0
        recall = sum(wanted) / len(wanted) if wanted else 0
        f1.append(2 * precision * recall / (precision + recall) if precision + recall else 0)
    right, always = sum(a == b for a, b in pairs), sum(a == majority for a, _ in pairs)
    return [100 * right / len(pairs), 100 * sum(f1) / len(f1), 100 * always / len(pairs)]


def test_scores_by_definition():
    labels = CategoricalEncoder()
    labels.update_from_iterable("abc")
    draw = np.random.default_rng(0)
    for _ in range(20):
        pairs = list(zip(draw.choice(list("abcd"), 30), draw.choice(list("abc"), 30), strict=True))
        scores = classification_scores(pairs, labels)
        expected = by_definition(pairs, "a")
        assert [scores[key] for key in ("accuracy", "macro_f1", "majority_accuracy")] == pytest.approx(expected)
        assert scores["unseen"] == sum(wanted == "d" for wanted, _ in pairs)


@pytest.mark.slow
def test_it_learns_and_files_what_it_told(task, tones, capsys):
    unseen = [{**row, "scenario": "deep" if index == 0 else row["scenario"]} for index, row in enumerate(tones["test"])]
    task, (train_set, data, batches) = task({"test": unseen}, number_of_epochs=20, lr=0.004, label_smoothing=0)
    warnings = []
    handler = logging.Handler()
    handler.emit = lambda message: warnings.append(message.getMessage())
    logging.getLogger("summarymixing.tasks.classification").addHandler(handler)
    task.train(train_set, data["devel"], batches, {"batch_size": 4})
    result = task.test("test", data["test"], {"batch_size": 5})
    rows = read_manifest(task.run_folder / "predictions_test.csv")
    assert [row["ID"] for row in rows] == sorted(row["ID"] for row in unseen)
    for target in task.labels:
        told = {row["ID"]: (row[target], row[f"{target}_predicted"]) for row in rows}
        majority = task.labels[target].ind2lab[0]
        expected = by_definition(list(told.values()), majority)
        found = [result[f"{target}_{key}"] for key in ("accuracy", "macro_f1", "majority_accuracy")]
        assert found == pytest.approx(expected)
        counts = {
            (row["reference"], row["prediction"]): int(row["count"])
            for row in read_manifest(task.run_folder / f"confusion_test_{target}.csv")
        }
        assert counts == {pair: list(told.values()).count(pair) for pair in told.values()}
    # All but the one that is an error whatever is told.
    assert rows[0]["scenario"] == "deep" and rows[0]["scenario_predicted"] in TONES
    assert 80 < result["scenario_accuracy"] <= 100 * 11 / 12 and result["scenario_unseen"] == 1
    assert result["action_accuracy"] > result["action_majority_accuracy"] + 30 and result["utterances"] == 12
    assert any("for 1 of 12 utterances the scenario is not in the training set" in line for line in warnings)
    run = json.loads((task.run_folder / "run.json").read_text())
    assert run["metrics"]["test"] == pytest.approx(result)
    assert run["epochs"][-1]["scenario_accuracy"] > 80 and math.isfinite(result["loss"])
    assert f"scenario accuracy {result['scenario_accuracy']:.2f} %" in capsys.readouterr().out


def test_a_batch_of_unseen_labels_has_a_finite_loss(task, tones):
    task, (_, data, _) = task({"test": [{**row, "action": "new"} for row in tones["test"]]})
    inputs = batch(data["test"], 3)
    task.modules.eval()
    task.scored = []
    with torch.no_grad():
        loss = task.compute_objectives(task.compute_forward(inputs, sb.Stage.TEST), inputs, sb.Stage.TEST)
    assert loss.isfinite() and list(task.without_loss) == list(inputs.id)
    assert task.score("action")["accuracy"] == 0 and task.score("action")["unseen"] == 3


def test_versions_of_an_utterance_share_its_label(task):
    """An Augmenter that returns the original and a changed version."""
    augment = "{concat_original: true, min_augmentations: 1, max_augmentations: 1}"
    task, (train_set, *_) = task(augment=augment)
    inputs = batch(train_set, 3)
    task.modules.train()
    scores = task.compute_forward(inputs, sb.Stage.TRAIN)
    assert scores["action"].shape == (6, 2)
    references = task.references(inputs, "action", training=True)
    assert references.tolist() == 2 * [task.labels["action"].lab2ind[label] for label in inputs.action]
    assert task.compute_objectives(scores, inputs, sb.Stage.TRAIN).isfinite()


def test_mistakes_are_named(task, tones, tmp_path):
    few = r'6 classes of \'intent\' but the model only 5 outputs.*--targets "\{intent: 6\}"'
    with pytest.raises(InputError, match=few):
        task(targets="{intent: 5}", output_folder=tmp_path / "few")
    with pytest.raises(InputError, match="has no column 'mood'"):
        task(targets="{mood: 5}", output_folder=tmp_path / "mood")
    task()
    (tmp_path / "run/save/CKPT+2026-01-01+00-00-00+00").mkdir(parents=True)  # it has trained
    with pytest.raises(InputError, match="labels_scenario.txt: this run was trained with other classes"):
        task({"train": [{**row, "scenario": "new"} for row in tones["train"]]})


def test_a_piece_of_a_long_recording(tmp_path):
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, 64000).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", samples, 16000, subtype="FLOAT")
    piece = read_piece(str(tmp_path / "noise.wav"), 1.0, 2.5, 0.25)
    np.testing.assert_array_equal(piece.numpy(), samples[40000:56000] * np.float32(0.25))
    whole = read_piece(str(tmp_path / "noise.wav"), 4.0, 0.0, 1.0)
    np.testing.assert_array_equal(whole.numpy(), samples)
