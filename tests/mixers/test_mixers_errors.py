"""Wrong arguments are refused with a ValueError that says what is wrong."""

import pytest
import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing import mixers
from summarymixing.mixers.projection import HeadLinear

CHUNKS = DynChunkTrainConfig(4, 1)
WITH_HEADS = [
    mixers.SummaryMixing,
    mixers.SummaryMixingLite,
    mixers.SummaryMixingFast,
    mixers.WindowedSummaryMixing,
    mixers.RegularAttention,
    mixers.RelPosAttention,
    mixers.RoPEAttention,
    mixers.PooledAttention,
    mixers.HyperMixing,
    mixers.Fastformer,
]


def test_chunks_are_refused(offline_case, tools):
    mixer = offline_case.make()
    with pytest.raises(ValueError, match=f"{type(mixer).__name__} .*(offline|choose)"):
        mixer(torch.rand(1, 8, tools.D), None, CHUNKS)


def test_streaming_is_refused(offline_case):
    mixer = offline_case.make()
    with pytest.raises(ValueError, match=f"{type(mixer).__name__} .*(offline|choose)"):
        mixer.initial_state(1, CHUNKS)


@pytest.mark.parametrize("name", ["HyperMixing", "Fastformer"])
def test_stream_call_is_refused(name, tools):
    mixer = getattr(mixers, name)(tools.D)
    with pytest.raises(ValueError, match=f"{name} .*(offline|choose)"):
        mixer.stream(torch.rand(1, 4, tools.D), None)


@pytest.mark.parametrize(
    "padding_mask",
    [
        torch.zeros(2, 8),
        torch.zeros(2, 8, dtype=torch.uint8),
        torch.zeros(2, 7, dtype=torch.bool),
        torch.zeros(8, 2, dtype=torch.bool),
        torch.zeros(8, dtype=torch.bool),
        torch.zeros(2, 8, 1, dtype=torch.bool),
        torch.zeros(2, 8, 8, dtype=torch.bool),
    ],
    ids=lambda mask: f"{mask.dtype}-{tuple(mask.shape)}",
)
def test_wrong_mask_is_refused(case, padding_mask, tools):
    with pytest.raises(ValueError, match="padding_mask.*bool.*True = padding"):
        case.make()(torch.rand(2, 8, tools.D), padding_mask)


@pytest.mark.parametrize("factory", WITH_HEADS)
@pytest.mark.parametrize("nhead", [3, 0, -4])
def test_bad_nhead_is_refused(factory, nhead):
    with pytest.raises(ValueError, match="nhead"):
        factory(16, nhead=nhead)


def test_rope_refuses_heads_of_odd_size():
    with pytest.raises(ValueError, match="nhead"):
        mixers.RoPEAttention(12, nhead=4)


@pytest.mark.parametrize("sizes", [(6, 8), (8, 6)])
def test_heads_must_divide_both_sizes(sizes):
    with pytest.raises(ValueError, match="nhead=4"):
        HeadLinear(*sizes, nhead=4)


@pytest.mark.parametrize("factory", [mixers.SummaryMixing, mixers.SummaryMixingLite, mixers.SummaryMixingFast])
def test_bad_summary_is_refused(factory):
    with pytest.raises(ValueError, match="'median' is not one of mean, decay, causal"):
        factory(16, summary="median")


def test_windowed_summary_is_the_mean():
    with pytest.raises(ValueError, match="summary"):
        mixers.WindowedSummaryMixing(16, summary="decay")


def test_unknown_edge_is_refused():
    with pytest.raises(ValueError, match="edge='zero' is not one of count, paper"):
        mixers.WindowedSummaryMixing(16, edge="zero")


def test_bad_half_width_is_refused():
    with pytest.raises(ValueError, match="half_width=-1"):
        mixers.WindowedSummaryMixing(16, half_width=-1)


def test_bad_scale_is_refused():
    with pytest.raises(ValueError, match="scale='heads'"):
        mixers.RoPEAttention(16, nhead=4, scale="heads")
