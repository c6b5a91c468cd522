"""Several processes, one per GPU: the batches of each process, and gathering values from all of them."""

import torch
from speechbrain.utils.distributed import is_distributed_initialized
from torch.utils.data import Sampler


def process_count():
    """Number of processes that train together; 1 without ``torchrun``."""
    return torch.distributed.get_world_size() if is_distributed_initialized() else 1


def process_rank():
    """Rank of this process, from 0, which is the main process."""
    return torch.distributed.get_rank() if is_distributed_initialized() else 0


def gather(value):
    """Gather the value of each process; every process must call this.

    Parameters
    ----------
    value : object
        Anything that can be pickled.

    Returns
    -------
    list
        The values in the order of the ranks, the same list in every process.

    Examples
    --------
    >>> gather("alone")
    ['alone']
    """
    if not is_distributed_initialized():
        return [value]
    values = [None] * process_count()
    torch.distributed.all_gather_object(values, value)
    return values


def mean_over_processes(mean, count=1):
    """Compute the mean over all processes, weighted by the count of each; every process must call this.

    Parameters
    ----------
    mean : float
        The mean of this process.
    count : int
        How many values it is a mean of.

    Returns
    -------
    float

    Examples
    --------
    >>> mean_over_processes(2.5, 4)
    2.5
    """
    parts = gather((mean, count))
    if len(parts) == 1:
        return mean  # equal to the last bit
    return sum(part * weight for part, weight in parts) / sum(weight for _, weight in parts)


def even_batches(batches, processes):
    """Make the number of batches a multiple of the number of processes; their order stays.

    The largest batches are split in two until it is. If every batch holds a single utterance, the first batches are
    repeated instead.

    Parameters
    ----------
    batches : list of list
        Batches of utterances.
    processes : int
        Number of processes.

    Returns
    -------
    list of list

    Examples
    --------
    >>> even_batches([[0, 1, 2], [3], [4, 5]], 2)
    [[0], [1, 2], [3], [4, 5]]
    """
    batches = list(batches)
    while len(batches) % processes:
        largest = max(range(len(batches)), key=lambda index: len(batches[index]))
        batch = batches[largest]
        if len(batch) == 1:
            batches += batches[: -len(batches) % processes]
            continue
        middle = len(batch) // 2
        batches[largest : largest + 1] = [batch[:middle], batch[middle:]]
    return batches


class DistributedBatches(Sampler):
    """A distributed batch sampler: process number r of P reads the batches r, r + P, r + 2 P, ...

    SpeechBrain's ``DistributedSamplerWrapper`` shuffles batches that are sorted, and reads some of them twice.

    Parameters
    ----------
    batches : iterable of list
        The batches of all processes: a batch sampler.
    rank, processes : int
        Rank of this process; number of processes.
    even : bool
        Whether all processes get the same number of batches (:func:`even_batches`), as training needs, where all take
        each step together. Otherwise some get one batch more than others, and no batch is split.

    Examples
    --------
    >>> batches = [[0, 1], [2], [3, 4]]
    >>> [list(DistributedBatches(batches, rank, 2, even=False)) for rank in range(2)]
    [[[0, 1], [3, 4]], [[2]]]
    >>> [list(DistributedBatches(batches, rank, 2, even=True)) for rank in range(2)]
    [[[0], [2]], [[1], [3, 4]]]
    """

    def __init__(self, batches, rank, processes, even):
        self.batches, self.rank, self.processes, self.even = batches, rank, processes, even

    def set_epoch(self, epoch):
        """Choose the order of epoch number ``epoch``."""
        self.batches.set_epoch(epoch)

    def __iter__(self):
        batches = list(self.batches)
        if self.even:
            batches = even_batches(batches, self.processes)
        return iter(batches[self.rank :: self.processes])

    def __len__(self):
        first = 0 if self.even else self.rank
        return len(range(first, len(self.batches), self.processes))
