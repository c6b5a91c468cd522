"""Every mixer equals its reference, output and gradients."""

import math

import pytest
import torch
from speechbrain.nnet.hypermixing import HyperMixing as SpeechBrainHyperMixing
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch.func import functional_call

from summarymixing import mixers
from summarymixing.mixers import reference


def check(case, nhead, x, padding_mask, chunks, tools):
    """Compare in float64 where the mixer runs in it, and in float32; the reference is float64 both times."""
    mixer = case.make(nhead, dtype=torch.float64)
    truth = tools.differentiate(
        lambda x: reference.mix(mixer, x, padding_mask, chunks), mixer, x.double(), padding_mask
    )
    if case.double:
        actual = tools.differentiate(lambda x: mixer(x, padding_mask, chunks), mixer, x.double(), padding_mask)
        tools.assert_same(actual, truth, 1e-9)
    mixer = case.make(nhead)
    actual = tools.differentiate(lambda x: mixer(x, padding_mask, chunks), mixer, x, padding_mask)
    tools.assert_same(actual, truth, 1e-5)
    if padding_mask is not None:
        assert (actual["output"][padding_mask] == 0).all() and (actual["x"][padding_mask] == 0).all()


def test_equals_reference_in_ragged_batch(case, length, nhead, tools):
    x, padding_mask = tools.ragged(length)
    check(case, nhead, x, padding_mask, None, tools)


def test_equals_reference_without_mask(case, tools):
    x, _ = tools.ragged(63)
    check(case, 4, x, None, None, tools)


def test_equals_reference_under_chunks(chunk_case, chunks, tools):
    x, padding_mask = tools.ragged(37)
    check(chunk_case, 4, x, padding_mask, chunks, tools)


def test_equals_reference_under_chunks_without_mask(chunk_case, tools):
    x, _ = tools.ragged(37)
    for left_context in (0, 2, None):
        check(chunk_case, 8, x, None, DynChunkTrainConfig(5, left_context), tools)


def test_gradcheck(double_case):
    mixer = double_case.make(nhead=2, d_model=4, dtype=torch.float64)
    names = [name for name, _ in mixer.named_parameters()]
    padding_mask = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    x = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    inputs = (x, *(parameter.detach().requires_grad_() for parameter in mixer.parameters()))
    for chunks in (None, DynChunkTrainConfig(2, 1)) if double_case.chunkable else (None,):

        def forward(x, *parameters, chunks=chunks):
            return functional_call(mixer, dict(zip(names, parameters, strict=True)), (x, padding_mask, chunks))

        assert torch.autograd.gradcheck(forward, inputs)


def test_rope_scales():
    """The reference reads the scale off the mixer, so its value needs a test of its own."""
    assert mixers.RoPEAttention(16, nhead=4, scale="head").attention.scale == pytest.approx(1 / math.sqrt(4))
    assert mixers.RoPEAttention(16, nhead=4, scale="model").attention.scale == pytest.approx(1 / math.sqrt(16))
    assert mixers.RoPEAttention(16, nhead=4).attention.scale == pytest.approx(1 / math.sqrt(4))


def test_baselines_equal_speechbrains_own_forward(tools):
    x = torch.randn(2, 50, tools.D)
    rope = mixers.RoPEAttention(tools.D, nhead=4, scale="model")
    torch.testing.assert_close(rope(x), rope.attention(x, x, x)[0])
    ours = mixers.HyperMixing(tools.D, nhead=4)
    theirs = SpeechBrainHyperMixing(tools.D, 4 * tools.D, num_heads=4)
    theirs.load_state_dict(ours.mixing.state_dict(), strict=False)  # its table of positions is a buffer
    torch.testing.assert_close(ours(x), theirs(x, x, x)[0])


def test_reference_knows_every_mixer():
    exported = {getattr(mixers, name) for name in mixers.__all__} - {mixers.Mixer}
    assert set(reference.REFERENCES) == exported


def test_every_mixer_has_a_case(tools):
    exported = {getattr(mixers, name) for name in mixers.__all__} - {mixers.Mixer}
    assert {type(case.make()) for case in tools.cases} == exported
