"""Branchformer encoder around any mixer."""

from dataclasses import dataclass
from typing import Any

import torch
from speechbrain.nnet.normalization import LayerNorm
from torch import nn

from summarymixing.lobes.encoders.convolution import ConvolutionState, GatedConvolutionBranch
from summarymixing.lobes.encoders.stack import Encoder
from summarymixing.mixers.summary import SummaryMixing


@dataclass
class BranchformerLayerState:
    """The streaming state of one layer."""

    mixer: Any
    convolution: ConvolutionState


class BranchformerEncoderLayer(nn.Module):
    """Two parallel branches, a mixer and a gated convolution, whose merged output is added to the residual.

    Parameters
    ----------
    d_model : int
        Features.
    mixer : callable
        ``mixer(d_model)`` returns a :class:`~summarymixing.mixers.Mixer`.
    merge : str
        "linear", one layer, as published for self-attention; or "mlp", two layers with the activation after both, as
        published for SummaryMixing.
    kernel_size, csgu_linear_units : int
        Kernel size of the gating unit in frames, odd; its hidden features.
    activation, gate_activation : type
        Activation in the convolution branch and the merge MLP; activation of the gate.
    dropout : float
        Dropout probability everywhere except in the mixer, which has its own.
    use_linear_after_conv : bool
        Whether the gate has a linear layer after its convolution.

    Raises
    ------
    ValueError
        If ``merge`` is unknown or the kernel size is even.
    """

    def __init__(
        self,
        d_model,
        mixer,
        merge="mlp",
        kernel_size=31,
        csgu_linear_units=3072,
        activation=nn.GELU,
        gate_activation=nn.Identity,
        dropout=0.0,
        use_linear_after_conv=False,
    ):
        super().__init__()
        if merge not in ("linear", "mlp"):
            raise ValueError(f'merge={merge!r} is neither "linear" nor "mlp".')
        self.mixer = mixer(d_model)
        self.convolution_branch = GatedConvolutionBranch(
            d_model,
            csgu_linear_units,
            kernel_size,
            activation,
            gate_activation,
            dropout,
            use_linear_after_conv,
        )
        merge_proj = nn.Linear(2 * d_model, d_model)
        if merge == "mlp":
            merge_proj = nn.Sequential(merge_proj, activation(), nn.Linear(d_model, d_model), activation())
        self.merge_proj = merge_proj
        self.norm_mixer = LayerNorm(d_model)
        self.norm_conv = LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, padding_mask=None, chunks=None):
        """(B, T, D) -> (B, T, D); arguments as in :class:`~summarymixing.mixers.Mixer`."""
        mixed = self.mixer(self.norm_mixer(x), padding_mask, chunks)
        return self._merge(x, mixed, self.convolution_branch(self.norm_conv(x), padding_mask, chunks))

    def _merge(self, x, mixed, convolved):
        branches = torch.cat([self.dropout(mixed), self.dropout(convolved)], dim=-1)
        return x + self.dropout(self.merge_proj(branches))

    def initial_state(self, batch_size, chunks):
        """The streaming state before the first chunk; arguments as in :meth:`.Mixer.initial_state`."""
        conv = self.convolution_branch.csgu.conv.conv
        mixer = self.mixer.initial_state(batch_size, chunks)
        return BranchformerLayerState(mixer, ConvolutionState(conv, batch_size))

    def stream(self, x, state):
        """Process the next chunk, (B, C, D) -> (B, C, D), and update ``state`` in place."""
        mixed = self.mixer.stream(self.norm_mixer(x), state.mixer)
        return self._merge(x, mixed, self.convolution_branch.stream(self.norm_conv(x), state.convolution))


class BranchformerEncoder(Encoder):
    """Branchformer encoder; SpeechBrain's arguments, with ``mixer`` instead of ``attention_type`` and ``nhead``.

    Its gating convolution can also run chunk by chunk, so that a Branchformer can stream.

    Parameters
    ----------
    num_layers, d_model : int
        Number of layers; features D.
    mixer : callable
        ``mixer(d_model)`` returns the mixer of one layer; called once per layer.
    merge, kernel_size, csgu_linear_units, activation, gate_activation, dropout, use_linear_after_conv
        As in :class:`BranchformerEncoderLayer`.
    output_hidden_states : bool
        Whether to also return the encoder's input and the output of every layer.
    layerdrop_prob : float
        Probability that a layer is skipped in training.

    Examples
    --------
    >>> encoder = BranchformerEncoder(num_layers=2, d_model=64, csgu_linear_units=128)
    >>> out, _ = encoder(torch.rand(2, 50, 64))
    >>> out.shape
    torch.Size([2, 50, 64])
    """

    def __init__(
        self,
        num_layers,
        d_model,
        mixer=SummaryMixing,
        merge="mlp",
        kernel_size=31,
        csgu_linear_units=3072,
        activation=nn.GELU,
        gate_activation=nn.Identity,
        dropout=0.0,
        use_linear_after_conv=False,
        output_hidden_states=False,
        layerdrop_prob=0.0,
    ):
        layers = (
            BranchformerEncoderLayer(
                d_model,
                mixer,
                merge,
                kernel_size,
                csgu_linear_units,
                activation,
                gate_activation,
                dropout,
                use_linear_after_conv,
            )
            for _ in range(num_layers)
        )
        super().__init__(layers, d_model, output_hidden_states, layerdrop_prob)
