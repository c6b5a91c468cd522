"""Greedy CTC decoding, whole and in pieces."""

import pytest
import torch
from speechbrain.decoders.ctc import ctc_greedy_decode

from summarymixing.decoding.ctc import GreedyCTC, ctc_greedy_tokens


def log_probs(batch, frames, vocab=4, seed=0):
    """Few tokens, so that repeats and blanks are frequent."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, frames, vocab, generator=generator).log_softmax(-1)


@pytest.mark.parametrize("blank_index", [0, 2, 3])
@pytest.mark.parametrize("frames", [1, 2, 50, 333])
def test_equals_speechbrain(blank_index, frames):
    x = log_probs(16, frames, seed=frames)
    expected = ctc_greedy_decode(x, torch.ones(16), blank_id=blank_index)
    assert ctc_greedy_tokens(x, blank_index=blank_index) == expected
    assert ctc_greedy_tokens(x, torch.ones(16), blank_index) == expected


def test_padding_of_blanks_equals_lengths():
    x, lengths = log_probs(8, 40), torch.arange(5, 45, 5)
    lengths[-1] = 40
    padding = torch.arange(40) >= lengths[:, None]
    blank = torch.tensor([0.0, -torch.inf, -torch.inf, -torch.inf])
    padded = torch.where(padding.unsqueeze(-1), blank, x)
    expected = ctc_greedy_decode(x, lengths / 40, blank_id=0)
    assert ctc_greedy_tokens(padded) == expected
    assert ctc_greedy_tokens((x, lengths)) == expected
    assert ctc_greedy_tokens(padded, torch.zeros(8)) == expected  # lengths are not used


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_pieces_equal_whole(size):
    for seed in range(20):
        x = log_probs(1, 60, seed=seed)
        decoder, grown = GreedyCTC(), []
        for piece in x[0].split(size):
            tokens = list(decoder.decode(piece))
            assert tokens[: len(grown)] == grown  # what was read stays read
            grown = tokens
        assert [grown] == ctc_greedy_tokens(x)


def test_repeats_over_the_border_of_pieces():
    best = torch.eye(3)
    decoder = GreedyCTC()
    assert decoder.decode(best[[0, 1]]) == [1]
    assert decoder.decode(best[[1, 1]]) == [1]
    assert decoder.decode(best[[0]]) == [1]
    assert decoder.decode(best[[1, 2]]) == [1, 1, 2]
    assert decoder.decode(best[:0]) == [1, 1, 2]
