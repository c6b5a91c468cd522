"""Self-supervised pre-training of a speech encoder: it predicts masked frames."""

import torch
from torch import nn

from summarymixing.lobes.models.speech_model import SpeechModel
from summarymixing.lobes.objectives.masked import MaskedFrames, PretrainingOutput
from summarymixing.ops.masks import padding_mask_from_counts
from summarymixing.ops.spans import span_mask

__all__ = ["PretrainingModel", "PretrainingOutput"]


class PretrainingModel(SpeechModel):
    """A speech encoder and an objective that predicts its masked frames (wav2vec 2.0, 2006.11477; 2407.13377).

    Masked frames are replaced by one learned vector after the input projection and its dropout, and before positions
    are added: the encoder knows only their positions. Frames are also masked in evaluation.

    All random numbers come from PyTorch's global generators: the same seed gives the same masks, distractors and noise.

    Parameters
    ----------
    speech_encoder : SpeechEncoder
        The encoder to pre-train.
    objective : callable
        ``objective(speech_encoder)`` returns a :class:`~summarymixing.lobes.objectives.contrastive.Contrastive` or a
        :class:`~summarymixing.lobes.objectives.random_projection.RandomProjection`.
    mask : callable
        ``mask(counts, num_frames)`` returns the masked frames, (B, T) bool on the CPU; for example
        :func:`~summarymixing.ops.spans.span_mask`.

    Examples
    --------
    >>> from summarymixing.lobes import (
    ...     ConformerEncoder, Contrastive, LatentExtractor, LogMel, SpeechEncoder, UtteranceNormalization
    ... )
    >>> front_end = LatentExtractor(80, 64, kernel_sizes=[3, 3], strides=[2, 1])
    >>> encoder = SpeechEncoder(LogMel(), UtteranceNormalization(), front_end, ConformerEncoder(1, 64, 128))
    >>> output, frames = PretrainingModel(encoder, Contrastive)(torch.rand(2, 16000), torch.tensor([1.0, 0.5]))
    >>> output.loss.shape, output.frames, frames.tolist()
    (torch.Size([]), 71, [48, 23])
    """

    def __init__(self, speech_encoder, objective, mask=span_mask):
        super().__init__(speech_encoder)
        self.objective = objective(speech_encoder)
        self.mask = mask
        self.mask_vector = nn.Parameter(torch.empty(speech_encoder.d_model).uniform_())

    def set_step(self, step):
        """Set the number of optimizer steps taken so far, on which the objective may depend."""
        self.objective.set_step(step)

    def forward(self, wavs, wav_lens=None, chunks=None):
        """Mask a padded batch and predict it.

        Parameters
        ----------
        wavs, wav_lens, chunks
            As in :class:`~summarymixing.lobes.SpeechEncoder`.

        Returns
        -------
        PretrainingOutput
            The loss and its statistics, as sums over the batch.
        torch.Tensor
            (B,) int64 frame counts, on the CPU.
        """
        encoder = self.speech_encoder
        features, feature_counts = encoder.extract_features(wavs, wav_lens)
        frames, counts = encoder.extract_frames(features, feature_counts)
        mask = self.mask(counts, frames.shape[1])
        hidden_frames = mask.to(wavs.device, non_blocking=True).unsqueeze(-1)

        def replace(x):
            return torch.where(hidden_frames, self.mask_vector.to(x.dtype), x)

        encoded, _ = encoder.encode_frames(frames, counts, chunks, replace)
        masked = MaskedFrames(mask, counts, self.objective.fewest_masked, wavs.device)
        padding_mask = padding_mask_from_counts(feature_counts, features.shape[1], features.device)
        if padding_mask is not None:
            features = features.masked_fill(padding_mask.unsqueeze(-1), 0.0)
        return self.objective(masked.of(encoded), frames, features, masked), counts
