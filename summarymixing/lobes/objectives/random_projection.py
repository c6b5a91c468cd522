"""Random-projection targets (BEST-RQ): predict the nearest entry of a codebook that is never trained."""

import torch
import torch.nn.functional as F
from torch import nn

from summarymixing.lobes.objectives.masked import PretrainingOutput


class RandomProjection(nn.Module):
    """Cross entropy of the codes that a frozen random projection gives the features of masked frames (2202.01855).

    The features around a frame, stacked, are projected by a random matrix and take the number of the nearest of random
    codebook entries, all of length 1. There is no quantiser that could collapse, and nothing is learnt but to predict.
    Features must be normalised, or few codes are used.

    Codes are not equally frequent. What counts as chance is to guess the most frequent one of the batch each time.

    With several codebooks, each with its projection, the loss of a frame is the mean over them, and so is whether the
    prediction is right.

    Parameters
    ----------
    speech_encoder : SpeechEncoder
        Whose features give the targets, and whose encoder predicts.
    codes : int
        Entries of a codebook.
    entry_size : int
        Features of an entry.
    codebooks : int
        How many.
    stack : int
        Feature frames of a target, centred on those that the front end sees.

    Raises
    ------
    ValueError
        If the features are no spectrum but the waveform itself.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from summarymixing.lobes.objectives.masked import MaskedFrames
    >>> front_end = SimpleNamespace(stride=2, centre=3)
    >>> sizes = SimpleNamespace(features=SimpleNamespace(output_size=80), front_end=front_end, d_model=16)
    >>> objective = RandomProjection(sizes, codes=64)
    >>> masked = MaskedFrames(torch.rand(2, 50) < 0.5, torch.tensor([50, 50]))
    >>> output = objective(torch.rand(len(masked), 16), torch.rand(2, 50, 8), torch.randn(2, 106, 80), masked)
    >>> output.loss.shape, output.code_counts.shape
    (torch.Size([]), torch.Size([1, 64]))
    """

    fewest_masked = 1

    def __init__(self, speech_encoder, codes=8192, entry_size=16, codebooks=1, stack=4):
        super().__init__()
        features = speech_encoder.features.output_size
        if features == 1:
            raise ValueError("random-projection targets are made of a spectrum, and these features are the waveform.")
        self.stack, self.stride = stack, speech_encoder.front_end.stride
        self.first = speech_encoder.front_end.centre - (stack - 1) // 2  # feature frame of the first target
        projection = nn.init.xavier_uniform_(torch.empty(codebooks * entry_size, stack * features))
        self.register_buffer("projection", projection)
        self.register_buffer("entries", F.normalize(torch.randn(codebooks, codes, entry_size), dim=-1))
        self.prediction_proj = nn.Linear(speech_encoder.d_model, codebooks * codes)

    def set_step(self, step):
        """Nothing here depends on the step."""

    @torch.no_grad()
    def targets(self, features, masked, num_frames):
        """The codes of the masked frames.

        Parameters
        ----------
        features : torch.Tensor
            (B, M, F), normalised, zero at padding.
        masked : MaskedFrames
            N of them.
        num_frames : int
            T, encoder frames.

        Returns
        -------
        torch.Tensor
            (N, codebooks) int64.
        """
        with torch.autocast(features.device.type, enabled=False):
            end = self.first + (num_frames - 1) * self.stride + self.stack
            padded = F.pad(features.float(), (0, 0, max(0, -self.first), max(0, end - features.shape[1])))
            windows = padded[:, max(0, self.first) :].unfold(1, self.stack, self.stride)
            stacked = windows[:, :num_frames].flatten(2)  # [B, T, F * stack]
            projected = F.linear(masked.of(stacked), self.projection).unflatten(-1, (len(self.entries), -1))
            # Of entries of one length, the nearest is the one with the largest product, however long the other is.
            return torch.einsum("nke,kve->nkv", projected, self.entries).argmax(-1)

    def forward(self, hidden, frames, features, masked):
        """The loss of a batch.

        Parameters
        ----------
        hidden : torch.Tensor
            (N, d_model), the encoder's output at the masked frames.
        frames : torch.Tensor
            (B, T, front_end.output_size), the front end's output; only its length counts here.
        features : torch.Tensor
            (B, M, F), normalised, zero at padding.
        masked : MaskedFrames
            N of them.

        Returns
        -------
        PretrainingOutput
        """
        codebooks, codes, _ = self.entries.shape
        targets = self.targets(features, masked, frames.shape[1])
        logits = self.prediction_proj(hidden).unflatten(-1, (codebooks, codes)).float()  # [N, K, V]
        losses = (logits.logsumexp(-1) - logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)).mean(-1)
        with torch.no_grad():
            correct = (logits.argmax(-1) == targets).float().mean(-1).sum()
            counts = logits.new_zeros(codebooks, codes)
            counts.scatter_add_(1, targets.T, torch.ones_like(targets.T, dtype=counts.dtype))
        return PretrainingOutput(
            loss=losses.sum(),
            masked=len(masked),
            frames=masked.frames,
            correct=correct,
            chance=counts.amax(1).mean(),
            code_counts=counts,
            code_probabilities=None,
            losses=masked.sum_by_utterance(losses.detach()),
        )
