"""Block-diagonal projections: the heads of SummaryMixing."""

import torch
import torch.nn.functional as F
from torch import nn


class HeadLinear(nn.Module):
    """A linear layer whose matrix is block-diagonal: the features are cut in ``nhead`` parts, each with its own.

    Every block is initialised for its own fan-in and fan-out (Xavier), which one dense initialisation of the whole
    tensor would make several times too small.

    Arguments
    ---------
    input_size : int
        Input features, a multiple of ``nhead``.
    output_size : int
        Output features, a multiple of ``nhead``.
    nhead : int
        Blocks; 1 is an ordinary linear layer.

    Raises
    ------
    ValueError
        If a size is not a multiple of ``nhead``.

    Example
    -------
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
            return F.linear(x, self.weight[0], self.bias)
        rows = x.reshape(-1, x.shape[-1])
        in_place = x.device.type == "cpu" and x.dtype == self.weight.dtype
        if in_place and not torch.is_autocast_enabled("cpu") and not torch.compiler.is_compiling():
            out = _BlockProduct.apply(rows, self.weight, self.bias)
        else:
            bias = self.bias.view(self.nhead, 1, -1)
            heads = torch.baddbmm(bias, _by_head(rows, self.nhead), self.weight.transpose(1, 2))  # [n, N, out / n]
            out = heads.transpose(0, 1).flatten(1)
        return out.reshape(*x.shape[:-1], len(self.bias))

    def dense_weight(self):
        """The same matrix written out, (output_size, input_size)."""
        return torch.block_diag(*self.weight)

    def extra_repr(self):
        heads, out, inp = self.weight.shape
        return f"{heads * inp}, {heads * out}, nhead={heads}"


class _BlockProduct(torch.autograd.Function):
    """``x W^T + b`` with a block-diagonal W, (N, in) -> (N, out), each block's product written where it belongs.

    A batched product leaves the heads apart; on a CPU putting them side by side again takes longer than the product
    itself.
    """

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        out = x.new_empty(len(x), len(bias))
        torch.bmm(_by_head(x, len(weight)), weight.transpose(1, 2), out=_by_head(out, len(weight)))
        return out.add_(bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        grad_heads = _by_head(grad, len(weight))
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.empty_like(x, memory_format=torch.contiguous_format)
            torch.bmm(grad_heads, weight, out=_by_head(grad_x, len(weight)))
        grad_weight = torch.bmm(grad_heads.transpose(1, 2), _by_head(x, len(weight)))
        return grad_x, grad_weight, grad.sum(0)


def _by_head(x, nhead):
    """(N, size) as (n, N, size / n), a view."""
    return x.unflatten(1, (nhead, -1)).transpose(0, 1)


def projection(input_size, hidden_sizes, output_size, nhead, activation):
    """The MLPs f and s: head-wise linear layers, the activation after each of them, also the last.

    Example
    -------
    >>> projection(8, [16], 4, 2, nn.GELU)(torch.rand(1, 3, 8)).shape
    torch.Size([1, 3, 4])
    """
    sizes = [input_size, *hidden_sizes, output_size]
    layers = []
    for before, after in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [HeadLinear(before, after, nhead), activation()]
    return nn.Sequential(*layers)
