"""Product quantisation by the Gumbel softmax: what wav2vec 2.0 learns its targets with."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Quantized:
    """Vectors put together of one entry of each codebook.

    Attributes
    ----------
    vectors : torch.Tensor
        (N, groups * entry_size).
    codes : torch.Tensor
        (N,) int64, which entries these are; equal where all entries are.
    counts : torch.Tensor
        (groups, codes), how often each entry was the most probable one. Without Gumbel noise, which would hide a
        collapse as long as the temperature is high.
    probabilities : torch.Tensor
        (groups, codes), sum over the vectors of each entry's probability without noise; with gradient.
    """

    vectors: torch.Tensor
    codes: torch.Tensor
    counts: torch.Tensor
    probabilities: torch.Tensor


class GumbelQuantizer(nn.Module):
    """One entry from each of several codebooks, chosen by a linear layer (wav2vec 2.0, 2006.11477, section 2).

    In training an entry is drawn by the Gumbel softmax: one entry forwards, the gradient of the softmax backwards. In
    evaluation it is the most probable one. Noise is drawn on the device of the input.

    SpeechBrain's ``GumbelVectorQuantizer`` computes the same, through a tensor of each vector times each entry: 3 GB
    for 6 minutes of speech.

    Parameters
    ----------
    input_size : int
        Features.
    groups : int
        Codebooks.
    codes : int
        Entries of each.
    entry_size : int
        Features of an entry.
    temperature : list of float
        Of the Gumbel softmax: at first, at least, and the factor of each optimizer step.
    score_std : float
        Standard deviation of the linear layer's initial weights. 1 is published: scores are so far apart that each
        vector has one probable entry from the start, whose codebook the diversity loss can hardly open again. Where
        they are less than the Gumbel noise apart, about 1, entries are drawn at random and cannot be predicted.

    Examples
    --------
    >>> quantizer = GumbelQuantizer(input_size=8, groups=2, codes=5, entry_size=3)
    >>> out = quantizer(torch.rand(7, 8))
    >>> out.vectors.shape, out.codes.shape, int(out.counts.sum())
    (torch.Size([7, 6]), torch.Size([7]), 14)
    """

    def __init__(
        self, input_size, groups=2, codes=320, entry_size=128, temperature=(2.0, 0.25, 0.999995), score_std=1.0
    ):
        super().__init__()
        self.groups, self.codes = groups, codes
        self.first, self.least, self.factor = temperature
        self.temperature = self.first
        self.scores = nn.Linear(input_size, groups * codes)
        nn.init.normal_(self.scores.weight, std=score_std)
        nn.init.zeros_(self.scores.bias)
        self.entries = nn.Parameter(torch.empty(groups, codes, entry_size).uniform_())

    def set_step(self, step):
        """Anneal the temperature to where it is after so many optimizer steps."""
        self.temperature = max(self.first * self.factor**step, self.least)

    def forward(self, x):
        """Quantise (N, input_size); returns a :class:`Quantized`."""
        scores = self.scores(x).unflatten(-1, (self.groups, self.codes)).float()  # [N, G, V]
        best = _one_hot(scores)
        chosen = F.gumbel_softmax(scores, self.temperature, hard=True) if self.training else best
        vectors = torch.einsum("ngv,gve->nge", chosen.to(self.entries.dtype), self.entries).flatten(1)
        place = self.codes ** torch.arange(self.groups, device=x.device)
        codes = (chosen.argmax(-1) * place).sum(-1)
        return Quantized(vectors, codes, best.sum(0), scores.softmax(-1).sum(0))


def _one_hot(scores):
    return torch.zeros_like(scores).scatter_(-1, scores.argmax(-1, keepdim=True), 1.0)
