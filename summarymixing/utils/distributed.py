"""Several processes, one a GPU: the batches of each, and what is gathered from all of them."""

import torch
from speechbrain.utils.distributed import is_distributed_initialized
from torch.utils.data import Sampler


def process_count():
    """Processes that train together; 1 without ``torchrun``."""
    return torch.distributed.get_world_size() if is_distributed_initialized() else 1


def process_rank():
    """Number of this process among them, from 0, which is the main one."""
    return torch.distributed.get_rank() if is_distributed_initialized() else 0


def gather(value):
    """The value that each process holds, in the order of their ranks; every process must call it.

    Parameters
    ----------
    value : any
        What can be pickled.

    Returns
    -------
    list
        The same in every process.

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
    """The mean over all processes of something of which each knows the mean over ``count`` of its own.

    Examples
    --------
    >>> mean_over_processes(2.5, 4)
    2.5
    """
    parts = gather((mean, count))
    if len(parts) == 1:
        return mean  # to the last bit
    return sum(part * weight for part, weight in parts) / sum(weight for _, weight in parts)


def even_batches(batches, processes):
    """The same batches in the same order, their number a multiple of the number of processes.

    The largest batches are cut in two until it is. Where that cannot be done, because every batch holds a single
    utterance, the first ones come once more.

    Parameters
    ----------
    batches : list of list
        Batches of utterances.
    processes : int
        Processes.

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

    SpeechBrain's ``DistributedSamplerWrapper`` shuffles batches that are in order, and reads some of them twice.

    Parameters
    ----------
    batches : iterable of list
        The batches of all processes: a batch sampler.
    rank, processes : int
        Number of the process, of processes.
    even : bool
        As many batches for each process, by :func:`even_batches`: in training, where all take each step together.
        Otherwise some may have one batch more than others, and no batch is cut.

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
