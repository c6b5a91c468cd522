"""Compute on demand in training: every step draws, a resumed run draws the same, evaluation has what it is given."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
import speechbrain as sb
import torch
from torch import nn

from summarymixing.corpora import librispeech
from summarymixing.data.transcripts import asr_splits
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.tasks.ctc import CTC
from summarymixing.training.on_demand import DrawnSettings
from summarymixing.utils.errors import InputError
from summarymixing.utils.on_demand import OnDemand

YAML = Path(__file__).parents[2] / "hparams/conformer_summarymixing_stochastic.yaml"
SMALL = {
    "train_splits": "[train-clean-100]",
    "test_splits": "[dev-clean]",
    "d_model": 16,
    "d_ffn": 16,
    "num_layers": 1,
    "kernel_size": 5,
    "vocab_size": 4,
    "max_batch_ex": 1,
    "num_buckets": 1,
    "max_bad_fraction": 1,
    "number_of_epochs": 2,
    "device": "cpu",
}


class Part(nn.Module, OnDemand):
    def __init__(self, **choices):
        super().__init__()
        self.offer(**choices)


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """Noise of 0.5 s called AB, in LibriSpeech's layout: 7 utterances train, a batch each, 2 validate and test."""
    root, generator = tmp_path_factory.mktemp("speech"), torch.Generator().manual_seed(0)
    for split, count in (("train-clean-100", 7), ("dev-clean", 2)):
        chapter = root / split / "1" / "2"
        chapter.mkdir(parents=True)
        names = [f"1-2-{index:04d}" for index in range(count)]
        for name in names:
            soundfile.write(chapter / f"{name}.flac", 0.1 * torch.randn(8000, generator=generator).numpy(), 16000)
        (chapter / "1-2.trans.txt").write_text("".join(f"{name} AB\n" for name in names))
    return root


@pytest.fixture
def train(speech, tmp_path):
    """Train and test in this process; returns the task, and what each batch of each stage had."""

    def call(run="run", stop=None, **settings):
        keys = {**SMALL, "data_folder": speech, "output_folder": tmp_path / run, **settings}
        words = [str(YAML), *(word for key, value in keys.items() for word in (f"--{key}", str(value)))]
        experiment = load_experiment(words)
        record = RunRecord.open(experiment.run_folder, argv=words, seed=1)
        train_set, data, batches = asr_splits(experiment, record, librispeech.prepare)
        task, seen = CTC(experiment, record), []
        forward = task.compute_forward

        def watched(batch, stage):
            squeeze = task.hparams.model.speech_encoder.encoder.chosen["squeeze"]
            seen.append(SimpleNamespace(stage=stage, step=task.optimizer_step, squeeze=squeeze))
            if stage == sb.Stage.TRAIN and (task.epoch, task.step) == stop:
                raise KeyboardInterrupt
            return forward(batch, stage)

        task.compute_forward = watched
        try:
            task.train(train_set, data["dev-clean"], batches, {"batch_size": 1})
            task.test("dev-clean", data["dev-clean"], {"batch_size": 1})
        except KeyboardInterrupt:
            assert stop
        return task, seen

    return call


def drawn(seen):
    """Factors of each optimizer step, by its number."""
    steps = {}
    for one in seen:
        if one.stage == sb.Stage.TRAIN:
            steps.setdefault(one.step, set()).add(one.squeeze)
    return steps


def test_one_factor_a_step_and_the_first_elsewhere(train):
    task, seen = train(grad_accumulation_factor=2, squeeze="[3, 1, 2]")
    steps = drawn(seen)
    assert list(steps) == list(range(8)) and all(len(factors) == 1 for factors in steps.values())
    assert len(set().union(*steps.values())) > 1
    assert {one.squeeze for one in seen if one.stage != sb.Stage.TRAIN} == {3}
    assert "squeeze" not in task.record.data["metrics"]["dev-clean"]


@pytest.mark.slow
def test_a_resumed_run_draws_what_it_would_have_drawn(train):
    whole_task, whole = train("whole")
    often = {"ckpt_interval_minutes": 0, "ckpt_interval_steps": 2}
    _, before = train("killed", stop=(2, 4), **often)
    task, after = train("killed", **often)
    assert min(drawn(after)) == 9  # the last checkpoint was behind the second step of the second epoch
    assert {**drawn(before), **drawn(after)} == drawn(whole)
    expected, found = ([row["train_loss"] for row in each.record.data["epochs"]] for each in (whole_task, task))
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_another_seed_draws_otherwise(train):
    assert drawn(train("one")[1]) != drawn(train("other", seed=7)[1])


@pytest.mark.slow
def test_tests_have_the_factor_that_they_are_given(train):
    task, seen = train(test_choice="{squeeze: 4}")
    assert {one.squeeze for one in seen if one.stage == sb.Stage.VALID} == {1}
    assert {one.squeeze for one in seen if one.stage == sb.Stage.TEST} == {4}
    assert task.record.data["metrics"]["dev-clean"]["squeeze"] == 4
    task, seen = train(test_choice="{squeeze: 2}")  # of the finished run
    assert {one.squeeze for one in seen} == {2}
    assert task.record.data["metrics"]["dev-clean"]["squeeze"] == 2


def test_what_is_not_offered_is_refused(train):
    with pytest.raises(
        InputError, match="test_choice: squeeze=7 cannot be chosen: this model offers squeeze 1, 2, 3, 4"
    ):
        train(test_choice="{squeeze: 7}")
    with pytest.raises(InputError, match=r"test_choice: 2 is no mapping; give such as '{squeeze: 2}'"):
        train(test_choice=2)


def test_parts_that_disagree_are_refused():
    model = nn.Sequential(Part(squeeze=[1, 2]), Part(squeeze=[1, 3]))
    with pytest.raises(InputError, match="key model: two parts of this model offer squeeze"):
        DrawnSettings(model, seed=0)


def test_draws_depend_on_seed_and_step_alone():
    """As in processes of their own, whose random generators differ."""
    found = []
    for noise in (0, 1):
        torch.manual_seed(noise)
        model = nn.Sequential(Part(query_pool=[1, 2], key_pool=[1, 2]), Part(squeeze=[1, 2, 4]))
        settings = DrawnSettings(model, seed=2**63)
        for step in range(noise, 1200):
            settings.draw(step)
            found.append((step, *model[0].chosen.values(), model[1].chosen["squeeze"]))
    assert set(found[1200:]) == set(found[1:1200])
    counts = Counter(one[1:] for one in found[:1200])
    assert len(counts) == 12 and all(abs(count - 100) < 40 for count in counts.values())  # 4 standard deviations
    settings.most_expensive()
    assert model[1].chosen == {"squeeze": 1}
    settings.fix()
    assert model[0].chosen == {"query_pool": 1, "key_pool": 1}


def test_a_model_without_choices_is_left_alone():
    settings = DrawnSettings(nn.Linear(1, 1), seed=0, tests={"squeeze": None})
    settings.draw(0), settings.fix(test=True), settings.most_expensive()
    assert settings.tests == {}
