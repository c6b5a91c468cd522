"""Strided convolutions without padding: the front end of wav2vec 2.0, over the waveform or log-mel features."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from summarymixing.ops.masks import padding_mask_from_counts


class LatentExtractor(nn.Module):
    """One-dimensional convolutions without padding or bias, each with LayerNorm and GELU; a LayerNorm at the end.

    The defaults are the settings of wav2vec 2.0 (2006.11477, section 4.2; its variant with LayerNorm): seven layers
    from samples at 16 kHz to frames of 20 ms. The settings of 2407.13377 are two layers over log-mel frames of 10 ms:
    ``input_size=80, kernel_sizes=[3, 3], strides=[2, 1]``.

    Each layer turns T frames into ``(T - kernel_size) // stride + 1``, independently of the padding. An utterance that
    is too short for one window is extended with zeros to one window, so that every utterance gives at least one frame.

    Parameters
    ----------
    input_size : int
        Features per frame; 1 for the waveform.
    channels : int
        Channels of every layer.
    kernel_sizes, strides : list of int
        One entry per layer, in its input frames.

    Attributes
    ----------
    stride : int
        Input frames per output frame.
    receptive_field : int
        Input frames that one output frame sees.
    centre : int
        The middle one of the input frames that output frame 0 sees; of two, the earlier one.

    Raises
    ------
    ValueError
        If the lists differ in length.

    Examples
    --------
    >>> import torch
    >>> front_end = LatentExtractor(80, 512, kernel_sizes=[3, 3], strides=[2, 1])
    >>> out, frames = front_end(torch.rand(2, 101, 80), torch.tensor([101, 51]))
    >>> out.shape, frames.tolist()
    (torch.Size([2, 48, 512]), [48, 23])
    """

    def __init__(self, input_size=1, channels=512, kernel_sizes=(10, 3, 3, 3, 3, 2, 2), strides=(5, 2, 2, 2, 2, 2, 2)):
        super().__init__()
        if len(kernel_sizes) != len(strides):
            raise ValueError(
                f"kernel_sizes={list(kernel_sizes)} and strides={list(strides)} must have one entry per layer each."
            )
        sizes_in = [input_size, *[channels] * (len(strides) - 1)]
        self.convs = nn.ModuleList(
            nn.Conv1d(size_in, channels, kernel, stride, bias=False)
            for size_in, kernel, stride in zip(sizes_in, kernel_sizes, strides, strict=True)
        )
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in strides)
        self.norm = nn.LayerNorm(channels)
        self.output_size = channels
        self.stride = math.prod(strides)
        steps = [math.prod(strides[:layer]) for layer in range(len(strides))]
        self.receptive_field = 1 + sum((k - 1) * step for k, step in zip(kernel_sizes, steps, strict=True))
        self.centre = (self.receptive_field - 1) // 2

    def frame_counts(self, feature_counts):
        """Output frames for a number (a tensor) of input frames; at least 1."""
        for conv in self.convs:
            feature_counts = (feature_counts - conv.kernel_size[0]) // conv.stride[0] + 1
        return feature_counts.clamp(min=1) if torch.is_tensor(feature_counts) else max(1, feature_counts)

    def forward(self, features, feature_counts):
        """Convolve a padded batch.

        Parameters
        ----------
        features : torch.Tensor
            (B, T, input_size).
        feature_counts : torch.Tensor
            (B,) int64, real frames of each row, on the CPU.

        Returns
        -------
        torch.Tensor
            (B, T', channels), zero at padding.
        torch.Tensor
            (B,) int64 output frame counts, on the CPU.
        """
        x = _silence(features, feature_counts)
        # A real frame sees only real input, or zeros after an utterance that is too short; so no mask in between.
        x = F.pad(x, (0, 0, 0, max(0, self.receptive_field - x.shape[1])))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.gelu(norm(conv(x.transpose(1, 2)).transpose(1, 2)))
        counts = self.frame_counts(feature_counts)
        return _silence(self.norm(x), counts), counts

    def initial_state(self, batch_size):
        """Refuse to stream: self-supervised models are trained on whole utterances.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError("LatentExtractor cannot stream; use a ConvolutionalFrontEnd for a streaming model.")


def _silence(x, counts):
    """Set (B, T, F) to zero after each row's count."""
    padding_mask = padding_mask_from_counts(counts, x.shape[1], x.device)
    return x if padding_mask is None else x.masked_fill(padding_mask.unsqueeze(-1), 0.0)
