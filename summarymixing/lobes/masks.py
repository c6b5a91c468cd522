"""Padding masks from frame counts."""

import torch


def padding_mask_from_counts(counts, num_frames):
    """The mask of a padded batch, or None if no row has padding.

    Arguments
    ---------
    counts : torch.Tensor
        (B,) int64, real frames of each row.
    num_frames : int
        T, frames of the batch.

    Returns
    -------
    torch.Tensor or None
        (B, T) bool, True = padding.

    Example
    -------
    >>> padding_mask_from_counts(torch.tensor([3, 1]), 3)
    tensor([[False, False, False],
            [False,  True,  True]])
    >>> padding_mask_from_counts(torch.tensor([3, 3]), 3) is None
    True
    """
    mask = torch.arange(num_frames, device=counts.device) >= counts[:, None]
    return mask if bool(mask.any()) else None
