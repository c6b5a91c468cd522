"""Absolute sinusoidal positions, with no maximum length."""

import math

import torch
from torch import nn


class SinusoidalPositions(nn.Module):
    """The encoding of SpeechBrain's ``PositionalEncoding``, computed at each call instead of read from a table.

    A table has a maximum length: the usual 2,500 rows are 100 s of speech.

    Parameters
    ----------
    d_model : int
        Number of features D, even.

    Raises
    ------
    ValueError
        If ``d_model`` is odd.

    Examples
    --------
    >>> SinusoidalPositions(8)(torch.zeros(2, 5000, 8)).shape
    torch.Size([1, 5000, 8])
    """

    def __init__(self, d_model):
        super().__init__()
        if d_model % 2:
            raise ValueError(f"Sinusoidal positions need an even d_model, got {d_model}.")
        self.d_model = d_model

    def forward(self, x, start=0):
        """Positions of the frames of ``x``, whose first frame has the number ``start``.

        Parameters
        ----------
        x : torch.Tensor
            (B, T, D); only its length, dtype and device are used.
        start : int
            Frames of the stream before ``x``.

        Returns
        -------
        torch.Tensor
            (1, T, D).
        """
        # float64: after an hour the position is still exact in float32, but its product with a frequency is not.
        t = torch.arange(start, start + x.shape[1], device=x.device, dtype=torch.float64)
        rate = torch.arange(0, self.d_model, 2, device=x.device, dtype=torch.float64)
        angles = t[:, None] * torch.exp(rate * -(math.log(10000.0) / self.d_model))
        return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2).to(x.dtype).unsqueeze(0)
