"""The base class of the encoders: a stack of layers around any mixer, with SpeechBrain's encoder interface."""

from dataclasses import dataclass, field

import torch
from speechbrain.nnet.normalization import LayerNorm
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch import nn


@dataclass
class EncoderStreamingContext:
    """The streaming state of an encoder.

    Attributes
    ----------
    dynchunktrain_config : DynChunkTrainConfig
        Chunk size in frames, left context in chunks or None.
    layers : list
        The states of the layers, created with the first chunk, whose batch size they have.
    frames : int
        Frames of the stream so far.
    finished : bool
        Whether a chunk shorter than the chunk size has ended the stream.
    """

    dynchunktrain_config: DynChunkTrainConfig
    layers: list = field(default_factory=list)
    frames: int = 0
    finished: bool = False

    def accept(self, num_frames):
        """Count the frames of the next chunk.

        Parameters
        ----------
        num_frames : int
            Frames of the chunk.

        Raises
        ------
        ValueError
            If a chunk is too long, or follows a shorter one.
        """
        size = self.dynchunktrain_config.chunk_size
        if self.finished or not 0 < num_frames <= size:
            raise ValueError(
                f"got a chunk of {num_frames} frames in a stream with chunks of {size} frames: only the last chunk may "
                "be shorter, no chunk may be longer, and no chunk may follow the last."
            )
        self.finished = num_frames < size
        self.frames += num_frames


def refuse_src_mask(src_mask):
    """Refuse SpeechBrain's T x T mask.

    Parameters
    ----------
    src_mask : torch.Tensor or None
        The mask.

    Raises
    ------
    ValueError
        If it is not None.

    Examples
    --------
    >>> refuse_src_mask(None)
    """
    if src_mask is not None:
        raise ValueError("this encoder takes no T x T `src_mask`: limit what frames see with `dynchunktrain_config`.")


class Encoder(nn.Module):
    """A stack of encoder layers and a final LayerNorm.

    It takes the arguments of SpeechBrain's own encoders and returns what they return, so that it can replace them. The
    only mask that it uses is the (B, T) padding mask.

    Parameters
    ----------
    layers : iterable of torch.nn.Module
        Each with ``forward(x, padding_mask, chunks)``, ``initial_state(batch_size, chunks)`` and
        ``stream(x, state)``.
    d_model : int
        Features of every layer.
    output_hidden_states : bool
        Whether to also return the encoder's input and the output of every layer.
    layerdrop_prob : float
        Probability that a layer is skipped in training.
    """

    def __init__(self, layers, d_model, output_hidden_states=False, layerdrop_prob=0.0):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = LayerNorm(d_model, eps=1e-6)
        self.d_model = d_model
        self.output_hidden_states = output_hidden_states
        self.layerdrop_prob = layerdrop_prob

    def forward(
        self,
        src,
        src_mask=None,
        src_key_padding_mask=None,
        pos_embs=None,
        dynchunktrain_config=None,
    ):
        """Encode (B, T, D).

        Parameters
        ----------
        src : torch.Tensor
            (B, T, D).
        src_mask : None
            A T x T mask is refused; limit what a frame may see with ``dynchunktrain_config``.
        src_key_padding_mask : torch.Tensor, optional
            (B, T) bool, True = padding.
        pos_embs : None
            Unused: a mixer that needs positions computes them itself.
        dynchunktrain_config : DynChunkTrainConfig, optional
            Chunk size in frames, left context in chunks.

        Returns
        -------
        torch.Tensor
            (B, T, D), zero at padding.
        list
            One None per layer, where SpeechBrain's encoders return attention maps.
        list of torch.Tensor
            Only with ``output_hidden_states``: the input and the output of each layer, ``num_layers + 1`` tensors. A
            layer that is skipped in training repeats its input.

        Raises
        ------
        ValueError
            If ``src_mask`` is given.
        """
        refuse_src_mask(src_mask)
        x, hidden_states = self.encode(src, src_key_padding_mask, dynchunktrain_config)
        if self.output_hidden_states:
            return x, [None] * len(self.layers), hidden_states
        return x, [None] * len(self.layers)

    def encode(self, x, padding_mask=None, chunks=None):
        """Encode (B, T, D), and also return the output of every layer.

        Parameters
        ----------
        x : torch.Tensor
            (B, T, D).
        padding_mask : torch.Tensor, optional
            (B, T) bool, True = padding.
        chunks : DynChunkTrainConfig, optional
            Chunk size in frames, left context in chunks or None for all of the past.

        Returns
        -------
        torch.Tensor
            (B, T, D), zero at padding: the last layer's output after the final LayerNorm.
        list of torch.Tensor
            ``num_layers + 1`` of (B, T, D): the input and each layer's output, before the final LayerNorm.
        """
        if padding_mask is not None:
            x = x.masked_fill(padding_mask.unsqueeze(-1), 0.0)
        hidden_states = [x]
        for layer in self.layers:
            if self.training and self.layerdrop_prob and torch.rand(()) < self.layerdrop_prob:
                # Zero gradients instead of None: processes that skip different layers wait for each other's gradients.
                x = x + 0.0 * sum(parameter.sum() for parameter in layer.parameters())
            else:
                x = layer(x, padding_mask, chunks)
            hidden_states.append(x)
        x = self.norm(x)
        if padding_mask is not None:
            x = x.masked_fill(padding_mask.unsqueeze(-1), 0.0)
        return x, hidden_states

    def make_streaming_context(self, dynchunktrain_config):
        """Create a context, which is passed to every :meth:`forward_streaming` of one stream.

        Parameters
        ----------
        dynchunktrain_config : DynChunkTrainConfig
            Chunk size in frames, left context in chunks or None for all of the past.

        Returns
        -------
        EncoderStreamingContext

        Raises
        ------
        ValueError
            If a layer's mixer cannot stream.
        """
        for layer in self.layers:
            layer.initial_state(1, dynchunktrain_config)
        return EncoderStreamingContext(dynchunktrain_config)

    def forward_streaming(self, src, context, pos_embs=None):
        """Encode the next chunk; equal to :meth:`forward` with the same ``dynchunktrain_config``.

        Parameters
        ----------
        src : torch.Tensor
            (B, C, D) with C the chunk size; the last chunk of a stream may be shorter.
        context : EncoderStreamingContext
            From :meth:`make_streaming_context`; changed in place.
        pos_embs : None
            Unused.

        Returns
        -------
        torch.Tensor
            (B, C, D).
        list
            One None per layer.

        Raises
        ------
        ValueError
            If a chunk is too long, or follows a shorter one.
        """
        context.accept(src.shape[1])
        if not context.layers:
            context.layers = [layer.initial_state(src.shape[0], context.dynchunktrain_config) for layer in self.layers]
        x = src
        for layer, state in zip(self.layers, context.layers, strict=True):
            x = layer.stream(x, state)
        return self.norm(x), [None] * len(self.layers)
