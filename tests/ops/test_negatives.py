"""Distractors: all other masked frames of the utterance, each as likely, and nothing else."""

import pytest
import torch

from summarymixing.ops.negatives import sample_negatives


@pytest.mark.parametrize("counts", [[2], [3, 2], [0, 5, 0, 4], [7, 2, 3, 0]], ids=str)
def test_every_other_masked_frame_of_the_utterance_is_as_likely(counts):
    torch.manual_seed(0)
    draws = 4000
    negatives = sample_negatives(torch.tensor(counts), draws)
    owner = [utterance for utterance, count in enumerate(counts) for _ in range(count)]
    assert negatives.shape == (len(owner), draws)
    for frame, row in enumerate(negatives):
        others = [f for f in range(len(owner)) if f != frame and owner[f] == owner[frame]]
        shares = torch.bincount(row, minlength=len(owner)) / draws
        for other in range(len(owner)):
            expected = 1 / len(others) if other in others else 0.0
            deviation = (expected * (1 - expected) / draws) ** 0.5
            assert abs(shares[other] - expected) <= 5 * deviation


def test_long_utterances():
    """Far more frames than float32 random numbers tell apart evenly."""
    torch.manual_seed(0)
    counts = torch.tensor([20000, 2, 15000])
    negatives = sample_negatives(counts, 3)
    first = torch.tensor([0, 20000, 20002]).repeat_interleave(counts)[:, None]
    assert (negatives >= first).all() and (negatives < first + counts.repeat_interleave(counts)[:, None]).all()
    assert (negatives != torch.arange(35002)[:, None]).all()


def test_no_masked_frame():
    assert sample_negatives(torch.tensor([0, 0]), 5).shape == (0, 5)


def test_a_single_masked_frame_is_refused():
    with pytest.raises(ValueError, match="single masked frame"):
        sample_negatives(torch.tensor([4, 1]), 5)
