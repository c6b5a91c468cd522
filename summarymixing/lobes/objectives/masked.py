"""The input and the output of every objective: positions of the masked frames; loss and statistics."""

from dataclasses import dataclass

import torch


@dataclass
class PretrainingOutput:
    """The loss of a batch and its statistics, as sums over masked frames.

    They are sums because sums of several batches or processes can be added, and means cannot.

    Attributes
    ----------
    loss : torch.Tensor
        Scalar with gradient.
    masked, frames : int
        Number of masked frames that have a loss; number of real frames.
    correct : torch.Tensor
        Scalar, number of masked frames whose prediction is correct.
    chance : torch.Tensor
        Scalar, expected number of correct predictions by chance. For a choice among candidates: the sum over masked
        frames of 1 / number of different candidates. For a choice of codes: the count of the most frequent code. In a
        collapse it rises together with ``correct``.
    code_counts : torch.Tensor
        (groups, codes), number of masked frames for which each code was the most probable.
    code_probabilities : torch.Tensor or None
        (groups, codes), sum over masked frames of each code's probability; None for targets without probabilities.
    losses : torch.Tensor
        (B,), sum of each utterance, without terms that belong to the whole batch.
    """

    loss: torch.Tensor
    masked: int
    frames: int
    correct: torch.Tensor
    chance: torch.Tensor
    code_counts: torch.Tensor
    code_probabilities: torch.Tensor | None
    losses: torch.Tensor


class MaskedFrames:
    """The positions of the masked frames of a padded batch.

    Their number is known on the CPU, so that nothing has to wait for the GPU.

    Parameters
    ----------
    mask : torch.Tensor
        (B, T) bool on the CPU, True = masked.
    counts : torch.Tensor
        (B,) int64, real frames of each utterance, on the CPU.
    fewest : int
        Utterances with fewer masked frames than this are left out.
    device : torch.device, optional
        Device of the frames; by default the CPU.

    Attributes
    ----------
    counts : torch.Tensor
        (B,) int64 on the CPU, masked frames of each utterance.
    frames : int
        Real frames of the batch.

    Examples
    --------
    >>> mask = torch.tensor([[True, False, True], [False, True, False]])
    >>> masked = MaskedFrames(mask, torch.tensor([3, 2]))
    >>> len(masked), masked.of(torch.arange(6).view(2, 3, 1)).flatten().tolist()
    (3, [0, 2, 4])
    >>> masked.sum_by_utterance(torch.tensor([1.0, 2.0, 5.0]))
    tensor([3., 5.])
    """

    def __init__(self, mask, counts, fewest=1, device=None):
        mask = mask & (mask.sum(1, keepdim=True) >= fewest)
        self.counts, self.frames = mask.sum(1), int(counts.sum())
        utterances, times = mask.nonzero(as_tuple=True)
        self._utterances = utterances.to(device, non_blocking=True)
        self._places = (utterances * mask.shape[1] + times).to(device, non_blocking=True)

    def __len__(self):
        return len(self._places)

    def of(self, x):
        """Select the masked frames of (B, T, D), utterance after utterance; returns (N, D)."""
        return x.flatten(0, 1).index_select(0, self._places)

    def sum_by_utterance(self, losses):
        """Sum (N,) values of masked frames over each utterance; returns (B,)."""
        return losses.new_zeros(len(self.counts)).index_add(0, self._utterances, losses)
