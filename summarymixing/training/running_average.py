"""Running averages of a model's weights."""

from torch.optim.swa_utils import get_ema_multi_avg_fn


def running_average(decay):
    """Make an exponential update for PyTorch's ``AveragedModel`` that soon forgets the first weights.

    After step n the decay is ``min(decay, (1 + n) / (10 + n))``, so that a long average begins as an average of few
    steps.

    Parameters
    ----------
    decay : float
        0 to 1, the fraction of the old average that remains after a step.

    Returns
    -------
    callable
        The argument ``multi_avg_fn``.

    Examples
    --------
    >>> import torch
    >>> from torch.optim.swa_utils import AveragedModel
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> average = AveragedModel(model, multi_avg_fn=running_average(0.9999))
    >>> for weight in (1.0, 2.0):
    ...     _ = torch.nn.init.constant_(model.weight, weight)
    ...     average.update_parameters(model)
    >>> round(average.module.weight.item(), 4)  # 2 / 11 of the first
    1.8182
    """

    def update(averaged, current, steps):
        steps = int(steps)
        get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(averaged, current, steps)

    return update
