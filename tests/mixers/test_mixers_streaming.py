"""Chunks and streams: what a frame may see, and what a stream must remember."""

import dataclasses

import pytest
import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing.mixers import reference
from summarymixing.mixers.summary import SummaryState


def stream(mixer, x, chunks):
    """Output of a stream fed with x chunk by chunk."""
    state = mixer.initial_state(x.shape[0], chunks)
    return torch.cat([mixer.stream(chunk, state) for chunk in x.split(chunks.chunk_size, dim=1)], dim=1)


@torch.no_grad()
def test_stream_equals_offline(chunk_case, chunks, tools):
    mixer = chunk_case.make()
    x = torch.randn(3, 45, tools.D) + 0.2  # 45: the last chunk is short for every chunk size but 1 and 3
    offline = mixer(x, None, chunks)
    streamed = stream(mixer, x, chunks)
    assert streamed.shape == offline.shape
    torch.testing.assert_close(streamed, offline, rtol=0, atol=1e-5 * max(1, offline.abs().max().item()))


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 2, 3, 63, 111])
@pytest.mark.parametrize("heads", [1, 8])
def test_stream_equals_offline_for_any_length(chunk_case, frames, heads, tools):
    mixer = chunk_case.make(heads)
    x = torch.randn(2, frames, tools.D)
    for chunks in (DynChunkTrainConfig(5, 2), DynChunkTrainConfig(3, None)):
        offline = mixer(x, None, chunks)
        atol = 1e-5 * max(1, offline.abs().max().item())
        torch.testing.assert_close(stream(mixer, x, chunks), offline, rtol=0, atol=atol)


def test_streams_of_one_mixer_do_not_mix(chunk_case, tools):
    mixer, chunks = chunk_case.make(), DynChunkTrainConfig(4, 2)
    one, other = torch.randn(2, 1, 24, tools.D)
    states = [mixer.initial_state(1, chunks) for _ in range(2)]
    parts = []
    for a, b in zip(one.split(4, dim=1), other.split(4, dim=1), strict=True):
        parts.append(mixer.stream(a, states[0]))
        mixer.stream(b, states[1])
    torch.testing.assert_close(torch.cat(parts, dim=1), mixer(one, None, chunks), rtol=0, atol=1e-4)


def test_no_gradient_from_frames_out_of_sight(chunk_case, chunks, tools):
    mixer = chunk_case.make()
    x = torch.randn(1, 13, tools.D, requires_grad=True)
    output = mixer(x, None, chunks)
    sees = torch.eye(13, dtype=torch.bool) if chunk_case.name == "identity" else reference.visible(13, chunks)
    for t in range(13):
        (gradient,) = torch.autograd.grad(output[0, t].square().sum(), x, retain_graph=True)
        reached = (gradient[0] != 0).any(1)
        assert torch.equal(reached, sees[t]), f"frame {t} is reached by {reached.nonzero().flatten().tolist()}"


def test_no_gradient_from_frames_out_of_sight_in_padded_batch(chunk_case, tools):
    mixer, chunks = chunk_case.make(), DynChunkTrainConfig(4, 1)
    x, padding_mask = tools.ragged(13)
    x.requires_grad_()
    output = mixer(x, padding_mask, chunks)
    sees = torch.eye(13, dtype=torch.bool) if chunk_case.name == "identity" else reference.visible(13, chunks)
    for b, t in (~padding_mask).nonzero().tolist():
        (gradient,) = torch.autograd.grad(output[b, t].square().sum(), x, retain_graph=True)
        reached = (gradient != 0).any(2)
        assert torch.equal(reached[b], sees[t] & ~padding_mask[b])
        reached[b] = False
        assert not reached.any()  # nor from another utterance


def test_causal_summary_sees_no_future(tools):
    (mixer,) = (case.make() for case in tools.cases if case.name == "summary_mixing_causal")
    x = torch.randn(1, 13, tools.D, requires_grad=True)
    output = mixer(x)
    for t in range(13):
        (gradient,) = torch.autograd.grad(output[0, t].square().sum(), x, retain_graph=True)
        assert (gradient[0] != 0).any(1).tolist() == [u <= t for u in range(13)]


def held_bytes(state):
    """Bytes of memory that a stream's state keeps alive."""
    if isinstance(state, torch.Tensor):
        return state.untyped_storage().nbytes()
    if dataclasses.is_dataclass(state) or hasattr(state, "__dict__"):
        return sum(held_bytes(value) for value in vars(state).values())
    return 0


@torch.no_grad()
@pytest.mark.parametrize("left_context", [0, 3, None])
def test_memory_of_a_stream(chunk_case, left_context, tools):
    mixer, chunks = chunk_case.make(), DynChunkTrainConfig(4, left_context)
    grows = not chunk_case.linear and left_context is None
    state = mixer.initial_state(2, chunks)
    held = []
    for _ in range(200 if grows else 1000):
        mixer.stream(torch.randn(2, 4, tools.D), state)
        held.append(held_bytes(state))
    if grows:
        assert held == sorted(held) and held[-1] >= 20 * held[9]
    else:
        assert len(set(held[10:])) == 1  # full after as many chunks as the left context and the window reach


@pytest.mark.parametrize("decay", [None, 1.0], ids=["mean", "decay"])
def test_long_stream_keeps_its_precision(decay):
    """A float32 running sum of 16,000 frames of about 1000 has lost the digits that one more frame adds."""
    state = SummaryState(1, 1, DynChunkTrainConfig(4), decay)
    s = 1e3 + torch.rand(1, 16_000, 1)
    for chunk in s.split(4, dim=1):
        mean = state.update(chunk)
    assert (mean[:, -1:] - s.double().mean()).abs().max() < 1e-4
