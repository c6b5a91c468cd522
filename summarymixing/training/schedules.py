"""Learning rate schedules: any of SpeechBrain's schedulers as a function of the optimizer's steps."""

import copy
import inspect
from functools import partial
from types import SimpleNamespace

from speechbrain.nnet.schedulers import TriStageLRSchedule

from summarymixing.utils.errors import InputError

#: Argument names of SpeechBrain's schedulers for the peak learning rate, warm-up steps, all steps and all epochs.
_NAMES = {
    "lr": ("lr", "lr_initial", "initial_value"),
    "warmup": ("num_warmup_steps", "n_warmup_steps", "warmup_steps", "warmup"),
    "steps": ("num_training_steps", "total_steps"),
    "epochs": ("epoch_count",),
}
#: Arguments of schedulers that are called at every step, and of those that are called at the end of every epoch.
_EACH_STEP = (["opt"], ["opt", "num_updates"])
_EACH_EPOCH = (["current_epoch"], ["metric_value"], ["optim_list", "current_epoch", "current_loss"])


class Schedule:
    """Any scheduler of SpeechBrain, set to any step at which a training starts or resumes.

    A checkpoint stores only the number of steps. For every scheduler the learning rate is recomputed by running through
    all earlier steps and epochs. If a run is resumed with more epochs, it therefore continues on the schedule of all of
    them.

    Each parameter group of the optimizer has the scheduler's learning rate times its own ratio.

    Parameters
    ----------
    scheduler : callable
        A scheduler (``!new:``) or its factory (``!name:``). A factory is called with the learning rate, the warm-up and
        the numbers of steps and epochs, if it has such arguments and the YAML file does not give them. Schedulers that
        are called per epoch get the validation loss.
    lr : float
        Peak learning rate, for a factory.
    warmup_fraction : float, optional
        Fraction of the steps in the warm-up, for a factory.
    steps : int
        Optimizer steps of the whole training.
    epochs : int
        Epochs of the whole training.
    ratios : list of float, optional
        Learning rate of each parameter group divided by that of the schedule; by default all 1.

    Raises
    ------
    InputError
        If ``scheduler`` is not a scheduler or cannot be created, or ``warmup_fraction`` would have no effect.

    Examples
    --------
    >>> import torch
    >>> from speechbrain.nnet.schedulers import LinearWarmupScheduler
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> Schedule(LinearWarmupScheduler, 1.0, 0.1, steps=100).resume(optimizer, 100)
    0.0
    >>> Schedule(LinearWarmupScheduler, 1.0, 0.1, steps=190).resume(optimizer, 100)
    0.5263157894736842
    """

    def __init__(self, scheduler, lr, warmup_fraction=None, steps=1, epochs=1, ratios=None):
        warms_up = False
        if isinstance(scheduler, partial | type):
            warmup = None if warmup_fraction is None else max(1, round(warmup_fraction * steps))
            scheduler, warms_up = _make(scheduler, {"lr": lr, "warmup": warmup, "steps": steps, "epochs": epochs})
        if warmup_fraction is not None and not warms_up:
            raise InputError(
                "key warmup_fraction has no effect: lr_schedule has its own warm-up, or none; set warmup_fraction to "
                "null, or give lr_schedule as !name: without its number of warm-up steps"
            )
        # A copy, because schedulers count steps and the YAML file's scheduler may start another training.
        scheduler = copy.deepcopy(scheduler)
        # CyclicLRScheduler is called by this name.
        self.scheduler = getattr(scheduler, "on_batch_end", scheduler)
        if not callable(self.scheduler):
            raise InputError("key lr_schedule must be one of speechbrain.nnet.schedulers")
        self.arguments = list(inspect.signature(self.scheduler).parameters)
        if self.arguments not in (*_EACH_STEP, *_EACH_EPOCH):
            raise InputError(
                f"key lr_schedule: {type(scheduler).__name__} takes {', '.join(self.arguments) or 'nothing'}, unlike "
                "the schedulers of speechbrain.nnet.schedulers; use one of these, such as LinearWarmupScheduler or "
                "TriStageLRSchedule"
            )
        self.ratios = ratios
        self.done = 0
        self.group = {"lr": lr}

    def __call__(self, optimizer):
        """Set the learning rate of each parameter group for the next step; returns that of the schedule."""
        if self.arguments in _EACH_STEP:
            self.scheduler(*[SimpleNamespace(param_groups=[self.group]), self.done][: len(self.arguments)])
        self.done += 1
        ratios = self.ratios or [1.0] * len(optimizer.param_groups)
        for group, ratio in zip(optimizer.param_groups, ratios, strict=True):
            group["lr"] = self.group["lr"] * ratio
        return self.group["lr"]

    def after_epoch(self, epoch, valid_loss):
        """Let a scheduler that is called per epoch choose the learning rate of the next epoch.

        Parameters
        ----------
        epoch : int
            Number of the finished epoch, from 1.
        valid_loss : float
            Its validation loss.
        """
        if self.arguments in _EACH_EPOCH:
            values = {
                "current_epoch": epoch,
                "metric_value": valid_loss,
                "current_loss": valid_loss,
                "optim_list": [SimpleNamespace(param_groups=[self.group])],
            }
            self.group["lr"] = self.scheduler(*(values[name] for name in self.arguments))[1]

    def resume(self, optimizer, done, valid_losses=()):
        """Run through the first ``done`` steps, from the optimizer's own learning rate on.

        Parameters
        ----------
        optimizer : torch.optim.Optimizer
            Its learning rates are set.
        done : int
            Number of steps taken.
        valid_losses : list of float
            Validation losses of the finished epochs.

        Returns
        -------
        float
            The schedule's learning rate at the last step taken.
        """
        self.group["lr"] = optimizer.defaults["lr"]
        if self.arguments == ["current_epoch"]:
            self.after_epoch(0, None)
        elif self.arguments == ["metric_value"]:
            self.group["lr"] = self.scheduler.hyperparam_value
        for epoch, loss in enumerate(valid_losses, 1):
            self.after_epoch(epoch, loss)
        for _ in range(done):
            self(optimizer)
        return self.group["lr"]


def tri_stage(lr, warmup_steps, total_steps, hold_fraction=0.4, final_lr_scale=0.05):
    """Make SpeechBrain's ``TriStageLRSchedule`` for a number of steps: warm up, hold, decay exponentially.

    It is the schedule of wav2vec 2.0 (2006.11477, section 4.3): 10 % of the steps warm up, 40 % hold, the rest decay.

    Parameters
    ----------
    lr : float
        Peak learning rate. The warm-up starts at a hundredth of it.
    warmup_steps : int
        Steps of the warm-up.
    total_steps : int
        Steps of the training.
    hold_fraction : float, optional
        Fraction of the steps at the peak.
    final_lr_scale : float, optional
        Learning rate at the end, as a fraction of the peak.

    Returns
    -------
    speechbrain.nnet.schedulers.TriStageLRSchedule
        The scheduler.

    Raises
    ------
    InputError
        If warm-up and hold leave no step to decay in, or ``final_lr_scale`` is not above 0 and at most 1.

    Examples
    --------
    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> schedule = Schedule(partial(tri_stage, hold_fraction=0.5), 1.0, warmup_fraction=0.1, steps=100)
    >>> rates = [schedule(optimizer) for _ in range(100)]
    >>> [round(rates[step], 3) for step in (0, 10, 60, 99)]
    [0.01, 1.0, 1.0, 0.054]
    """
    if not 0 < final_lr_scale <= 1:
        raise InputError(f"key lr_schedule: final_lr_scale {final_lr_scale} must be above 0 and at most 1")
    hold_steps = round(hold_fraction * total_steps)
    decay_steps = total_steps - warmup_steps - hold_steps
    if hold_fraction < 0 or decay_steps < 1:
        raise InputError(
            f"key lr_schedule: of {total_steps} steps {warmup_steps} warm up and hold_fraction {hold_fraction} holds "
            f"{hold_steps}, so that no step is left for the decay; lower hold_fraction or the key warmup_fraction"
        )
    return TriStageLRSchedule(lr, warmup_steps, hold_steps, decay_steps, total_steps, 0.01, final_lr_scale)


def refuse_zero_rates(rates, first, total):
    """Refuse a schedule that ends before the training, whose last steps would not change the model.

    Parameters
    ----------
    rates : list of float
        Learning rates of the remaining steps.
    first : int
        Number of steps taken before.
    total : int
        Number of steps of the whole training.

    Raises
    ------
    InputError
        If the learning rate is 0 or less in more than 1 % of all steps.

    Examples
    --------
    >>> refuse_zero_rates([0.5, 0.0], first=98, total=100)
    """
    zero = [step for step, rate in enumerate(rates, first + 1) if rate <= 0 and step > 1]
    if len(zero) > max(1, total / 100):
        raise InputError(
            f"key lr_schedule: from step {zero[0]} on the learning rate is 0 or less, but the training takes {total} "
            "steps; give the schedule as many steps (in lr_schedule, or as !name: without numbers of steps, which are "
            "then filled in), or lower --number_of_epochs or --optimizer_step_limit"
        )


def _make(factory, values):
    """Call a factory with the values that the YAML file does not give; also return whether it uses the warm-up."""
    parameters = inspect.signature(factory).parameters
    given = set(getattr(factory, "keywords", {}))
    chosen = {
        name: values[value]
        for value, names in _NAMES.items()
        for name in names
        if name in parameters and name not in given and values[value] is not None
    }
    known = given | set(chosen)
    missing = [name for name, p in parameters.items() if p.default is inspect.Parameter.empty and name not in known]
    if missing:
        other = " (or the key warmup_fraction)" if set(missing) & set(_NAMES["warmup"]) else ""
        raise InputError(f"key lr_schedule: also give {', '.join(missing)}, below the !name: line{other}")
    return factory(**chosen), bool(set(chosen) & set(_NAMES["warmup"]))
