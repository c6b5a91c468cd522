"""Compute on demand around any encoder: down in time, encode, up again, by a factor that is chosen at each call.

The frames X, T of them, become ``X' = P_s(X) + GELU(C_s(X))``, T / s of them: the mean of each window of s frames and
a convolution in groups over the positions around it. This is the squeeze of SEW (2109.06870), whose factor is fixed.
Stochastic wav2vec 2.0 (2204.11934) draws the factor anew at each training step, so that one model has any of several
costs; its equations are not public, so that what follows is our reading. One set of weights has to serve every factor:

- **The mean** has no weights, and **the convolution** has the same ones at every stride.
- **Up again** SEW has a linear layer from D to s D, GELU, and folds: each of the s positions in a window has weights
  of its own. Here ``positions`` of them share the window equally, and the weights of position i of s are the mean of
  theirs over the part [i / s, (i + 1) / s) of the window. With s = ``positions`` this is SEW's layer; every other
  factor, one that training has never seen too, is a coarser or finer reading of it. They begin alike: at first each
  window's output is repeated, and what is learnt is how its positions differ.

Factor 1 is no way around: it is wav2vec 2.0's encoder, positional convolution before and linear layer behind it,
because layers and output layer must find at every factor what they were trained on.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from summarymixing.lobes.encoders.convolution import ConvolutionState, check_kernel_size, convolve, stream_convolve
from summarymixing.lobes.encoders.stack import EncoderStreamingContext, refuse_src_mask
from summarymixing.ops.pooling import frames_of_windows, window_count, window_means
from summarymixing.utils.on_demand import OnDemand


@dataclass
class SqueezedStreamingContext(EncoderStreamingContext):
    """State of a stream: the factor it began with, the frames that the convolution reaches, the encoder's own."""

    factor: int = 1
    convolution: ConvolutionState | None = None
    encoder: EncoderStreamingContext | None = None


class SqueezedEncoder(nn.Module, OnDemand):
    """An encoder that works at ``squeeze`` times fewer frames, and takes and gives all of them.

    It keeps the contract of the encoder within, takes its place anywhere, and changes nothing in it. The last window
    of an utterance may hold fewer frames than the others; padding enters no window. Under chunks windows begin anew
    with each chunk, so that any chunk size goes with any factor and a stream equals the offline pass.

    Parameters
    ----------
    encoder : torch.nn.Module
        Any of this package's encoders.
    squeeze : int or list of int
        Factors that training draws from, uniformly, once a step (:mod:`summarymixing.utils.on_demand`). Validation,
        tests and whatever loads the model use the first, unless they choose another.
    kernel_size : int
        Of the positional convolution, odd; 31 in SEW.
    groups : int
        Of the positional convolution, a divisor of the encoder's ``d_model``; 16 in SEW.
    positions : int
        Positions in a window that have weights of their own on the way up; the least common multiple of the factors,
        or the largest of them, is a good choice. It is part of the model's shape, as ``squeeze`` is not.

    Raises
    ------
    ValueError
        For bad factors, an even kernel, groups that do not divide the features, and no positions.

    Examples
    --------
    >>> from summarymixing.lobes import ConformerEncoder
    >>> from summarymixing.utils.on_demand import choose
    >>> encoder = SqueezedEncoder(ConformerEncoder(2, 64, 128), squeeze=[1, 2, 4])
    >>> choose(encoder, squeeze=4)
    >>> out, _ = encoder(torch.rand(2, 50, 64))
    >>> out.shape
    torch.Size([2, 50, 64])
    """

    def __init__(self, encoder, squeeze=(1, 2, 3, 4), kernel_size=31, groups=16, positions=4):
        super().__init__()
        self.offer(squeeze=squeeze)
        check_kernel_size(kernel_size)
        size = encoder.d_model
        if groups < 1 or size % groups:
            raise ValueError(f"groups={groups} must divide d_model={size}.")
        if positions < 1:
            raise ValueError(f"positions={positions} must be 1 or more.")
        self.encoder = encoder
        self.d_model = size
        convolution = nn.Conv1d(size, size, kernel_size, groups=groups)
        nn.init.normal_(convolution.weight, std=(4 / (kernel_size * size)) ** 0.5)  # wav2vec 2.0's
        nn.init.zeros_(convolution.bias)
        self.positions = weight_norm(convolution, dim=2)
        self.upsampling = Upsampling(size, positions)

    @property
    def layers(self):
        """Layers of the encoder within."""
        return self.encoder.layers

    @property
    def output_hidden_states(self):
        """Whether :meth:`forward` also returns them, as the encoder within was told."""
        return self.encoder.output_hidden_states

    def forward(
        self,
        src,
        src_mask=None,
        src_key_padding_mask=None,
        pos_embs=None,
        dynchunktrain_config=None,
    ):
        """Encode (B, T, D); arguments and results as in :meth:`~summarymixing.lobes.encoders.stack.Encoder.forward`."""
        refuse_src_mask(src_mask)
        x, states = self._encode(src, src_key_padding_mask, dynchunktrain_config)
        attention = [None] * len(self.layers)
        if self.output_hidden_states:
            return x, attention, self._repeat(states, src.shape[1], dynchunktrain_config)
        return x, attention

    def encode(self, x, padding_mask=None, chunks=None):
        """Encode (B, T, D), and keep what every layer gives.

        Parameters
        ----------
        x : torch.Tensor
            (B, T, D).
        padding_mask : torch.Tensor, optional
            (B, T) bool, True = padding.
        chunks : DynChunkTrainConfig, optional
            What a frame may see.

        Returns
        -------
        torch.Tensor
            (B, T, D), zero at padding.
        list of torch.Tensor
            ``num_layers + 1`` of (B, T, D): the squeezed input and each layer's output, each window's repeated for all
            of its frames.
        """
        output, states = self._encode(x, padding_mask, chunks)
        return output, self._repeat(states, x.shape[1], chunks)

    def _encode(self, x, padding_mask, chunks):
        """The output at all frames, the states at those that the layers have."""
        factor = self.chosen["squeeze"]
        if padding_mask is not None:
            x = x.masked_fill(padding_mask.unsqueeze(-1), 0.0)
        size = None if chunks is None else chunks.chunk_size
        near = convolve(x.transpose(1, 2), self.positions, None, chunks, factor).transpose(1, 2)
        means, hidden = window_means(x, factor, padding_mask, size)
        encoded, states = self.encoder.encode(means + F.gelu(near), hidden, _squeezed(chunks, factor))
        output = frames_of_windows(self.upsampling(encoded, factor), factor, x.shape[1], size)
        if padding_mask is not None:
            output = output.masked_fill(padding_mask.unsqueeze(-1), 0.0)
        return output, states

    def _repeat(self, states, num_frames, chunks):
        factor = self.chosen["squeeze"]
        size = None if chunks is None else chunks.chunk_size
        return [frames_of_windows(x.repeat_interleave(factor, dim=1), factor, num_frames, size) for x in states]

    def make_streaming_context(self, dynchunktrain_config):
        """A blank context, of the factor that is chosen now; see the encoder within."""
        factor = self.chosen["squeeze"]
        within = self.encoder.make_streaming_context(_squeezed(dynchunktrain_config, factor))
        return SqueezedStreamingContext(dynchunktrain_config, factor=factor, encoder=within)

    def forward_streaming(self, src, context, pos_embs=None):
        """Encode the next chunk; equal to :meth:`forward` with the same ``dynchunktrain_config``.

        Parameters
        ----------
        src : torch.Tensor
            (B, C, D) with C the chunk size; the last chunk of a stream may be shorter.
        context : SqueezedStreamingContext
            From :meth:`make_streaming_context`; changed.
        pos_embs : None
            Unused.

        Returns
        -------
        torch.Tensor
            (B, C, D).
        list
            A None for each layer.

        Raises
        ------
        ValueError
            If a chunk is too long, or follows a shorter one.
        """
        context.accept(src.shape[1])
        if context.convolution is None:
            context.convolution = ConvolutionState(self.positions, src.shape[0])
        near = stream_convolve(src.transpose(1, 2), self.positions, context.convolution, context.factor)
        means, _ = window_means(src, context.factor)
        encoded, attention = self.encoder.forward_streaming(means + F.gelu(near.transpose(1, 2)), context.encoder)
        return frames_of_windows(self.upsampling(encoded, context.factor), context.factor, src.shape[1]), attention


def _squeezed(chunks, factor):
    """The same chunks in windows."""
    if chunks is None:
        return None
    return DynChunkTrainConfig(window_count(chunks.chunk_size, factor), chunks.left_context_size)


class Upsampling(nn.Module):
    """From one frame a window to ``factor`` of them: linear, GELU, fold, by one set of weights.

    Parameters
    ----------
    d_model : int
        Features D.
    positions : int
        P positions in a window that have weights of their own, (P, D, D) and (P, D).

    Examples
    --------
    >>> upsampling = Upsampling(8, positions=4)
    >>> [upsampling(torch.rand(2, 5, 8), factor).shape[1] for factor in (1, 2, 3, 4, 7)]
    [5, 10, 15, 20, 35]
    """

    def __init__(self, d_model, positions):
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(d_model, d_model)).repeat(positions, 1, 1))
        self.bias = nn.Parameter(torch.zeros(positions, d_model))

    def forward(self, x, factor):
        """(B, W, D) -> (B, W * factor, D)."""
        shares = _overlaps(factor, len(self.weight), self.weight)
        weight = (shares @ self.weight.flatten(1)).view(-1, x.shape[-1])  # [factor D, D]
        bias = (shares @ self.bias).flatten()
        return F.gelu(F.linear(x, weight, bias)).unflatten(-1, (factor, -1)).flatten(1, 2)


def _overlaps(factor, positions, like):
    """(factor, positions) which share of part i of ``factor`` equal parts lies in each of so many others."""
    coarse = torch.arange(factor + 1, device=like.device, dtype=torch.float64) / factor
    fine = torch.arange(positions + 1, device=like.device, dtype=torch.float64) / positions
    last = torch.minimum(coarse[1:, None], fine[1:])
    first = torch.maximum(coarse[:-1, None], fine[:-1])
    return (factor * (last - first).clamp(min=0)).to(like.dtype)
