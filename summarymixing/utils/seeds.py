"""Seeds of any size for generators that take less."""

import numpy
import speechbrain.utils.seed

#: The largest seed of an experiment; PyTorch's samplers add the epoch to it.
LARGEST = 2**63
# How many seeds PyTorch tells apart.
_SEEDS = 2**64


def seed_everything(seed):
    """Seed Python, NumPy and PyTorch, as ``speechbrain.utils.seed_everything``, which takes seeds below 2^32.

    It takes any other for 0. Here a larger one is mixed down, so that each gives other numbers.

    Parameters
    ----------
    seed : int
        0 to 2^63.

    Returns
    -------
    int
        What the generators were seeded with.

    Examples
    --------
    >>> seed_everything(1234)
    1234
    >>> seed_everything(2**32) != seed_everything(0)
    True
    """
    if seed > speechbrain.utils.seed.max_seed_value:
        seed = int(numpy.random.SeedSequence(seed).generate_state(1)[0])
    return speechbrain.utils.seed.seed_everything(seed)


def step_seed(seed, epoch, batch):
    """Return the seed of one batch of a training.

    It depends on the batch's number among those of all processes, not on how many processes there are: two processes
    that take a step together draw what one would that gathers the gradients of two batches.

    Parameters
    ----------
    seed : int
        Of the experiment, 0 to 2^63.
    epoch, batch : int
        Counted from 1.

    Returns
    -------
    int
        0 to 2^64 - 1.

    Examples
    --------
    >>> step_seed(0, 1, 5)
    1000008
    >>> step_seed(2**63, 1, 5) < 2**64
    True
    """
    return ((seed * 1_000_003 + epoch) * 1_000_003 + batch) % _SEEDS
