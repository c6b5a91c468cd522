"""Absolute sinusoidal positions of any length."""

import math

import torch
from torch import nn


class SinusoidalPositions(nn.Module):
    """The encoding of SpeechBrain's ``PositionalEncoding``, computed when asked for instead of read from a table.

    A table ends: the usual 2,500 rows are 100 s of speech.

    Parameters
    ----------
    d_model : int
        Even number of features.

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
        """Positions of the frames of ``x``, the first of which is number ``start``.

        Parameters
        ----------
        x : torch.Tensor
            (B, T, D); only its length, type and device count.
        start : int
            Frames that a stream has had before.

        Returns
        -------
        torch.Tensor
            (1, T, D).
        """
        # float64: at an hour the float32 position itself is exact, but its product with a frequency is not.
        t = torch.arange(start, start + x.shape[1], device=x.device, dtype=torch.float64)
        rate = torch.arange(0, self.d_model, 2, device=x.device, dtype=torch.float64)
        angles = t[:, None] * torch.exp(rate * -(math.log(10000.0) / self.d_model))
        return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2).to(x.dtype).unsqueeze(0)
