"""Learning rates of a training: any of SpeechBrain's schedulers as a function of the optimizer's steps."""

import inspect
from functools import partial

from summarymixing.errors import InputError

#: What SpeechBrain's schedulers call the peak learning rate, the steps of the warm-up and all steps.
_NAMES = {
    "lr": ("lr", "lr_initial", "initial_value"),
    "warmup": ("num_warmup_steps", "n_warmup_steps", "warmup_steps", "warmup"),
    "steps": ("num_training_steps", "total_steps"),
}


class Schedule:
    """A scheduler, brought to any step of the training at which it may start or go on.

    A checkpoint holds the number of steps alone: whatever the scheduler, its learning rate there is found by going
    through the steps before. A run that is given more epochs so goes on along the schedule of all of them.

    Arguments
    ---------
    scheduler : callable
        One of SpeechBrain's that are called at every step with the optimizer (and the number of steps before, as
        ``TriStageLRSchedule`` wants it); or, as ``!name:`` gives it, the factory of one. A factory receives the
        learning rate, the warm-up and the number of steps by the names that its arguments have.
    lr : float
        For a factory.
    warmup_fraction : float, optional
        For a factory: share of the steps.
    steps : int
        Of the whole training.

    Raises
    ------
    InputError
        If the scheduler is of another kind, or cannot be made.

    Example
    -------
    >>> import torch
    >>> from speechbrain.nnet.schedulers import LinearWarmupScheduler
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> Schedule(LinearWarmupScheduler, 1.0, 0.1, steps=100).resume(optimizer, 100)
    0.0
    >>> Schedule(LinearWarmupScheduler, 1.0, 0.1, steps=190).resume(optimizer, 100)
    0.5263157894736842
    """

    def __init__(self, scheduler, lr, warmup_fraction=None, steps=1):
        made = isinstance(scheduler, partial | type)
        if made:
            scheduler = _make(scheduler, lr, max(1, round((warmup_fraction or 0.0) * steps)), steps)
        elif warmup_fraction is not None:
            raise InputError(
                "key warmup_fraction does nothing: it is for a lr_schedule given as !name:, and this one is given as "
                "!new: with a warm-up of its own; leave that key out"
            )
        if not callable(scheduler):
            raise InputError("key lr_schedule must be one of speechbrain.nnet.schedulers")
        arguments = list(inspect.signature(scheduler).parameters)
        if arguments not in (["opt"], ["opt", "num_updates"]):
            raise InputError(
                f"key lr_schedule: {type(scheduler).__name__} is not called at every step with the optimizer alone, "
                f"but with {', '.join(arguments)}; use LinearWarmupScheduler or NoamScheduler, for example"
            )
        self.scheduler = scheduler
        self.counted = len(arguments) == 2
        self.steps = steps
        self.done = 0

    def __call__(self, optimizer):
        """Set the learning rate of the next step."""
        if self.counted:
            self.scheduler(optimizer, self.done)
        else:
            self.scheduler(optimizer)
        self.done += 1
        return optimizer.param_groups[0]["lr"]

    def resume(self, optimizer, done):
        """Go through the first ``done`` steps, at the start of which the optimizer has its own learning rate.

        Returns
        -------
        float
            Learning rate of the last of them.
        """
        for group in optimizer.param_groups:
            group["lr"] = optimizer.defaults["lr"]
        for _ in range(done):
            self(optimizer)
        return optimizer.param_groups[0]["lr"]


def refuse_zero_rates(rates, first, total):
    """Refuse a schedule that ends before the training: its last steps would teach nothing.

    Arguments
    ---------
    rates : list of float
        Learning rates of the steps that are left.
    first : int
        Steps taken before.
    total : int
        Steps of the whole training.

    Raises
    ------
    InputError
        If more than one step in a hundred has none.

    Example
    -------
    >>> refuse_zero_rates([0.5, 0.0], first=98, total=100)
    """
    zero = [step for step, rate in enumerate(rates, first + 1) if rate <= 0 and step > 1]
    if len(zero) > max(1, total / 100):
        raise InputError(
            f"key lr_schedule: from step {zero[0]} on the learning rate is 0 or less, but the training takes {total} "
            "steps; give the schedule as many (its own numbers of steps in lr_schedule, or !name: for a schedule that "
            "is made for the steps there are), or lower --number_of_epochs or --optimizer_step_limit"
        )


def _make(factory, lr, warmup, steps):
    """Give a factory what its arguments ask for, but for what the YAML file gave."""
    parameters = inspect.signature(factory).parameters
    given = set(getattr(factory, "keywords", {}))
    values = {"lr": lr, "warmup": warmup, "steps": steps}
    chosen = {
        name: values[value]
        for value, names in _NAMES.items()
        for name in names
        if name in parameters and name not in given
    }
    known = given | set(chosen)
    missing = [name for name, p in parameters.items() if p.default is inspect.Parameter.empty and name not in known]
    if missing:
        raise InputError(f"key lr_schedule: give it also {', '.join(missing)}, below its !name: line")
    return factory(**chosen)
