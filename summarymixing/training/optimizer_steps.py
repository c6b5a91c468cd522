"""The optimizer's steps of a training: how they are seeded, scheduled, gathered from batches, frozen and resumed."""

import copy
import logging
import random
import zipfile
from types import SimpleNamespace

import speechbrain as sb
import torch
from speechbrain.utils.optimizers import rm_vector_weight_decay
from torch.nn.parallel import DistributedDataParallel

from summarymixing.training.parameter_groups import ParameterGroups
from summarymixing.training.schedules import Schedule, refuse_zero_rates
from summarymixing.utils.distributed import mean_over_processes, process_count, process_rank
from summarymixing.utils.errors import InputError
from summarymixing.utils.seeds import step_seed

logger = logging.getLogger(__name__)


def _is_broken(checkpoint):
    # The optimizer is written last, and a zip file ends with its table of contents.
    return not zipfile.is_zipfile(checkpoint.path / "optimizer.ckpt")


class OptimizerSteps(sb.Brain):
    """A SpeechBrain Brain that counts optimizer steps, and takes the same ones when it resumes.

    Everything random in a training step is drawn from a generator seeded by (seed, epoch, batch), so that a run which
    goes on from a checkpoint in mid-epoch takes the very steps it would have taken. The batches at the end of an epoch
    that do not fill a step make a step of their own.

    :class:`~summarymixing.training.task.Task` makes it, and says which keys of the YAML file it reads.

    Attributes
    ----------
    run_folder : pathlib.Path
        For error messages.
    record : summarymixing.experiment.record.RunRecord
        Knows the finished epochs, and how many processes train.
    on_demand : summarymixing.training.on_demand.DrawnSettings
        Draws what a model of several costs has at each step.
    train_batches : DistributedBatches or None
        This process's batches of an epoch.
    epoch : int or None
        The present one, from 1.
    gradient_norm : torch.Tensor or None
        Norm of the last step's gradients before they were clipped.
    """

    train_batches = None
    epoch = None
    gradient_norm = None

    def network(self, stage):
        """The model: in training with the wrapper that averages gradients over the processes.

        That wrapper also sends buffers at every call, so outside training, where the processes may have different
        numbers of batches, it is left off.
        """
        # Runs made before the name `model` have it as `encoder`.
        module = self.modules.model if "model" in self.modules else self.modules.encoder
        wrapped = stage != sb.Stage.TRAIN and isinstance(module, DistributedDataParallel)
        return module.module if wrapped else module

    def on_fit_start(self):
        """Make the schedule for the steps there are, resume, and bring the schedule to where the run is."""
        # A process that was killed while it wrote a checkpoint has left a part of one; the one before it still exists.
        self.checkpointer.delete_checkpoints(num_to_keep=0, ckpt_predicate=_is_broken)
        groups = getattr(self.hparams, "parameter_groups", None)
        self.parameter_groups = ParameterGroups(self.hparams.model, groups, self.hparams.lr)
        self.parameter_groups.freeze(0)  # before the processes agree on which gradients they exchange
        super().on_fit_start()
        self._record_processes()
        self._end_at_the_step_limit()
        counter = self.hparams.epoch_counter
        self._schedule_from_here(counter.limit - counter.current)

    def init_optimizers(self):
        """As SpeechBrain's, with the learning rates of ``parameter_groups``."""
        given = [{"params": list(self.modules.parameters())}]
        if self.remove_vector_weight_decay:
            given = rm_vector_weight_decay(self.modules)
        parts, self.ratios = self.parameter_groups.optimizer_groups(given)
        self.optimizer = self.opt_class(parts)
        self.optimizers_dict = {"opt_class": self.optimizer}
        self.checkpointer.add_recoverable("optimizer", self.optimizer)

    def _freeze(self):
        """Freeze what this step wants frozen, and exchange the gradients of the rest between the processes."""
        if not self.parameter_groups.freeze(self.optimizer_step):
            return
        # DistributedDataParallel waits for the gradients of just those parameters that had one when it was made.
        for name, module in self.modules.items():
            if isinstance(module, DistributedDataParallel):
                self.modules[name] = module.module
        self._wrap_distributed()

    def _schedule_from_here(self, epochs_left):
        batches = 0 if self.train_batches is None else len(self.train_batches)
        steps_each = max(1, -(-batches // self.grad_accumulation_factor))
        if 0 < batches < self.grad_accumulation_factor and epochs_left > 0:
            logger.warning(
                "grad_accumulation_factor %d is more than the %d batches of an epoch: an epoch takes one step, of all",
                self.grad_accumulation_factor,
                batches,
            )
        total = self.hparams.number_of_epochs * steps_each
        warmup, lr = getattr(self.hparams, "warmup_fraction", None), self.hparams.lr
        epochs = self.hparams.number_of_epochs
        self.schedule = Schedule(self.hparams.lr_schedule, lr, warmup, total, epochs, self.ratios)
        before = self.optimizer.param_groups[0]["lr"] / self.ratios[0] if self.ratios[0] else 0.0
        finished = self.record.data.get("epochs", [])[: epochs - epochs_left]
        now = self.schedule.resume(self.optimizer, self.optimizer_step, [row["valid_loss"] for row in finished])
        if epochs_left <= 0:
            return
        if self.optimizer_step and abs(now - before) > 1e-6 * max(now, before):
            logger.info(
                "the schedule has changed: step %d of %d now has the learning rate %.3g (it had %.3g); the training "
                "goes on from there",
                self.optimizer_step,
                total,
                now,
                before,
            )
        limit = self.optimizer_step_limit
        end = total if limit is None else min(total, limit)
        if not self.debug:
            ahead, trial = copy.deepcopy(self.schedule), copy.deepcopy(self.optimizer.param_groups)
            rates = [ahead(SimpleNamespace(param_groups=trial)) for _ in range(self.optimizer_step, end)]
            refuse_zero_rates(rates, self.optimizer_step, end)

    def _end_at_the_step_limit(self):
        """Begin no epoch that could take no step, and would be recorded as trained."""
        counter = self.hparams.epoch_counter
        if self._optimizer_step_limit_exceeded and self.step == 0 and counter.current < counter.limit:
            logger.warning(
                "this run has taken the %d steps of optimizer_step_limit: nothing is trained; for more epochs raise "
                "--optimizer_step_limit",
                self.optimizer_step,
            )
            counter.current = counter.limit

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

    def on_fit_batch_start(self, batch, should_step):
        """Seed the step, and set its learning rate."""
        # By the number of the batch among those of all processes: each drops and distorts in its own way.
        seed = step_seed(self.hparams.seed, self.epoch, self.batch_number())
        torch.manual_seed(seed)
        random.seed(seed)  # SpeechBrain's Augmenter draws from it
        self.on_demand.draw(self.optimizer_step)
        self._freeze()
        if should_step or self._ends_epoch():
            self.schedule(self.optimizer)

    def batch_number(self):
        """Number of the present batch among those of all processes, from 1."""
        return (self.step - 1) * process_count() + process_rank() + 1

    def _ends_epoch(self):
        """Whether this is the last batch of the epoch, behind which the gradients gathered so far make a step."""
        return self.train_batches is not None and self.step == len(self.train_batches)

    def no_sync(self, use=True):
        """As SpeechBrain's, but for the last batch, whose step averages the gradients of all processes."""
        return super().no_sync(use and not self._ends_epoch())

    def fit_batch(self, batch):
        """Train on a batch; the last ones of an epoch that do not fill a step make a step of their own."""
        loss = super().fit_batch(batch)
        left = self.step % self.grad_accumulation_factor
        if left and self._ends_epoch():
            # Their mean: SpeechBrain has divided each by the batches of a full step.
            for parameter in self.modules.parameters():
                if parameter.grad is not None:
                    parameter.grad.mul_(self.grad_accumulation_factor / left)
            self.optimizers_step()
        return loss

    def optimizers_step(self):
        """As SpeechBrain's, which clips the gradients of the optimizer's first parameter group alone."""
        self.scaler.unscale_(self.optimizer)
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self.gradient_norm = torch.nn.utils.clip_grad_norm_(parameters, self.max_grad_norm)
        if not self.scaler.is_enabled() and self.skip_nonfinite_grads:
            self.check_gradients()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer_step += 1

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
        between = self.step % self.grad_accumulation_factor != 0 and not self._ends_epoch()
        return not between and super()._should_save_intra_epoch_ckpt(last_ckpt_time, steps_since_ckpt)

    def _save_intra_epoch_ckpt(self):
        # The main process writes, and each resumes from, the loss so far: let it be that of all.
        self.avg_train_loss = mean_over_processes(self.avg_train_loss)
        super()._save_intra_epoch_ckpt()
