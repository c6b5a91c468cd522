"""What every training does: schedule and resume, the last step of an epoch, settings refused, what the log tells."""

import json
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
import speechbrain as sb
import torch
from speechbrain.nnet import schedulers

from summarymixing.corpora import librispeech
from summarymixing.data.transcripts import asr_splits
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.tasks import recognition
from summarymixing.tasks.ctc import CTC
from summarymixing.training import task as task_module
from summarymixing.training.schedules import Schedule, tri_stage
from summarymixing.utils.errors import InputError

YAML = Path(__file__).parents[2] / "hparams/conformer.yaml"
SMALL = {
    "train_splits": "[train-clean-100]",
    "test_splits": "[dev-clean]",
    "d_model": 16,
    "d_ffn": 16,
    "num_layers": 1,
    "kernel_size": 5,
    "vocab_size": 4,
    "max_batch_ex": 1,
    "lr": 0.0025,
    "warmup_fraction": 0.1,
    "lr_schedule": "!name:speechbrain.nnet.schedulers.LinearWarmupScheduler",
    "num_buckets": 1,
    "augment": "null",
    "spec_augment": "null",
    "chunk_sampler": "null",
    "max_bad_fraction": 1,
}


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """Noise of 0.5 s called AB, in LibriSpeech's layout: 5 utterances train, a batch each, 3 validate."""
    root = tmp_path_factory.mktemp("speech")
    for split, count in (("train-clean-100", 5), ("dev-clean", 3)):
        add(root, split, {f"1-2-{index:04d}": ("AB", 8000) for index in range(count)})
    return root


def add(root, split, utterances):
    chapter = root / split / "1" / next(iter(utterances)).split("-")[1]
    chapter.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    for name, (_, samples) in utterances.items():
        soundfile.write(chapter / f"{name}.flac", 0.1 * torch.randn(samples, generator=generator).numpy(), 16000)
    lines = "".join(f"{name} {text}\n" for name, (text, _) in utterances.items())
    (chapter / f"1-{chapter.name}.trans.txt").write_text(lines)


@pytest.fixture
def train(speech, tmp_path):
    """Trains in this process; returns the task and the learning rates of the steps taken."""

    def call(data=speech, **settings):
        keys = {**SMALL, "data_folder": data, "output_folder": tmp_path / "run", **settings}
        words = [str(YAML), *(word for key, value in keys.items() for word in (f"--{key}", str(value)))]
        experiment = load_experiment([*words, "--device", "cpu"])
        record = RunRecord.open(experiment.run_folder, argv=words, seed=1)
        train_set, data, batches = asr_splits(experiment, record, librispeech.prepare)
        task, rates = CTC(experiment, record), []
        step = task.optimizers_step
        task.optimizers_step = lambda: (rates.append(task.optimizer.param_groups[0]["lr"]), step())
        task.train(train_set, data["dev-clean"], batches, {"batch_size": 2})
        return task, rates

    return call


@pytest.fixture
def log(tmp_path):
    """What the last run's log holds."""
    return lambda: max(tmp_path.glob("*/log.txt"), key=lambda path: path.stat().st_mtime).read_text()


def test_a_run_may_be_validated_on_what_it_learns(train):
    task, _ = train(number_of_epochs=1, train_splits="[dev-clean]")
    assert task.optimizer_step == 3 and "wer" in task.record.data["epochs"][0]


@pytest.mark.slow
def test_more_epochs_go_on_along_the_schedule_of_all_of_them(train, log):
    _, first = train(number_of_epochs=2)
    assert len(first) == 10 and first[-1] == 0
    task, more = train(number_of_epochs=4)
    # Up to 0.0025 in 2 of 20 steps, then down to nothing at the last.
    assert more == pytest.approx([0.0025 * (20 - step) / 18 for step in range(11, 21)])
    assert "the schedule has changed: step 10 of 20" in log()
    assert task.optimizer_step == 20 and len(task.record.data["epochs"]) == 4


@pytest.mark.slow
def test_other_epochs_in_mid_run(train, monkeypatch):
    original = CTC.on_fit_batch_end

    def interrupted(self, *arguments):
        original(self, *arguments)
        if (self.epoch, self.step) == (2, 4):
            raise KeyboardInterrupt

    settings = {"ckpt_interval_minutes": 0, "ckpt_interval_steps": 1}
    with monkeypatch.context() as patch:
        patch.setattr(CTC, "on_fit_batch_end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(number_of_epochs=3, **settings)
    _, rates = train(number_of_epochs=8, **settings)
    assert rates == pytest.approx([0.0025 * (40 - step) / 36 for step in range(9, 41)])


#: Every scheduler of SpeechBrain, for 40 steps in 4 epochs, and the learning rate of the 30th step, at the end of the
#: third epoch. The validation losses of the epochs before are 2 and 3.
SCHEDULERS = {
    "linear": (schedulers.LinearWarmupScheduler(1.0, 4, 40), 10 / 36),
    "noam": (schedulers.NoamScheduler(1.0, 4), (4 / 30) ** 0.5),
    "noam with intervals": (schedulers.NoamIntervalScheduler(1.0, 4, [20, 35], [0.5, 0.1]), 0.5 * (4 / 30) ** 0.5),
    "noam with a plateau": (schedulers.LinearNoamScheduler(1.0, 4, 10), 4 / 20),
    "exponential": (schedulers.WarmAndExpDecayLRSchedule(1.0, 4, 40, 0.1), 0.1 ** (25 / 36)),
    "inverse square root": (schedulers.InverseSquareRootScheduler(4), 30**-0.5),
    "intervals": (schedulers.IntervalScheduler([{"steps": 3, "lr": 0.5}, {"steps": 20, "lr": 0.1}]), 0.1),
    "three stages": (schedulers.TriStageLRSchedule(1.0, 4, 6, 30, 40), 0.05 ** (19 / 30)),
    "cool down": (schedulers.WarmCoolDecayLRSchedule(1.0, 4, 20, 40, 0.5, 16), 0.5 ** (20 / 16) * 11 / 20),
    "cosine": (schedulers.CyclicCosineScheduler(4, 1.0, 52), 0.5),
    "triangles": (schedulers.CyclicLRScheduler(0.0, 1.0, 20), 0.5),
    "linear in epochs": (schedulers.LinearScheduler(1.0, 0.0, 4), 1 / 3),
    "stairs": (schedulers.StepScheduler(1.0, 0.5, 1), 0.125),
    "newbob": (schedulers.NewBobScheduler(1.0, 0.5), 0.5),
    "plateau": (schedulers.ReduceLROnPlateau(factor=0.25, patience=0, dont_halve_until_epoch=1), 0.25),
}


def test_no_scheduler_of_speechbrain_is_forgotten():
    found = vars(import_module("speechbrain.nnet.schedulers")).values()
    known = {value for value in found if isinstance(value, type) and not issubclass(value, torch.nn.Module)}
    assert known == {type(scheduler) for scheduler, _ in SCHEDULERS.values()}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_any_scheduler_is_resumed_where_it_was(name):
    scheduler, expected = SCHEDULERS[name]
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    assert Schedule(scheduler, 1.0).resume(optimizer, 30, [2.0, 3.0]) == pytest.approx(expected)
    # One that goes through it without a stop, and finds the scheduler as it was.
    schedule = Schedule(scheduler, 1.0)
    schedule.resume(optimizer, 0)
    for epoch, loss in ((1, 2.0), (2, 3.0), (3, 1.0)):
        rates = [schedule(optimizer) for _ in range(10)]
        schedule.after_epoch(epoch, loss)
    assert rates[-1] == pytest.approx(expected)


@pytest.mark.parametrize(
    "factory",
    [
        schedulers.LinearWarmupScheduler,
        schedulers.NoamScheduler,
        schedulers.WarmAndExpDecayLRSchedule,
        partial(schedulers.WarmCoolDecayLRSchedule, cooldown=4),
        partial(schedulers.TriStageLRSchedule, hold_steps=1, decay_steps=35),
        partial(tri_stage, hold_fraction=0.5),
    ],
)
def test_a_factory_gets_what_it_asks_for(factory):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=7.0)
    rates = [Schedule(factory, 1.0, 0.1, 40).resume(optimizer, step) for step in range(1, 41)]
    assert max(rates) == 1.0 and rates.index(1.0) in (3, 4)


def test_a_factory_with_all_arguments_is_the_scheduler_that_it_makes():
    """``!name:`` and ``!new:`` with the same arguments are the same schedule, and refuse the same."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=7.0)
    one, other = partial(schedulers.NoamScheduler, lr_initial=1.0, n_warmup_steps=9), schedulers.NoamScheduler(1.0, 9)
    for step in (1, 9, 20):
        assert Schedule(one, 5.0).resume(optimizer, step) == Schedule(other, 5.0).resume(optimizer, step)
    for scheduler in (one, other, schedulers.StepScheduler):
        with pytest.raises(InputError, match="warmup_fraction has no effect"):
            Schedule(scheduler, 1.0, 0.1)


def test_a_schedule_of_epochs_gets_its_epochs():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=7.0)
    schedule = Schedule(partial(schedulers.LinearScheduler, final_value=0.0), 1.0, epochs=5)
    assert [schedule.resume(optimizer, 0, [1.0] * epochs) for epochs in range(5)] == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_a_schedule_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="ScheduledLoss takes .*such as LinearWarmupScheduler"):
        Schedule(schedulers.ScheduledLoss([{"loss_fn": torch.nn.MSELoss(), "steps": 1}]), 1.0)
    with pytest.raises(InputError, match="must be one of speechbrain.nnet.schedulers"):
        Schedule(3, 1.0)
    with pytest.raises(InputError, match="also give hold_steps, decay_steps"):
        Schedule(schedulers.TriStageLRSchedule, 1.0, 0.1, 40)
    with pytest.raises(InputError, match="also give num_warmup_steps.*or the key warmup_fraction"):
        Schedule(schedulers.LinearWarmupScheduler, 1.0, steps=40)


def test_three_stages_end_with_the_training():
    """A tenth of the steps warms up, half is held and the rest decays, however many steps there are."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=7.0)
    for steps in (40, 1000):
        schedule = Schedule(partial(tri_stage, hold_fraction=0.5, final_lr_scale=0.1), 3.0, 0.1, steps)
        rates = [schedule.resume(optimizer, 0)] + [schedule(optimizer) for _ in range(steps + 1)]
        assert rates[1:].count(3.0) == steps // 2 + 1 and rates[-1] == pytest.approx(0.3)
        assert rates[1 + 8 * steps // 10] == pytest.approx(3.0 * 0.1**0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hold_fraction": 0.9}, "of 40 steps 4 warm up and hold_fraction 0.9 holds 36, .*lower hold_fraction"),
        ({"hold_fraction": -0.1}, "hold_fraction -0.1"),
        ({"final_lr_scale": 0}, "final_lr_scale 0 must be above 0"),
    ],
)
def test_three_stages_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Schedule(partial(tri_stage, **arguments), 1.0, 0.1, 40)


@pytest.mark.slow
def test_a_schedule_of_losses_trains_and_goes_on(train):
    """Every epoch counts as no progress: half the learning rate after the second, and after each that follows."""
    newbob = "!name:speechbrain.nnet.schedulers.NewBobScheduler {improvement_threshold: 9.0}"
    settings = {"warmup_fraction": "null", "lr_schedule": newbob}
    _, first = train(number_of_epochs=2, **settings)
    _, more = train(number_of_epochs=4, **settings)
    assert first == pytest.approx([0.0025] * 10) and more == pytest.approx([0.00125] * 5 + [0.000625] * 5)


LINEAR = "!new:speechbrain.nnet.schedulers.LinearWarmupScheduler {{initial_value: 0.01, num_warmup_steps: 1, "
LINEAR += "num_training_steps: {}}}"


@pytest.mark.slow
def test_a_schedule_that_ends_before_the_training(train):
    fixed = {"warmup_fraction": "null", "lr_schedule": LINEAR.format(10)}
    train(number_of_epochs=2, **fixed)
    with pytest.raises(InputError, match="lr_schedule: from step 11 on the learning rate is 0 .* 20 steps"):
        train(number_of_epochs=4, **fixed)
    _, rates = train(number_of_epochs=4, **{**fixed, "lr_schedule": LINEAR.format(20)})  # the cure
    assert len(rates) == 10 and min(rates[:-1]) > 0


@pytest.mark.slow
def test_a_run_at_its_step_limit_records_no_more_epochs(train, log):
    train(number_of_epochs=3, optimizer_step_limit=5)
    task, rates = train(number_of_epochs=3, optimizer_step_limit=5)
    assert not rates and len(task.record.data["epochs"]) == 1 and "raise --optimizer_step_limit" in log()
    assert len(train(number_of_epochs=3, optimizer_step_limit=15)[1]) == 10


@pytest.mark.slow
@pytest.mark.parametrize("factor, steps", [(100, 1), (5, 1), (2, 3), (3, 2)])
def test_the_batches_left_at_an_epochs_end_make_a_step(factor, steps, train, log):
    """Of 5 batches."""
    task, rates = train(number_of_epochs=2, grad_accumulation_factor=factor)
    assert len(rates) == 2 * steps == task.optimizer_step and rates[-1] == 0
    assert ("more than the 5 batches" in log()) == (factor == 100)


def test_a_step_of_fewer_batches_takes_their_mean(train, tmp_path):
    """5 batches a step, of 5 a full step or of 100: the same."""
    settings = {"number_of_epochs": 1, "optimizer": "!name:torch.optim.SGD {lr: 0.01}", "max_grad_norm": 1e9}
    settings["lr_schedule"] = "!new:speechbrain.nnet.schedulers.IntervalScheduler {intervals: []}"
    settings["warmup_fraction"] = "null"
    trained = []
    for factor in (5, 100):
        task, _ = train(grad_accumulation_factor=factor, output_folder=tmp_path / str(factor), **settings)
        trained.append(list(task.modules.parameters()))
    for one, other in zip(*trained, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"avg_checkpoints": 0}, "--avg_checkpoints 0: this key takes a whole number from 1"),
        ({"grad_accumulation_factor": 0}, "grad_accumulation_factor"),
        ({"number_of_epochs": 0}, "--number_of_epochs 0"),
        ({"warmup_fraction": 1.5}, "--warmup_fraction 1.5: this key takes a number from 0 to 1"),
        ({"synthetic_minutes": 3}, "--synthetic_minutes has no effect together with --data_folder"),
    ],
    ids=str,
)
def test_what_would_do_nothing_is_refused(settings, message, train):
    with pytest.raises(InputError, match=message) as caught:
        train(**settings)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_impossible_transcripts_are_left_out_of_the_validation_loss(train, speech, tmp_path, log):
    plain, _ = train(number_of_epochs=1)
    (tmp_path / "more").mkdir()
    for split in ("train-clean-100", "dev-clean"):
        (tmp_path / "more" / split).mkdir()
        (tmp_path / "more" / split / "1").mkdir()
        (tmp_path / "more" / split / "1" / "2").symlink_to(speech / split / "1" / "2")
    add(tmp_path / "more", "dev-clean", {f"1-0-{index:04d}": (20 * "AB", 4800) for index in range(4)})
    task, _ = train(tmp_path / "more", number_of_epochs=1, output_folder=tmp_path / "other")
    (one,), (other,) = plain.record.data["epochs"], task.record.data["epochs"]
    assert other["valid_loss"] == pytest.approx(one["valid_loss"], rel=1e-5)
    assert "validation: 4 utterances are left out of the mean loss" in log() and "1-0-0000" in log()
    named = json.loads((tmp_path / "other/run.json").read_text())["utterances_without_loss"]["validation"]
    assert len(named) == 4 and all("1-0-" in name for name in named)


def test_a_log_gets_lines_and_a_warning_of_the_plateau(train, monkeypatch, log, capfd):
    monkeypatch.setattr(task_module, "INTERVAL", 0.0)
    monkeypatch.setattr(recognition, "PLATEAU_CER", 0.0)
    train(number_of_epochs=2)
    told = [line.partition(" - epoch ")[2] for line in log().splitlines() if "s of audio a second" in line]
    told = [line for line in told if line]
    assert len(told) == 10 and told[6].startswith("2 of 2, step 2 of 5: loss ")
    assert all(line.endswith(" left") for line in told)
    assert "\r" not in "".join(capfd.readouterr())
    warnings = [line for line in log().splitlines() if "has not learned to align" in line]
    assert len(warnings) == 2 and "half the learning rate" in warnings[0] and "clean_first_epochs" in warnings[0]


def test_the_first_epochs_are_clean(train):
    """As many of them as clean_first_epochs says reach the network unaugmented."""
    silence = (
        "!new:speechbrain.augment.augmenter.Augmenter {min_augmentations: 1, max_augmentations: 1, augmentations: "
    )
    silence += "[!new:speechbrain.augment.time_domain.DropChunk {drop_length_low: 9000, drop_length_high: 9001}]}"
    heard = {}
    task, _ = train(number_of_epochs=1, augment=silence, clean_first_epochs=1)
    batch = SimpleNamespace(sig=(torch.ones(2, 8000), torch.ones(2)))
    for task.epoch in (1, 2):
        heard[task.epoch] = bool(task.waveforms(batch, sb.Stage.TRAIN)[0].min() == 1)
    assert heard == {1: True, 2: False}
    assert task.waveforms(batch, sb.Stage.VALID)[0].min() == 1


GROUPS = "{speech_encoder: {lr: 0.0005, frozen_until: 7}, speech_encoder.normalize: {frozen_until: .inf}}"


@pytest.fixture
def steps(monkeypatch):
    """For each step taken: learning rates, whether the encoder and its output layer train, the encoder's weights."""
    taken, original = [], CTC.optimizers_step

    def step(self):
        encoder, rates = self.hparams.model.speech_encoder, [group["lr"] for group in self.optimizer.param_groups]
        parameters = list(encoder.parameters())
        original(self)
        taken.append(
            {
                "rates": rates,
                "modes": {module.training for module in encoder.modules()} | {encoder.normalize.training},
                "grads": {parameter.requires_grad for parameter in parameters},
                "weights": torch.cat([parameter.detach().flatten() for parameter in parameters]),
                "output": self.hparams.model.training,
            }
        )

    monkeypatch.setattr(CTC, "optimizers_step", step)
    return taken


def test_a_group_is_frozen_for_its_steps_and_has_its_learning_rate(train, steps):
    """In each epoch anew SpeechBrain sets all modules to training; dropout and statistics must not go on."""
    train(number_of_epochs=2, parameter_groups=GROUPS, optimizer="!name:torch.optim.AdamW {lr: 0.0025}")
    for number, step in enumerate(steps, 1):
        rate = 0.0025 * (10 - number) / 9  # up in a single step
        assert step["rates"] == pytest.approx([rate, rate / 5]) and step["output"]
        assert (step["modes"], step["grads"]) == (({False}, {False}) if number <= 7 else ({True, False}, {True}))
        if 1 < number < 10:
            assert torch.equal(step["weights"], steps[number - 2]["weights"]) == (number <= 7)


@pytest.mark.slow
@pytest.mark.parametrize("factor, at", [(1, 4), (2, 4)])
def test_a_run_with_groups_goes_on_exactly(train, monkeypatch, tmp_path, factor, at):
    """From before the end of the frozen steps to behind it, and from behind it."""
    original = CTC.on_fit_batch_end
    settings = {
        "ckpt_interval_minutes": 0,
        "ckpt_interval_steps": 1,
        "grad_accumulation_factor": factor,
        "number_of_epochs": 3,
    }
    settings["parameter_groups"] = GROUPS.replace("7", "5")

    def interrupted(self, *arguments):
        original(self, *arguments)
        if self.step == at and (self.epoch, tmp_path / "killed") not in killed:
            killed.append((self.epoch, tmp_path / "killed"))
            raise KeyboardInterrupt

    whole, _ = train(output_folder=tmp_path / "whole", **settings)
    killed = []
    monkeypatch.setattr(CTC, "on_fit_batch_end", interrupted)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            train(output_folder=tmp_path / "killed", **settings)
    other, _ = train(output_folder=tmp_path / "killed", **settings)
    for one, two in zip(whole.modules.parameters(), other.modules.parameters(), strict=True):
        assert torch.equal(one, two)


def test_the_gradients_of_all_groups_are_clipped(train):
    task, _ = train(
        number_of_epochs=1,
        parameter_groups="{speech_encoder: {lr: 0.001}}",
        optimizer="!name:torch.optim.SGD {lr: 0.1}",
    )
    before = [[p.detach().clone() for p in group["params"]] for group in task.optimizer.param_groups]
    for parameter in task.modules.parameters():
        parameter.grad = torch.full_like(parameter, 1000.0)
    for group in task.optimizer.param_groups:
        group["lr"] = 1.0
    task.optimizers_step()
    pairs = zip(before, task.optimizer.param_groups, strict=True)
    moved = [(p.detach() - old).norm() for olds, group in pairs for old, p in zip(olds, group["params"], strict=True)]
    assert len(before) == 2 and torch.stack(moved).norm() == pytest.approx(task.max_grad_norm, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "groups, message",
    [
        (
            "{encodr: {lr: 1.0}}",
            "encodr is not a part of the model.*named_parameters.*: output, speech_encoder, or a part of these",
        ),
        ("{speech_encoder.encoder.layer: {lr: 1.0}}", "speech_encoder.encoder.layer is not a part"),
        ("{encoder: {rate: 1.0}}", "encoder: rate is not one of lr, frozen_until"),
        ("{encoder: 1.0}", "encoder: 1.0 is not one of lr"),
        ("{encoder: {}}", "encoder: nothing is not one of lr"),
        ("{encoder: {lr: small}}", "encoder: lr: small is not a learning rate"),
        ("{encoder: {frozen_until: true}}", "frozen_until: True is not a number of optimizer steps"),
        ("{speech_encoder: {frozen_until: 5}, output: {frozen_until: 9}}", "every parameter of the model is frozen"),
        ("encoder", "must be a mapping"),
    ],
)
def test_groups_that_cannot_be_are_refused(groups, message, train):
    with pytest.raises(InputError, match=f"parameter_groups.*{message}") as caught:
        train(number_of_epochs=1, parameter_groups=groups)
    assert "\n" not in str(caught.value)


def test_weights_of_an_earlier_version_are_averaged_with_todays(train):
    """A run that was begun before the front end and the encoder were called speech_encoder, and went on behind."""
    task, _ = train(number_of_epochs=2, avg_checkpoints=2)
    first, second = (checkpoint.path / "model.ckpt" for checkpoint in task.checkpointer.list_checkpoints())
    one, two = torch.load(first), torch.load(second)
    torch.save({name.replace("speech_encoder.", "encoder."): weight for name, weight in one.items()}, first)
    assert "encoder.encoder.layers.0.mixer.combiner.weight" in torch.load(first)
    task.on_evaluate_start()
    for name, weight in task.hparams.model.state_dict().items():
        torch.testing.assert_close(weight, (one[name] + two[name]) / 2, msg=name)


#: Trains as the recipes do, and writes the weights of each process.
TWO = """
import os, sys
import torch
from speechbrain.utils.distributed import ddp_init_group
from summarymixing.corpora import librispeech
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.data.transcripts import asr_splits
from summarymixing.tasks.ctc import CTC

experiment = load_experiment(sys.argv[2:])
ddp_init_group(experiment.run_opts)
record = RunRecord.open(experiment.run_folder, argv=sys.argv, seed=1)
train_set, data, batches = asr_splits(experiment, record, librispeech.prepare)
task = CTC(experiment, record)
task.train(train_set, data["dev-clean"], batches, {"batch_size": 2})
torch.save(task.hparams.model.state_dict(), os.path.join(sys.argv[1], os.environ["RANK"] + ".pt"))
record.finish()
"""


@pytest.mark.slow
def test_two_processes_agree_on_a_part_that_was_frozen(speech, tmp_path):
    """Their batches differ, so that without an exchange of its gradients their weights would."""
    (tmp_path / "two.py").write_text(TWO)
    keys = {**SMALL, "data_folder": speech, "output_folder": tmp_path / "run", "number_of_epochs": 2}
    keys["parameter_groups"] = "{speech_encoder: {frozen_until: 3}}"
    words = [word for key, value in keys.items() for word in (f"--{key}", str(value))]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += [tmp_path / "two.py", tmp_path, YAML, *words, "--device", "cpu"]
    subprocess.run(list(map(str, command)), check=True, timeout=600)
    one, two = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert all(torch.equal(one[key], two[key]) for key in one if "normalize" not in key)
