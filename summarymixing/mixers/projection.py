"""Block-diagonal projections: the heads of SummaryMixing."""

import torch
import torch.nn.functional as F
from torch import nn


class HeadLinear(nn.Module):
    """A linear layer with a block-diagonal matrix: the features are split into ``nhead`` heads with one block each.

    Every block is initialised for its own fan-in and fan-out (Xavier). One initialisation of the whole tensor would be
    several times too small.

    Parameters
    ----------
    input_size : int
        Input features, a multiple of ``nhead``.
    output_size : int
        Output features, a multiple of ``nhead``.
    nhead : int
        Number of blocks; 1 is an ordinary linear layer.

    Raises
    ------
    ValueError
        If a size is not a multiple of ``nhead``.

    Examples
    --------
    >>> layer = HeadLinear(8, 4, nhead=2)
    >>> layer.weight.shape
    torch.Size([2, 2, 4])
    >>> layer(torch.rand(3, 5, 8)).shape
    torch.Size([3, 5, 4])
    """

    def __init__(self, input_size, output_size, nhead=1):
        super().__init__()
        if nhead < 1 or input_size % nhead or output_size % nhead:
            raise ValueError(
                f"nhead={nhead} must divide both the input size {input_size} and the output size {output_size}."
            )
        self.nhead = nhead
        self.weight = nn.Parameter(torch.empty(nhead, output_size // nhead, input_size // nhead))
        self.bias = nn.Parameter(torch.zeros(output_size))
        for block in self.weight:
            nn.init.xavier_uniform_(block)

    def forward(self, x):
        """Project the last dimension; (..., input_size) -> (..., output_size)."""
        if self.nhead == 1:
            # Not indexed: the gradient of an index is written into a zero tensor of the size of the whole weight.
            return F.linear(x, self.weight.squeeze(0), self.bias)
        return join_heads(self.each_head(split_heads(x, self.nhead)), x)

    def each_head(self, heads):
        """Project split heads; (nhead, N, input_size / nhead) -> (nhead, N, output_size / nhead)."""
        return torch.baddbmm(self.bias.view(self.nhead, 1, -1), heads, self.weight.transpose(1, 2))

    def dense_weight(self):
        """The block-diagonal matrix with its zeros, (output_size, input_size)."""
        return torch.block_diag(*self.weight)

    def extra_repr(self):
        heads, out, inp = self.weight.shape
        return f"{heads * inp}, {heads * out}, nhead={heads}"


def split_heads(x, nhead):
    """(..., size) as (nhead, N, size / nhead), a view."""
    return x.reshape(-1, x.shape[-1]).unflatten(1, (nhead, -1)).transpose(0, 1)


def join_heads(heads, x):
    """(nhead, N, size / nhead) back to (..., size), with the leading dimensions of ``x``."""
    return heads.transpose(0, 1).reshape(*x.shape[:-1], -1)


class HeadMLP(nn.Sequential):
    """Head-wise linear layers, each followed by an activation; the heads are joined only at the end.

    Joining the heads takes as long as a small matrix product, so it is done once and not after each layer.

    Parameters
    ----------
    *layers : torch.nn.Module
        :class:`HeadLinear` and element-wise activation in turn; all layers have the same number of heads.

    Examples
    --------
    >>> HeadMLP(HeadLinear(8, 4, nhead=2), nn.GELU())(torch.rand(1, 3, 8)).shape
    torch.Size([1, 3, 4])
    """

    def forward(self, x):
        """(..., input size) -> (..., output size)."""
        layers = list(self)
        if layers[0].nhead == 1:
            return super().forward(x)
        heads = split_heads(x, layers[0].nhead)
        for linear, activation in zip(layers[::2], layers[1::2], strict=True):
            heads = activation(linear.each_head(heads))
        return join_heads(heads, x)


def projection(input_size, hidden_sizes, output_size, nhead, activation):
    """The MLPs f and s: head-wise linear layers with the activation after each of them, also after the last.

    Parameters
    ----------
    input_size : int
        Input features.
    hidden_sizes : list of int
        Features of the hidden layers; empty for a single linear layer.
    output_size : int
        Output features.
    nhead : int
        Heads; they divide all sizes.
    activation : type
        Activation class.

    Returns
    -------
    HeadMLP

    Raises
    ------
    ValueError
        If a size is not a multiple of ``nhead``.

    Examples
    --------
    >>> projection(8, [16], 4, 2, nn.GELU)(torch.rand(1, 3, 8)).shape
    torch.Size([1, 3, 4])
    """
    sizes = [input_size, *hidden_sizes, output_size]
    layers = []
    for before, after in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [HeadLinear(before, after, nhead), activation()]
    return HeadMLP(*layers)
