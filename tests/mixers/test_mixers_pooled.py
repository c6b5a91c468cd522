"""Pooled attention: without pooling it is rotary attention, with it the matrices are smaller; streams keep factors."""

import pytest
import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from summarymixing import mixers
from summarymixing.utils.on_demand import choose, offered

FACTORS = [(1, 1), (2, 1), (1, 3), (4, 2)]


@pytest.fixture
def mixer(tools):
    torch.manual_seed(0)
    return mixers.PooledAttention(tools.D, nhead=4, query_pool=[1, 2, 4], key_pool=[1, 2, 3]).eval()


@torch.no_grad()
def test_without_pooling_it_is_rotary_attention(mixer, tools):
    rope = mixers.RoPEAttention(tools.D, nhead=4)
    rope.load_state_dict(mixer.state_dict())
    x, padding_mask = tools.ragged(30)
    for chunks in (None, DynChunkTrainConfig(4, 1)):
        torch.testing.assert_close(mixer(x, padding_mask, chunks), rope(x, padding_mask, chunks))


@torch.no_grad()
@pytest.mark.parametrize(("query_pool", "key_pool"), FACTORS)
def test_any_factors_stream_from_the_same_weights(mixer, query_pool, key_pool, tools):
    choose(mixer, query_pool=query_pool, key_pool=key_pool)
    x, chunks = torch.randn(2, 29, tools.D), DynChunkTrainConfig(6, 2)
    offline = mixer(x, None, chunks)
    state = mixer.initial_state(2, chunks)
    choose(mixer, query_pool=2, key_pool=2)  # a stream goes on as it began
    streamed = torch.cat([mixer.stream(part, state) for part in x.split(6, dim=1)], dim=1)
    torch.testing.assert_close(streamed, offline, rtol=0, atol=1e-5)


@torch.no_grad()
def test_frames_of_a_window_have_one_output(mixer, tools):
    choose(mixer, query_pool=4)
    output = mixer(tools.ragged(10)[0])
    assert torch.equal(output, output[:, ::4].repeat_interleave(4, dim=1)[:, :10])
    assert not torch.allclose(output[:, 0], output[:, 4])


@torch.no_grad()
def test_cost(tools):
    """In multiply-accumulates: T D^2 / a for queries and output each, 2 T D^2 / b, and 2 T^2 D / (a b)."""
    mixer, frames, size = mixers.PooledAttention(tools.D, nhead=4), 240, tools.D
    for a, b in FACTORS:
        choose(mixer, query_pool=a, key_pool=b)
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # it does not know the CPU's own
            mixer(torch.randn(1, frames, size))
        expected = 2 * frames * size**2 / a + 2 * frames * size**2 / b + 2 * frames**2 * size / (a * b)
        assert counter.get_total_flops() / 2 == expected


@torch.no_grad()
def test_positions_are_distances(mixer, tools):
    """As many frames further on, by whole windows, nothing changes."""
    choose(mixer, query_pool=2, key_pool=3)
    x = torch.randn(1, 12, tools.D)
    later = torch.cat([torch.full((1, 12, tools.D), float("nan")), x], dim=1)
    chunks = DynChunkTrainConfig(12, 0)  # what is before is out of sight
    torch.testing.assert_close(mixer(later.nan_to_num(), None, chunks)[:, 12:], mixer(x), rtol=0, atol=1e-5)
    backwards = mixer(x.flip(1)).flip(1)
    assert not torch.allclose(backwards, mixer(x), atol=1e-3)


def test_what_it_offers(mixer):
    assert offered(mixer) == {"key_pool": (1, 2, 3), "query_pool": (1, 2, 4)}
    with pytest.raises(ValueError, match=r"key_pool=\[\] must be a number"):
        mixers.PooledAttention(16, nhead=4, key_pool=[])
