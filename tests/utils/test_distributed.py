"""The shares of several processes in the batches of an epoch."""

import pytest
import torch
from speechbrain.dataio.dataset import DynamicItemDataset

from summarymixing.data.transcripts import dynamic_batches
from summarymixing.utils.distributed import DistributedBatches, even_batches


def shares(batches, processes, even):
    return [list(DistributedBatches(batches, rank, processes, even)) for rank in range(processes)]


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_each_process_takes_its_share_of_every_epoch(processes):
    generator = torch.Generator().manual_seed(0)
    durations = (1 + 9 * torch.rand(101, generator=generator)).tolist()
    dataset = DynamicItemDataset({str(i): {"duration": d, "wav": str(i)} for i, d in enumerate(durations)})
    orders = []
    for epoch in (1, 2, 3):
        # Each process makes its own sampler, and may come from a checkpoint.
        parts = []
        for rank in range(processes):
            share = DistributedBatches(
                dynamic_batches(dataset, 40, seed=1, short_first_epochs=1), rank, processes, even=True
            )
            share.set_epoch(epoch)
            parts.append(list(share))
            assert len(parts[-1]) == len(share)
        assert len({len(part) for part in parts}) == 1, "the processes would take different numbers of steps"
        assert sorted(index for part in parts for batch in part for index in batch) == list(range(101))
        longest = [[max(durations[index] for index in batch) for batch in part] for part in parts]
        assert all(part == sorted(part) for part in longest) == (epoch == 1)  # short to long in the first epoch only
        assert all(
            len(batch) * part_max <= 40
            for p, m in zip(parts, longest, strict=True)
            for batch, part_max in zip(p, m, strict=True)
        )
        orders.append(parts)
    assert orders[1] != orders[2]


def test_batches_are_cut_until_they_can_be_shared():
    batches = [[0, 1], [2, 3, 4, 5], [6]]
    assert even_batches(batches, 1) == batches
    assert even_batches(batches, 2) == [[0, 1], [2, 3], [4, 5], [6]]
    assert even_batches(batches, 5) == [[0], [1], [2, 3], [4, 5], [6]]
    assert even_batches(batches, 7) == [[index] for index in range(7)]
    # There is nothing left to cut.
    assert even_batches([[0], [1], [2]], 2) == [[0], [1], [2], [0]]
    assert len(even_batches([[0]], 8)) == 8


def test_evaluation_cuts_no_batch_and_reads_none_twice():
    batches = [[0, 1], [2, 3], [4]]
    assert shares(batches, 2, even=False) == [[[0, 1], [4]], [[2, 3]]]
    assert shares(batches, 4, even=False) == [[[0, 1]], [[2, 3]], [[4]], []]
    assert [len(DistributedBatches(batches, rank, 4, even=False)) for rank in range(4)] == [1, 1, 1, 0]
