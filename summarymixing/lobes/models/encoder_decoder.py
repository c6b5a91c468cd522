"""A whole encoder-decoder recogniser: waveform in, log-probabilities of the next tokens and of CTC tokens out."""

import torch
from speechbrain.lobes.models.transformer.Transformer import NormalizedEmbedding, get_lookahead_mask
from speechbrain.lobes.models.transformer.Transformer import TransformerDecoder as SpeechBrainDecoder
from torch import nn

from summarymixing.lobes.models.speech_model import SpeechModel
from summarymixing.lobes.models.transformer_asr import initialise_encoder, replace_decoder_attention
from summarymixing.mixers.summary import SummaryMixing
from summarymixing.ops.masks import padding_mask_from_counts
from summarymixing.ops.positions import SinusoidalPositions


class TransformerDecoder(nn.Module):
    """Pre-norm Transformer decoder over tokens: SpeechBrain's layers, sinusoidal positions with no maximum length.

    Parameters
    ----------
    vocab_size : int
        Number of tokens.
    d_model, nhead, d_ffn : int
        Features D; attention heads; hidden features of the feed-forward networks.
    num_layers : int
        Number of layers.
    dropout : float
        Dropout probability.
    activation : type
        Activation in the feed-forward networks.
    summary_decoder : bool
        Whether self-attention is replaced by SummaryMixing with the running mean over u <= t; cross-attention stays.
        2307.07421 names a "Summary Decoder" in its results without a definition; this is one reading of the name.
    mixer : callable, optional
        ``mixer(d_model)`` returns the causal mixer of the Summary Decoder; by default a SummaryMixing of default sizes.

    Examples
    --------
    >>> decoder = TransformerDecoder(30, d_model=64, nhead=4, d_ffn=128, num_layers=1)
    >>> decoder(torch.randint(1, 30, (2, 7)), torch.rand(2, 50, 64), torch.tensor([50, 20])).shape
    torch.Size([2, 7, 64])
    """

    def __init__(
        self,
        vocab_size,
        d_model=512,
        nhead=8,
        d_ffn=2048,
        num_layers=6,
        dropout=0.1,
        activation=nn.GELU,
        summary_decoder=False,
        mixer=None,
    ):
        super().__init__()
        self.d_model = d_model
        self.embedding = NormalizedEmbedding(d_model, vocab_size)
        self.positions = SinusoidalPositions(d_model)
        self.decoder = SpeechBrainDecoder(
            num_layers,
            nhead,
            d_ffn,
            d_model,
            dropout=dropout,
            activation=activation,
            normalize_before=True,
            causal=True,
        )
        if summary_decoder:
            make = mixer or (lambda size: SummaryMixing(size, summary="causal", dropout=dropout))
            replace_decoder_attention(self.decoder, d_model, make)

    def forward(self, tokens, encoded, frame_counts=None):
        """Compute the decoder state after each token.

        Parameters
        ----------
        tokens : torch.Tensor
            (B, U), beginning with the begin-of-sentence token. No position sees a later one, so that padding at the end
            of a row needs no mask.
        encoded : torch.Tensor
            (B, T, D), the encoder's output.
        frame_counts : torch.Tensor, optional
            (B,) real frames of each row, on the CPU.

        Returns
        -------
        torch.Tensor
            (B, U, D).
        """
        return self.decode(tokens, encoded, frame_counts)[0]

    def decode(self, tgt, encoder_out, enc_len=None):
        """Return states (B, U, D) and the last layer's attention over frames; SpeechBrain's searchers call it."""
        padding_mask = None
        if enc_len is not None:
            padding_mask = padding_mask_from_counts(enc_len, encoder_out.shape[1], encoder_out.device)
        x = self.embedding(tgt)
        states, _, attention = self.decoder(
            x + self.positions(x),
            encoder_out,
            tgt_mask=get_lookahead_mask(tgt),
            memory_key_padding_mask=padding_mask,
        )
        return states, attention[-1]


class EncoderDecoder(SpeechModel):
    """A speech encoder, a token decoder that attends to it, and a CTC output on the encoder.

    Parameters
    ----------
    encoder : SpeechEncoder
        Front end and encoder: waveform to frames.
    decoder : TransformerDecoder
        Decoder from tokens to states.
    vocab_size : int
        Number of tokens, the blank included.

    Raises
    ------
    ValueError
        If ``d_model`` of encoder and decoder differ.

    Examples
    --------
    >>> from summarymixing.lobes import (
    ...     ConformerEncoder, ConvolutionalFrontEnd, GlobalNormalization, LogMel, SpeechEncoder
    ... )
    >>> encoder = SpeechEncoder(
    ...     LogMel(), GlobalNormalization(80), ConvolutionalFrontEnd(80), ConformerEncoder(1, 64, 128)
    ... )
    >>> model = EncoderDecoder(encoder, TransformerDecoder(30, 64, 4, 128, num_layers=1), vocab_size=30).eval()
    >>> wavs, wav_lens = torch.rand(2, 16000), torch.tensor([1.0, 0.5])
    >>> encoded, frames = model(wavs, wav_lens)
    >>> encoded.shape, frames.tolist()
    (torch.Size([2, 26, 64]), [26, 13])
    >>> (ctc, attention, encoded), frames = model(wavs, wav_lens, tokens=torch.randint(1, 30, (2, 7)))
    >>> ctc.shape, attention.shape, frames.tolist()
    (torch.Size([2, 26, 30]), torch.Size([2, 7, 30]), [26, 13])
    """

    def __init__(self, encoder, decoder, vocab_size):
        super().__init__(encoder)
        if encoder.d_model != decoder.d_model:
            raise ValueError(f"the encoder has d_model={encoder.d_model}, the decoder d_model={decoder.d_model}.")
        self.decoder = decoder
        self.ctc_output = nn.Linear(encoder.d_model, vocab_size)
        self.output = nn.Linear(decoder.d_model, vocab_size)
        initialise_encoder(encoder.encoder)
        initialise_encoder(decoder)

    def forward(self, wavs, wav_lens=None, tokens=None, chunks=None):
        """Encode and, if tokens are given, predict the next token after each of them.

        Parameters
        ----------
        wavs, wav_lens, chunks
            As in :class:`~summarymixing.lobes.SpeechEncoder`.
        tokens : torch.Tensor, optional
            (B, U), beginning with the begin-of-sentence token.

        Returns
        -------
        torch.Tensor or tuple of torch.Tensor
            Without tokens: the encoder's output (B, T, D), zero at padding. With tokens: log-probabilities of CTC
            (B, T, vocab_size), log-probabilities of the next token (B, U, vocab_size), and the encoder's output.
        torch.Tensor
            (B,) int64 frame counts, on the CPU.
        """
        encoded, counts = self.speech_encoder(wavs, wav_lens, chunks)
        if tokens is None:
            return encoded, counts
        states = self.decoder(tokens, encoded, counts)
        ctc = torch.log_softmax(self.ctc_output(encoded), dim=-1, dtype=torch.float32)
        attention = torch.log_softmax(self.output(states), dim=-1, dtype=torch.float32)
        return (ctc, attention, encoded), counts
