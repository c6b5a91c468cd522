"""Frame counts: from counts to padding masks, and from a searcher's arguments to frames and counts."""

import torch
from torch.compiler import is_compiling


def padding_mask_from_counts(counts, num_frames, device=None):
    """The padding mask of a batch, or None if no row has padding.

    Counts on the CPU show whether there is padding without waiting for the GPU. If reading them would wait (counts on
    another device) or is impossible (a graph that is being compiled), a mask is always returned.

    Parameters
    ----------
    counts : torch.Tensor
        (B,) int64, real frames of each row, on the CPU.
    num_frames : int
        T, frames of the batch.
    device : torch.device, optional
        Device of the mask; by default that of ``counts``.

    Returns
    -------
    torch.Tensor or None
        (B, T) bool, True = padding.

    Examples
    --------
    >>> padding_mask_from_counts(torch.tensor([3, 1]), 3)
    tensor([[False, False, False],
            [False,  True,  True]])
    >>> padding_mask_from_counts(torch.tensor([3, 3]), 3) is None
    True
    """
    free = counts.device.type == "cpu" and not is_compiling()
    if free and bool((counts >= num_frames).all()):
        return None
    device = counts.device if device is None else device
    counts = counts.to(device, non_blocking=True)  # a blocking copy would wait for all queued work of the GPU
    return torch.arange(num_frames, device=device) >= counts[:, None]


def sample_counts(wavs, wav_lens=None):
    """Real samples of each row of a batch, from SpeechBrain's relative lengths.

    Relative lengths on a GPU make this wait for it; leave them on the CPU.

    Parameters
    ----------
    wavs : torch.Tensor
        (B, samples).
    wav_lens : torch.Tensor, optional
        (B,) real length of each row over the longest; all whole by default.

    Returns
    -------
    torch.Tensor
        (B,) int64, on the CPU.

    Examples
    --------
    >>> sample_counts(torch.rand(2, 16000), torch.tensor([1.0, 0.5])).tolist()
    [16000, 8000]
    """
    if wav_lens is None:
        return torch.full((wavs.shape[0],), wavs.shape[1])
    # In float64, because float32 cannot count the samples of a quarter of an hour.
    return (wav_lens.cpu().double() * wavs.shape[1]).round().long()


def frames_and_counts(encoded, wav_lens=None):
    """Convert the arguments of a searcher to frames and frame counts.

    Parameters
    ----------
    encoded : tuple of torch.Tensor, or torch.Tensor
        The output of a model: frames (B, T, D) and their counts (B,), or the frames alone.
    wav_lens : torch.Tensor, optional
        (B,) relative lengths, which SpeechBrain passes to every searcher. Used only if there are no counts. If they are
        counts / T, rounding gives the counts back; if they are relative lengths of waveforms, rounding gives a wrong
        count for every fifth utterance.

    Returns
    -------
    torch.Tensor
        (B, T, D), the frames.
    torch.Tensor
        (B,) int64 frame counts, on the CPU.

    Examples
    --------
    >>> frames = torch.rand(2, 10, 4)
    >>> frames_and_counts((frames, torch.tensor([10, 7])), torch.tensor([1.0, 0.61]))[1].tolist()
    [10, 7]
    >>> frames_and_counts(frames, torch.tensor([1.0, 0.7]))[1].tolist(), frames_and_counts(frames)[1].tolist()
    ([10, 7], [10, 10])
    """
    if not isinstance(encoded, torch.Tensor):
        return encoded
    if wav_lens is None:
        return encoded, torch.full((len(encoded),), encoded.shape[1])
    return encoded, (wav_lens.cpu() * encoded.shape[1]).round().long()
