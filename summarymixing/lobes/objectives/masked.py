"""What every objective is given, where the masked frames are, and what it returns."""

from dataclasses import dataclass

import torch


@dataclass
class PretrainingOutput:
    """The loss of a batch and what tells whether it is learnt, as sums over masked frames.

    Sums, because means over batches of different sizes, or over processes, cannot be added.

    Attributes
    ----------
    loss : torch.Tensor
        Scalar with gradient.
    masked, frames : int
        Masked frames that have a loss, real frames.
    correct : torch.Tensor
        Scalar, masked frames whose prediction is right.
    chance : torch.Tensor
        Scalar, those that would be right by chance: of candidates the sum of 1 over the number of different ones, of
        codes how often the most frequent is there. Under collapse it rises with ``correct``.
    code_counts : torch.Tensor
        (groups, codes), for how many masked frames each code was the most probable.
    code_probabilities : torch.Tensor or None
        (groups, codes), sum over masked frames of each code's probability; None for targets without probabilities.
    losses : torch.Tensor
        (B,), of each utterance, without what is computed of the whole batch.
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
    """Where the masked frames of a padded batch are.

    How many there are is known on the CPU, so that nothing waits for the GPU to say it.

    Parameters
    ----------
    mask : torch.Tensor
        (B, T) bool on the CPU, True = masked.
    counts : torch.Tensor
        (B,) int64, real frames of each utterance, on the CPU.
    fewest : int
        Utterances with fewer masked frames than this are left out.
    device : torch.device, optional
        Of the frames; the CPU by default.

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
        """The masked frames of (B, T, D), utterance after utterance, (N, D)."""
        return x.flatten(0, 1).index_select(0, self._places)

    def sum_by_utterance(self, losses):
        """(N,) to the sum of each utterance, (B,)."""
        return losses.new_zeros(len(self.counts)).index_add(0, self._utterances, losses)
