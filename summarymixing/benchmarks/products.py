"""The floor of a mixer: the matrix products that it cannot avoid, counted and timed alone."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

#: Elements of the largest operand; a product beyond it is computed in blocks of rows, as any good kernel does.
LARGEST_OPERAND = 2**26


@dataclass(frozen=True)
class Product:
    """``batch`` products of an (rows, inner) matrix and an (inner, columns) one.

    Examples
    --------
    >>> Product(8, 1000, 64, 64).macs
    32768000
    """

    batch: int
    rows: int
    inner: int
    columns: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.batch * self.rows * self.inner * self.columns

    @property
    def blocks(self) -> int:
        """Number of blocks of rows in which `FloorCall` computes it."""
        widest = self.batch * self.rows * max(self.inner, self.columns)
        return min(self.rows, math.ceil(widest / LARGEST_OPERAND))


@dataclass(frozen=True)
class Shape:
    """The sizes on which the products of a mixer depend.

    Attributes
    ----------
    utterances, frames : int
        B and T.
    d_model : int
        D.
    chunk_size : int, optional
        Frames in a chunk, where the mixer is limited to chunks.
    """

    utterances: int
    frames: int
    d_model: int
    chunk_size: int | None = None

    @property
    def all_frames(self) -> int:
        """B T."""
        return self.utterances * self.frames

    @property
    def summaries(self) -> int:
        """Number of different summaries: one per utterance or one per chunk."""
        return self.utterances * (1 if self.chunk_size is None else math.ceil(self.frames / self.chunk_size))


def summary_mixing(shape: Shape, nhead: int = 1, window: bool = False, summary_a_frame: bool = False):
    """f and s of two layers, their first in one product; c on f a frame, and on the summary once a summary.

    Examples
    --------
    >>> [product.columns for product in summary_mixing(Shape(1, 100, 512))]
    [1024, 512, 512, 512, 512]
    """
    n, d = shape.all_frames, shape.d_model
    head = d // nhead
    summaries = n if summary_a_frame else shape.summaries
    second = [Product(nhead, n, head, head)] * 2
    combiner = [Product(1, n, d, d)] * (2 if window else 1)
    return [Product(nhead, n, head, 2 * head), *second, *combiner, Product(1, summaries, d, d)]


def lite(shape: Shape):
    """Both layers of s."""
    return [Product(1, shape.all_frames, shape.d_model, shape.d_model)] * 2


def fast(shape: Shape):
    """One layer for f and s; c on f a frame, on the summary once a summary."""
    n, d = shape.all_frames, shape.d_model
    return [Product(1, n, d, 2 * d), Product(1, n, d, d), Product(1, shape.summaries, d, d)]


def attention(shape: Shape, nhead: int = 8):
    """Queries, keys and values; scores; their mean of values; output."""
    n, t, d = shape.all_frames, shape.frames, shape.d_model
    heads, size = shape.utterances * nhead, d // nhead
    return [Product(1, n, d, 3 * d), Product(heads, t, size, t), Product(heads, t, t, size), Product(1, n, d, d)]


def relative_attention(shape: Shape, nhead: int = 8):
    """`attention`, the embeddings of 2 T - 1 distances, and the scores of each query with them."""
    distances, size = 2 * shape.frames - 1, shape.d_model // nhead
    positions = Product(1, distances, shape.d_model, shape.d_model)
    return [*attention(shape, nhead), positions, Product(shape.utterances * nhead, shape.frames, size, distances)]


def hypermixing(shape: Shape, nhead: int = 8):
    """Two generators of two layers, and the two products over time with what they generate."""
    n, t, head = shape.all_frames, shape.frames, shape.d_model // nhead
    generators = [Product(nhead, n, head, head), Product(nhead, n, head, 4 * head)] * 2
    heads = shape.utterances * nhead
    return [*generators, Product(heads, head, t, 4 * head), Product(heads, head, 4 * head, t)]


def fastformer(shape: Shape, nhead: int = 8):
    """Queries, keys and values; twice scores and pooling; output."""
    n, d = shape.all_frames, shape.d_model
    pooling = [Product(1, n, d, nhead), Product(shape.utterances * nhead, 1, shape.frames, d // nhead)] * 2
    return [Product(1, n, d, 3 * d), *pooling, Product(1, n, d, d)]


def identity(shape: Shape):
    """None."""
    return []


def conformer_macs(mixer_products, shape: Shape, layers: int = 12) -> int:
    """Multiply-accumulates of a Conformer encoder's matrix products, feed-forward size 4 D, around a mixer.

    The depthwise convolution, 0.3 % of them at D = 512, is not counted.

    Parameters
    ----------
    mixer_products : callable
        One of this module's functions, given a `Shape`.
    shape : Shape
        Of the input.
    layers : int
        Of the encoder.

    Examples
    --------
    The published setting, 8 heads, 15 s at 25 frames a second: what SummaryMixing can gain over attention.

    >>> shape = Shape(1, 375, 512)
    >>> ours = conformer_macs(lambda shape: summary_mixing(shape, 8), shape)
    >>> round(conformer_macs(attention, shape) / ours, 2)
    1.19
    """
    feed_forward = 2 * 2 * 4 * shape.d_model**2
    convolution = 3 * shape.d_model**2
    mixer = sum(product.macs for product in mixer_products(shape))
    return layers * (shape.all_frames * (feed_forward + convolution) + mixer)


def unavoidable_bytes(shape: Shape, parameters: int, backward: bool, itemsize: int) -> int:
    """Bytes that any implementation of a mixer moves, however well it fuses.

    Forward: input and weights read, output written. Backward: the output's gradient, the input and the weights read,
    the gradients of input and weights written. What lies between, s and f, is not counted.

    Examples
    --------
    >>> unavoidable_bytes(Shape(1, 10, 4), 16, backward=False, itemsize=4)
    384
    """
    elements = shape.all_frames * shape.d_model
    moved = 2 * elements + parameters
    if backward:
        moved += 3 * elements + 2 * parameters
    return moved * itemsize


class FloorCall:
    """Computes a list of products and nothing else; called again and again by the timer.

    Forward multiplies by the transposed weight, as a linear layer does; backward adds, for every product, those of
    both operands' gradients. Every result is freed immediately, so that memory is reused: what a mixer spends on
    memory is above its floor.

    Parameters
    ----------
    products : list of Product
        From one of this module's functions.
    backward : bool
        Add the products of the backward pass.
    dtype : torch.dtype
        Of the operands.
    device : str
        Where they live.
    activations : list of tuple of int
        Also computes GELU of tensors of these shapes, and its backward pass.
    random : callable, optional
        Makes the operands from (shape, dtype, device); several floors that are given the same can share theirs.

    Examples
    --------
    >>> FloorCall([Product(2, 3, 4, 5)], True, torch.float32, "cpu")()
    """

    def __init__(self, products, backward: bool, dtype: torch.dtype, device: str, activations=(), random=None):
        # Operands of one shape are one tensor: that can only make the floor lower.
        random = functools.cache(random_tensor) if random is None else random

        def operand(*shape):
            return random(shape, dtype, device)

        self.backward = backward
        self.steps = []
        for product in products:
            rows = math.ceil(product.rows / product.blocks)
            lead = () if product.batch == 1 else (product.batch,)
            left, right = operand(*lead, rows, product.inner), operand(*lead, product.columns, product.inner)
            gradient = operand(*lead, rows, product.columns) if backward else None
            self.steps.append((product.blocks, left, right, gradient))
        self.activated = [operand(*shape) for shape in activations]

    @torch.no_grad()
    def __call__(self):
        for blocks, left, right, gradient in self.steps:
            for _ in range(blocks):
                torch.matmul(left, right.mT)
                if self.backward:
                    torch.matmul(gradient, right)
                    torch.matmul(gradient.mT, left)
        for x in self.activated:
            F.gelu(x)
            if self.backward:
                torch.ops.aten.gelu_backward(x, x)


def random_tensor(shape, dtype: torch.dtype, device: str, seed: int = 0) -> torch.Tensor:
    """Normal numbers that are the same on every device.

    Examples
    --------
    >>> random_tensor((2, 3), torch.float32, "cpu").shape
    torch.Size([2, 3])
    """
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device, dtype)


class CopyCall:
    """Moves a number of bytes, half of them read and half written, at the speed of a plain copy.

    Examples
    --------
    >>> CopyCall(1000, "cpu")()
    """

    def __init__(self, moved: int, device: str):
        self.source = torch.zeros(max(1, moved // 2), dtype=torch.uint8, device=device)
        self.target = torch.zeros_like(self.source)

    def __call__(self):
        self.target.copy_(self.source)
