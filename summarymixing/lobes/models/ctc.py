"""A whole CTC recogniser: waveform in, log-probabilities of tokens out."""

import torch
from torch import nn

from summarymixing.lobes.models.speech_model import SpeechModel


class CTCModel(SpeechModel):
    """A speech encoder, a linear layer and log-softmax.

    Parameters
    ----------
    encoder : SpeechEncoder
        Front end and encoder: waveform to frames.
    vocab_size : int
        Number of tokens, the blank included.
    blank_index : int
        Index of the blank.

    Examples
    --------
    >>> from summarymixing.lobes import (
    ...     ConformerEncoder, ConvolutionalFrontEnd, GlobalNormalization, LogMel, SpeechEncoder
    ... )
    >>> encoder = SpeechEncoder(
    ...     LogMel(), GlobalNormalization(80), ConvolutionalFrontEnd(80), ConformerEncoder(1, 64, 128)
    ... )
    >>> log_probs, frames = CTCModel(encoder, vocab_size=30).eval()(torch.rand(2, 16000), torch.tensor([1.0, 0.5]))
    >>> log_probs.shape, frames.tolist()
    (torch.Size([2, 26, 30]), [26, 13])
    """

    def __init__(self, encoder, vocab_size, blank_index=0):
        super().__init__(encoder)
        self.output = nn.Linear(encoder.d_model, vocab_size)
        self.blank_index = blank_index

    def forward(self, wavs, wav_lens=None, chunks=None):
        """Log-probabilities of a padded batch.

        Parameters
        ----------
        wavs, wav_lens, chunks
            As in :class:`~summarymixing.lobes.SpeechEncoder`.

        Returns
        -------
        torch.Tensor
            (B, T, vocab_size), float32; without meaning at padding.
        torch.Tensor
            (B,) int64 frame counts, on the CPU.
        """
        x, counts = self.speech_encoder(wavs, wav_lens, chunks)
        return self._log_probs(x), counts

    def _log_probs(self, x):
        return torch.log_softmax(self.output(x), dim=-1, dtype=torch.float32)

    def make_streaming_context(self, chunks, batch_size=1):
        """Create a context for :meth:`forward_streaming`; as :meth:`.SpeechEncoder.make_streaming_context`."""
        return self.speech_encoder.make_streaming_context(chunks, batch_size)

    def forward_streaming(self, samples, context, final=False):
        """Log-probabilities (B, m, vocab_size) of the frames that the next samples (B, n) complete.

        The arguments are those of :meth:`.SpeechEncoder.forward_streaming`.
        """
        return self._log_probs(self.speech_encoder.forward_streaming(samples, context, final))
