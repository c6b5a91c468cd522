"""A whole classifier of utterances: waveform in, scores of classes out."""

import torch
from speechbrain.lobes.models.ECAPA_TDNN import AttentiveStatisticsPooling
from torch import nn

from summarymixing.lobes.models.speech_model import SpeechModel
from summarymixing.ops.masks import padding_mask_from_counts
from summarymixing.ops.means import utterance_mean


class MeanPooling(nn.Module):
    """The mean over the real frames.

    Parameters
    ----------
    size : int
        D, features per frame; ``output_size`` is the same.
    """

    def __init__(self, size):
        super().__init__()
        self.output_size = size

    def forward(self, x, counts):
        """(B, T, D) and real frame counts (B,) on the CPU -> (B, D)."""
        return utterance_mean(x, padding_mask_from_counts(counts, x.shape[1], x.device))


class AttentivePooling(nn.Module):
    """SpeechBrain's attentive statistics: weighted mean and standard deviation over the real frames.

    Parameters
    ----------
    size : int
        D, features per frame; ``output_size`` is 2 D.
    attention_channels : int
        Hidden features of the layer that computes the weights.
    """

    def __init__(self, size, attention_channels=128):
        super().__init__()
        self.output_size = 2 * size
        self.pooling = AttentiveStatisticsPooling(size, attention_channels)

    def forward(self, x, counts):
        """(B, T, D) and real frame counts (B,) on the CPU -> (B, 2 D)."""
        # The pooling compares lengths * T with frame indices; half a frame less gives the same count despite rounding.
        lengths = ((counts - 0.5) / x.shape[1]).to(x.device, non_blocking=True)
        with torch.autocast(x.device.type, enabled=False):
            return self.pooling(x.float().transpose(1, 2), lengths).squeeze(2)


class Classifier(SpeechModel):
    """A speech encoder, pooling over time, and one linear layer per target.

    Padding has no influence: an utterance gets the same scores alone and in any batch.

    Parameters
    ----------
    encoder : SpeechEncoder
        Front end and encoder: waveform to frames.
    targets : dict of str to int
        Names of what is predicted for an utterance, and the number of classes of each.
    pooling : callable
        ``pooling(d_model)`` returns the pooling layer: :class:`MeanPooling` or :class:`AttentivePooling`.
    dropout : float
        Dropout probability on the pooled vector.

    Raises
    ------
    ValueError
        If there is no target.

    Examples
    --------
    >>> from summarymixing.lobes import (
    ...     ConformerEncoder, ConvolutionalFrontEnd, GlobalNormalization, LogMel, SpeechEncoder
    ... )
    >>> encoder = SpeechEncoder(
    ...     LogMel(), GlobalNormalization(80), ConvolutionalFrontEnd(80), ConformerEncoder(1, 64, 128)
    ... )
    >>> model = Classifier(encoder, {"scenario": 18, "action": 46}).eval()
    >>> scores, frames = model(torch.rand(2, 16000), torch.tensor([1.0, 0.5]))
    >>> {target: tuple(score.shape) for target, score in scores.items()}, frames.tolist()
    ({'scenario': (2, 18), 'action': (2, 46)}, [26, 13])
    """

    def __init__(self, encoder, targets, pooling=MeanPooling, dropout=0.0):
        super().__init__(encoder)
        if not targets:
            raise ValueError("targets is empty; name at least one, with its number of classes.")
        self.targets = dict(targets)
        self.pooling = pooling(encoder.d_model)
        self.dropout = nn.Dropout(dropout)
        size = self.pooling.output_size
        self.heads = nn.ModuleDict({target: nn.Linear(size, classes) for target, classes in self.targets.items()})

    def forward(self, wavs, wav_lens=None, chunks=None):
        """Score a padded batch.

        Parameters
        ----------
        wavs, wav_lens, chunks
            As in :class:`~summarymixing.lobes.SpeechEncoder`.

        Returns
        -------
        dict of str to torch.Tensor
            For each target the scores of its classes before the softmax, (B, classes), float32.
        torch.Tensor
            (B,) int64 counts of the pooled frames, on the CPU.
        """
        x, counts = self.speech_encoder(wavs, wav_lens, chunks)
        pooled = self.dropout(self.pooling(x, counts))
        return {target: head(pooled).float() for target, head in self.heads.items()}, counts
