"""Running averages of a model's weights."""

from torch.optim.swa_utils import get_ema_multi_avg_fn


def running_average(decay):
    """How PyTorch's ``AveragedModel`` brings an average up to date: exponentially, the first weights soon forgotten.

    Behind step n the decay is ``min(decay, (1 + n) / (10 + n))``: an average of 10,000 steps begins as one of few.

    Parameters
    ----------
    decay : float
        0 to 1, the share of the average that a step leaves.

    Returns
    -------
    callable
        For the argument ``multi_avg_fn``.

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
