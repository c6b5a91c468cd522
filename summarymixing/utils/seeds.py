"""Seeds of any size, also for generators that accept only small ones."""

import numpy
import speechbrain.utils.seed

#: The largest seed of an experiment; PyTorch's samplers add the epoch to it.
LARGEST = 2**63
# Number of different seeds of PyTorch.
_SEEDS = 2**64


def seed_everything(seed):
    """Seed Python, NumPy and PyTorch, as ``speechbrain.utils.seed_everything`` does for seeds below 2^32.

    SpeechBrain treats every larger seed as 0. Here a larger seed is hashed, so that each gives other numbers.

    Parameters
    ----------
    seed : int
        0 to 2^63.

    Returns
    -------
    int
        The seed that the generators got.

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

    It depends on the number of the batch among those of all processes, not on the number of processes. Two processes
    that take a step together therefore draw the same numbers as one process that accumulates two batches.

    Parameters
    ----------
    seed : int
        Seed of the experiment, 0 to 2^63.
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
