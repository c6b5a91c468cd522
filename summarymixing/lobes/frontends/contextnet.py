"""ContextNet (2005.03191) used as a front end: the convolutional row of the published table."""

import math

import torch.nn.functional as F
from speechbrain.lobes.models.ContextNet import ContextNet as SpeechBrainContextNet
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from summarymixing.ops.masks import padding_mask_from_counts


class ContextNet(nn.Module):
    """SpeechBrain's ContextNet, with eight times fewer frames, as a front end of ``SpeechEncoder``.

    Its squeeze-and-excitation averages over all frames, and its convolutions use reflection at the end of the batch, so
    that padding changes its output. In training this remains so. In evaluation each utterance is processed alone, so
    that its output does not depend on the batch.

    Parameters
    ----------
    input_size : int
        Features per frame.
    output_size : int
        Channels of the last convolution.
    alpha : float
        Factor on the channels of all blocks (256, then 512).
    dropout : float
        Dropout probability after each block.

    Examples
    --------
    >>> import torch
    >>> net = ContextNet(80, output_size=64, alpha=0.0625).eval()
    >>> out, frames = net(torch.rand(2, 100, 80), torch.tensor([100, 41]))
    >>> out.shape, frames.tolist()
    (torch.Size([2, 13, 64]), [13, 6])
    """

    #: Three of the 21 blocks have stride 2.
    strides = (2, 2, 2)
    #: Input frames for each output frame.
    stride = math.prod(strides)
    #: With fewer frames the last convolution has too few frames to reflect.
    least_frames = 9

    def __init__(self, input_size=80, output_size=640, alpha=1.0, dropout=0.1):
        super().__init__()
        # Only the number of features of this shape is used.
        self.net = SpeechBrainContextNet((1, 64, input_size), output_size, alpha=alpha, dropout=dropout)
        self.output_size = output_size

    def frame_counts(self, feature_counts):
        """Output frames for a number (int or tensor) of input frames: ``ceil(T / 2)``, three times."""
        for stride in self.strides:
            feature_counts = (feature_counts + stride - 1) // stride
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
        counts = self.frame_counts(feature_counts)
        if self.training:
            x = self._convolve(features)
            behind = padding_mask_from_counts(counts, x.shape[1], x.device)
            return x if behind is None else x.masked_fill(behind.unsqueeze(-1), 0.0), counts
        rows = zip(features, feature_counts.tolist(), strict=True)
        return pad_sequence([self._convolve(row[None, :count])[0] for row, count in rows], batch_first=True), counts

    def _convolve(self, features):
        frames = features.shape[1]
        x = self.net(F.pad(features, (0, 0, 0, max(0, self.least_frames - frames))))
        return x[:, : self.frame_counts(frames)]
