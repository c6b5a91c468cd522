"""Product quantisation with the Gumbel softmax, which gives wav2vec 2.0 its targets."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Quantized:
    """Quantised vectors; each is the concatenation of one entry from each codebook.

    Attributes
    ----------
    vectors : torch.Tensor
        (N, groups * entry_size).
    codes : torch.Tensor
        (N,) int64, one number for the combination of entries; equal if all entries are equal.
    counts : torch.Tensor
        (groups, codes), how often each entry was the most probable one, without Gumbel noise: noise would hide a
        collapse while the temperature is high.
    probabilities : torch.Tensor
        (groups, codes), sum over the vectors of each entry's probability without noise; has a gradient.
    """

    vectors: torch.Tensor
    codes: torch.Tensor
    counts: torch.Tensor
    probabilities: torch.Tensor


class GumbelQuantizer(nn.Module):
    """One entry from each of several codebooks, chosen by a linear layer (wav2vec 2.0, 2006.11477, section 2).

    In training an entry is drawn with the straight-through Gumbel softmax: the forward pass uses one entry, the
    backward pass the gradient of the softmax. In evaluation the most probable entry is taken. Noise is drawn on the
    device of the input.

    SpeechBrain's ``GumbelVectorQuantizer`` computes the same, but with a tensor of every vector times every entry: 3 GB
    for 6 minutes of speech.

    Parameters
    ----------
    input_size : int
        Features of the input.
    groups : int
        G, number of codebooks.
    codes : int
        V, entries per codebook.
    entry_size : int
        Features of an entry.
    temperature : list of float
        Temperature of the Gumbel softmax: its first value, its smallest value, and its factor per optimizer step.
    score_std : float
        Standard deviation of the linear layer's initial weights. 1 is published: the scores of a vector then differ so
        much that one entry is probable from the start, and the diversity loss can hardly bring others into use. If
        scores differ by less than the Gumbel noise (about 1), entries are drawn at random and cannot be predicted.

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
        """Set the temperature to its value after ``step`` optimizer steps."""
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
