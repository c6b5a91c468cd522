"""Random-projection targets (BEST-RQ): predict the nearest entry of a codebook that is not trained."""

import torch
import torch.nn.functional as F
from torch import nn

from summarymixing.lobes.objectives.masked import PretrainingOutput


class RandomProjection(nn.Module):
    """Cross entropy of codes that a frozen random projection computes from the features of masked frames (2202.01855).

    The features around a frame are stacked and projected by a random matrix. The target is the number of the nearest
    entry in a codebook of random vectors of length 1. The targets are not trained, so that they cannot collapse.
    Features must be normalised; otherwise few codes are used.

    Codes are not equally frequent. Chance is the accuracy of always predicting the most frequent code of the batch.

    With several codebooks, each with its own projection, the loss and the accuracy of a frame are means over them.

    Parameters
    ----------
    speech_encoder : SpeechEncoder
        Its features give the targets, its encoder predicts them.
    codes : int
        Entries per codebook.
    entry_size : int
        Features of an entry.
    codebooks : int
        Number of codebooks.
    stack : int
        Feature frames per target, centred on the frames that the front end sees.

    Raises
    ------
    ValueError
        If the features are the waveform instead of a spectrum.

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
            raise ValueError("random-projection targets need a spectrum, but these features are the waveform.")
        self.stack, self.stride = stack, speech_encoder.front_end.stride
        self.first = speech_encoder.front_end.centre - (stack - 1) // 2  # feature frame of the first target
        projection = nn.init.xavier_uniform_(torch.empty(codebooks * entry_size, stack * features))
        self.register_buffer("projection", projection)
        self.register_buffer("entries", F.normalize(torch.randn(codebooks, codes, entry_size), dim=-1))
        self.prediction_proj = nn.Linear(speech_encoder.d_model, codebooks * codes)

    def set_step(self, step):
        """Do nothing: this objective does not depend on the step."""

    @torch.no_grad()
    def targets(self, features, masked, num_frames):
        """Compute the codes of the masked frames.

        Parameters
        ----------
        features : torch.Tensor
            (B, M, F), normalised, zero at padding.
        masked : MaskedFrames
            The N masked frames.
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
            # All entries have length 1, so that the nearest one has the largest product, whatever the other's length.
            return torch.einsum("nke,kve->nkv", projected, self.entries).argmax(-1)

    def forward(self, hidden, frames, features, masked):
        """Compute the loss of a batch.

        Parameters
        ----------
        hidden : torch.Tensor
            (N, d_model), the encoder's output at the masked frames.
        frames : torch.Tensor
            (B, T, front_end.output_size), the front end's output; only its length is used.
        features : torch.Tensor
            (B, M, F), normalised, zero at padding.
        masked : MaskedFrames
            The N masked frames.

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
