"""Frame counts: as padding masks, and as searchers are given them."""

import torch
from torch.compiler import is_compiling


def padding_mask_from_counts(counts, num_frames, device=None):
    """The mask of a padded batch, or None if no row has padding.

    Counts on the CPU tell whether there is padding without a wait for the GPU. Where they cannot be asked for free, on
    another device or in a graph that is being compiled, there is always a mask.

    Parameters
    ----------
    counts : torch.Tensor
        (B,) int64, real frames of each row, on the CPU.
    num_frames : int
        T, frames of the batch.
    device : torch.device, optional
        Of the mask; that of ``counts`` by default.

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
    counts = counts.to(device, non_blocking=True)  # a blocking copy waits for all that the GPU has to do
    return torch.arange(num_frames, device=device) >= counts[:, None]


def frames_and_counts(encoded, wav_lens=None):
    """What a searcher is called with, as frames and their counts.

    Parameters
    ----------
    encoded : tuple of torch.Tensor, or torch.Tensor
        What a model gives: frames (B, T, D) and their counts (B,). Or the frames alone.
    wav_lens : torch.Tensor, optional
        (B,) relative lengths, which SpeechBrain gives to every searcher. Used only where there are no counts: rounded,
        lengths of samples miss the count of every fifth utterance, while counts over T give the counts back.

    Returns
    -------
    torch.Tensor
        (B, T, D).
    torch.Tensor
        (B,) int64, on the CPU.

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
