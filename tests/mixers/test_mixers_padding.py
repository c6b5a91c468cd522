"""Padding and the other utterances of a batch change nothing."""

import pytest
import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

CHUNKS = DynChunkTrainConfig(4, 1)


def limits(case):
    """None, and chunks where the mixer takes them."""
    return (None, CHUNKS) if case.chunkable else (None,)


@pytest.mark.parametrize("filling", [float("nan"), float("inf")], ids=str)
def test_content_of_padding_changes_nothing(case, length, nhead, filling, tools):
    mixer = case.make(nhead)
    x, padding_mask = tools.ragged(length)
    dirty = x.masked_fill(padding_mask.unsqueeze(-1), filling)
    for chunks in limits(case):
        clean, spoiled = (
            tools.differentiate(lambda x, chunks=chunks: mixer(x, padding_mask, chunks), mixer, content, padding_mask)
            for content in (x.masked_fill(padding_mask.unsqueeze(-1), 0.0), dirty)
        )
        for name, value in clean.items():
            if value is not None:
                assert spoiled[name].isfinite().all(), name
                assert torch.equal(spoiled[name], value), name


def test_alone_equals_in_batch_equals_permuted(case, length, nhead, tools):
    mixer = case.make(nhead)
    x, padding_mask = tools.ragged(length)
    order = [2, 0, 1]
    for chunks in limits(case):
        batched = mixer(x, padding_mask, chunks)
        permuted = mixer(x[order], padding_mask[order], chunks)
        torch.testing.assert_close(permuted, batched[order], rtol=0, atol=1e-5 * batched.abs().max().item())
        for row in range(len(x)):
            real = x[row, ~padding_mask[row]].unsqueeze(0)
            alone = mixer(real, None, chunks)[0]
            scale = alone.abs().max().item()
            torch.testing.assert_close(batched[row, : len(alone)], alone, rtol=0, atol=1e-5 * scale)


def test_longer_padding_changes_nothing(case, tools):
    mixer = case.make()
    x, padding_mask = tools.ragged(30)
    longer = torch.nn.functional.pad(x, (0, 0, 0, 17))
    longer_mask = torch.nn.functional.pad(padding_mask, (0, 17), value=True)
    for chunks in limits(case):
        expected = mixer(x, padding_mask, chunks)
        actual = mixer(longer, longer_mask, chunks)
        torch.testing.assert_close(actual[:, :30], expected, rtol=0, atol=1e-5 * expected.abs().max().item())
        assert (actual[:, 30:] == 0).all()


def test_row_of_padding_gives_zeros(case, length, nhead, tools):
    mixer = case.make(nhead)
    x, padding_mask = tools.ragged(length)
    padding_mask[1] = True
    x[1] = float("nan")
    others = [0, 2]
    for chunks in limits(case):
        result = tools.differentiate(lambda x, chunks=chunks: mixer(x, padding_mask, chunks).square(), mixer, x)
        assert (result["output"][1] == 0).all()
        assert all(value.isfinite().all() for value in result.values() if value is not None)
        assert (result["x"][1] == 0).all()
        without = mixer(x[others], padding_mask[others], chunks).square()
        atol = 1e-5 * without.abs().max().item()
        torch.testing.assert_close(result["output"][others], without, rtol=0, atol=atol)


def test_batch_of_padding_alone(case, tools):
    mixer = case.make()
    x = torch.full((2, 9, tools.D), float("nan"))
    padding_mask = torch.ones(2, 9, dtype=torch.bool)
    for chunks in limits(case):
        result = tools.differentiate(lambda x, chunks=chunks: mixer(x, padding_mask, chunks), mixer, x)
        assert (result["output"] == 0).all()
        assert all((value == 0).all() for value in result.values() if value is not None)


def test_input_is_left_alone(case, tools):
    mixer = case.make()
    x, padding_mask = tools.ragged(11)
    before = x.clone(), padding_mask.clone()
    mixer(x, padding_mask)
    assert torch.equal(x, before[0]) and torch.equal(padding_mask, before[1])
