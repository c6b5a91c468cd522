"""A weighted sum of an upstream's hidden states."""

import torch
import torch.nn.functional as F
from torch import nn


class Featurizer(nn.Module):
    """Hidden states to one sequence: their sum with trained weights, positive and 1 in all, equal at first.

    Parameters
    ----------
    num_states : int
        Hidden states of the upstream: its layers and one.
    layers : list of int, optional
        Numbers of the states to use, 0 for what enters the first layer; all by default.
    normalize : bool
        Bring each frame of each state to mean 0 and variance 1 first, so that a state does not count for its size.

    Attributes
    ----------
    weights : torch.nn.Parameter
        One a state; their softmax is what the states are multiplied by.

    Raises
    ------
    ValueError
        If ``layers`` is empty or names a state that is not there.

    Examples
    --------
    >>> featurizer = Featurizer(num_states=13)
    >>> featurizer([torch.rand(2, 50, 768) for _ in range(13)]).shape
    torch.Size([2, 50, 768])
    """

    def __init__(self, num_states, layers=None, normalize=False):
        super().__init__()
        layers = list(range(num_states) if layers is None else layers)
        if not layers or not all(0 <= layer < num_states for layer in layers):
            raise ValueError(f"layers={layers} must name states from 0 to {num_states - 1}.")
        self.num_states, self.layers, self.normalize = num_states, layers, normalize
        self.weights = nn.Parameter(torch.zeros(len(layers)))

    def forward(self, states):
        """Sum the states.

        Parameters
        ----------
        states : list of torch.Tensor
            ``num_states`` of (B, T, D).

        Returns
        -------
        torch.Tensor
            (B, T, D).

        Raises
        ------
        ValueError
            For another number of states.
        """
        if len(states) != self.num_states:
            raise ValueError(f"got {len(states)} hidden states, and not {self.num_states}.")
        total = 0.0
        for weight, layer in zip(self.weights.softmax(0), self.layers, strict=True):
            state = states[layer]
            total = total + weight * (F.layer_norm(state, state.shape[-1:]) if self.normalize else state)
        return total
