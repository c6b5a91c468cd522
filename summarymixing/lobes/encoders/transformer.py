"""Transformer encoder around any mixer."""

from speechbrain.nnet.attention import PositionalwiseFeedForward
from speechbrain.nnet.normalization import LayerNorm
from torch import nn

from summarymixing.lobes.encoders.stack import Encoder
from summarymixing.mixers.summary import SummaryMixing


class TransformerEncoderLayer(nn.Module):
    """Pre-norm Transformer layer: a mixer and a feed-forward network, each with a residual.

    Parameters
    ----------
    d_model, d_ffn : int
        Features D; hidden features of the feed-forward network.
    mixer : callable
        ``mixer(d_model)`` returns a :class:`~summarymixing.mixers.Mixer`.
    activation : type
        Activation in the feed-forward network.
    dropout : float
        Dropout probability everywhere except in the mixer, which has its own.
    """

    def __init__(self, d_model, d_ffn, mixer, activation=nn.GELU, dropout=0.0):
        super().__init__()
        self.norm1 = LayerNorm(d_model, eps=1e-6)
        self.mixer = mixer(d_model)
        self.norm2 = LayerNorm(d_model, eps=1e-6)
        self.pos_ffn = PositionalwiseFeedForward(d_ffn, input_size=d_model, dropout=dropout, activation=activation)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, padding_mask=None, chunks=None):
        """(B, T, D) -> (B, T, D); arguments as in :class:`~summarymixing.mixers.Mixer`."""
        x = x + self.dropout(self.mixer(self.norm1(x), padding_mask, chunks))
        return x + self.dropout(self.pos_ffn(self.norm2(x)))

    def initial_state(self, batch_size, chunks):
        """The streaming state before the first chunk, which is that of the mixer."""
        return self.mixer.initial_state(batch_size, chunks)

    def stream(self, x, state):
        """Process the next chunk, (B, C, D) -> (B, C, D), and update ``state`` in place."""
        x = x + self.dropout(self.mixer.stream(self.norm1(x), state))
        return x + self.dropout(self.pos_ffn(self.norm2(x)))


class TransformerEncoder(Encoder):
    """Transformer encoder; SpeechBrain's arguments, with ``mixer`` instead of ``attention_type`` and ``nhead``.

    Parameters
    ----------
    num_layers, d_model, d_ffn : int
        Number of layers; features D; hidden features of the feed-forward networks.
    mixer : callable
        ``mixer(d_model)`` returns the mixer of one layer; called once per layer.
    activation : type
        Activation in the feed-forward networks.
    dropout : float
        Dropout probability everywhere except in the mixer, which has its own.
    output_hidden_states : bool
        Whether to also return the encoder's input and the output of every layer.
    layerdrop_prob : float
        Probability that a layer is skipped in training.

    Examples
    --------
    >>> import torch
    >>> encoder = TransformerEncoder(num_layers=2, d_model=64, d_ffn=128)
    >>> out, _ = encoder(torch.rand(2, 50, 64))
    >>> out.shape
    torch.Size([2, 50, 64])
    """

    def __init__(
        self,
        num_layers,
        d_model,
        d_ffn,
        mixer=SummaryMixing,
        activation=nn.GELU,
        dropout=0.0,
        output_hidden_states=False,
        layerdrop_prob=0.0,
    ):
        layers = (TransformerEncoderLayer(d_model, d_ffn, mixer, activation, dropout) for _ in range(num_layers))
        super().__init__(layers, d_model, output_hidden_states, layerdrop_prob)
