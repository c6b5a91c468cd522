"""Span masks: every mask that can be drawn and how often, whole spans, published shares, ragged batches."""

import itertools
import math
from collections import Counter

import pytest
import torch

from summarymixing.ops.spans import span_mask


def distribution(frames, span, expected):
    """Each mask's probability, from all sets of starts; the number of spans is rounded at random, at least one."""
    span = min(span, max(1, frames // 2))
    places, probabilities = range(frames - span + 1), Counter()
    low = math.floor(expected)
    for number, weight in ((low, 1 - expected + low), (low + 1, expected - low)):
        sets = list(itertools.combinations(places, min(len(places), max(1, number))))
        for starts in sets:
            hidden = {start + i for start in starts for i in range(span)}
            probabilities[tuple(frame in hidden for frame in range(frames))] += weight / len(sets)
    return probabilities


@pytest.mark.parametrize("frames, span", [(1, 10), (2, 10), (3, 2), (5, 2), (7, 3), (8, 1), (9, 10)])
@pytest.mark.parametrize("share", [0.2, 0.49, 0.66])
def test_every_mask_is_as_frequent_as_it_should_be(frames, span, share):
    torch.manual_seed(0)
    draws = 3000
    own_span = min(span, max(1, frames // 2))
    # Starts so dense that `own_span` frames hold none with probability 1 - share.
    expected = distribution(frames, span, frames * -math.expm1(math.log1p(-share) / own_span))
    mask = span_mask(torch.full((draws,), frames), share=share, span=span)
    found = Counter(map(tuple, mask.tolist()))
    assert found.keys() <= {key for key, probability in expected.items() if probability > 0}
    for key, probability in expected.items():
        deviation = math.sqrt(probability * (1 - probability) / draws)
        assert abs(found[key] / draws - probability) <= 5 * deviation + 1e-9


@pytest.mark.parametrize("share, starts", [(0.49, 0.065), (0.66, 0.1023)])
def test_published_shares(share, starts):
    """wav2vec 2.0's 0.65 / 10 starts a frame, and what a share of 0.66 takes."""
    torch.manual_seed(0)
    assert 1 - (1 - starts) ** 10 == pytest.approx(share, abs=2e-3)
    mask = span_mask(torch.full((300,), 700), share=share)
    assert mask.float().mean() == pytest.approx(share, abs=0.01)
    # Every frame is as likely, but for those that fewer spans can hold.
    assert (mask.float().mean(0)[10:-10] - share).abs().max() < 0.16
    assert not torch.equal(mask[0], mask[1])


def test_ragged_batch():
    torch.manual_seed(0)
    counts = torch.tensor([997, 20, 19, 10, 9, 2, 1, 0] * 20)
    mask = span_mask(counts, num_frames=1003)
    assert mask.shape == (160, 1003)
    assert not (mask & (torch.arange(1003) >= counts[:, None])).any()
    for row, frames in zip(mask.tolist(), counts.tolist(), strict=True):
        runs = [len(list(run)) for hidden, run in itertools.groupby(row) if hidden]
        assert bool(runs) == (frames > 0)
        assert all(run >= min(10, max(1, frames // 2)) for run in runs)
    # Each by its own length: a long one is not masked less for the short ones beside it.
    assert mask[counts == 997].sum() / (20 * 997) == pytest.approx(0.49, abs=0.03)


def test_is_drawn_from_the_global_generator():
    counts, masks = torch.tensor([100, 37]), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(span_mask(counts))
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])


@pytest.mark.parametrize("bad", [{"share": 0.0}, {"share": 1.0}, {"span": 0}], ids=str)
def test_bad_settings_are_refused(bad):
    with pytest.raises(ValueError, match="share=.*span="):
        span_mask(torch.tensor([100]), **bad)
