"""Pre-training: steps, measures, alarms, resuming; a tiny model on a few seconds of noise."""

import json
import math
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import speechbrain as sb
import torch

from summarymixing.data.unlabelled import unlabelled_splits
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.lobes import SqueezedEncoder
from summarymixing.tasks import pretraining
from summarymixing.tasks.pretraining import Pretraining
from summarymixing.training.alarms import CollapseAlarm
from summarymixing.utils.errors import InputError
from summarymixing.utils.seeds import step_seed

ROOT = Path(__file__).parents[2]
TINY = f"""
base: !applyref:summarymixing.variant_of [{ROOT / "recipes/bookkeeping.yaml"}]
data_folder: !PLACEHOLDER
train_splits: [train]
valid_split: valid
valid_share: 0.1
manifest_folder: null
min_seconds: 0.0
max_seconds: 2.0
sample_rate: 16000
test_splits: []
number_of_epochs: 2
lr: 0.001
warmup_fraction: 0.1
max_batch_length: 4.0
max_batch_ex: null
grad_accumulation_factor: 2
num_buckets: 1
num_workers: 0
eval_batch_size: 2
max_grad_norm: 1.0
average_decay: null
nonfinite_patience: 2
optimizer: !name:torch.optim.AdamW
  lr: !ref <lr>
lr_schedule: !name:speechbrain.nnet.schedulers.LinearWarmupScheduler
parameter_groups: null
augment: null
layerdrop: 0.3
speech_encoder: !new:summarymixing.lobes.SpeechEncoder
  features: !new:summarymixing.lobes.LogMel
    n_mels: 8
  normalize: !new:summarymixing.lobes.UtteranceNormalization
  front_end: !new:summarymixing.lobes.LatentExtractor
    input_size: 8
    channels: 8
    kernel_sizes: [3, 3]
    strides: [2, 1]
  encoder: !new:summarymixing.lobes.ConformerEncoder
    num_layers: 2
    d_model: 8
    d_ffn: 8
    kernel_size: 3
    dropout: 0.1
    layerdrop_prob: !ref <layerdrop>
  dropout: 0.1
  positions: true
objective: !name:summarymixing.lobes.Contrastive
  quantizer: !name:summarymixing.lobes.objectives.quantizer.GumbelQuantizer
    codes: 20
    entry_size: 8
  size: 8
  negatives: 10
model: !new:summarymixing.lobes.PretrainingModel
  speech_encoder: !ref <speech_encoder>
  objective: !ref <objective>
  mask: !name:summarymixing.ops.spans.span_mask
    share: 0.5
    span: 5
modules:
  model: !ref <model>
__resumable: {{objective: [lr]}}
"""


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """Noise: eight recordings of 1 to 2 s to train on, a fourth of them a batch; three to validate."""
    root = tmp_path_factory.mktemp("speech")
    for split, count in (("train", 8), ("valid", 3)):
        (root / split).mkdir()
        for number in range(count):
            noise = np.random.default_rng(number).standard_normal(16000 + 2000 * number) * 0.1
            soundfile.write(root / split / f"{number}.flac", noise, 16000)
    return root


@pytest.fixture
def prepare(speech, tmp_path):
    """A task, its training set, validation set and batches."""
    yaml = tmp_path / "tiny.yaml"
    yaml.write_text(TINY)

    def call(folder="run", **settings):
        keys = {"data_folder": speech, "output_folder": tmp_path / folder, **settings}
        words = [str(yaml), *(f"--{key}={value}" for key, value in keys.items()), "--device=cpu"]
        experiment = load_experiment(words)
        record = RunRecord.open(experiment.run_folder, argv=words, seed=1)
        data = unlabelled_splits(experiment, record)
        return Pretraining(experiment, record), *data

    return call


@pytest.fixture
def train(prepare):
    def call(folder="run", **settings):
        task, train_set, valid_set, batches = prepare(folder, **settings)
        task.train(train_set, valid_set, batches, {"batch_size": 2})
        return task

    return call


def state(task):
    return {name: value.clone() for name, value in task.hparams.model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def record(folder):
    return json.loads((folder / "run.json").read_text())


def test_a_run_records_what_it_measures(train, tmp_path):
    task = train(average_decay=0.9)
    first, last = record(tmp_path / "run")["epochs"]
    for row in (first, last):
        assert {"train_loss", "valid_loss", "train_accuracy", "valid_accuracy", "train_chance", "valid_chance"} < set(
            row
        )
        assert 1 <= row["train_code_perplexity"] <= 40 and 2 < row["valid_probability_perplexity"] <= 40
        assert 5 < row["train_chance"] < 50 and 20 < row["train_masked_share"] < 70
        assert row["gradient_norm"] > 0 and row["nonfinite_steps"] == 0 and 0 <= row["waiting"] <= 100
        assert row["speech_seconds_per_second"] > 0 and row["lr"] >= 0
    seconds = sum(1 + number / 8 for number in range(8))
    assert first["hours_per_step"] == pytest.approx(seconds / first["optimizer_step"] / 3600, rel=1e-5)
    assert last["optimizer_step"] == 2 * first["optimizer_step"] == task.optimizer_step
    log = (tmp_path / "run/log.txt").read_text()
    assert "h of speech, less than the 1.6 h" in log and "the whole training set has less" in log
    assert "epoch 2, validation: loss" in log and "code perplexity" in log


def test_the_gradient_is_that_of_the_mean_over_all_masked_frames(prepare):
    """Of the batches of a step together, as one batch of all of them would have it."""
    task, train_set, valid_set, batches = prepare(number_of_epochs=1, lr=1e-30, max_grad_norm=1e9)
    steps, loads = [], []
    original_step, original_forward = task.optimizers_step, task.compute_forward

    def forward(batch, stage):
        if stage == sb.Stage.TRAIN:
            loads.append((batch.id, task.batch_number(), batch.sig))
        return original_forward(batch, stage)

    def step():
        task.scaler.unscale_ = lambda optimizer: steps.append(
            ([p.grad.clone() for p in task.hparams.model.parameters()], list(loads))
        )
        original_step()
        loads.clear()

    task.optimizers_step, task.compute_forward = step, forward
    task.train(train_set, valid_set, batches, {"batch_size": 2})
    # The last step is of what is left; their scale is in the gradients by the time they are unscaled.
    assert [len(batches) for _, batches in steps] == [2] * (len(steps) - 1) + [len(steps[-1][1])] and len(steps) > 1
    model = task.hparams.model.train()
    for found, batches in steps:
        model.zero_grad()
        masked = 0
        for _, number, (wavs, lengths) in batches:
            torch.manual_seed(step_seed(task.hparams.seed, 1, number))
            output, _ = model(wavs, lengths)
            output.loss.backward()
            masked += output.masked
        for gradient, parameter in zip(found, model.parameters(), strict=True):
            torch.testing.assert_close(gradient, parameter.grad / masked, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("average_decay", ["null", 0.9])
def test_a_killed_run_resumes_exactly(train, tmp_path, monkeypatch, average_decay):
    settings = {"average_decay": average_decay, "ckpt_interval_minutes": 0, "ckpt_interval_steps": 2}
    whole = train("whole", **settings)
    original = Pretraining.fit_batch

    def interrupted(self, batch):
        loss = original(self, batch)
        if (self.epoch, self.step) == (2, 3):
            raise KeyboardInterrupt
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(Pretraining, "fit_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train("killed", **settings)
    resumed = train("killed", **settings)
    assert same(state(whole), state(resumed))
    if average_decay != "null":
        assert same(whole.average.state_dict(), resumed.average.state_dict())
    timed = {"seconds", "speech_seconds_per_second", "waiting"}
    for one, other in zip(record(tmp_path / "whole")["epochs"], record(tmp_path / "killed")["epochs"], strict=True):
        assert {k: v for k, v in one.items() if k not in timed} == {k: v for k, v in other.items() if k not in timed}


def test_the_most_expensive_batch_changes_nothing(train, monkeypatch):
    tried = []
    original = Pretraining._try_most_expensive

    def witness(self, epoch):
        before, states = state(self), (torch.get_rng_state(), random.getstate())
        original(self, epoch)
        tried.append(same(before, state(self)) and torch.equal(states[0], torch.get_rng_state()))
        assert states[1] == random.getstate() and not self.optimizer.state
        assert all(parameter.grad is None for parameter in self.hparams.model.parameters())

    monkeypatch.setattr(Pretraining, "_try_most_expensive", witness)
    with_trial = train("with", number_of_epochs=1)
    assert tried == [True]
    monkeypatch.setattr(Pretraining, "_try_most_expensive", lambda self, epoch: None)
    assert same(state(with_trial), state(train("without", number_of_epochs=1)))


def test_of_several_costs_the_highest_is_tried_and_the_first_validates(train, monkeypatch):
    """The running average, a copy of the model, too."""
    seen, original = [], SqueezedEncoder.forward

    def witness(self, *arguments, **options):
        seen.append((self.training, self.chosen["squeeze"]))
        return original(self, *arguments, **options)

    monkeypatch.setattr(SqueezedEncoder, "forward", witness)
    within = "!new:summarymixing.lobes.ConformerEncoder {num_layers: 1, d_model: 8, d_ffn: 8, kernel_size: 3}"
    squeezed = f"!new:summarymixing.lobes.SqueezedEncoder {{encoder: {within}, squeeze: [3, 1, 2], groups: 2}}"
    train(average_decay=0.9, speech_encoder=f"{{encoder: {squeezed}}}")
    assert seen[0] == (True, 1)
    assert {factor for training, factor in seen if training} == {1, 2, 3}
    assert {factor for training, factor in seen if not training} == {3}


def test_a_batch_too_large_for_the_memory_names_the_key(prepare, monkeypatch):
    task, *data = prepare()

    def forward(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(task.hparams.model, "forward", forward)
    with pytest.raises(InputError, match=r"recordings of up to [\d.]+ s.*lower --max_batch_length \(now 4.0\)"):
        task.train(*data, {"batch_size": 2})


def test_validation_masks_the_same_frames_every_time(train, tmp_path):
    train(lr=1e-30)
    first, last = record(tmp_path / "run")["epochs"]
    keys = [key for key in first if key.startswith("valid_")]
    assert len(keys) == 6 and {key: first[key] for key in keys} == {key: last[key] for key in keys}


@pytest.mark.slow
@pytest.mark.parametrize("average_decay", ["null", 0.5])
def test_the_checkpoint_that_predicts_best_becomes_the_run(prepare, tmp_path, average_decay, monkeypatch):
    task, train_set, valid_set, batches = prepare(number_of_epochs=4, average_decay=average_decay)
    kept, original = {}, Pretraining.keep_checkpoint
    accuracy = {1: 10.0, 2: 30.0, 3: 20.0, 4: 100.0}  # the last one collapsed

    def keep(self, meta):
        kept[meta["epoch"]] = {k: v.clone() for k, v in self.network(sb.Stage.VALID).state_dict().items()}
        chance = 100.0 if meta["epoch"] == 4 else 5.0
        original(self, {**meta, "valid_accuracy": accuracy[meta["epoch"]], "valid_chance": chance})

    monkeypatch.setattr(Pretraining, "keep_checkpoint", keep)
    task.train(train_set, valid_set, batches, {"batch_size": 2})
    result = task.test("valid", valid_set, {"batch_size": 2})
    assert same(torch.load(tmp_path / "run/model.ckpt"), kept[2]) and not same(kept[2], kept[4])
    run = record(tmp_path / "run")
    assert run["best_epoch"] == 2 and run["metrics"]["valid"]["accuracy"] == result["accuracy"]
    # The same masks as in training: the same numbers.
    assert result["loss"] == pytest.approx(run["epochs"][1]["valid_loss"], rel=1e-6)
    assert len(list((tmp_path / "run/save").iterdir())) == 2  # the best and the last


def collapse(model):
    """All frames get the first code of each codebook."""
    quantizer = model.objective.quantizer
    with torch.no_grad():
        quantizer.scores.weight.zero_()
        quantizer.scores.bias.view(quantizer.groups, quantizer.codes)[:, 0] = 100.0


def test_a_collapsed_run_ends_and_keeps_its_last_good_checkpoint(train, tmp_path, monkeypatch):
    original = Pretraining.on_stage_start

    def start(self, stage, epoch=None):
        original(self, stage, epoch)
        if stage == sb.Stage.TRAIN and epoch == 2:
            collapse(self.hparams.model)

    monkeypatch.setattr(Pretraining, "on_stage_start", start)
    monkeypatch.setattr(pretraining, "CollapseAlarm", lambda: CollapseAlarm(patience=3))
    with pytest.raises(InputError, match=r"collapsed: code perplexity 2\.0 of 40.*--output_folder with a lower --lr"):
        train(number_of_epochs=50, ckpt_interval_minutes=0, ckpt_interval_steps=1)
    run = record(tmp_path / "run")
    assert "3 optimizer steps" in run["stopped"]["reason"] and run["stopped"]["optimizer_step"] < 200
    for checkpoint in (tmp_path / "run/save").glob("*/model.ckpt"):
        assert torch.load(checkpoint)["objective.quantizer.scores.weight"].abs().sum() > 0
        break
    else:
        pytest.fail("no checkpoint is left")


def break_gradients(monkeypatch, steps):
    """Make the loss of some batches NaN."""
    original = Pretraining.compute_objectives

    def compute(self, output, batch, stage):
        loss = original(self, output, batch, stage)
        bad = stage == sb.Stage.TRAIN and self.optimizer_step + 1 in steps
        return loss * math.nan if bad else loss

    monkeypatch.setattr(Pretraining, "compute_objectives", compute)


def test_steps_that_are_not_finite_are_left_out_and_counted(train, tmp_path, monkeypatch):
    break_gradients(monkeypatch, {2})
    task = train(number_of_epochs=1, average_decay=0.9)
    (row,) = record(tmp_path / "run")["epochs"]
    assert row["nonfinite_steps"] == 1 and math.isfinite(row["train_loss"]) and math.isfinite(row["gradient_norm"])
    assert all(value.isfinite().all() for value in [*state(task).values(), *task.average.module.parameters()])


def test_too_many_of_them_end_the_run_and_name_the_batch(train, tmp_path, monkeypatch):
    break_gradients(monkeypatch, range(2, 100))
    with pytest.raises(InputError, match=r"3 consecutive .*nonfinite_patience is 2.*run.json.*'stopped'"):
        train(number_of_epochs=9)
    stopped = record(tmp_path / "run")["stopped"]
    assert stopped["gradient_norm"] == "nan" and stopped["optimizer_step"] == 4
    assert {row["id"].partition("/")[0] for row in stopped["batch"]} == {"train"}
    assert all(1 <= row["seconds"] <= 2 for row in stopped["batch"])


def test_weights_that_are_not_finite_are_never_written(train, tmp_path, monkeypatch):
    original = Pretraining.optimizers_step

    def poisoned(self):
        original(self)
        if self.optimizer_step == 2:
            with torch.no_grad():
                self.hparams.model.mask_vector.fill_(math.nan)

    monkeypatch.setattr(Pretraining, "optimizers_step", poisoned)
    with pytest.raises(InputError, match="mask_vector of the model is NaN or infinite"):
        train(ckpt_interval_minutes=0, ckpt_interval_steps=4)
    assert not list((tmp_path / "run/save").glob("CKPT*"))
    shutil.rmtree(tmp_path / "run/save")


def test_the_warning_names_the_accumulation_that_reaches_the_published_hours(train, tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, "HOURS_PER_STEP", 9 / 3600)
    train(number_of_epochs=1, grad_accumulation_factor=1)
    log = (tmp_path / "run/log.txt").read_text()
    # 11.5 s of speech, and so many batches an epoch.
    batches = record(tmp_path / "run")["epochs"][0]["optimizer_step"]
    assert f"--grad_accumulation_factor {math.ceil(9 / (11.5 / batches))} reaches it" in log


def test_a_part_of_the_speech_is_drawn(prepare, tmp_path):
    _, train_set, valid_set, _ = prepare(train_minutes=0.1)
    data = record(tmp_path / "run")["data"]
    assert 0 < sum(row["duration"] for row in train_set.data.values()) <= 6 and len(valid_set) == 3
    assert data["train_subset"]["minutes"] == 0.1 and data["hours"]["train"] <= 0.002


def test_a_run_needs_a_finished_epoch(prepare):
    task, _, valid_set, _ = prepare()
    with pytest.raises(InputError, match="no epoch of this run is finished"):
        task.test("valid", valid_set, {"batch_size": 2})


@pytest.mark.slow
def test_two_processes_train_as_one_does_that_gathers_two_batches(speech, tmp_path):
    """Masks, distractors, noise, dropped layers and the validation's numbers too."""
    yaml = tmp_path / "tiny.yaml"
    yaml.write_text(TINY)

    def launch(processes, accumulation):
        folder = tmp_path / str(processes)
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        settings = {"data_folder": speech, "output_folder": folder, "grad_accumulation_factor": accumulation}
        settings |= {"max_batch_ex": 1, "eval_batch_size": 1, "average_decay": 0.9, "device": "cpu"}
        words = [str(yaml), *(f"--{key}={value}" for key, value in settings.items())]
        script = ROOT / "recipes/LibriSpeech/self-supervised-learning/wav2vec2/train.py"
        done = subprocess.run(
            [sys.executable, *(torchrun if processes > 1 else []), script, *words],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=150,
        )
        assert done.returncode == 0, done.stderr
        return record(folder), torch.load(folder / "model.ckpt")

    (one, weights), (two, others) = launch(1, 2), launch(2, 1)
    timed = {"seconds", "speech_seconds_per_second", "waiting"}
    assert two["processes"] == 2 and one["epochs"][-1]["optimizer_step"] == 8
    for mine, yours in zip(one["epochs"], two["epochs"], strict=True):
        for key in mine.keys() - timed:
            assert yours[key] == pytest.approx(mine[key], rel=1e-4, abs=1e-6), key
    for name, weight in weights.items():
        torch.testing.assert_close(others[name], weight, rtol=1e-4, atol=1e-5)
