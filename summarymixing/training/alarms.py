"""What stops a pre-training that cannot come to anything: collapse, and steps that are not finite."""

import math

import torch

from summarymixing.utils.errors import InputError

#: Below this, in each codebook, all frames have one target. An even choice between two has 2.
ONE_CODE = 1.5
#: So few of the codes that could be in use, while nearly all predictions are right, make the task trivial.
FEW_CODES, NEARLY_ALL = 0.1, 95.0
#: So few of them, whatever is predicted, are worth a warning.
TOO_FEW = 0.05
#: A mean loss of a masked frame that says that there is nothing left to tell apart.
NO_LOSS = 1e-3


def collapsed(step):
    """Why a step's measures are those of a collapsed model, in a few words; None if they are not.

    Parameters
    ----------
    step : summarymixing.training.masked_frames.Step
        Of one optimizer step or of a validation.

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
        return f"loss {step.loss:.2g}: there is nothing left to tell apart ({used})"
    if step.accuracy > NEARLY_ALL and step.code_perplexity < FEW_CODES * step.most_codes:
        return f"accuracy {step.accuracy:.1f} % with {used}: the targets have become trivial"
    return None


class FewCodesWarning:
    """Says once that few codes are in use: no collapse, but what is learned from so few targets is little.

    Parameters
    ----------
    patience : int
        Steps with few codes, one after the other, that are too many.

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
        """Judge a step; returns whether it is time to warn."""
        self.steps = self.steps + 1 if step.code_perplexity < TOO_FEW * step.most_codes else 0
        due = self.steps == self.patience
        if due:
            self.patience = math.inf
        return due


class CollapseAlarm:
    """Ends a training whose steps stay collapsed.

    A single step may look so, with few frames or in the first steps; so many one after the other do not recover. While
    the alarm is in doubt no checkpoint of mid-epoch is written, so that the last good one stays.

    Parameters
    ----------
    patience : int
        Collapsed steps, one after the other, that are too many.

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
        """Judge a step; returns why the training must end, or None.

        Parameters
        ----------
        step : Step
            Its measures.
        number : int
            Optimizer steps until now.
        """
        reason = collapsed(step)
        self.steps = self.steps + 1 if reason else 0
        if self.steps < self.patience:
            return None
        return f"{reason}, in the {self.steps} optimizer steps up to number {number}"


class NonFiniteAlarm:
    """Counts steps that are left out because a gradient is NaN or infinite.

    Parameters
    ----------
    patience : int
        How many of them, one after the other, are tolerated.

    Examples
    --------
    >>> alarm = NonFiniteAlarm(patience=1)
    >>> [alarm(norm) for norm in (float("nan"), 1.0, float("inf"), float("nan"))]
    [False, False, False, True]
    """

    def __init__(self, patience):
        self.patience, self.steps = patience, 0

    def __call__(self, gradient_norm, searching=False):
        """Judge a step; returns whether there are too many.

        Parameters
        ----------
        gradient_norm : float
            Of the step.
        searching : bool
            The loss scale of float16 is on its way down, so that an overflow is no defect.
        """
        left_out = not math.isfinite(gradient_norm) and not searching
        self.steps = self.steps + 1 if left_out else 0
        return self.steps > self.patience


def refuse_non_finite(model):
    """Refuse to write weights or statistics that are not finite.

    Parameters
    ----------
    model : torch.nn.Module
        What would be written.

    Raises
    ------
    InputError
        Naming the first of them.

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
    # Of all at once: on a GPU each question waits for it.
    if tensors and not torch.stack([value.isfinite().all() for value in tensors.values()]).all():
        name = next(name for name, value in tensors.items() if not value.isfinite().all())
        raise InputError(
            f"{name} of the model is NaN or infinite, so no checkpoint is written; the same command goes on from the "
            "last one; if it ends here again, begin another --output_folder with a lower --lr or in --precision fp32"
        )
