"""What every training objective shares: data, evaluation, checkpoints, the log and the run record."""

import logging
import sys
import time
from datetime import timedelta
from functools import partial

import speechbrain as sb
import torch
from speechbrain.utils.checkpoints import average_checkpoints
from speechbrain.utils.train_logger import TensorboardLogger
from torch.utils.data import BatchSampler, SequentialSampler

from summarymixing.data.augmentation import augment_on
from summarymixing.experiment.record import count_parameters
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.lobes.models.speech_model import SpeechModel, current_name
from summarymixing.training.checks import check_settings
from summarymixing.training.on_demand import DrawnSettings
from summarymixing.training.optimizer_steps import OptimizerSteps
from summarymixing.utils.distributed import DistributedBatches, gather, mean_over_processes, process_count, process_rank
from summarymixing.utils.errors import InputError
from summarymixing.utils.progress import INTERVAL

logger = logging.getLogger(__name__)


def ends_an_epoch(checkpoint):
    """Whether a checkpoint of SpeechBrain's was written behind the validation of an epoch."""
    return "epoch" in checkpoint.meta


class Task(OptimizerSteps):
    """A SpeechBrain Brain whose runs can be killed, resumed and compared.

    Several processes, started by ``torchrun``, share the batches of every epoch and of every evaluation, and each
    metric is that of all of them. Only the main process writes.

    Parameters
    ----------
    experiment : summarymixing.experiment.load.Experiment
        With ``model``, ``modules`` (``model`` among them), ``optimizer``, ``checkpointer``, ``epoch_counter``,
        ``train_logger``, ``tensorboard``, ``lr_schedule``, ``avg_checkpoints``, ``augment`` (SpeechBrain's
        ``Augmenter`` over waveforms, or null) and ``seed`` in its YAML file. ``lr_schedule`` is any scheduler of
        SpeechBrain's, see :class:`~summarymixing.training.schedules.Schedule`. ``parameter_groups``, which may be
        missing, gives parts of the model a learning rate of their own or freezes them, see
        :class:`~summarymixing.training.parameter_groups.ParameterGroups`; ``test_choice``, which may be missing too,
        fixes in tests what a model of compute on demand draws in training, see
        :class:`~summarymixing.training.on_demand.DrawnSettings`.
    record : summarymixing.experiment.record.RunRecord
        Receives what the run measures.
    """

    #: Utterances of this process, in the present evaluation, that can have no loss.
    without_loss = ()
    #: Since when and of what the next line of the log tells.
    logged_at, audio_since, batches_since = 0.0, 0.0, 0
    #: Name of the present test set.
    evaluating = "test"

    def __init__(self, experiment, record):
        hparams = experiment.hparams
        check_settings(experiment)
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
        self.on_demand = DrawnSettings(hparams["model"], hparams["seed"], hparams.get("test_choice"))
        self.record = record
        self.train_stats = {}
        self.averaged = None
        self.losses = [0.0, 0]  # sum and utterances of this process in the present evaluation
        self.scored = []  # the results of its utterances, a dict each; at the end, of those of all processes
        self.test_loss = None
        self.loggers = [self.hparams.train_logger]
        if self.hparams.tensorboard:
            self.loggers.append(TensorboardLogger(RunFolder(self.run_folder).tensorboard))
        record.data.update(experiment=experiment.name, task=type(self).__name__)
        record.data.setdefault("processes", process_count())  # those that train; another number may test
        # Tables count the encoder's layers without what stands before them, except where there is nothing else.
        encoder = getattr(hparams["model"], "speech_encoder", None)
        parts = {"encoder_and_front_end": encoder, "encoder_layers": getattr(encoder, "encoder", None)}
        parts = {name: part for name, part in {**hparams["modules"], **parts}.items() if part is not None}
        own = {name: part for name, part in parts.items() if any(True for _ in part.parameters())}
        record.set("parameters", count_parameters(own))

    def train(self, train_set, valid_set, batch_sampler, valid_loader):
        """Train to the last epoch, from the last checkpoint if there is one.

        Parameters
        ----------
        train_set, valid_set : DynamicItemDataset
            The data.
        batch_sampler : DynamicBatchSampler
            Batches of the training set, for all processes together.
        valid_loader : dict
            DataLoader arguments of the validation set.
        """
        self.train_batches = DistributedBatches(batch_sampler, process_rank(), process_count(), even=True)
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
        return {**others, "batch_sampler": DistributedBatches(batches, process_rank(), process_count(), even=False)}

    def waveforms(self, batch, stage):
        """Waveforms (B, samples) and, on the CPU, their relative lengths, augmented in training."""
        wavs, lengths = batch.sig
        wavs, augment = wavs.to(self.device, non_blocking=True), self.augmenter(stage)
        if augment is not None:
            augment_on(augment, self.device)
            # SpeechBrain's augmentations want the lengths beside the waveforms.
            wavs, lengths = augment(wavs, lengths.to(self.device, non_blocking=True))
        return wavs, lengths.cpu()

    def augmenter(self, stage):
        """SpeechBrain's ``Augmenter`` in the training epochs behind ``clean_first_epochs``; None elsewhere."""
        clean = getattr(self.hparams, "clean_first_epochs", 0)
        return self.hparams.augment if stage == sb.Stage.TRAIN and (clean == 0 or self.epoch > clean) else None

    def on_stage_start(self, stage, epoch=None):
        """Reshuffle, and start the clock."""
        self.stage_started = self.logged_at = time.perf_counter()
        self.audio_since, self.batches_since = 0.0, 0
        self.losses, self.scored, self.without_loss = [0.0, 0], [], ()
        self.on_demand.fix(test=stage == sb.Stage.TEST)  # a training step draws its own
        if stage == sb.Stage.TRAIN:
            self.epoch = epoch
            # Without this the sampler repeats the order of its first epoch.
            self.train_batches.set_epoch(epoch)

    def evaluate_batch(self, batch, stage):
        """Evaluate, and count the utterances that the loss is a mean of."""
        before = len(self.without_loss)
        loss = super().evaluate_batch(batch, stage)
        counted = len(batch.id) - (len(self.without_loss) - before)
        if counted:
            self.losses[0] += float(loss) * counted
            self.losses[1] += counted
        where = f"test {self.evaluating}" if stage == sb.Stage.TEST else "validation"
        self._tell_progress(batch, f"{where}, batch {self.step}", loss)
        return loss

    def mean_where(self, possible, losses, batch):
        """The mean loss of the utterances of an evaluation that can have one; the others are counted and named.

        Parameters
        ----------
        possible : torch.Tensor
            (B,) bool.
        losses : torch.Tensor
            (B,).
        batch : PaddedBatch
            With ``id``.
        """
        missing = [name for name, there in zip(batch.id, possible.tolist(), strict=True) if not there]
        self.without_loss = [*self.without_loss, *missing]
        return losses[possible].mean() if possible.any() else losses.new_zeros(())

    def _evaluation_loss_of_all(self, stage):
        """The mean over the utterances of all processes; utterances without one are logged and recorded."""
        total, count = (sum(parts) for parts in zip(*gather(self.losses), strict=True))
        names = sorted({name for share in gather(self.without_loss) for name in share})
        where = self.evaluating if stage == sb.Stage.TEST else "validation"
        known = dict(self.record.data.get("utterances_without_loss", {}))
        if names and known.get(where) != names:
            logger.warning(
                "%s: %d utterances are left out of the mean loss, because no output of the model can have their "
                "transcript or label (empty, longer than their frames, or not in training): %s%s",
                where,
                len(names),
                ", ".join(names[:5]),
                ", ..." if len(names) > 5 else "",
            )
            self.record.set("utterances_without_loss", {**known, where: names})
        return total / count if count else float("nan")

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Gather what the processes have found, record the epoch, and keep its checkpoint."""
        self.scored = [row for share in gather(self.scored) for row in share]
        if stage == sb.Stage.TRAIN:
            stage_loss = mean_over_processes(stage_loss)
        else:
            stage_loss = self._evaluation_loss_of_all(stage)
        seconds = time.perf_counter() - self.stage_started
        if stage == sb.Stage.TRAIN:
            self.train_stats = {"train_loss": stage_loss, "seconds": seconds}
        elif stage == sb.Stage.VALID:
            valid = {"valid_loss": stage_loss, **self.valid_metrics()}
            lr = self.schedule.group["lr"]
            for logger in self.loggers:
                logger.log_stats({"epoch": epoch, "lr": lr}, train_stats=self.train_stats, valid_stats=valid)
            self.record.epoch(epoch, **self.train_stats, **valid)
            self.schedule.after_epoch(epoch, stage_loss)
            self.keep_checkpoint({"epoch": epoch, **valid})
            # One from within an epoch must take no place among those that are averaged; it is of no more use.
            self.checkpointer.delete_checkpoints(num_to_keep=0, ckpt_predicate=lambda c: not ends_an_epoch(c))
        else:
            self.test_loss = stage_loss

    def keep_checkpoint(self, meta):
        """Write the checkpoint of a finished epoch, and keep as many of them as will be averaged.

        Parameters
        ----------
        meta : dict
            What is known of the epoch.
        """
        self.checkpointer.save_and_keep_only(
            meta=meta, num_to_keep=self.hparams.avg_checkpoints, ckpt_predicate=ends_an_epoch
        )

    def fit(self, *arguments, progressbar=None, **options):
        """As SpeechBrain's; where the output is no terminal, lines in the log stand in for its bars."""
        return super().fit(*arguments, progressbar=self._shows_bars(progressbar), **options)

    def evaluate(self, *arguments, progressbar=None, **options):
        """As SpeechBrain's, with the same rule."""
        return super().evaluate(*arguments, progressbar=self._shows_bars(progressbar), **options)

    def _shows_bars(self, progressbar):
        return sys.stderr.isatty() and (not self.noprogressbar if progressbar is None else progressbar)

    def _tell_progress(self, batch, what, loss):
        """Every so often, a line that says how far it is."""
        if self.noprogressbar or sys.stderr.isatty():
            return
        self.audio_since += sum(map(float, getattr(batch, "duration", ()))) * process_count()
        self.batches_since += 1
        now = time.perf_counter()
        passed = now - self.logged_at
        if passed < INTERVAL:
            return
        line = f"{what}: loss {float(loss):.3g}, {self.audio_since / passed:.0f} s of audio a second"
        if what.startswith("epoch"):
            whole, rate = len(self.train_batches), passed / self.batches_since
            left = whole - self.step + whole * (self.hparams.epoch_counter.limit - self.epoch)
            line += f", {timedelta(seconds=round(rate * left))} left"
        logger.info(line)
        self.logged_at, self.audio_since, self.batches_since = now, 0.0, 0

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Tell how far the training is, where there is no terminal."""
        if self.train_batches is not None:
            each, whole = self.grad_accumulation_factor, len(self.train_batches)
            where = f"epoch {self.epoch} of {self.hparams.epoch_counter.limit}, step {-(-self.step // each)}"
            self._tell_progress(batch, f"{where} of {-(-whole // each)}", self.avg_train_loss or loss)

    def read_test_set(self, dataset, loader, name="test"):
        """Evaluate on a test set whose utterances :attr:`scored` then holds, with their ``duration``.

        Parameters
        ----------
        dataset : DynamicItemDataset
            The test set.
        loader : dict
            DataLoader arguments.
        name : str
            Name of the test set in the log and the record.

        Returns
        -------
        dict
            ``loss``, ``rtf`` (seconds that one process takes for a second of audio) and ``audio_seconds``; what the key
            ``test_choice`` has chosen.
        """
        started, self.evaluating = time.perf_counter(), name
        self.evaluate(dataset, test_loader_kwargs=self.share_of(dataset, loader))
        seconds = (time.perf_counter() - started) * process_count()
        audio = sum(row["duration"] for row in self.scored)
        return {"loss": self.test_loss, "rtf": seconds / audio, "audio_seconds": audio, **self.on_demand.tests}

    def _weights(self, file, map_location):
        """Those of a checkpoint, by today's names: the checkpoints of a run may be of two versions of this package."""
        weights = torch.load(file, map_location=map_location)
        if not isinstance(self.hparams.model, SpeechModel):
            return weights
        return {current_name(name): weight for name, weight in weights.items()}

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
            max_num_checkpoints=self.hparams.avg_checkpoints, ckpt_predicate=ends_an_epoch
        )
        if not checkpoints:
            raise InputError(
                f"{self.run_folder}: no epoch of this run is finished, so there is nothing to test; train it first"
            )
        if checkpoints == self.averaged:
            return  # by the test before
        average = average_checkpoints(checkpoints, "model", parameter_loader=self._weights)
        self.hparams.model.load_state_dict(average)
        if sb.utils.distributed.if_main_process():
            torch.save(average, RunFolder(self.run_folder).model)
        self.averaged = checkpoints
        self.record.set("checkpoints_averaged", [checkpoint.meta["epoch"] for checkpoint in checkpoints])
