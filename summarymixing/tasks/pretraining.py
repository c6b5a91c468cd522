"""Self-supervised pre-training: predict masked frames of speech without transcripts."""

import logging
import math
import random
import time
from datetime import timedelta

import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import if_main_process
from torch.optim.swa_utils import AveragedModel

from summarymixing.experiment.run_folder import RunFolder
from summarymixing.training.alarms import CollapseAlarm, FewCodesWarning, NonFiniteAlarm, refuse_non_finite
from summarymixing.training.masked_frames import StepMeans, StepSums, one_line
from summarymixing.training.most_expensive import most_expensive_batches
from summarymixing.training.running_average import running_average
from summarymixing.training.task import Task, ends_an_epoch
from summarymixing.utils.distributed import gather, process_count
from summarymixing.utils.errors import InputError
from summarymixing.utils.progress import INTERVAL
from summarymixing.utils.seeds import step_seed

logger = logging.getLogger(__name__)

#: Checkpoints are chosen by this. In a collapse chance rises with accuracy, so that a collapsed model is never chosen.
BEST = "accuracy_above_chance"
#: Hours of speech in an optimizer step of the published pre-trainings of wav2vec 2.0 and of 2407.13377.
HOURS_PER_STEP = 1.6
# Gradients are accumulated of the loss divided by this many frames, so that float16 can hold them for any batch.
_FRAMES = 1000.0
# The epoch number in the seed of every validation, so that all of them mask the same frames.
_VALIDATION = 0


class Pretraining(Task):
    """Trains a :class:`~summarymixing.lobes.PretrainingModel`, and keeps the checkpoint that predicts best.

    The gradient of an optimizer step is that of the loss summed over all masked frames of all its batches on all
    processes, divided by the number of these frames. The published trainings (2407.13377) step along the sum itself,
    summed over accumulated batches and averaged over processes. The direction is the same; Adam's steps do not depend
    on the length of the gradient, except for ``eps``; ``max_grad_norm`` does: a limit of 100 for a sum over, say,
    60,000 frames would be one of 0.002 here, and a limit here means the same for every batch size and number of
    processes.

    Besides the keys of :class:`~summarymixing.training.task.Task` the YAML file has ``average_decay``: that of the
    running average of the weights, which is then validated, chosen and saved as ``model.ckpt``; null validates and
    saves the weights of the last step. ``nonfinite_patience`` counts consecutive optimizer steps.
    """

    def __init__(self, experiment, record):
        super().__init__(experiment, record)
        self.average = None
        self.sums, self.since_line, self.since_epoch = StepSums(), StepMeans(), StepMeans()
        self.collapse, self.nonfinite = CollapseAlarm(), NonFiniteAlarm(self.nonfinite_patience)
        self.few_codes = FewCodesWarning()
        self.waiting, self.ready_at, self.stepped_at, self.told_at = 0.0, 0.0, 0.0, 0.0
        self.names = []

    def train(self, train_set, valid_set, batch_sampler, valid_loader):
        """As :meth:`Task.train <summarymixing.training.task.Task.train>`; the most expensive batch is tried first."""
        self.train_set = train_set
        super().train(train_set, valid_set, batch_sampler, valid_loader)

    def init_optimizers(self):
        """As the task's; the running average and the measures of the epoch are in each checkpoint too."""
        super().init_optimizers()
        if self.hparams.average_decay is not None:
            self.average = AveragedModel(self.hparams.model, multi_avg_fn=running_average(self.hparams.average_decay))
            self.average.eval()
            self.checkpointer.add_recoverable("average", self.average)
        self.checkpointer.add_recoverable("measures", self.since_epoch)

    def on_fit_start(self):
        """Resume, say how much speech a step has, and try what needs most memory."""
        super().on_fit_start()
        counter = self.hparams.epoch_counter
        if counter.current < counter.limit and self.train_batches is not None:
            self._tell_hours_per_step()
            self._try_most_expensive(counter.current + 1)

    def _tell_hours_per_step(self):
        total = sum(self.train_set.data[name]["duration"] for name in self.train_set.data_ids) / 3600
        each = self.grad_accumulation_factor
        hours = total / -(-len(self.train_batches) // each)
        logger.info("%.4g h of speech to train on, %.3g h in an optimizer step", total, hours)
        if hours >= HOURS_PER_STEP:
            return
        if total < HOURS_PER_STEP:
            advice = "the whole training set has less"
        else:
            advice = f"--grad_accumulation_factor {math.ceil(each * HOURS_PER_STEP / hours)} reaches it"
        logger.warning(
            "an optimizer step has %.3g h of speech, less than the %.1f h of published pre-trainings: small steps "
            "learn slowly or not at all; %s",
            hours,
            HOURS_PER_STEP,
            advice,
        )

    def _try_most_expensive(self, epoch):
        """Forward and backward pass of the batches that need most memory; weights and random numbers stay."""
        self.train_batches.set_epoch(epoch)
        ids = self.train_set.data_ids
        batches = most_expensive_batches(
            list(self.train_batches.batches), lambda index: self.train_set.data[ids[index]]["duration"]
        )
        model, self.epoch = self.hparams.model, epoch
        before = {name: buffer.clone() for name, buffer in model.named_buffers()}
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        devices = [self.device] if torch.device(self.device).type == "cuda" else []
        python_state = random.getstate()
        model.train()
        self.on_demand.most_expensive()
        with torch.random.fork_rng(devices):
            # What Adam will keep of each parameter from the first step on.
            kept = [torch.empty_like(p) for p in parameters for _ in range(2)] if not self.optimizer.state else []
            for indices in batches:
                batch = PaddedBatch([self.train_set[index] for index in indices])
                try:
                    with self.no_sync(), self.training_ctx:
                        output, _ = self.network(sb.Stage.TRAIN)(*self.waveforms(batch, sb.Stage.TRAIN))
                    with self.no_sync():
                        (output.loss / _FRAMES).backward()
                except torch.OutOfMemoryError as error:
                    raise InputError(
                        f"the most expensive batch, {len(batch.id)} recordings of up to {max(batch.duration):.1f} s, "
                        f"does not fit into memory; lower --max_batch_length (now {self.hparams.max_batch_length}) and "
                        "raise --grad_accumulation_factor by as much"
                    ) from error
                self.zero_grad(set_to_none=True)
            del kept
        random.setstate(python_state)
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(before[name])

    def network(self, stage):
        """The model: outside training the running average of its weights, if there is one."""
        return self.average.module if self.average is not None and stage != sb.Stage.TRAIN else super().network(stage)

    def compute_forward(self, batch, stage):
        """What the model makes of a batch: a ``PretrainingOutput``."""
        return self.network(stage)(*self.waveforms(batch, stage))[0]

    def compute_objectives(self, output, batch, stage):
        """The loss, in training of a thousand frames rather than of the masked ones, which the step divides by."""
        self.sums.add(output, sum(map(float, batch.duration)))
        return output.loss / (_FRAMES if stage == sb.Stage.TRAIN else max(1, output.masked))

    # Training

    def on_stage_start(self, stage, epoch=None):
        """As the task's, and begin to measure."""
        super().on_stage_start(stage, epoch)
        if stage == sb.Stage.TRAIN:
            if self.step == 0:  # an epoch that goes on has its sums from the checkpoint
                self.since_epoch.clear()
            self.since_line.clear()
            self.ready_at = self.stepped_at = self.told_at = time.perf_counter()
            self.waiting, self.names = 0.0, []
        self.sums = StepSums()

    def on_fit_batch_start(self, batch, should_step):
        """Seed the step, and set the model's number of optimizer steps."""
        self.waiting += time.perf_counter() - self.ready_at
        super().on_fit_batch_start(batch, should_step)
        self.hparams.model.set_step(self.optimizer_step)
        self.names += [(name, round(float(seconds), 2)) for name, seconds in zip(batch.id, batch.duration, strict=True)]

    def check_loss_isfinite(self, loss):
        """Do nothing: the gradients of the whole step are checked instead, in the same way on all processes."""

    def fit_batch(self, batch):
        """As the task's; what comes next is waiting for data."""
        loss = super().fit_batch(batch)
        self.ready_at = time.perf_counter()
        return loss

    def optimizers_step(self):
        """A step along the mean of all masked frames, the measures of which are kept; ends a training gone wrong."""
        batches = self.sums.batches
        step = self.sums.close()
        # SpeechBrain has divided by the batches of a step, and DistributedDataParallel by the processes.
        scale = _FRAMES * batches * process_count() / max(1.0, step.masked)
        gradients = [p.grad for p in self.modules.parameters() if p.grad is not None]
        torch._foreach_mul_(gradients, scale)
        # A scale that has found an overflow is halved; above 1 that is how it is found.
        searching = self.scaler.is_enabled() and self.scaler.get_scale() > 1.0
        super().optimizers_step()
        gradient_norm = float(self.gradient_norm)
        if math.isfinite(gradient_norm) and self.average is not None:
            self.average.update_parameters(self.hparams.model)
        now = time.perf_counter()
        for means in (self.since_line, self.since_epoch):
            means.add(step, gradient_norm, now - self.stepped_at, self.waiting)
        self.stepped_at, self.waiting = now, 0.0
        self._judge(step, gradient_norm, searching)
        self.names = []
        if now - self.told_at > INTERVAL:
            self._tell(now)

    def _judge(self, step, gradient_norm, searching):
        if self.nonfinite(gradient_norm, searching):
            names = [row for share in gather(self.names) for row in share]
            self.record.set(
                "stopped",
                {
                    "reason": "gradients are NaN or infinite",
                    "optimizer_step": self.optimizer_step,
                    "gradient_norm": str(gradient_norm),
                    "batch": [{"id": name, "seconds": seconds} for name, seconds in names],
                },
            )
            raise InputError(
                f"{self.run_folder}: the gradients of {self.nonfinite.steps} consecutive optimizer steps are NaN or "
                f"infinite (nonfinite_patience is {self.nonfinite_patience}); run.json names the recordings of the "
                "last step under 'stopped': look at them, or begin another --output_folder with a lower --lr or "
                "--precision fp32; the weights of the last checkpoint are finite"
            )
        if self.few_codes(step):
            logger.warning(
                "code perplexity %.0f of %d, for %d optimizer steps: few codes are in use, and little is learned from "
                "so few targets; if it does not rise, begin another --output_folder with more speech in a step, a "
                "lower --lr, more --diversity_weight, or --objective random_projection",
                step.code_perplexity,
                step.codes,
                self.few_codes.steps,
            )
        reason = self.collapse(step, self.optimizer_step) if math.isfinite(gradient_norm) else None
        if reason:
            self.record.set("stopped", {"reason": f"collapse: {reason}", "optimizer_step": self.optimizer_step})
            raise InputError(
                f"{self.run_folder}: the model has collapsed: {reason}; begin another --output_folder with a lower "
                "--lr, a longer warm-up, more speech in a step (--grad_accumulation_factor) or, with a quantizer, more "
                "--diversity_weight; the last good checkpoint, if there is one, stays"
            )

    def _tell(self, now):
        if if_main_process():
            each, whole = self.grad_accumulation_factor, -(-len(self.train_batches) // self.grad_accumulation_factor)
            here, limit = -(-self.step // each), self.hparams.epoch_counter.limit
            rate = (now - self.told_at) / self.since_line.sums["steps"]
            left = timedelta(seconds=round(rate * (whole - here + whole * (limit - self.epoch))))
            logger.info(
                "epoch %d of %d, step %d of %d, lr %.3g: %s, %s left",
                self.epoch,
                limit,
                here,
                whole,
                self.schedule.group["lr"],
                one_line(self.since_line.row()),
                left,
            )
        self.told_at = now
        self.since_line.clear()

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Do nothing: progress is logged per step, not per batch."""

    def update_average(self, loss, avg_loss):
        """The mean loss of the epoch's masked frames until now; outside training as SpeechBrain's."""
        if not self.modules.training:
            return super().update_average(loss, avg_loss)
        return self.since_epoch.row().get("loss", avg_loss)

    def _should_save_intra_epoch_ckpt(self, last_ckpt_time, steps_since_ckpt):
        wanted = super()._should_save_intra_epoch_ckpt(last_ckpt_time, steps_since_ckpt)
        return wanted and not self.collapse.in_doubt

    def _save_intra_epoch_ckpt(self):
        refuse_non_finite(self.hparams.model)
        super()._save_intra_epoch_ckpt()
        self.ready_at = time.perf_counter()  # nobody has waited for data

    # Evaluation

    def evaluate_batch(self, batch, stage):
        """Evaluate a batch, whose masks are those of every other evaluation."""
        torch.manual_seed(step_seed(self.hparams.seed, _VALIDATION, self.batch_number()))
        loss = super().evaluate_batch(batch, stage)
        pairs = zip(batch.id, batch.duration, strict=True)
        self.scored += [{"ID": name, "duration": float(seconds)} for name, seconds in pairs]
        return loss

    def _evaluation_loss_of_all(self, stage):
        """The mean over the masked frames of all processes."""
        self.evaluated = self._total()
        return self.evaluated.loss

    def _total(self):
        # A process without a batch has no codes to add, and does not know their number.
        if all(gather(self.sums.batches)):
            return self.sums.close()
        raise InputError(
            f"the validation set has fewer batches than there are processes ({process_count()}); raise --valid_share "
            "or lower --eval_batch_size"
        )

    def valid_metrics(self):
        """Accuracy, chance, perplexities of the validation set, and what the training steps measured."""
        row = self.evaluated.row()
        row.pop("loss")
        train = self.since_epoch.row()
        train.pop("loss", None)
        named = {f"train_{key}" if key in row else key: value for key, value in train.items()}
        return {
            **{f"valid_{key}": value for key, value in row.items()},
            **named,
            "lr": self.schedule.group["lr"],
            "optimizer_step": self.optimizer_step,
        }

    def keep_checkpoint(self, meta):
        """Keep the best checkpoint and the last one."""
        refuse_non_finite(self.hparams.model)
        logger.info("epoch %d, training: %s", meta["epoch"], one_line(self.since_epoch.row()))
        logger.info("epoch %d, validation: %s", meta["epoch"], one_line(self.evaluated.row()))
        meta = {**meta, BEST: meta["valid_accuracy"] - meta["valid_chance"]}
        self.checkpointer.save_and_keep_only(meta=meta, num_to_keep=1, max_keys=[BEST], ckpt_predicate=ends_an_epoch)

    def on_evaluate_start(self, max_key=None, min_key=None):
        """Load the weights that predicted best, and write them as the run's ``model.ckpt``.

        Raises
        ------
        InputError
            If the run folder holds no finished epoch.
        """
        best = self.checkpointer.find_checkpoint(max_key=BEST, ckpt_predicate=ends_an_epoch)
        if best is None:
            raise InputError(f"{self.run_folder}: no epoch of this run is finished; train it first")
        averaged = self.hparams.average_decay is not None
        weights = torch.load(best.paramfiles["average" if averaged else "model"], map_location="cpu")
        if averaged:
            weights = {key.removeprefix("module."): v for key, v in weights.items() if key.startswith("module.")}
        self.hparams.model.load_state_dict(weights)
        self.average = None
        if if_main_process():
            torch.save(self.hparams.model.state_dict(), RunFolder(self.run_folder).model)
        self.record.set("best_epoch", best.meta["epoch"])

    def test(self, name, dataset, loader):
        """Measure the best checkpoint on a set, and print what was found.

        Parameters
        ----------
        name : str
            Name under which the results are filed.
        dataset : DynamicItemDataset
            The set; the validation set will do, as it chose nothing but the checkpoint.
        loader : dict
            DataLoader arguments.

        Returns
        -------
        dict
            ``loss``, ``accuracy``, ``chance``, perplexities, ``masked_share``, ``rtf``, ``audio_seconds``.
        """
        read = self.read_test_set(dataset, loader, name)
        result = {"utterances": len(self.scored), **self.evaluated.row(), **read}
        if if_main_process():
            print(f"{self.record.data['experiment']} {name}: {one_line(self.evaluated.row())}")
        self.record.metrics(name, **result)
        return result
