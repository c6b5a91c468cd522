"""What every training objective shares: schedule, seeding, checkpoints, the run record."""

import logging
import random
import time
import zipfile
from functools import partial

import speechbrain as sb
import torch
from speechbrain.utils.checkpoints import average_checkpoints
from speechbrain.utils.train_logger import TensorboardLogger
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import BatchSampler, SequentialSampler

from summarymixing.errors import InputError
from summarymixing.run_record import FINAL_MODEL, count_parameters
from summarymixing.seeds import step_seed
from summarymixing.tasks.processes import Share, gather, mean_over_processes, process_count, process_rank

logger = logging.getLogger(__name__)


def _ends_an_epoch(checkpoint):
    return "epoch" in checkpoint.meta


def _is_broken(checkpoint):
    # The optimizer is written last, and a zip file ends with its table of contents.
    return not zipfile.is_zipfile(checkpoint.path / "optimizer.ckpt")


class Task(sb.Brain):
    """A SpeechBrain Brain whose runs can be killed, resumed and compared.

    Everything random in a training step is drawn from a generator seeded by (seed, epoch, step), so that a run which
    goes on from a checkpoint in mid-epoch takes the very steps it would have taken.

    Several processes, started by ``torchrun``, share the batches of every epoch and of every evaluation, and each
    metric is that of all of them. Only the main process writes.

    Arguments
    ---------
    experiment : summarymixing.experiment.Experiment
        With ``model``, ``modules``, ``optimizer``, ``checkpointer``, ``epoch_counter``, ``train_logger``,
        ``tensorboard``, ``lr_schedule``, ``avg_checkpoints``, ``augment`` (SpeechBrain's ``Augmenter`` over waveforms,
        or null) and ``seed`` in its YAML file. ``lr_schedule`` is a SpeechBrain scheduler that is called at every step
        (``!new:``), or the factory of one (``!name:``) that is given ``lr``, ``warmup_fraction`` of the steps, and the
        number of steps.
    record : summarymixing.run_record.RunRecord
        Receives what the run measures.
    """

    def __init__(self, experiment, record):
        hparams = experiment.hparams
        checkpointer = hparams["checkpointer"]
        if isinstance(checkpointer, partial):
            checkpointer = checkpointer()  # only here, because it makes its folder, and to load a run must make nothing
        try:
            super().__init__(
                modules=hparams["modules"],
                opt_class=hparams["optimizer"],
                hparams=hparams,
                run_opts=experiment.run_opts,
                checkpointer=checkpointer,
            )
        except ValueError as error:  # about run options that do not go together, such as fp16 on a CPU
            raise InputError(" ".join(str(error).split())) from error
        self.run_folder = experiment.run_folder
        self.record = record
        self.epoch = None
        self.train_batches = None
        self.train_stats = {}
        self.averaged = None
        self.evaluated = 0  # batches of this process in the evaluation at hand
        self.scored = []  # what was told of its utterances, a dict each; at the end, of those of all processes
        self.test_loss = None
        self.loggers = [self.hparams.train_logger]
        if self.hparams.tensorboard:
            self.loggers.append(TensorboardLogger(self.run_folder / "tensorboard"))
        record.data.update(experiment=experiment.name, task=type(self).__name__)
        record.data.setdefault("processes", process_count())  # those that train; another number may test
        # Tables count the encoder's layers without what stands before them, except where there is nothing else.
        encoder = getattr(hparams["model"], "encoder", None)
        parts = {"encoder_and_front_end": encoder, "encoder_layers": getattr(encoder, "encoder", None)}
        parts = {name: part for name, part in parts.items() if part is not None}
        record.set("parameters", count_parameters({**hparams["modules"], **parts}))

    def train(self, train_set, valid_set, batch_sampler, valid_loader):
        """Train to the last epoch, from the last checkpoint if there is one.

        Arguments
        ---------
        train_set, valid_set : DynamicItemDataset
            The data.
        batch_sampler : DynamicBatchSampler
            Batches of the training set, for all processes together.
        valid_loader : dict
            DataLoader arguments of the validation set.
        """
        self.train_batches = Share(batch_sampler, process_rank(), process_count(), even=True)
        self.fit(
            self.hparams.epoch_counter,
            train_set,
            valid_set,
            train_loader_kwargs={"batch_sampler": self.train_batches, "num_workers": self.hparams.num_workers},
            valid_loader_kwargs=self.share_of(valid_set, valid_loader),
        )

    def _train_loader_specifics(self, dataset, loader_kwargs):
        # SpeechBrain would share out once more what is this process's share already.
        return loader_kwargs

    def share_of(self, dataset, loader):
        """DataLoader arguments by which this process reads its share of an evaluation set.

        The batches are those that a single process reads.
        """
        batches = BatchSampler(SequentialSampler(dataset), loader.get("batch_size", 1), drop_last=False)
        others = {key: value for key, value in loader.items() if key != "batch_size"}
        return {**others, "batch_sampler": Share(batches, process_rank(), process_count(), even=False)}

    def waveforms(self, batch, stage):
        """Waveforms (B, samples) and their relative lengths, augmented in training."""
        wavs, lengths = batch.sig
        wavs, lengths = wavs.to(self.device), lengths.to(self.device)
        if stage == sb.Stage.TRAIN and self.hparams.augment is not None:
            wavs, lengths = self.hparams.augment(wavs, lengths)
        return wavs, lengths

    def network(self, stage):
        """The module ``encoder``: in training with the wrapper that averages gradients over the processes.

        That wrapper also sends buffers at every call, so outside training, where the processes may have different
        numbers of batches, it is left off.
        """
        module = self.modules.encoder
        wrapped = stage != sb.Stage.TRAIN and isinstance(module, DistributedDataParallel)
        return module.module if wrapped else module

    def on_fit_start(self):
        """Take the schedule, or make it for the number of batches there are; then resume."""
        self.schedule = self.hparams.lr_schedule
        if isinstance(self.schedule, partial | type):
            # The batches that do not fill a step at an epoch's end take none.
            steps = self.hparams.number_of_epochs * max(1, len(self.train_batches) // self.grad_accumulation_factor)
            self.schedule = self.schedule(
                initial_value=self.hparams.lr,
                num_warmup_steps=max(1, round(self.hparams.warmup_fraction * steps)),
                num_training_steps=steps,
            )
        self.checkpointer.add_recoverable("schedule", self.schedule)
        # A process that was killed while it wrote a checkpoint has left a part of one; the one before it still exists.
        self.checkpointer.delete_checkpoints(num_to_keep=0, ckpt_predicate=_is_broken)
        super().on_fit_start()
        self._record_processes()

    def _record_processes(self):
        """Record how many processes train, and refuse to go on with another number: the steps left would differ."""
        if self.hparams.epoch_counter.current >= self.hparams.epoch_counter.limit:
            return  # there are none
        before, now = self.record.data["processes"], process_count()
        if self.optimizer_step > 0 and before != now:
            raise InputError(
                f"{self.run_folder}: this run is being trained by {before} process(es), not by {now}; go on with that "
                "number (torchrun --nproc_per_node), or choose another --output_folder"
            )
        self.record.set("processes", now)

    def on_stage_start(self, stage, epoch=None):
        """Reshuffle, and start the clock."""
        self.stage_started = time.perf_counter()
        self.evaluated, self.scored = 0, []
        if stage == sb.Stage.TRAIN:
            self.epoch = epoch
            # Without this the sampler repeats the order of its first epoch.
            self.train_batches.set_epoch(epoch)

    def on_fit_batch_start(self, batch, should_step):
        """Seed the step, and set its learning rate."""
        # Each process drops and distorts in its own way.
        seed = step_seed(self.hparams.seed, self.epoch, self.step, process_count(), process_rank())
        torch.manual_seed(seed)
        random.seed(seed)  # SpeechBrain's Augmenter draws from it
        if should_step:
            self.schedule(self.optimizer)

    def check_gradients(self):
        """Leave this step out if any gradient is not finite.

        SpeechBrain asks each parameter, which waits for the device as often, and takes the step with what is left.
        """
        parameters = [p for p in self.modules.parameters() if p.grad is not None]
        if not torch.nn.utils.get_total_norm([p.grad for p in parameters]).isfinite():
            logger.warning("epoch %d, step %d left out: a gradient is NaN or infinite", self.epoch, self.step)
            for parameter in parameters:
                parameter.grad = None

    def _should_save_intra_epoch_ckpt(self, last_ckpt_time, steps_since_ckpt):
        # Between two steps of the optimizer a checkpoint would lose the gradients gathered so far.
        between = self.step % self.grad_accumulation_factor != 0
        return not between and super()._should_save_intra_epoch_ckpt(last_ckpt_time, steps_since_ckpt)

    def _save_intra_epoch_ckpt(self):
        # The main process writes, and each resumes from, the loss so far: let it be that of all.
        self.avg_train_loss = mean_over_processes(self.avg_train_loss)
        super()._save_intra_epoch_ckpt()

    def evaluate_batch(self, batch, stage):
        """Evaluate, and count the batch."""
        self.evaluated += 1
        return super().evaluate_batch(batch, stage)

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Put together what the processes have told, record the epoch, and keep its checkpoint."""
        self.scored = [row for share in gather(self.scored) for row in share]
        stage_loss = mean_over_processes(stage_loss, 1 if stage == sb.Stage.TRAIN else self.evaluated)
        seconds = time.perf_counter() - self.stage_started
        if stage == sb.Stage.TRAIN:
            self.train_stats = {"train_loss": stage_loss, "seconds": seconds}
        elif stage == sb.Stage.VALID:
            valid = {"valid_loss": stage_loss, **self.valid_metrics()}
            lr = self.optimizer.param_groups[0]["lr"]
            for logger in self.loggers:
                logger.log_stats({"epoch": epoch, "lr": lr}, train_stats=self.train_stats, valid_stats=valid)
            self.record.epoch(epoch, **self.train_stats, **valid)
            self.checkpointer.save_and_keep_only(
                meta={"epoch": epoch, **valid}, num_to_keep=self.hparams.avg_checkpoints, ckpt_predicate=_ends_an_epoch
            )
            # One from within an epoch must take no place among those that are averaged; it is of no more use.
            self.checkpointer.delete_checkpoints(num_to_keep=0, ckpt_predicate=lambda c: not _ends_an_epoch(c))
        else:
            self.test_loss = stage_loss

    def read_test_set(self, dataset, loader):
        """Evaluate on a test set whose utterances :attr:`scored` then holds, with their ``duration``.

        Arguments
        ---------
        dataset : DynamicItemDataset
            The test set.
        loader : dict
            DataLoader arguments.

        Returns
        -------
        dict
            ``loss``, ``rtf`` (seconds that one process takes for a second of audio) and ``audio_seconds``.
        """
        started = time.perf_counter()
        self.evaluate(dataset, test_loader_kwargs=self.share_of(dataset, loader))
        seconds = (time.perf_counter() - started) * process_count()
        audio = sum(row["duration"] for row in self.scored)
        return {"loss": self.test_loss, "rtf": seconds / audio, "audio_seconds": audio}

    def valid_metrics(self):
        """Metrics of the validation set just read, by name."""
        return {}

    def on_evaluate_start(self, max_key=None, min_key=None):
        """Average the last checkpoints and write the result beside them.

        Raises
        ------
        InputError
            If the run folder holds no finished epoch.
        """
        checkpoints = self.checkpointer.find_checkpoints(
            max_num_checkpoints=self.hparams.avg_checkpoints, ckpt_predicate=_ends_an_epoch
        )
        if not checkpoints:
            raise InputError(
                f"{self.run_folder}: no epoch of this run is finished, so there is nothing to test; train it first"
            )
        if checkpoints == self.averaged:
            return  # by the test before
        load = partial(torch.load, map_location=self.device)
        average = average_checkpoints(checkpoints, "model", parameter_loader=load)
        self.hparams.model.load_state_dict(average)
        if sb.utils.distributed.if_main_process():
            torch.save(average, self.run_folder / FINAL_MODEL)
        self.averaged = checkpoints
        self.record.set("checkpoints_averaged", [checkpoint.meta["epoch"] for checkpoint in checkpoints])
