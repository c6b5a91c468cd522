"""Windows of a few frames: their means, and back from a value a window to a value a frame.

Encoders that squeeze the time axis and attention that pools queries or keys both need them (SEW, 2109.06870;
2204.11934). A window holds ``factor`` frames. The last one of an utterance may hold fewer, and under chunks windows
begin anew with each chunk, so that what a stream sees of a window is all that there is of it.
"""

import torch.nn.functional as F
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing.ops.means import chunk_mean


def window_count(num_frames, factor, chunk_size=None):
    """Windows of ``factor`` frames that hold so many frames.

    Parameters
    ----------
    num_frames : int or torch.Tensor
        T, or several of them.
    factor : int
        Frames in a window.
    chunk_size : int, optional
        Frames in a chunk; each begins a window.

    Returns
    -------
    int or torch.Tensor

    Examples
    --------
    >>> window_count(7, 2), window_count(7, 2, chunk_size=3)  # 2 + 2 + 2 + 1 and 2 + 1, 2 + 1, 1
    (4, 5)
    """
    if chunk_size is None or chunk_size % factor == 0:
        return -(-num_frames // factor)
    return num_frames // chunk_size * -(-chunk_size // factor) + -(-(num_frames % chunk_size) // factor)


def window_means(x, factor, padding_mask=None, chunk_size=None):
    """Mean of the real frames of each window.

    Parameters
    ----------
    x : torch.Tensor
        (B, T, D).
    factor : int
        Frames in a window.
    padding_mask : torch.Tensor, optional
        (B, T) bool, True = padding.
    chunk_size : int, optional
        Frames in a chunk; each begins a window.

    Returns
    -------
    torch.Tensor
        (B, W, D) with W of :func:`window_count`.
    torch.Tensor or None
        (B, W) bool, True = a window of padding alone; None without ``padding_mask``.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[[1.0], [3.0], [5.0], [100.0]]])
    >>> means, padding_mask = window_means(x, 2, torch.tensor([[False, False, False, True]]))
    >>> means.flatten().tolist(), padding_mask.tolist()
    ([2.0, 5.0], [[False, False]])
    """
    if factor == 1:
        return x, padding_mask
    count = window_count(x.shape[1], factor, chunk_size)
    filled = -(chunk_size or 0) % factor and x.shape[1] > chunk_size
    if filled:  # with padding behind each chunk, so that every window of every chunk is whole
        hidden = x.new_zeros(x.shape[:2], dtype=bool) if padding_mask is None else padding_mask
        hidden = F.pad(hidden, (0, -x.shape[1] % chunk_size), value=True).unflatten(1, (-1, chunk_size))
        hidden = F.pad(hidden, (0, -chunk_size % factor), value=True).flatten(1)
        x = F.pad(x, (0, 0, 0, -x.shape[1] % chunk_size)).unflatten(1, (-1, chunk_size))
        x = F.pad(x, (0, 0, 0, -chunk_size % factor)).flatten(1, 2)
    else:
        hidden = padding_mask
    means = chunk_mean(x, DynChunkTrainConfig(factor, 0), hidden)[:, :count]
    if padding_mask is None:
        return means, None
    hidden = F.pad(hidden, (0, -hidden.shape[1] % factor), value=True)
    return means, hidden.unflatten(1, (-1, factor)).all(2)[:, :count]


def frames_of_windows(x, factor, num_frames, chunk_size=None):
    """Of ``factor`` frames a window, those that are there: the last window of an utterance or chunk may have fewer.

    Parameters
    ----------
    x : torch.Tensor
        (B, W * factor, D), the frames of each window in turn, with W of :func:`window_count`.
    factor : int
        Frames in a window.
    num_frames : int
        T.
    chunk_size : int, optional
        Frames in a chunk; each begins a window.

    Returns
    -------
    torch.Tensor
        (B, T, D).

    Examples
    --------
    >>> import torch
    >>> windows = torch.tensor([[[1.0], [2.0], [3.0]]]).repeat_interleave(2, dim=1)
    >>> frames_of_windows(windows, 2, 5).flatten().tolist()
    [1.0, 1.0, 2.0, 2.0, 3.0]
    >>> frames_of_windows(windows, 2, 4, chunk_size=3).flatten().tolist()
    [1.0, 1.0, 2.0, 3.0]
    """
    if chunk_size is not None and chunk_size % factor and num_frames > chunk_size:
        size = window_count(chunk_size, factor) * factor
        x = F.pad(x, (0, 0, 0, -x.shape[1] % size)).unflatten(1, (-1, size))[:, :, :chunk_size].flatten(1, 2)
    return x[:, :num_frames]
