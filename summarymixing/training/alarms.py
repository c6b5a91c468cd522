"""Alarms that end a failed pre-training: collapse, and gradients that are not finite."""

import math

import torch

from summarymixing.utils.errors import InputError

#: Code perplexity per codebook below which nearly all frames have the same target; two equally frequent codes have 2.
ONE_CODE = 1.5
#: The task is trivial if less than this fraction of the possible codes is in use and more than this % is predicted.
FEW_CODES, NEARLY_ALL = 0.1, 95.0
#: If less than this fraction of the possible codes is in use, there is a warning, whatever the accuracy.
TOO_FEW = 0.05
#: Mean loss of a masked frame below which the candidates cannot differ any more.
NO_LOSS = 1e-3


def collapsed(step):
    """Return in a few words why the statistics of a step are those of a collapsed model; None if they are not.

    Parameters
    ----------
    step : summarymixing.training.masked_frames.Step
        Statistics of one optimizer step or of a validation.

    Returns
    -------
    str or None

    Examples
    --------
    >>> from summarymixing.training.masked_frames import Step
    >>> print(collapsed(Step(50, 100, 2.0, 4.0, 20.0, 1.0, 300.0, 400.0, groups=2, codes=640)))
    None
    >>> collapsed(Step(50, 100, 2.0, 0.1, 100.0, 100.0, 2.0, 3.0, groups=2, codes=640))
    'code perplexity 2.0 of 640: nearly all frames have the same target'
    """
    used = f"code perplexity {step.code_perplexity:.1f} of {step.codes}"
    if step.masked == 0:
        return None
    if step.code_perplexity < ONE_CODE * step.groups:
        return f"{used}: nearly all frames have the same target"
    if step.loss < NO_LOSS:
        return f"loss {step.loss:.2g}: all candidates look the same ({used})"
    if step.accuracy > NEARLY_ALL and step.code_perplexity < FEW_CODES * step.most_codes:
        return f"accuracy {step.accuracy:.1f} % with {used}: the targets have become trivial"
    return None


class FewCodesWarning:
    """Reports once that few codes are in use: this is no collapse, but little can be learned from few targets.

    Parameters
    ----------
    patience : int
        Number of consecutive steps with few codes after which it reports.

    Examples
    --------
    >>> from summarymixing.training.masked_frames import Step
    >>> warning, step = FewCodesWarning(patience=2), Step(900, 999, 2.0, 4.0, 40.0, 5.0, 12.0, 13.0, 2, 640)
    >>> [warning(step) for _ in range(4)]
    [False, True, False, False]
    """

    def __init__(self, patience=100):
        self.patience, self.steps = patience, 0

    def __call__(self, step):
        """Judge the statistics of a step (a `Step`); returns whether to warn now."""
        self.steps = self.steps + 1 if step.code_perplexity < TOO_FEW * step.most_codes else 0
        due = self.steps == self.patience
        if due:
            self.patience = math.inf
        return due


class CollapseAlarm:
    """Ends a training whose steps stay collapsed.

    A single step may look collapsed, with few frames or at the beginning; many consecutive ones do not recover. While
    the alarm is in doubt, no checkpoint is written within the epoch, so that the last good one stays.

    Parameters
    ----------
    patience : int
        Number of consecutive collapsed steps that ends the training.

    Examples
    --------
    >>> from summarymixing.training.masked_frames import Step
    >>> alarm, step = CollapseAlarm(patience=2), Step(50, 100, 2.0, 0.0, 100.0, 100.0, 2.0, 3.0, groups=2, codes=640)
    >>> alarm(step, number=1), alarm.in_doubt
    (None, True)
    >>> print(alarm(step, number=2))
    code perplexity 2.0 of 640: nearly all frames have the same target, in the 2 optimizer steps up to number 2
    """

    def __init__(self, patience=20):
        self.patience, self.steps = patience, 0

    @property
    def in_doubt(self):
        """Whether the last step was collapsed."""
        return self.steps > 0

    def __call__(self, step, number):
        """Judge a step.

        Parameters
        ----------
        step : Step
            Statistics of the step.
        number : int
            Optimizer steps so far.

        Returns
        -------
        str or None
            Why the training must end, or None.
        """
        reason = collapsed(step)
        self.steps = self.steps + 1 if reason else 0
        if self.steps < self.patience:
            return None
        return f"{reason}, in the {self.steps} optimizer steps up to number {number}"


class NonFiniteAlarm:
    """Counts consecutive steps that are skipped because a gradient is NaN or infinite.

    Parameters
    ----------
    patience : int
        Largest number of consecutive skipped steps that is tolerated.

    Examples
    --------
    >>> alarm = NonFiniteAlarm(patience=1)
    >>> [alarm(norm) for norm in (float("nan"), 1.0, float("inf"), float("nan"))]
    [False, False, False, True]
    """

    def __init__(self, patience):
        self.patience, self.steps = patience, 0

    def __call__(self, gradient_norm, searching=False):
        """Judge a step.

        Parameters
        ----------
        gradient_norm : float
            Norm of the step's gradients.
        searching : bool
            Whether float16's loss scale is still being lowered, so that an overflow is expected.

        Returns
        -------
        bool
            Whether too many steps were skipped.
        """
        left_out = not math.isfinite(gradient_norm) and not searching
        self.steps = self.steps + 1 if left_out else 0
        return self.steps > self.patience


def refuse_non_finite(model):
    """Refuse to write weights or statistics that are not finite.

    Parameters
    ----------
    model : torch.nn.Module
        The model to write.

    Raises
    ------
    InputError
        If there are any; names the first of them.

    Examples
    --------
    >>> model = torch.nn.Linear(1, 1)
    >>> refuse_non_finite(model)
    >>> _ = torch.nn.init.constant_(model.bias, float("nan"))
    >>> refuse_non_finite(model)
    Traceback (most recent call last):
    summarymixing.utils.errors.InputError: bias of the model is NaN or infinite, so no checkpoint is written; ...
    """
    tensors = {name: value for name, value in model.state_dict().items() if value.is_floating_point()}
    # One check for all tensors: on a GPU each check waits for it.
    if tensors and not torch.stack([value.isfinite().all() for value in tensors.values()]).all():
        name = next(name for name, value in tensors.items() if not value.isfinite().all())
        raise InputError(
            f"{name} of the model is NaN or infinite, so no checkpoint is written; the same command resumes from the "
            "last checkpoint; if it happens again, begin another --output_folder with a lower --lr or --precision fp32"
        )
