"""The contrastive objective of wav2vec 2.0: identify a masked frame's quantised latent among those of other frames."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from summarymixing.lobes.objectives.masked import PretrainingOutput
from summarymixing.lobes.objectives.quantizer import GumbelQuantizer
from summarymixing.ops.negatives import sample_negatives
from summarymixing.ops.perplexity import perplexity

#: Masked frames whose candidates are in memory at the same time.
_BLOCK = 1024


class Contrastive(nn.Module):
    """Contrastive loss over quantised latents, and a diversity loss over their codes (2006.11477, eq. 2 to 4).

    For each masked frame t with the encoder's output c_t and the quantised latent q_t::

        L = sum_t -log( exp(cos(c_t, q_t) / temperature) / sum_q~ exp(cos(c_t, q~) / temperature) )
            + diversity_weight * masked frames * (G V - sum_g perplexity_g) / (G V)

    q~ is q_t or a distractor; distractors with the same codes as q_t are left out. G is the number of codebooks, V that
    of entries in each. The latents are the front end's output. As in the published recipes (2407.13377) the loss is a
    sum over masked frames, so that the weight of a batch is its number of masked frames.

    Parameters
    ----------
    speech_encoder : SpeechEncoder
        Its front end computes the latents, its encoder predicts them.
    quantizer : callable
        ``quantizer(input_size)`` returns a :class:`~summarymixing.lobes.objectives.quantizer.GumbelQuantizer`.
    size : int
        Features of c_t and q_t.
    negatives : int
        Distractors of each masked frame.
    temperature : float
        Divisor of the similarities.
    diversity_weight : float
        Weight of the diversity loss.
    target_gradient : float
        Factor on the gradient that the front end gets through the targets. 1 is published. With small batches the front
        end then learns latents that are easy to predict because they differ in few codes; with 0 it learns only through
        the predictions.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from summarymixing.lobes.objectives.masked import MaskedFrames
    >>> sizes = SimpleNamespace(front_end=SimpleNamespace(output_size=8), d_model=16)
    >>> objective = Contrastive(sizes, size=32)
    >>> masked = MaskedFrames(torch.rand(2, 50) < 0.5, torch.tensor([50, 50]))
    >>> output = objective(torch.rand(len(masked), 16), torch.rand(2, 50, 8), None, masked)
    >>> output.loss.shape, output.code_counts.shape
    (torch.Size([]), torch.Size([2, 320]))
    """

    #: An utterance with one masked frame has no distractor.
    fewest_masked = 2

    def __init__(
        self,
        speech_encoder,
        quantizer=GumbelQuantizer,
        size=256,
        negatives=100,
        temperature=0.1,
        diversity_weight=0.1,
        target_gradient=1.0,
    ):
        super().__init__()
        self.quantizer = quantizer(speech_encoder.front_end.output_size)
        groups, self.codes, entry_size = self.quantizer.entries.shape
        self.target_proj = nn.Linear(groups * entry_size, size)
        self.prediction_proj = nn.Linear(speech_encoder.d_model, size)
        self.negatives, self.temperature, self.diversity_weight = negatives, temperature, diversity_weight
        self.target_gradient = target_gradient

    def set_step(self, step):
        """Set the quantiser's temperature to its value after ``step`` optimizer steps."""
        self.quantizer.set_step(step)

    def forward(self, hidden, frames, features, masked):
        """Compute the loss of a batch.

        Parameters
        ----------
        hidden : torch.Tensor
            (N, d_model), the encoder's output at the masked frames.
        frames : torch.Tensor
            (B, T, front_end.output_size), the front end's output, not masked.
        features : object
            Not used by this objective.
        masked : MaskedFrames
            The N masked frames.

        Returns
        -------
        PretrainingOutput
        """
        latents = masked.of(frames)
        if latents.requires_grad and self.target_gradient != 1.0:
            latents.register_hook(lambda gradient: gradient * self.target_gradient)
        quantized = self.quantizer(latents)
        negatives = sample_negatives(masked.counts, self.negatives).to(hidden.device, non_blocking=True)
        own = torch.arange(len(masked), device=hidden.device).unsqueeze(1)
        candidates = torch.cat([own, negatives], dim=1)  # [N, 1 + K]
        # Codes are compared, because rounding in straight-through vectors makes those of equal codes slightly
        # different.
        same = quantized.codes[negatives] == quantized.codes.unsqueeze(1)
        predictions, targets = self.prediction_proj(hidden), self.target_proj(quantized.vectors)
        logits = cosine_similarities(predictions, targets, candidates) / self.temperature
        logits = torch.cat([logits[:, :1], logits[:, 1:].masked_fill(same, -torch.inf)], dim=1)
        losses = logits.logsumexp(1) - logits[:, 0]
        diversity = 1 - perplexity(quantized.probabilities).sum() / quantized.probabilities.numel()
        with torch.no_grad():
            correct = (logits[:, :1] > logits[:, 1:]).all(1).sum()
            chance = (1 / (1 + _distinct(quantized.codes[negatives].masked_fill(same, -1)))).sum()
        return PretrainingOutput(
            loss=losses.sum() + self.diversity_weight * len(masked) * diversity,
            masked=len(masked),
            frames=masked.frames,
            correct=correct,
            chance=chance,
            code_counts=quantized.counts.detach(),
            code_probabilities=quantized.probabilities.detach(),
            losses=masked.sum_by_utterance(losses.detach()),
        )


def _distinct(codes):
    """Number of different codes in each row of (N, K), as (N,); -1 marks an empty place."""
    codes = codes.sort(1).values
    return (codes[:, 0] >= 0).int() + (codes[:, 1:] > codes[:, :-1]).sum(1)


def cosine_similarities(x, y, candidates):
    """Cosine similarity of each row of x to some rows of y, in float32 for every autocast dtype.

    It is computed block by block, and each block again in the backward pass: keeping the blocks would take more memory
    than most layers of an encoder.

    Parameters
    ----------
    x, y : torch.Tensor
        (N, D) and (M, D).
    candidates : torch.Tensor
        (N, K) int64, indices of rows of y.

    Returns
    -------
    torch.Tensor
        (N, K) float32, -1 to 1.

    Examples
    --------
    >>> x = torch.tensor([[2.0, 0.0]])
    >>> cosine_similarities(x, torch.tensor([[0.0, 1.0], [3.0, 0.0]]), torch.tensor([[0, 1, 1]]))
    tensor([[0., 1., 1.]])
    """
    with torch.autocast(x.device.type, enabled=False):
        x, y = F.normalize(x.float(), dim=-1), F.normalize(y.float(), dim=-1)
        blocks = zip(x.split(_BLOCK), candidates.split(_BLOCK), strict=True)
        again = partial(checkpoint, _products, use_reentrant=False, preserve_rng_state=False)
        return torch.cat([again(part, y, rows) for part, rows in blocks])


def _products(x, y, rows):
    # On a CPU the backward pass of an embedding is faster than that of an index.
    return torch.bmm(F.embedding(rows, y), x.unsqueeze(-1)).squeeze(-1)
