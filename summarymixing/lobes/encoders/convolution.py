"""Convolution over time for the encoders: depthwise or in groups, independent of padding, chunk-wise, streaming.

With chunks this is Dynamic Chunk Convolution: a frame sees the real past, and of the future only the rest of its own
chunk; later frames count as zeros. All kernels are symmetric: kernel size 2 p + 1, p frames to each side.
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
        Gives the weight (D, D / groups, 2 p + 1), groups and bias; its own padding and stride are not used.
    padding_mask : torch.Tensor, optional
        (B, T) bool, True = padding; set to zero before the convolution.
    chunks : DynChunkTrainConfig, optional
        Hides the frames after each frame's chunk.
    stride : int
        Frames from one output frame to the next, starting at the first frame of the utterance or of each chunk.

    Returns
    -------
    torch.Tensor
        (B, D, T); with a ``stride`` (B, D, W), where W is :func:`~summarymixing.ops.pooling.window_count`.

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
    """The streaming state of a convolution: the last p frames before the current chunk, (B, D, p), zeros at first.

    Parameters
    ----------
    conv : torch.nn.Conv1d
        The convolution, of kernel size 2 p + 1.
    batch_size : int
        B, number of streams.
    """

    def __init__(self, conv, batch_size):
        reach = conv.kernel_size[0] // 2
        self.past = conv.weight.new_zeros(batch_size, conv.weight.shape[0], reach)


def stream_convolve(x, conv, state, stride=1):
    """Convolve the next chunk as :func:`convolve` does with chunks.

    Parameters
    ----------
    x : torch.Tensor
        (B, D, C), channels first.
    conv : torch.nn.Conv1d
        As in :func:`convolve`.
    state : ConvolutionState
        Of this stream; changed in place.
    stride : int
        As in :func:`convolve`.

    Returns
    -------
    torch.Tensor
        (B, D, C / stride), rounded up.
    """
    reach = conv.kernel_size[0] // 2
    x = torch.cat([state.past, x], dim=-1)
    if reach:
        state.past = x[..., -reach:].clone()
    return _convolve(F.pad(x, (0, reach)), conv, stride=stride)


def _convolve(x, conv, padding=0, stride=1):
    """Convolve (B, D, T) as a 2-D convolution of height 1: on a CPU a depthwise one is then twice as fast."""
    options = {"padding": (0, padding), "stride": (1, stride), "groups": conv.groups}
    return F.conv2d(x.unsqueeze(2), conv.weight.unsqueeze(2), conv.bias, **options).squeeze(2)


class ConformerConvolution(ConvolutionModule):
    """SpeechBrain's Conformer convolution module, but independent of padding and with an exact stream.

    LayerNorm, pointwise convolution and GLU, depthwise convolution, LayerNorm, activation, linear layer. SpeechBrain
    masks only the output, so that the depthwise convolution lets the last frames of an utterance see its padding.

    Parameters
    ----------
    d_model : int
        Channels D.
    kernel_size : int
        Frames, odd.
    bias : bool
        Whether the convolutions have a bias.
    activation : type
        Activation class after the depthwise convolution.
    dropout : float
        Dropout probability at the end.

    Raises
    ------
    ValueError
        If the kernel size is even.

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
        """Process the next chunk, (B, C, D) -> (B, C, D), and update ``state`` in place."""
        out = stream_convolve(self._pointwise(x), self.conv, state)
        return self.after_conv(out.transpose(1, 2))

    def _pointwise(self, x):
        """LayerNorm, pointwise convolution, GLU; (B, T, D) -> (B, D, T)."""
        pointwise = self.bottleneck[0]
        out = F.linear(self.layer_norm(x), pointwise.weight.squeeze(-1), pointwise.bias)
        return F.glu(out, dim=-1).transpose(1, 2)


class SpatialGatingUnit(ConvolutionalSpatialGatingUnit):
    """SpeechBrain's CSGU, chunk-wise and streaming, and with zeros instead of reflections outside the utterance.

    The parameters are those of SpeechBrain's ``ConvolutionalSpatialGatingUnit``.

    Examples
    --------
    >>> SpatialGatingUnit(16, kernel_size=5)(torch.rand(2, 9, 16)).shape
    torch.Size([2, 9, 8])
    """

    def forward(self, x, padding_mask=None, chunks=None):
        """(B, T, D) -> (B, T, D / 2); ``padding_mask`` and ``chunks`` as in :func:`convolve`."""
        keep, gate = x.chunk(2, dim=-1)
        gate = self.norm(gate).transpose(1, 2)
        return self._gate(keep, convolve(gate, self.conv.conv, padding_mask, chunks))

    def stream(self, x, state):
        """Process the next chunk, (B, C, D) -> (B, C, D / 2), and update ``state`` in place."""
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
        Features D of input and output.
    linear_units : int
        Hidden features; one half gates the other half.
    kernel_size : int
        Frames, odd.
    activation, gate_activation : type
        Activation after the first linear layer; activation of the gate.
    dropout : float
        Dropout probability after the gating.
    use_linear_after_conv : bool
        Whether the gate has a linear layer after its convolution.

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
        """(B, T, D) -> (B, T, D); ``padding_mask`` and ``chunks`` as in :func:`convolve`."""
        hidden = self.activation(self.pre_channel_proj(x))
        return self.post_channel_proj(self.csgu(hidden, padding_mask, chunks))

    def stream(self, x, state):
        """Process the next chunk, (B, C, D) -> (B, C, D), and update ``state`` in place."""
        hidden = self.activation(self.pre_channel_proj(x))
        return self.post_channel_proj(self.csgu.stream(hidden, state))


def check_kernel_size(kernel_size):
    """Refuse an even kernel size, because such a kernel has no centre.

    Parameters
    ----------
    kernel_size : int
        Frames.

    Raises
    ------
    ValueError
        If it is even.
    """
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size={kernel_size} must be odd.")
