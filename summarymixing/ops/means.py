"""The summaries: means over time in linear time, as pure functions.

Every mixer of the SummaryMixing family is a projection, one of these means, and another projection. The
functions have no weights. :mod:`summarymixing.mixers.reference` writes the same means in the slow, obvious way; read
that module first.

Conventions, the same in all of them:

- ``s`` has shape (B, T, S): batch, frames, features. The result has its dtype.
- ``padding_mask`` has shape (B, T), bool, **True = padding**. Padded frames are replaced by zeros, not multiplied by
  zero, so that NaN or inf in them has no effect. Means are over real frames; the mean of no frame is zero.
- ``chunks`` is SpeechBrain's ``DynChunkTrainConfig``: frame t of chunk k (``chunk_size`` frames) sees the chunks
  ``max(0, k - left_context_size)`` to k; ``left_context_size=None`` means all of the past.
- Sums are computed in float32 or better, differences of running sums in float64: after an hour of frames float32
  cannot represent the small difference of two large sums.
"""

import torch
import torch.nn.functional as F

from summarymixing.ops.running_sums import decayed_sum, past_chunks, window_sums


def _mask(s, padding_mask):
    """Set the padded frames of ``s``, (B, T, S), to zero; without a mask nothing is copied."""
    return s if padding_mask is None else s.masked_fill(padding_mask.unsqueeze(-1), 0.0)


def _valid(s, padding_mask, dtype):
    """1 for real frames, 0 for padding; (B, T, 1), or (1, T, 1) without a mask."""
    if padding_mask is None:
        return torch.ones(1, s.shape[1], 1, dtype=dtype, device=s.device)
    return (~padding_mask).unsqueeze(-1).to(dtype)


def _sum_dtype(s):
    return torch.promote_types(s.dtype, torch.float32)


def utterance_mean(s, padding_mask=None):
    """Mean over the real frames of each utterance (2307.07421, eq. of the summary s_bar).

    Parameters
    ----------
    s : torch.Tensor
        (B, T, S).
    padding_mask : torch.Tensor, optional
        (B, T) bool, True = padding.

    Returns
    -------
    torch.Tensor
        (B, S); zeros for an utterance that is all padding.

    Examples
    --------
    >>> s = torch.tensor([[[1.0], [3.0], [100.0]]])
    >>> utterance_mean(s, torch.tensor([[False, False, True]]))
    tensor([[2.]])
    """
    total = _mask(s, padding_mask).sum(1, dtype=_sum_dtype(s))
    if padding_mask is None:
        return (total / max(s.shape[1], 1)).to(s.dtype)
    count = (~padding_mask).sum(1, keepdim=True).clamp(min=1)
    return (total / count).to(s.dtype)


def chunk_sums(s, chunk_size):
    """Sum of each chunk of ``chunk_size`` frames.

    Parameters
    ----------
    s : torch.Tensor
        (B, T, S).
    chunk_size : int
        Frames.

    Returns
    -------
    torch.Tensor
        (B, ceil(T / chunk_size), S), in float32 or better; the last chunk may be shorter.

    Examples
    --------
    >>> chunk_sums(torch.ones(1, 5, 1), 2).flatten().tolist()
    [2.0, 2.0, 1.0]
    """
    full = s.shape[1] // chunk_size
    sums = s[:, : full * chunk_size].unflatten(1, (full, chunk_size)).sum(2, dtype=_sum_dtype(s))
    if s.shape[1] % chunk_size:
        tail = s[:, full * chunk_size :].sum(1, keepdim=True, dtype=_sum_dtype(s))
        sums = torch.cat([sums, tail], dim=1)
    return sums


def chunk_mean(s, chunks, padding_mask=None):
    """Mean over the frames that each chunk may see: its own and those of its left context (2409.07165).

    Sums and counts of the chunks are added over the left context, or over all of the past, block by block; no T x T
    matrix is made.

    Parameters
    ----------
    s : torch.Tensor
        (B, T, S).
    chunks : DynChunkTrainConfig
        Chunk size in frames, left context in chunks or None.
    padding_mask : torch.Tensor, optional
        (B, T) bool, True = padding.

    Returns
    -------
    torch.Tensor
        (B, K, S) with K = ceil(T / chunk_size), one summary per chunk.

    Examples
    --------
    >>> from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
    >>> s = torch.tensor([[[1.0], [3.0], [5.0], [7.0], [9.0]]])
    >>> chunk_mean(s, DynChunkTrainConfig(2, 1)).flatten().tolist()
    [2.0, 4.0, 7.0]
    """
    sums = _past_sums(chunk_sums(_mask(s, padding_mask), chunks.chunk_size), chunks)
    counts = _past_sums(chunk_sums(_valid(s, padding_mask, sums.dtype), chunks.chunk_size), chunks)
    return (sums / counts.clamp(min=1)).to(s.dtype)


def _past_sums(per_chunk, chunks):
    """Sum of each chunk and its left context; (B, K, S) -> (B, K, S)."""
    left = chunks.left_context_size
    if left is None or left + 1 >= per_chunk.shape[1]:
        return decayed_sum(per_chunk.unsqueeze(1), 1.0).squeeze(1)
    return window_sums(per_chunk, left, 0) if left else per_chunk


def causal_mean(s, padding_mask=None):
    """Running mean: frame t gets the mean of the real frames u <= t.

    It is the summary of this project's Summary Decoder, which 2307.07421 names but does not define.

    Parameters
    ----------
    s : torch.Tensor
        (B, T, S).
    padding_mask : torch.Tensor, optional
        (B, T) bool, True = padding.

    Returns
    -------
    torch.Tensor
        (B, T, S).

    Examples
    --------
    >>> causal_mean(torch.tensor([[[2.0], [4.0], [6.0]]])).flatten().tolist()
    [2.0, 3.0, 4.0]
    """
    sums = _mask(s, padding_mask).double().cumsum(1)  # not cumsum(dtype=), whose gradient is not summed in float64
    counts = _valid(s, padding_mask, torch.float64).cumsum(1)
    return (sums / counts.clamp(min=1)).to(s.dtype)


#: What the sum over a window that is cut off is divided by: the number of frames left in it, or always 2k + 1.
EDGES = ("count", "paper")


def window_mean(s, half_width, padding_mask=None, chunks=None, edge="count"):
    """Mean over the window [t - half_width, t + half_width] (2602.09043, eq. 3).

    The cost does not depend on the width. Windows are cut off at the ends of the utterance, and with ``chunks`` also at
    the first and the last frame that frame t may see.

    Parameters
    ----------
    s : torch.Tensor
        (B, T, S).
    half_width : int
        Frames to each side.
    padding_mask : torch.Tensor, optional
        (B, T) bool, True = padding.
    chunks : DynChunkTrainConfig, optional
        Cuts the window off at the visible chunks.
    edge : str
        The divisor of a window that is cut off: "count", the number of real frames left in it; "paper",
        2 half_width + 1 as for all other windows, so that the mean shrinks towards zero.

    Returns
    -------
    torch.Tensor
        (B, T, S).

    Examples
    --------
    >>> s = torch.tensor([[[0.0], [3.0], [6.0], [9.0]]])
    >>> window_mean(s, 1).flatten().tolist()
    [1.5, 3.0, 6.0, 7.5]
    >>> window_mean(s, 1, edge="paper").flatten().tolist()
    [1.0, 3.0, 6.0, 5.0]
    """
    first, last = window_bounds(s.shape[1], half_width, chunks, s.device)

    def between(values):
        prefix = F.pad(values.double().cumsum(1), (0, 0, 1, 0))
        return prefix.index_select(1, last + 1) - prefix.index_select(1, first)

    s = _mask(s, padding_mask)
    sums = window_sums(s.to(_sum_dtype(s)), half_width, half_width) if chunks is None else between(s)
    if edge == "paper":
        return (sums / (2 * half_width + 1)).to(s.dtype)
    if padding_mask is None:
        counts = (last + 1 - first)[:, None]
    else:
        counts = between(_valid(s, padding_mask, torch.float64)).clamp(min=1)
    return (sums / counts.to(sums.dtype)).to(s.dtype)


def window_bounds(num_frames, half_width, chunks=None, device=None):
    """First and last frame of each frame's window, both inclusive.

    Parameters
    ----------
    num_frames : int
        T.
    half_width : int
        Frames to each side.
    chunks : DynChunkTrainConfig, optional
        Cuts the windows off at the visible chunks.
    device : torch.device, optional
        Device of the result.

    Returns
    -------
    torch.Tensor
        (T,) int64, the first frames.
    torch.Tensor
        (T,) int64, the last frames.

    Examples
    --------
    >>> window_bounds(4, 1)
    (tensor([0, 0, 1, 2]), tensor([1, 2, 3, 3]))
    """
    t = torch.arange(num_frames, device=device)
    first = (t - half_width).clamp(min=0)
    last = (t + half_width).clamp(max=num_frames - 1)
    if chunks is not None:
        chunk = t // chunks.chunk_size
        last = torch.minimum(last, (chunk + 1) * chunks.chunk_size - 1)
        if chunks.left_context_size is not None:
            first = torch.maximum(first, (chunk - chunks.left_context_size) * chunks.chunk_size)
    return first, last


def decay_mean(s, decay, padding_mask=None, chunks=None):
    """Weighted mean with weights ``decay ** |t - u|``, normalised over the real frames u that t may see.

    Parameters
    ----------
    s : torch.Tensor
        (B, T, S).
    decay : float
        Factor on the weight per frame of distance, in (0, 1]; 0.995 in the published configurations.
    padding_mask : torch.Tensor, optional
        (B, T) bool, True = padding.
    chunks : DynChunkTrainConfig, optional
        Limits what t may see. A finite left context of L chunks costs O(log L) more vector operations per chunk.

    Returns
    -------
    torch.Tensor
        (B, T, S).

    Examples
    --------
    >>> decay_mean(torch.tensor([[[1.0], [0.0]]]), 0.5).flatten().tolist()
    [0.6666666865348816, 0.3333333432674408]
    """
    frames = s.shape[1]
    dtype = _sum_dtype(s)
    valid = _valid(s, padding_mask, dtype).expand(s.shape[0], -1, -1)
    # The normaliser is the same sum over ones, so it is computed as one more feature.
    values = torch.cat([_mask(s, padding_mask).to(dtype), valid], dim=-1)
    size = frames if chunks is None else min(chunks.chunk_size, frames)
    values = F.pad(values, (0, 0, 0, -frames % size)).unflatten(1, (-1, size))  # [B, K, C, S + 1]
    past = decayed_sum(values, decay)
    future = decayed_sum(values.flip(2), decay).flip(2)
    total = past + future - values
    if chunks is not None and values.shape[1] > 1 and chunks.left_context_size != 0:
        context = past_chunks(past[:, :, -1], decay**size, chunks.left_context_size)
        steps = torch.arange(1, size + 1, device=s.device, dtype=dtype)
        total = total + (decay**steps)[:, None] * context.unsqueeze(2)
    total = total.flatten(1, 2)[:, :frames]
    # A normaliser can be tiny (after a long stretch of padding): divide wherever it is above zero.
    weight = total[..., -1:]
    return (total[..., :-1] / weight.where(weight > 0, 1.0)).to(s.dtype)
