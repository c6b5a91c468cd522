"""Tests of summarymixing.ops.means against the weight matrices of summarymixing.mixers.reference."""

from functools import partial

import pytest
import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch.utils._python_dispatch import TorchDispatchMode

from summarymixing.mixers import reference
from summarymixing.ops import means

LENGTHS = [1, 2, 3, 63, 111, 1000]
CHUNKS = [DynChunkTrainConfig(size, left) for size in (1, 3, 16, 2000) for left in (0, 1, 4, None)]
HALF_WIDTHS = [0, 1, 5, 2000]
DECAYS = [0.5, 0.995, 1.0]


def utterance_frames(s, padding_mask=None):
    """The utterance mean as (B, T, S), like the other means."""
    return means.utterance_mean(s, padding_mask).unsqueeze(1).expand(-1, s.shape[1], -1)


def chunk_frames(s, padding_mask=None, chunks=None):
    """The mean of each chunk, given to its frames."""
    return means.chunk_mean(s, chunks, padding_mask).repeat_interleave(chunks.chunk_size, dim=1)[:, : s.shape[1]]


def window_frames(s, padding_mask=None, half_width=None, chunks=None, edge="count"):
    return means.window_mean(s, half_width, padding_mask, chunks, edge)


def decay_frames(s, padding_mask=None, decay=None, chunks=None):
    return means.decay_mean(s, decay, padding_mask, chunks)


SOME = DynChunkTrainConfig(4, 1)
MEANS = {
    "utterance": utterance_frames,
    "chunk": partial(chunk_frames, chunks=SOME),
    "chunk-all-past": partial(chunk_frames, chunks=DynChunkTrainConfig(4)),
    "causal": means.causal_mean,
    "window": partial(window_frames, half_width=5),
    "window-chunk": partial(window_frames, half_width=5, chunks=SOME),
    "decay": partial(decay_frames, decay=0.9),
    "decay-flat": partial(decay_frames, decay=1.0),
    "decay-chunk": partial(decay_frames, decay=0.9, chunks=SOME),
    "decay-chunk-all-past": partial(decay_frames, decay=0.9, chunks=DynChunkTrainConfig(4)),
}
each_mean = pytest.mark.parametrize("mean", [pytest.param(mean, id=name) for name, mean in MEANS.items()])
each_length = pytest.mark.parametrize("length", LENGTHS)


def name(value):
    if isinstance(value, DynChunkTrainConfig):
        return f"{value.chunk_size}-{value.left_context_size}"


def ragged(length, dtype=torch.float64):
    """Four rows of different lengths, the last one all padding; NaN in the padding."""
    lengths = torch.tensor([length, max(1, 2 * length // 3), 1, 0])
    padding_mask = torch.arange(length) >= lengths[:, None]
    s = torch.randn(4, length, 3, dtype=dtype, generator=torch.Generator().manual_seed(length))
    return s.masked_fill(padding_mask.unsqueeze(-1), torch.nan), padding_mask


def check(mean, weights_of, length):
    """Every real frame of every row, and a batch without padding, against ``weights_of(frames) @ s``."""
    s, padding_mask = ragged(length)
    actual = mean(s, padding_mask)
    assert actual.isfinite().all()
    for row, real in enumerate((~padding_mask).sum(1).tolist()):
        if real:
            expected = weights_of(real) @ s[row, :real]
            torch.testing.assert_close(actual[row, :real], expected, rtol=0, atol=1e-12)
    assert (actual[3] == 0).all()
    torch.testing.assert_close(mean(s[:1]), (weights_of(length) @ s[0]).unsqueeze(0), rtol=0, atol=1e-12)


@pytest.fixture(autouse=True, scope="module")
def remembered_visible():
    """The reference's double loop, run once for each length and chunking."""
    memory, loop = {}, reference.visible

    def remembered(num_frames, chunks=None):
        key = num_frames, name(chunks)
        if key not in memory:
            memory[key] = loop(num_frames, chunks)
        return memory[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "visible", remembered)
        yield


@each_length
def test_utterance_mean(length):
    check(utterance_frames, reference.utterance_weights, length)


@each_length
def test_causal_mean(length):
    check(means.causal_mean, reference.causal_weights, length)


@each_length
@pytest.mark.parametrize("chunks", CHUNKS, ids=name)
def test_chunk_mean(length, chunks):
    check(partial(chunk_frames, chunks=chunks), partial(reference.chunk_weights, chunks=chunks), length)


@each_length
@pytest.mark.parametrize("edge", means.EDGES)
@pytest.mark.parametrize("half_width", HALF_WIDTHS)
def test_window_mean(length, half_width, edge):
    kwargs = {"half_width": half_width, "edge": edge}
    check(partial(window_frames, **kwargs), partial(reference.window_weights, **kwargs), length)


@pytest.mark.parametrize("length", [1, 3, 111])
@pytest.mark.parametrize("half_width", HALF_WIDTHS)
@pytest.mark.parametrize("edge", means.EDGES)
@pytest.mark.parametrize("chunks", CHUNKS, ids=name)
def test_window_mean_under_chunks(length, half_width, chunks, edge):
    kwargs = {"half_width": half_width, "chunks": chunks, "edge": edge}
    check(partial(window_frames, **kwargs), partial(reference.window_weights, **kwargs), length)


@each_length
@pytest.mark.parametrize("decay", DECAYS)
def test_decay_mean(length, decay):
    check(partial(decay_frames, decay=decay), partial(reference.decay_weights, decay=decay), length)


@pytest.mark.parametrize("length", [1, 3, 111, 1000])
@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("chunks", CHUNKS, ids=name)
def test_decay_mean_under_chunks(length, decay, chunks):
    kwargs = {"decay": decay, "chunks": chunks}
    check(partial(decay_frames, **kwargs), partial(reference.decay_weights, **kwargs), length)


def test_chunk_mean_has_one_row_a_chunk():
    for length, size in ((1, 3), (3, 3), (4, 3), (7, 100)):
        found = means.chunk_mean(torch.rand(2, length, 5), DynChunkTrainConfig(size, 1))
        assert found.shape == (2, -(-length // size), 5)


def test_visible_by_hand():
    chunks = DynChunkTrainConfig(2, 1)
    rows = ["110000", "110000", "111100", "111100", "001111", "001111"]
    assert reference.visible(6, chunks).int().tolist() == [[int(c) for c in row] for row in rows]
    assert reference.visible(3, DynChunkTrainConfig(1)).int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert reference.visible(2).all()


@each_mean
@pytest.mark.parametrize("content", [torch.nan, torch.inf, -torch.inf])
def test_padding_reaches_nothing(mean, content):
    s, padding_mask = ragged(11)
    results = []
    for filling in (0.0, content):
        filled = s.masked_fill(padding_mask.unsqueeze(-1), filling).requires_grad_()
        output = mean(filled, padding_mask)
        weights = torch.arange(output.numel(), dtype=output.dtype).view(output.shape)
        (output * weights)[~padding_mask].sum().backward()
        assert (filled.grad[padding_mask] == 0).all()
        results.append((output.detach(), filled.grad))
    assert results[1][0].isfinite().all() and results[1][1].isfinite().all()
    assert torch.equal(results[0][0], results[1][0]) and torch.equal(results[0][1], results[1][1])


@each_mean
def test_gradcheck(mean):
    padding_mask = torch.tensor([[False] * 9, [False] * 6 + [True] * 3, [True] * 9])
    s = torch.randn(3, 9, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(mean, (s, padding_mask))
    assert torch.autograd.gradcheck(mean, (s,))


@each_mean
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_accumulates_in_float32(mean, dtype):
    """A bfloat16 sum of these stops at 25,600 of 1,000,000, a float16 sum overflows."""
    s = (100 + torch.randn(1, 10_000, 2)).to(dtype)
    padding_mask = torch.arange(10_000)[None] >= 9_500
    for mask in (None, padding_mask):
        actual, exact = mean(s, mask), mean(s.double(), mask)
        assert actual.dtype == dtype
        # Half a unit in the last place is the rounding of the result itself.
        torch.testing.assert_close(actual.double(), exact, rtol=0.55 * torch.finfo(dtype).eps, atol=0)


@each_mean
def test_autocast_changes_nothing(mean):
    s, padding_mask = ragged(500, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = mean(s, padding_mask)
    assert torch.equal(inside, mean(s, padding_mask))


@each_mean
def test_an_hour_of_frames(mean):
    """90,000 frames of 40 ms, far from zero: what is left of the mean's variation must not drown in rounding."""
    s = 1e3 + torch.randn(1, 90_000, 2)
    exact = mean(s.double())
    error = (mean(s).double() - exact).abs().max().item()
    assert error < 2e-3, f"off by {error:.1e}"


class LargestTensor(TorchDispatchMode):
    """Records the memory, in bytes, of the largest tensor that any operation makes."""

    largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.untyped_storage().nbytes())
        return result


@each_mean
def test_memory_is_linear_in_time(mean):
    """One column of 20,000 frames in float64 is 160 kB, a T x T bool matrix 400 MB."""
    s = torch.randn(1, 20_000, 1, requires_grad=True)
    with LargestTensor() as seen:
        mean(s).sum().backward()
    assert seen.largest < 1e6
