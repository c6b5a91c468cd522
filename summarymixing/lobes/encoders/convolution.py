"""Convolution over time as the encoders need it: depthwise or in groups, padding-proof, chunk-wise, streaming.

Under chunks this is Dynamic Chunk Convolution: a frame sees the real past, and of the future no more than the rest
of its own chunk; what lies behind is zeros. Everything here is symmetric: kernel size 2 p + 1, p frames each side.
"""

import torch
import torch.nn.functional as F
from speechbrain.lobes.models.convolution import ConvolutionalSpatialGatingUnit
from speechbrain.lobes.models.transformer.Branchformer import ConvolutionBranch
from speechbrain.lobes.models.transformer.Conformer import ConvolutionModule
from speechbrain.nnet.activations import Swish
from torch import nn

from summarymixing.ops.pooling import window_count


def convolve(x, conv, padding_mask=None, chunks=None, stride=1):
    """Convolve each channel, or each group of channels, over time with zeros outside the utterance.

    Parameters
    ----------
    x : torch.Tensor
        (B, D, T), channels first.
    conv : torch.nn.Conv1d
        Its weight (D, D / groups, 2 p + 1), groups and bias; its own padding and stride are not used.
    padding_mask : torch.Tensor, optional
        (B, T) bool, True = padding: made zero before the convolution could see it.
    chunks : DynChunkTrainConfig, optional
        Hides the future beyond each frame's chunk.
    stride : int
        Give every so many frames one, from the first of the utterance on, or of each chunk.

    Returns
    -------
    torch.Tensor
        (B, D, T); (B, D, W) with W of :func:`~summarymixing.ops.pooling.window_count` for a ``stride``.

    Examples
    --------
    >>> conv = nn.Conv1d(1, 1, 3, groups=1, bias=False)
    >>> _ = nn.init.ones_(conv.weight)
    >>> convolve(torch.ones(1, 1, 4), conv).flatten().tolist()
    [2.0, 3.0, 3.0, 2.0]
    """
    if padding_mask is not None:
        x = x.masked_fill(padding_mask.unsqueeze(1), 0.0)
    reach = conv.kernel_size[0] // 2
    frames = x.shape[-1]
    if chunks is None or chunks.chunk_size >= frames:
        return _convolve(x, conv, reach, stride)
    size = chunks.chunk_size
    x = F.pad(x, (reach, -frames % size)).unfold(-1, size + reach, size)  # [B, D, K, p + C]
    x = F.pad(x, (0, reach)).transpose(1, 2)
    y = _convolve(x.flatten(0, 1), conv, stride=stride)  # [B K, D, C]
    return y.unflatten(0, x.shape[:2]).transpose(1, 2).flatten(2)[..., : window_count(frames, stride, size)]


class ConvolutionState:
    """The last p frames before the current chunk, (B, D, p); zeros at the start."""

    def __init__(self, conv, batch_size):
        reach = conv.kernel_size[0] // 2
        self.past = conv.weight.new_zeros(batch_size, conv.weight.shape[0], reach)


def stream_convolve(x, conv, state, stride=1):
    """The next chunk of :func:`convolve` with chunks; (B, D, C) -> (B, D, C / stride), and ``state`` moves on."""
    reach = conv.kernel_size[0] // 2
    x = torch.cat([state.past, x], dim=-1)
    if reach:
        state.past = x[..., -reach:].clone()
    return _convolve(F.pad(x, (0, reach)), conv, stride=stride)


def _convolve(x, conv, padding=0, stride=1):
    """The convolution of (B, D, T), as a 2-D one of height 1: on a CPU a depthwise one is twice as fast."""
    options = {"padding": (0, padding), "stride": (1, stride), "groups": conv.groups}
    return F.conv2d(x.unsqueeze(2), conv.weight.unsqueeze(2), conv.bias, **options).squeeze(2)


class ConformerConvolution(ConvolutionModule):
    """SpeechBrain's Conformer convolution module, padding-proof and with an exact stream.

    LayerNorm, pointwise convolution and GLU, depthwise convolution, LayerNorm, activation, linear. SpeechBrain
    masks the output only, so that an utterance's last frames see what its padding became before the depthwise
    convolution.

    Parameters
    ----------
    d_model : int
        Channels.
    kernel_size : int
        Odd.
    bias : bool
        In all convolutions.
    activation : type
        After the depthwise convolution.
    dropout : float
        At the end.

    Examples
    --------
    >>> ConformerConvolution(16, 5)(torch.rand(2, 9, 16)).shape
    torch.Size([2, 9, 16])
    """

    def __init__(self, d_model, kernel_size=31, bias=True, activation=Swish, dropout=0.0):
        check_kernel_size(kernel_size)
        super().__init__(d_model, kernel_size, bias, activation, dropout)

    def forward(self, x, mask=None, dynchunktrain_config=None):
        """(B, T, D) -> (B, T, D); ``mask`` is (B, T) bool, True = padding."""
        out = convolve(self._pointwise(x), self.conv, mask, dynchunktrain_config)
        return self.after_conv(out.transpose(1, 2))

    def stream(self, x, state):
        """The next chunk, (B, C, D) -> (B, C, D)."""
        out = stream_convolve(self._pointwise(x), self.conv, state)
        return self.after_conv(out.transpose(1, 2))

    def _pointwise(self, x):
        """LayerNorm, pointwise convolution, GLU; (B, T, D) -> (B, D, T)."""
        pointwise = self.bottleneck[0]
        out = F.linear(self.layer_norm(x), pointwise.weight.squeeze(-1), pointwise.bias)
        return F.glu(out, dim=-1).transpose(1, 2)


class SpatialGatingUnit(ConvolutionalSpatialGatingUnit):
    """SpeechBrain's CSGU with zeros, not reflections, outside the utterance, chunk-wise and streaming.

    Examples
    --------
    >>> SpatialGatingUnit(16, kernel_size=5)(torch.rand(2, 9, 16)).shape
    torch.Size([2, 9, 8])
    """

    def forward(self, x, padding_mask=None, chunks=None):
        """(B, T, D) -> (B, T, D / 2)."""
        keep, gate = x.chunk(2, dim=-1)
        gate = self.norm(gate).transpose(1, 2)
        return self._gate(keep, convolve(gate, self.conv.conv, padding_mask, chunks))

    def stream(self, x, state):
        """The next chunk, (B, C, D) -> (B, C, D / 2)."""
        keep, gate = x.chunk(2, dim=-1)
        return self._gate(keep, stream_convolve(self.norm(gate).transpose(1, 2), self.conv.conv, state))

    def _gate(self, keep, gate):
        gate = gate.transpose(1, 2)
        if self.use_linear_after_conv:
            gate = self.linear(gate)
        return self.dropout(keep * self.activation(gate))


class GatedConvolutionBranch(ConvolutionBranch):
    """Branchformer's cgMLP branch around :class:`SpatialGatingUnit`.

    Parameters
    ----------
    d_model : int
        Features in and out.
    linear_units : int
        Hidden features, half of which gate the other half.
    kernel_size : int
        Odd.
    activation, gate_activation : type
        After the first linear layer; on the gate.
    dropout : float
        After the gating.
    use_linear_after_conv : bool
        A linear layer on the gate.

    Examples
    --------
    >>> GatedConvolutionBranch(16, 32, 5)(torch.rand(2, 9, 16)).shape
    torch.Size([2, 9, 16])
    """

    def __init__(
        self,
        d_model,
        linear_units=3072,
        kernel_size=31,
        activation=nn.GELU,
        gate_activation=nn.Identity,
        dropout=0.0,
        use_linear_after_conv=False,
    ):
        check_kernel_size(kernel_size)
        unit = {
            "kernel_size": kernel_size,
            "dropout": dropout,
            "use_linear_after_conv": use_linear_after_conv,
        }
        super().__init__(d_model, linear_units, activation=activation, **unit)
        self.csgu = SpatialGatingUnit(linear_units, activation=gate_activation, **unit)

    def forward(self, x, padding_mask=None, chunks=None):
        """(B, T, D) -> (B, T, D)."""
        hidden = self.activation(self.pre_channel_proj(x))
        return self.post_channel_proj(self.csgu(hidden, padding_mask, chunks))

    def stream(self, x, state):
        """The next chunk, (B, C, D) -> (B, C, D)."""
        hidden = self.activation(self.pre_channel_proj(x))
        return self.post_channel_proj(self.csgu.stream(hidden, state))


def check_kernel_size(kernel_size):
    """Refuse even kernels, which have no centre."""
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size={kernel_size} must be odd.")
