"""Dropout, autocast, inference mode, and the memory of the linear path."""

import copy

import pytest
import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch.utils._python_dispatch import TorchDispatchMode

from summarymixing import mixers
from summarymixing.mixers import reference

CHUNKS = DynChunkTrainConfig(4, 1)


def silence(projection):
    """Make f or s zero, whatever its input: GELU(0) = 0."""
    with torch.no_grad():
        for parameter in projection.parameters():
            parameter.zero_()


def test_summary_shares_one_dropout_mask_an_utterance():
    torch.manual_seed(0)
    mixer = mixers.SummaryMixing(32, dropout=0.5)
    silence(mixer.local_proj)
    x = torch.randn(1, 20, 32).expand(3, -1, -1)
    dropped = mixer(x)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))  # every frame of a row alike
    assert not torch.allclose(dropped[0], dropped[1])  # a mask a row
    assert not torch.allclose(dropped, mixer(x))  # drawn anew
    mixer.eval()
    whole = mixer(x)
    assert not torch.allclose(dropped, whole)
    assert torch.equal(mixer(x), whole)


def test_summary_shares_one_dropout_mask_a_chunk():
    torch.manual_seed(0)
    mixer = mixers.SummaryMixing(32, dropout=0.5)
    silence(mixer.local_proj)
    x = torch.ones(1, 12, 32)  # every chunk's summary is the same, so chunks differ by their masks only
    first, second, third = mixer(x, None, CHUNKS)[0].split(4)
    for chunk in (first, second, third):
        assert torch.equal(chunk, chunk[:1].expand_as(chunk))
    assert not torch.allclose(first, second) and not torch.allclose(second, third)


def test_local_half_has_a_dropout_mask_a_frame():
    torch.manual_seed(0)
    mixer = mixers.SummaryMixing(32, dropout=0.5)
    silence(mixer.summary_proj)
    first, second = mixer(torch.ones(1, 2, 32))[0]
    assert not torch.allclose(first, second)


def test_dropout_keeps_the_expected_summary():
    torch.manual_seed(0)
    mixer = mixers.SummaryMixingLite(64, dropout=0.2)
    x = torch.randn(1, 10, 64)
    mean = torch.stack([mixer(x)[0, 0] for _ in range(2000)]).mean(0)
    expected = mixer.eval()(x)[0, 0]
    torch.testing.assert_close(mean, expected, rtol=0.1, atol=1e-3)


def test_training_without_dropout_is_evaluation(case, tools):
    mixer = case.make()
    x, padding_mask = tools.ragged(23)
    assert torch.equal(mixer.train()(x, padding_mask), mixer.eval()(x, padding_mask))


@torch.no_grad()
@pytest.mark.parametrize(
    ("summary", "left_contexts"), [("mean", ["all", 4, None]), ("decay", ["all", 4, None]), ("causal", ["all"])]
)
def test_autocast_accumulates_in_float32(summary, left_contexts):
    """A bfloat16 sum of ones stops at 256; that mean would be wrong by 97 % at 10,000 frames."""
    mixer = mixers.SummaryMixing(4, summary=summary, decay=1.0)
    s = 1 + 0.5 * torch.rand(2, 10_000, 4)
    for left in left_contexts:
        chunks = None if left == "all" else DynChunkTrainConfig(16, left)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            actual = mixer.summarise(s, None, chunks)
        exact = mixer.summarise(s.double(), None, chunks)
        # float32 in, so float32 out: nothing on the way may be rounded to bfloat16, whose step is 2 ** -8.
        torch.testing.assert_close(actual.double(), exact, rtol=1e-5, atol=0)


@torch.no_grad()
def test_mixer_under_autocast_at_10000_frames(linear_case, tools):
    mixer = linear_case.make()
    x = torch.randn(1, 10_000, tools.D) + 0.5
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = mixer(x)
    exact = mixer.double()(x.double())  # equal to the reference up to 1e-9, as other tests say
    assert (actual.double() - exact).abs().max() < 0.03 * exact.abs().max()


@torch.no_grad()
def test_summary_mixing_under_autocast_equals_reference(tools):
    """One row of the reference is enough, and all that a T x T matrix of this size allows."""
    mixer = mixers.SummaryMixing(tools.D)
    x = torch.randn(1, 10_000, tools.D) + 0.5
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = mixer(x)[0, :1].double()
    mixer = mixer.double()
    s = reference.mlp(mixer.summary_proj, x[0].double())
    local = reference.mlp(mixer.local_proj, x[0, :1].double())
    exact = reference.combine(mixer, [local, s.mean(0, keepdim=True)])
    assert (actual - exact).abs().max() < 0.02 * exact.abs().max()


def test_training_under_autocast(case, tools):
    mixer = case.make()
    x, padding_mask = tools.ragged(41)
    for chunks in (None, CHUNKS) if case.chunkable else (None,):
        exact = mixer(x, padding_mask, chunks)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result = tools.differentiate(
                lambda x, chunks=chunks: mixer(x, padding_mask, chunks), mixer, x, padding_mask
            )
        assert (result["output"].float() - exact).abs().max() < 0.05 * exact.abs().max()
        assert all(value.isfinite().all() for value in result.values() if value is not None)


def test_training_after_inference_mode(case, tools):
    """What evaluation leaves in a mixer, say a table of positions, must not break the next training step."""
    mixer = case.make()
    x, padding_mask = tools.ragged(23)
    with torch.inference_mode():
        mixer(x, padding_mask)
    tools.differentiate(lambda x: mixer(x, padding_mask), mixer, x, padding_mask)
    assert torch.equal(copy.deepcopy(mixer)(x, padding_mask), mixer(x, padding_mask))


class LargestTensor(TorchDispatchMode):
    """Records the memory, in bytes, of the largest tensor that any operation makes."""

    largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.untyped_storage().nbytes())
        return result


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
def test_memory_is_linear_in_time(linear_case, padded, tools):
    mixer = linear_case.make(d_model=8)
    frames = 4000
    x = torch.randn(2, frames, 8, requires_grad=True)
    padding_mask = torch.arange(frames) >= torch.tensor([[frames], [frames // 2]]) if padded else None
    for chunks in (None, DynChunkTrainConfig(8, 4), DynChunkTrainConfig(8, None)):
        if chunks is None or linear_case.chunkable:
            with LargestTensor() as seen:
                mixer(x, padding_mask, chunks).sum().backward()
            assert seen.largest < frames * frames / 4  # bytes: a T x T bool mask is four times as large
