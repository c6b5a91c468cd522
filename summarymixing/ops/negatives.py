"""Distractors of the contrastive objective: other masked frames of the same utterance."""

import torch


def sample_negatives(counts, number):
    """Draw distractors for each masked frame of a batch (wav2vec 2.0, 2006.11477, section 3.2).

    They are drawn uniformly, with replacement, from all other masked frames of the same utterance. This is as
    published, and it allows utterances with fewer masked frames than ``number``. A frame is never its own distractor.

    Everything is drawn on the CPU, from PyTorch's global generator.

    Parameters
    ----------
    counts : torch.Tensor
        (B,) int64, masked frames of each utterance, on the CPU; each 0 or at least 2, because a single masked frame has
        no other to draw.
    number : int
        Distractors of each masked frame.

    Returns
    -------
    torch.Tensor
        (N, number) int64 on the CPU, where N is the sum of ``counts``: indices into the masked frames of the whole
        batch, utterance after utterance.

    Raises
    ------
    ValueError
        If an utterance has a single masked frame.

    Examples
    --------
    >>> sample_negatives(torch.tensor([2, 0, 2]), 3)
    tensor([[1, 1, 1],
            [0, 0, 0],
            [3, 3, 3],
            [2, 2, 2]])
    """
    if bool((counts == 1).any()):
        raise ValueError("an utterance with a single masked frame has no other masked frame to draw as a distractor.")
    others = (counts - 1).repeat_interleave(counts).unsqueeze(1)  # [N, 1]
    first = (counts.cumsum(0) - counts).repeat_interleave(counts).unsqueeze(1)
    own = torch.arange(len(others)).unsqueeze(1) - first
    drawn = torch.randint(2**62, (len(others), number)) % others
    return first + drawn + (drawn >= own)
