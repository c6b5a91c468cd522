"""Encoder-decoder for speech recognition around any encoder of this package."""

from speechbrain.lobes.models.transformer.TransformerASR import (
    TransformerASR as SpeechBrainTransformerASR,
)
from speechbrain.lobes.models.transformer.TransformerASR import make_transformer_src_tgt_masks
from torch import nn

from summarymixing.mixers.base import Mixer
from summarymixing.mixers.summary import SummaryMixing
from summarymixing.ops.positions import SinusoidalPositions


class MixerAsSelfAttention(nn.Module):
    """A mixer with the calling convention of SpeechBrain's attention modules.

    Parameters
    ----------
    mixer : summarymixing.mixers.Mixer
        The mixer; a decoder needs a causal one.

    Examples
    --------
    >>> import torch
    >>> layer = MixerAsSelfAttention(SummaryMixing(16, summary="causal"))
    >>> x = torch.rand(2, 5, 16)
    >>> layer(x, x, x)[0].shape
    torch.Size([2, 5, 16])
    """

    def __init__(self, mixer):
        super().__init__()
        self.mixer = mixer

    def forward(self, query, key, value, attn_mask=None, key_padding_mask=None, pos_embs=None):
        """Mix ``query``, (B, T, D); returns (B, T, D), and None instead of an attention map.

        ``key_padding_mask`` is (B, T) bool, True = padding. All other arguments are ignored; ``attn_mask`` is the
        decoder's look-ahead mask, which a causal mixer does not need.
        """
        return self.mixer(query, key_padding_mask), None


class TransformerASR(SpeechBrainTransformerASR):
    """SpeechBrain's ``TransformerASR`` with an encoder given from outside and positions with no maximum length.

    It works with SpeechBrain's masks, searchers and ``EncoderWrapper``. As in SpeechBrain, relative lengths are
    multiplied by the number of frames and rounded. Give relative lengths of frames (frame counts / T), which
    :class:`~summarymixing.lobes.SpeechEncoder` computes exactly, and not relative lengths of waveforms.

    Parameters
    ----------
    tgt_vocab : int
        Number of tokens.
    input_size : int
        Features per frame of the front end.
    encoder : torch.nn.Module
        One of this package's encoders, with ``d_model`` features.
    d_model, nhead, d_ffn : int
        Features D; attention heads and hidden features of the decoder.
    num_decoder_layers : int
        Number of decoder layers; 0 for an encoder alone.
    dropout : float
        Dropout probability of the decoder and of the encoder's input.
    activation : type
        Activation in the decoder's feed-forward networks.
    positional_encoding : str or None
        "fixed_abs_sine" adds sinusoidal positions to the encoder's input; None adds none. The decoder always has
        them.
    normalize_before : bool
        Whether decoder layers are pre-norm.
    summary_decoder : bool
        Whether the decoder's self-attention is replaced by SummaryMixing with the running mean over u <= t;
        cross-attention stays. 2307.07421 names a "Summary Decoder" in its results without a definition; this is one
        reading of the name.
    decoder_mixer : callable, optional
        ``decoder_mixer(d_model)`` returns the causal mixer of the Summary Decoder; by default a SummaryMixing of
        default sizes.

    Raises
    ------
    ValueError
        If ``d_model`` of encoder and decoder differ, or the decoder's mixer is not causal.

    Examples
    --------
    >>> import torch
    >>> from summarymixing.lobes import ConformerEncoder
    >>> model = TransformerASR(30, 40, ConformerEncoder(1, 64, 128), d_model=64, nhead=4, num_decoder_layers=1)
    >>> encoded, decoded = model(torch.rand(2, 50, 40), torch.randint(1, 30, (2, 7)), torch.tensor([1.0, 0.5]))
    >>> encoded.shape, decoded.shape
    (torch.Size([2, 50, 64]), torch.Size([2, 7, 64]))
    """

    def __init__(
        self,
        tgt_vocab,
        input_size,
        encoder,
        d_model=512,
        nhead=8,
        num_decoder_layers=6,
        d_ffn=2048,
        dropout=0.1,
        activation=nn.GELU,
        positional_encoding=None,
        normalize_before=True,
        summary_decoder=False,
        decoder_mixer=None,
    ):
        if encoder.d_model != d_model:
            raise ValueError(f"the encoder has d_model={encoder.d_model}, the decoder d_model={d_model}.")
        super().__init__(
            tgt_vocab,
            input_size,
            d_model=d_model,
            nhead=nhead,
            # The encoder comes from outside; SpeechBrain requires at least one layer of encoder or decoder.
            num_encoder_layers=0 if num_decoder_layers else 1,
            num_decoder_layers=num_decoder_layers,
            d_ffn=d_ffn,
            dropout=dropout,
            activation=activation,
            positional_encoding=None,
            normalize_before=normalize_before,
            # Makes SpeechBrain leave positions out of the encoder and add them in the decoder.
            attention_type="RoPEMHA",
            causal=False,
            output_hidden_states=encoder.output_hidden_states,
        )
        self.encoder = encoder
        self.positional_encoding_type = positional_encoding
        self.positional_encoding = SinusoidalPositions(d_model) if positional_encoding else None
        self.positional_encoding_decoder = SinusoidalPositions(d_model)
        initialise_encoder(encoder)
        if summary_decoder:
            make = decoder_mixer or (lambda size: SummaryMixing(size, summary="causal", dropout=dropout))
            replace_decoder_attention(self.decoder, d_model, make)

    def forward(self, src, tgt, wav_len=None, pad_idx=0):
        """Encode and, if targets are given, decode; arguments as in SpeechBrain.

        Parameters
        ----------
        src : torch.Tensor
            (B, T, F) or (B, T, F, C), frames of the front end.
        tgt : torch.Tensor or None
            (B, U) target tokens.
        wav_len : torch.Tensor, optional
            (B,) relative lengths of frames.
        pad_idx : int
            Token that pads the targets.

        Returns
        -------
        tuple of torch.Tensor
            ``(encoded, decoded)``, or ``(encoded, hidden states, decoded)`` if the encoder returns hidden states.
            Without targets the return value of :meth:`encode`.
        """
        encoded = self.encode(src, wav_len, pad_idx)
        if tgt is None:
            return encoded
        hidden_states = []
        if self.output_hidden_states:
            encoded, hidden_states = encoded
        padding_mask, tgt_padding_mask, _, tgt_mask = make_transformer_src_tgt_masks(
            encoded, tgt, wav_len, causal=False, pad_idx=pad_idx
        )
        tgt = self.custom_tgt_module(tgt)
        decoded, _, _ = self.decoder(
            tgt=tgt + self.positional_encoding_decoder(tgt),
            memory=encoded,
            tgt_mask=tgt_mask,
            tgt_key_padding_mask=tgt_padding_mask,
            memory_key_padding_mask=padding_mask,
        )
        return (encoded, hidden_states, decoded) if self.output_hidden_states else (encoded, decoded)

    def encode(self, src, wav_len=None, pad_idx=0, dynchunktrain_config=None):
        """Encode (B, T, F) or (B, T, F, C) to (B, T, D); no T x T mask is made, with or without chunks."""
        if src.ndim == 4:
            src = src.flatten(2)
        padding_mask = make_transformer_src_tgt_masks(src, None, wav_len, pad_idx=pad_idx, causal=False)[0]
        outputs = self.encoder(
            self._encoder_input(src, 0),
            src_key_padding_mask=padding_mask,
            dynchunktrain_config=dynchunktrain_config,
        )
        return (outputs[0], outputs[2]) if self.output_hidden_states else outputs[0]

    def encode_streaming(self, src, context):
        """Encode the next chunk of front-end frames; ``context`` comes from ``make_streaming_context``."""
        if src.ndim == 4:
            src = src.flatten(2)
        # The number of frames before this chunk, from which positions continue.
        start = context.encoder_context.frames
        return self.encoder.forward_streaming(self._encoder_input(src, start), context.encoder_context)[0]

    def _encoder_input(self, src, start):
        src = self.custom_src_module(src)
        return src if self.positional_encoding is None else src + self.positional_encoding(src, start)


def replace_decoder_attention(decoder, d_model, make):
    """Replace the self-attention of every decoder layer by a causal mixer; cross-attention stays.

    Parameters
    ----------
    decoder : speechbrain.lobes.models.transformer.Transformer.TransformerDecoder
        Changed in place.
    d_model : int
        Features D of the decoder.
    make : callable
        ``make(d_model)`` returns the mixer of one layer.

    Raises
    ------
    ValueError
        If the mixer is not a SummaryMixing with ``summary="causal"``.
    """
    for layer in decoder.layers:
        mixer = make(d_model)
        if getattr(mixer, "summary", None) != "causal":
            raise ValueError(
                f"decoder_mixer returns a {type(mixer).__name__} that sees later tokens; give it summary=causal."
            )
        layer.self_attn = MixerAsSelfAttention(mixer)


def initialise_encoder(encoder):
    """Initialise matrices with Xavier-normal numbers, as SpeechBrain's recipes do, except those of mixers.

    Parameters
    ----------
    encoder : torch.nn.Module
        Changed in place; mixers keep their own initialisation.
    """
    mixed = {id(p) for module in encoder.modules() if isinstance(module, Mixer) for p in module.parameters()}
    for parameter in encoder.parameters():
        if parameter.dim() > 1 and id(parameter) not in mixed:
            nn.init.xavier_normal_(parameter)
