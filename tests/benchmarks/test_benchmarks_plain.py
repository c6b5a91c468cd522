"""The plain formulation computes what SummaryMixing computes: outputs and gradients, in float64."""

import pytest
import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing.benchmarks.plain import PlainSummaryMixing
from summarymixing.mixers import SummaryMixing

CHUNKS = [None, *(DynChunkTrainConfig(size, left) for size in (1, 4, 100) for left in (0, 2, None))]


def gradients(module, x, padding_mask, chunks):
    x = x.clone().requires_grad_()
    module.zero_grad()
    y = module(x, padding_mask, chunks)
    weights = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(2))
    (y * weights).sum().backward()
    found = {name: parameter.grad.clone() for name, parameter in module.named_parameters()}
    return {"y": y.detach(), "x": x.grad, **found}


@pytest.mark.parametrize("layernorm", [False, True], ids=["", "layernorm"])
@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("nhead", [1, 8])
@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_plain_equals_summary_mixing(chunks, nhead, padded, layernorm):
    torch.manual_seed(0)
    mixer = SummaryMixing(16, nhead=nhead, use_layernorm=layernorm).double()
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    x = torch.randn(3, 23, 16, dtype=torch.float64)
    padding_mask = torch.arange(23) >= torch.tensor([[23], [9], [1]]) if padded else None
    expected = gradients(mixer, x, padding_mask, chunks)
    plain = PlainSummaryMixing(mixer)
    actual = gradients(plain, x, padding_mask, chunks)
    assert actual.keys() == expected.keys()
    real = slice(None) if padding_mask is None else ~padding_mask
    torch.testing.assert_close(actual["x"][real], expected["x"][real])
    for name in actual.keys() - {"x"}:
        torch.testing.assert_close(actual[name], expected[name], msg=lambda text, name=name: f"{name}: {text}")


def test_parameters_are_shared():
    mixer = SummaryMixing(16, nhead=4)
    assert set(map(id, PlainSummaryMixing(mixer).parameters())) == set(map(id, mixer.parameters()))


def test_utterance_of_padding_gives_zeros():
    plain, padding_mask = PlainSummaryMixing(SummaryMixing(8)), torch.ones(1, 5, dtype=torch.bool)
    for chunks in (None, DynChunkTrainConfig(2, 0)):
        assert torch.equal(plain(torch.randn(1, 5, 8), padding_mask, chunks), torch.zeros(1, 5, 8))


def test_other_summaries_are_refused():
    with pytest.raises(ValueError, match="decay"):
        PlainSummaryMixing(SummaryMixing(8, summary="decay"))
