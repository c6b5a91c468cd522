"""A whole CTC recogniser: waveform in, log-probabilities of tokens out."""

import torch
from torch import nn


class CTCModel(nn.Module):
    """A speech encoder, a linear layer and log-softmax.

    At padding the blank has probability 1, so that a decoder which reads every frame of a padded batch reads the
    same tokens as from the utterance alone, whatever it thinks of lengths.

    Arguments
    ---------
    encoder : SpeechEncoder
        Waveform to frames.
    vocab_size : int
        Tokens, the blank included.
    blank_index : int
        The blank among them.

    Example
    -------
    >>> from summarymixing.lobes import (
    ...     ConformerEncoder, ConvolutionalFrontEnd, GlobalNormalization, LogMel, SpeechEncoder
    ... )
    >>> encoder = SpeechEncoder(
    ...     LogMel(), GlobalNormalization(80), ConvolutionalFrontEnd(80), ConformerEncoder(1, 64, 128)
    ... )
    >>> CTCModel(encoder, vocab_size=30).eval()(torch.rand(1, 16000)).shape
    torch.Size([1, 26, 30])
    """

    def __init__(self, encoder, vocab_size, blank_index=0):
        super().__init__()
        self.encoder = encoder
        self.output = nn.Linear(encoder.d_model, vocab_size)
        self.blank_index = blank_index

    def frame_counts(self, sample_counts):
        """Output frames of utterances of so many samples."""
        return self.encoder.frame_counts(sample_counts)

    def forward(self, wavs, wav_lens=None, chunks=None):
        """Log-probabilities (B, T, vocab_size); arguments as in :class:`~summarymixing.lobes.SpeechEncoder`."""
        x, counts = self.encoder(wavs, wav_lens, chunks)
        log_probs = self._log_probs(x)
        padding = torch.arange(x.shape[1], device=x.device) >= counts[:, None]
        tokens = torch.arange(log_probs.shape[-1], device=x.device)
        blank = torch.where(tokens == self.blank_index, 0.0, -torch.inf).to(log_probs.dtype)
        return torch.where(padding.unsqueeze(-1), blank, log_probs)

    def _log_probs(self, x):
        return torch.log_softmax(self.output(x), dim=-1, dtype=torch.float32)

    def make_streaming_context(self, chunks, batch_size=1):
        """A blank context for :meth:`forward_streaming`."""
        return self.encoder.make_streaming_context(chunks, batch_size)

    def forward_streaming(self, samples, context, final=False):
        """Log-probabilities of the frames that the next samples complete, (B, m, vocab_size)."""
        return self._log_probs(self.encoder.forward_streaming(samples, context, final))
