"""Conformer encoder around any mixer."""

from dataclasses import dataclass
from typing import Any

from speechbrain.nnet.activations import Swish
from speechbrain.nnet.attention import PositionalwiseFeedForward
from speechbrain.nnet.normalization import LayerNorm
from torch import nn

from summarymixing.lobes.encoders.convolution import ConformerConvolution, ConvolutionState
from summarymixing.lobes.encoders.stack import Encoder
from summarymixing.mixers.summary import SummaryMixing


@dataclass
class ConformerLayerState:
    """The streaming state of one layer."""

    mixer: Any
    convolution: ConvolutionState


class ConformerEncoderLayer(nn.Module):
    """Half feed-forward, mixer (instead of self-attention), convolution, half feed-forward, each with a residual.

    Parameters
    ----------
    d_model, d_ffn : int
        Features D; hidden features of both feed-forward networks.
    mixer : callable
        ``mixer(d_model)`` returns a :class:`~summarymixing.mixers.Mixer`.
    kernel_size : int
        Kernel size of the depthwise convolution in frames, odd.
    activation : type
        Activation in the feed-forward networks and the convolution.
    bias : bool
        Whether the convolutions have a bias.
    dropout : float
        Dropout probability everywhere except in the mixer, which has its own.
    """

    def __init__(self, d_model, d_ffn, mixer, kernel_size=31, activation=Swish, bias=True, dropout=0.0):
        super().__init__()

        def feed_forward():
            inner = PositionalwiseFeedForward(d_ffn, input_size=d_model, dropout=dropout, activation=activation)
            return nn.Sequential(nn.LayerNorm(d_model), inner, nn.Dropout(dropout))

        self.ffn_module1 = feed_forward()
        self.norm1 = LayerNorm(d_model)
        self.mixer = mixer(d_model)
        self.dropout = nn.Dropout(dropout)
        self.convolution_module = ConformerConvolution(d_model, kernel_size, bias, activation, dropout)
        self.ffn_module2 = feed_forward()
        self.norm2 = LayerNorm(d_model)

    def forward(self, x, padding_mask=None, chunks=None):
        """(B, T, D) -> (B, T, D); arguments as in :class:`~summarymixing.mixers.Mixer`."""
        x = x + 0.5 * self.ffn_module1(x)
        x = x + self.dropout(self.mixer(self.norm1(x), padding_mask, chunks))
        x = x + self.convolution_module(x, padding_mask, chunks)
        return self.norm2(x + 0.5 * self.ffn_module2(x))

    def initial_state(self, batch_size, chunks):
        """The streaming state before the first chunk; arguments as in :meth:`.Mixer.initial_state`."""
        mixer = self.mixer.initial_state(batch_size, chunks)
        return ConformerLayerState(mixer, ConvolutionState(self.convolution_module.conv, batch_size))

    def stream(self, x, state):
        """Process the next chunk, (B, C, D) -> (B, C, D), and update ``state`` in place."""
        x = x + 0.5 * self.ffn_module1(x)
        x = x + self.dropout(self.mixer.stream(self.norm1(x), state.mixer))
        x = x + self.convolution_module.stream(x, state.convolution)
        return self.norm2(x + 0.5 * self.ffn_module2(x))


class ConformerEncoder(Encoder):
    """Conformer encoder; SpeechBrain's arguments, with ``mixer`` instead of ``attention_type`` and ``nhead``.

    Parameters
    ----------
    num_layers, d_model, d_ffn : int
        Number of layers; features D; hidden features of the feed-forward networks.
    mixer : callable
        ``mixer(d_model)`` returns the mixer of one layer; called once per layer.
    kernel_size : int
        Kernel size of the depthwise convolution in frames, odd.
    activation : type
        Activation in the feed-forward networks and the convolution.
    bias : bool
        Whether the convolutions have a bias.
    dropout : float
        Dropout probability everywhere except in the mixer, which has its own.
    output_hidden_states : bool
        Whether to also return the encoder's input and the output of every layer.
    layerdrop_prob : float
        Probability that a layer is skipped in training.

    Examples
    --------
    >>> import torch
    >>> encoder = ConformerEncoder(num_layers=2, d_model=64, d_ffn=128)
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
        kernel_size=31,
        activation=Swish,
        bias=True,
        dropout=0.0,
        output_hidden_states=False,
        layerdrop_prob=0.0,
    ):
        layers = (
            ConformerEncoderLayer(d_model, d_ffn, mixer, kernel_size, activation, bias, dropout)
            for _ in range(num_layers)
        )
        super().__init__(layers, d_model, output_hidden_states, layerdrop_prob)
