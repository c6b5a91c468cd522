"""The batch never changes the answer: order, other utterances, padding and what lies in it."""

import pytest
import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

LENGTHS = (31, 20, 7, 1)
CHUNKS = DynChunkTrainConfig(4, 1)


def limits(case):
    return (None, CHUNKS) if case.chunkable else (None,)


def gradients(encoder, x, padding_mask, chunks):
    """The output, and the gradients of its real frames with respect to the input and every parameter."""
    x = x.clone().requires_grad_()
    encoder.zero_grad()
    output, _ = encoder(x, src_key_padding_mask=padding_mask, dynchunktrain_config=chunks)
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1))
    (output[~padding_mask] * weights[~padding_mask]).sum().backward()
    found = {name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None}
    return {"output": output.detach(), "input": x.grad, **found}


@torch.no_grad()
def test_alone_equals_in_any_batch(case, tools):
    encoder = case.make()
    x, padding_mask = tools.ragged(*LENGTHS)
    for chunks in limits(case):
        batched, _ = encoder(x, src_key_padding_mask=padding_mask, dynchunktrain_config=chunks)
        assert (batched[padding_mask] == 0).all()
        assert 0.5 < batched[~padding_mask].abs().mean() < 2
        for row, length in enumerate(LENGTHS):
            alone, _ = encoder(x[row : row + 1, :length], dynchunktrain_config=chunks)
            torch.testing.assert_close(batched[row, :length], alone[0], rtol=0, atol=1e-4)
        for order in ([3, 2, 1, 0], [1, 3, 0, 2], [2, 1]):
            longest = max(LENGTHS[row] for row in order)
            other, _ = encoder(
                x[order, :longest],
                src_key_padding_mask=padding_mask[order, :longest],
                dynchunktrain_config=chunks,
            )
            torch.testing.assert_close(other, batched[order, :longest], rtol=0, atol=1e-4)


@torch.no_grad()
def test_longer_padding_changes_nothing(case, tools):
    encoder = case.make()
    x, padding_mask = tools.ragged(*LENGTHS)
    longer = torch.nn.functional.pad(x, (0, 0, 0, 17), value=3.0)
    longer_mask = torch.nn.functional.pad(padding_mask, (0, 17), value=True)
    for chunks in limits(case):
        expected, _ = encoder(x, src_key_padding_mask=padding_mask, dynchunktrain_config=chunks)
        actual, _ = encoder(longer, src_key_padding_mask=longer_mask, dynchunktrain_config=chunks)
        torch.testing.assert_close(actual[:, :31], expected, rtol=0, atol=1e-4)
        assert (actual[:, 31:] == 0).all()


@pytest.mark.parametrize("filling", [float("nan"), float("inf")], ids=str)
def test_content_of_padding_changes_nothing(case, filling, tools):
    encoder = case.make()
    x, padding_mask = tools.ragged(*LENGTHS)
    padding = padding_mask.unsqueeze(-1)
    for chunks in limits(case):
        clean = gradients(encoder, x.masked_fill(padding, 0.0), padding_mask, chunks)
        dirty = gradients(encoder, x.masked_fill(padding, filling), padding_mask, chunks)
        assert clean.keys() == dirty.keys() and len(clean) > 10
        for name, value in clean.items():
            assert dirty[name].isfinite().all() and torch.equal(dirty[name], value), name
        assert (dirty["input"][padding_mask] == 0).all()


def test_row_of_padding_gives_zeros(case, tools):
    encoder = case.make()
    x, padding_mask = tools.ragged(*LENGTHS)
    without_row = [0, 2, 3]
    padding_mask[1] = True
    x[1] = float("nan")
    for chunks in limits(case):
        found = gradients(encoder, x, padding_mask, chunks)
        assert all(value.isfinite().all() for value in found.values())
        assert (found["output"][1] == 0).all() and (found["input"][1] == 0).all()
        others, _ = encoder(
            x[without_row],
            src_key_padding_mask=padding_mask[without_row],
            dynchunktrain_config=chunks,
        )
        torch.testing.assert_close(found["output"][without_row], others, rtol=0, atol=1e-4)


@pytest.mark.slow
@torch.no_grad()
def test_alone_equals_in_batch_at_recipe_size(case, tools):
    """Longer utterances, the published kernel of 31, more layers than two."""
    kernel = {} if case.encoder == "transformer" else {"kernel_size": 31}
    encoder = case.make(6, **kernel)
    lengths = (400, 250, 33)
    x, padding_mask = tools.ragged(*lengths)
    batched, _ = encoder(x, src_key_padding_mask=padding_mask)
    assert 0.5 < batched[~padding_mask].abs().mean() < 2
    for row, length in enumerate(lengths):
        alone, _ = encoder(x[row : row + 1, :length])
        torch.testing.assert_close(batched[row, :length], alone[0], rtol=0, atol=1e-4)
