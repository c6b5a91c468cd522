"""Windows against loops over frames."""

import pytest
import torch

from summarymixing.ops.pooling import frames_of_windows, window_count, window_means


def windows_of(num_frames, factor, chunk_size):
    """Frames of each window, by hand."""
    chunks = [range(num_frames)] if chunk_size is None else []
    if chunk_size is not None:
        chunks = [range(start, min(start + chunk_size, num_frames)) for start in range(0, num_frames, chunk_size)]
    return [chunk[start : start + factor] for chunk in chunks for start in range(0, len(chunk), factor)]


@pytest.mark.parametrize("chunk_size", [None, 1, 4, 6, 7, 100])
@pytest.mark.parametrize("factor", [1, 2, 3, 5])
@pytest.mark.parametrize("num_frames", [1, 6, 23])
def test_windows(num_frames, factor, chunk_size):
    x = torch.randn(2, num_frames, 3)
    padding_mask = torch.arange(num_frames) >= torch.tensor([num_frames, 2 * num_frames // 3])[:, None]
    dirty = x.masked_fill(padding_mask.unsqueeze(-1), float("nan"))
    windows = windows_of(num_frames, factor, chunk_size)
    assert window_count(num_frames, factor, chunk_size) == len(windows)
    whole, none = window_means(x, factor, None, chunk_size)
    means, hidden = window_means(dirty, factor, padding_mask, chunk_size)
    assert none is None and whole.shape == means.shape == (2, len(windows), 3)
    for row in range(2):
        for place, window in enumerate(windows):
            torch.testing.assert_close(whole[row, place], x[row, list(window)].mean(0))
            real = [t for t in window if not padding_mask[row, t]]
            assert hidden[row, place] == (not real)
            if real:
                torch.testing.assert_close(means[row, place], x[row, real].mean(0))
    numbers = torch.arange(len(windows) * factor).view(1, -1, 1)
    kept = frames_of_windows(numbers, factor, num_frames, chunk_size).flatten().tolist()
    assert kept == [factor * place + i for place, window in enumerate(windows) for i in range(len(window))]


def test_bfloat16_sums_are_taken_in_float32():
    x = (1 + 0.5 * torch.rand(1, 600, 1)).bfloat16()
    means, _ = window_means(x, 600)
    torch.testing.assert_close(means.double(), x.double().mean(1, keepdim=True), rtol=2**-8, atol=0)
