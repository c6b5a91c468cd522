"""Running sums over time, whose cost does not depend on how far back they reach.

Frames are processed in blocks: inside a block the sums are one small product with a triangular matrix; between blocks
they are a few vector operations. No sum is computed as the difference of two longer sums. Therefore float32 is precise
enough at any length, and a frame outside a sum has no influence on it, not even through rounding.
"""

import torch
import torch.nn.functional as F

#: Frames of the widest window that is summed by one product; the work of that product grows with the width.
WIDEST_BAND = 128


def window_sums(x, behind, ahead):
    """Sums over the windows [t - behind, t + ahead], cut at the ends of the utterance.

    Parameters
    ----------
    x : torch.Tensor
        (B, T, S).
    behind, ahead : int
        Frames before and after frame t.

    Returns
    -------
    torch.Tensor
        (B, T, S).

    Examples
    --------
    >>> window_sums(torch.tensor([[[1.0], [2.0], [4.0]]]), 1, 0).flatten().tolist()
    [1.0, 3.0, 6.0]
    """
    return _WindowSums.apply(x, behind, ahead) if x.shape[1] else x


class _WindowSums(torch.autograd.Function):
    """Frame u is in the windows of the frames [u - ahead, u + behind], so that the gradient is a sum over a window too.

    With autograd, every slice below would get a gradient of the size of the whole input.
    """

    @staticmethod
    def forward(ctx, x, behind, ahead):
        ctx.reach = ahead, behind
        return _window_sums(x, behind, ahead)

    @staticmethod
    def backward(ctx, gradient):
        return window_sums(gradient, *ctx.reach), None, None


def _window_sums(x, behind, ahead):
    behind, ahead = (min(reach, max(x.shape[1] - 1, 0)) for reach in (behind, ahead))
    with torch.autocast(x.device.type, enabled=False):  # autocast would round these products
        sums = _narrow_sums if behind + 1 + ahead <= WIDEST_BAND else _wide_sums
        return sums(x, behind, ahead)


def _narrow_sums(x, behind, ahead, block=16):
    """One product per block: a band of ones times the block and the frames around it that its windows reach."""
    frames, width = x.shape[1], behind + 1 + ahead
    reached = block + width - 1
    # Neighbouring blocks reach the same frames, so their views overlap; flattened over utterances they would be copied.
    blocks = F.pad(x, (0, 0, behind, -frames % block + ahead)).unfold(1, reached, block).transpose(2, 3)
    band = torch.ones(block, reached, dtype=x.dtype, device=x.device).triu().tril(width - 1)
    band = band.expand(blocks.shape[1], -1, -1)
    sums = x.new_empty(len(x), blocks.shape[1], block, x.shape[2])
    for target, utterance in zip(sums, blocks, strict=True):
        torch.bmm(band, utterance, out=target)
    return sums.flatten(1, 2)[:, :frames]


def _wide_sums(x, behind, ahead, block=32):
    """A window is the end of its first block, a middle, and the beginning of its last block.

    All windows of one block of frames share the middle: whole blocks, and the first ``rest`` frames of the next block.
    """
    frames = x.shape[1]
    count = -(-frames // block)
    # With this padding, the windows of block i begin in block i - back and end in block i + on, shifted by `rest`.
    back, front = behind // block, behind % block
    on, rest = (front + ahead + 1) // block, (front + ahead + 1) % block
    ending = max(0, min(count, -(-(front + frames - rest) // block) - on))
    held = -(-(front + frames) // block)
    needed = max(held * block, rest + (on + ending) * block)
    x = F.pad(x, (0, 0, front, needed - front - frames))
    blocks = x[:, : held * block].unflatten(1, (-1, block))

    totals = F.pad(blocks.sum(2), (0, 0, back, 0))
    middle = past_chunks(totals.flip(1), 1.0, back + on - 1).flip(1)[:, :count]
    tops = blocks[:, on : on + count, :rest].sum(2)
    middle = middle + F.pad(tops, (0, 0, 0, count - tops.shape[1]))
    sums = middle.unsqueeze(2).repeat(1, 1, block, 1)

    ones = torch.ones(block, block, dtype=x.dtype, device=x.device)
    ends = x[:, rest + on * block : rest + (on + ending) * block].unflatten(1, (ending, block))
    for triangle, sums_of, values in (
        (ones.triu(), sums[:, back:], blocks[:, : max(0, count - back)]),
        (ones.tril(-1), sums[:, :ending], ends),
    ):
        for target, value in zip(sums_of, values, strict=True):  # one utterance each: the views cannot be flattened
            target.baddbmm_(triangle.expand(len(value), -1, -1), value)
    return sums.flatten(1, 2)[:, :frames]


def decayed_sum(values, decay, block=128):
    """Decayed running sum along dimension 2, frame t included: ``y_t = sum_{u <= t} decay ** (t - u) * values_u``.

    Each block of ``block`` frames is one small triangular product; so is the carry from block to block.

    Parameters
    ----------
    values : torch.Tensor
        (B, K, C, S): batch, chunks, frames of a chunk, features.
    decay : float
        In (0, 1].
    block : int
        Frames per triangular product.

    Returns
    -------
    torch.Tensor
        (B, K, C, S), in the dtype of ``values``.

    Examples
    --------
    >>> decayed_sum(torch.ones(1, 1, 3, 1), 0.5).flatten().tolist()
    [1.0, 1.5, 1.75]
    """
    frames = values.shape[2]
    block = min(block, frames)
    values = F.pad(values, (0, 0, 0, -frames % block)).unflatten(2, (-1, block))  # [B, K, N, b, S]
    step = torch.arange(block, device=values.device, dtype=values.dtype)
    distance = step[:, None] - step[None, :]
    weights = torch.where(distance >= 0, decay ** distance.clamp(min=0), 0.0)
    with torch.autocast(values.device.type, enabled=False):  # autocast would round this product
        inside = weights @ values
    if inside.shape[2] > 1:
        carries = past_chunks(inside[:, :, :, -1].flatten(0, 1), decay**block, None)
        carries = carries.unflatten(0, values.shape[:2]).unsqueeze(3)
        inside += (decay ** (step + 1))[:, None] * carries
    return inside.flatten(2, 3)[:, :, :frames]


def past_chunks(last, decay, left_context):
    """Sum over the chunks before each chunk, decayed by ``decay`` per chunk.

    Parameters
    ----------
    last : torch.Tensor
        (B, K, S), the decayed sum of each chunk at its last frame.
    decay : float
        Factor per chunk.
    left_context : int or None
        L, the number of earlier chunks; None for all of them.

    Returns
    -------
    torch.Tensor
        (B, K, S): ``sum_{l = 1..L} decay ** (l - 1) * last[:, k - l]``.

    Examples
    --------
    >>> past_chunks(torch.ones(1, 4, 1), 0.5, None).flatten().tolist()
    [0.0, 1.0, 1.5, 1.75]
    >>> past_chunks(torch.ones(1, 4, 1), 0.5, 2).flatten().tolist()
    [0.0, 1.0, 1.5, 1.5]
    """
    count = last.shape[1]
    if left_context is None or left_context >= count:
        return _later(decayed_sum(last.unsqueeze(1), decay).squeeze(1), 1)
    # Sums over 1, 2, 4, ... chunks, combined by the binary digits of the left context. A difference of running sums
    # would leave rounding errors where a chunk must have exactly no influence.
    context, reached = torch.zeros_like(last), 0
    doubled, size = last, 1
    while reached < left_context:
        if left_context & size:
            context = context + decay**reached * _later(doubled, reached)
            reached += size
        if reached < left_context:
            doubled = doubled + decay**size * _later(doubled, size)
            size *= 2
    return _later(context, 1)


def _later(x, steps):
    """(B, K, S) shifted by ``steps`` to later k, with zeros in front."""
    return F.pad(x, (0, 0, steps, 0))[:, : x.shape[1]]
