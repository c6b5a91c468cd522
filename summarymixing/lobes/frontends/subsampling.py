"""Convolutional front end: subsampling in time, equal for an utterance alone, in a batch and in a stream."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from summarymixing.ops.masks import padding_mask_from_counts


class ConvolutionBlock(nn.Module):
    """One strided convolution, LayerNorm, activation; in one dimension (time) or two (time and frequency).

    Output frame j is centred on input frame ``stride * j``, so that T frames become ``ceil(T / stride)``. Frames
    outside the utterance count as zeros.

    Parameters
    ----------
    bins, channels_in : int
        Frequency bins F and channels C of the input.
    channels : int
        Output channels.
    kernel_size, stride : int
        In frames, and in bins too if the convolution is two-dimensional; the kernel size is odd.
    two_dimensional : bool
        Whether to convolve over frequency too.
    activation : type
        Activation class.
    """

    def __init__(self, bins, channels_in, channels, kernel_size, stride, two_dimensional, activation):
        super().__init__()
        self.kernel_size, self.stride, self.reach = kernel_size, stride, kernel_size // 2
        self.two_dimensional = two_dimensional
        if two_dimensional:
            padding = (0, self.reach)
            self.conv = nn.Conv2d(channels_in, channels, kernel_size, stride, padding)
            self.bins = -(-bins // stride)
            self.norm = nn.LayerNorm((self.bins, channels))
        else:
            self.conv = nn.Conv1d(channels_in * bins, channels, kernel_size, stride)
            self.bins = 1
            self.norm = nn.LayerNorm((1, channels))
        self.activation = activation()

    def convolve(self, x):
        """Convolve the complete windows of (B, T, F, C); returns (B, T', F', C')."""
        if self.two_dimensional:
            y = self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        else:
            y = self.conv(x.flatten(2).transpose(1, 2)).transpose(1, 2).unsqueeze(2)
        return self.activation(self.norm(y))

    def pad_time(self, x, left, right):
        """Add ``left`` zero frames before (B, T, F, C) and ``right`` after it."""
        return F.pad(x, (0, 0, 0, 0, left, right))


class ConvolutionalFrontEnd(nn.Module):
    """Strided convolutions from features to encoder frames.

    The published ASR settings are two 2-D blocks of 64 and 32 channels, 3 x 3, stride 2: four times fewer frames of
    640 features. One-dimensional blocks (time only) are much faster on a CPU.

    Parameters
    ----------
    input_size : int
        Features per frame.
    channels : list of int
        Output channels, one entry per block.
    kernel_size : int
        Frames, odd.
    strides : list of int
        Input frames per output frame, one entry per block.
    two_dimensional : bool
        Whether to convolve over frequency too, with the same kernel size and stride.
    activation : type
        Activation class after each block's LayerNorm.

    Attributes
    ----------
    centre : int
        The input frame on which output frame 0 is centred.

    Raises
    ------
    ValueError
        If the lists differ in length or the kernel is even.

    Examples
    --------
    >>> front_end = ConvolutionalFrontEnd(80)
    >>> out, frames = front_end(torch.rand(2, 101, 80), torch.tensor([101, 51]))
    >>> out.shape, frames.tolist()
    (torch.Size([2, 26, 640]), [26, 13])
    """

    centre = 0

    def __init__(
        self,
        input_size=80,
        channels=(64, 32),
        kernel_size=3,
        strides=(2, 2),
        two_dimensional=True,
        activation=nn.LeakyReLU,
    ):
        super().__init__()
        if len(channels) != len(strides) or kernel_size % 2 == 0:
            raise ValueError(
                f"channels={list(channels)} and strides={list(strides)} must have one entry per block each, and "
                f"kernel_size={kernel_size} must be odd."
            )
        self.blocks = nn.ModuleList()
        bins, channels_in = input_size, 1
        for channels_out, stride in zip(channels, strides, strict=True):
            block = ConvolutionBlock(bins, channels_in, channels_out, kernel_size, stride, two_dimensional, activation)
            self.blocks.append(block)
            bins, channels_in = block.bins, channels_out
        self.output_size = bins * channels_in

    @property
    def stride(self):
        """Input frames per output frame."""
        return math.prod(block.stride for block in self.blocks)

    def frame_counts(self, feature_counts):
        """Output frames for a number (int or tensor) of input frames: ``ceil(T / stride)``, block after block."""
        for block in self.blocks:
            feature_counts = (feature_counts + block.stride - 1) // block.stride
        return feature_counts

    def forward(self, features, feature_counts):
        """Subsample a padded batch.

        Parameters
        ----------
        features : torch.Tensor
            (B, T, input_size).
        feature_counts : torch.Tensor
            (B,) int64, real frames of each row, on the CPU.

        Returns
        -------
        torch.Tensor
            (B, T', output_size), zero at padding.
        torch.Tensor
            (B,) int64 output frame counts, on the CPU.
        """
        x, counts = _silence(features.unsqueeze(-1), feature_counts), feature_counts
        for block in self.blocks:
            x = block.convolve(block.pad_time(x, block.reach, block.reach))
            counts = (counts + block.stride - 1) // block.stride
            x = _silence(x, counts)
        return x.flatten(2), counts

    def initial_state(self, batch_size):
        """For each block the input frames that its next output needs from before; None before the first chunk."""
        return [None] * len(self.blocks)

    def stream(self, features, state, final=False):
        """Compute the output frames that the next features complete.

        Parameters
        ----------
        features : torch.Tensor
            (B, n, input_size), n may be 0.
        state : list
            From :meth:`initial_state`; changed in place.
        final : bool
            Whether the stream ends here.

        Returns
        -------
        torch.Tensor
            (B, m, output_size), m may be 0.
        """
        x = features.unsqueeze(-1)
        for i, block in enumerate(self.blocks):
            x = block.pad_time(x, block.reach, 0) if state[i] is None else torch.cat([state[i], x], 1)
            if final:
                x = block.pad_time(x, 0, block.reach)
            outputs = max(0, (x.shape[1] - block.kernel_size) // block.stride + 1)
            state[i] = x[:, outputs * block.stride :].clone()
            if outputs:
                x = block.convolve(x[:, : (outputs - 1) * block.stride + block.kernel_size])
            else:
                x = x.new_zeros(x.shape[0], 0, block.bins, block.conv.out_channels)
        return x.flatten(2)


def _silence(x, counts):
    """Set (B, T, F, C) to zero after each row's count."""
    padding_mask = padding_mask_from_counts(counts, x.shape[1], x.device)
    return x if padding_mask is None else x.masked_fill(padding_mask[..., None, None], 0.0)
