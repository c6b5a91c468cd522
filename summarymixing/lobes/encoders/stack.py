"""What the encoders share: a stack of layers around any mixer, with SpeechBrain's encoder interface."""

from dataclasses import dataclass, field

import torch
from speechbrain.nnet.normalization import LayerNorm
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch import nn


@dataclass
class EncoderStreamingContext:
    """State of a stream through an encoder; the layers' states are made when the first chunk tells the batch size."""

    dynchunktrain_config: DynChunkTrainConfig
    layers: list = field(default_factory=list)
    frames: int = 0
    finished: bool = False

    def accept(self, num_frames):
        """Count the frames of the next chunk.

        Raises
        ------
        ValueError
            If a chunk is too long, or follows a shorter one.
        """
        size = self.dynchunktrain_config.chunk_size
        if self.finished or not 0 < num_frames <= size:
            raise ValueError(
                f"got a chunk of {num_frames} frames in a stream of chunks of {size}: only the last chunk may "
                "be shorter, and none may be longer or follow it."
            )
        self.finished = num_frames < size
        self.frames += num_frames


def refuse_src_mask(src_mask):
    """Refuse SpeechBrain's T x T mask.

    Raises
    ------
    ValueError
        If there is one.

    Examples
    --------
    >>> refuse_src_mask(None)
    """
    if src_mask is not None:
        raise ValueError("this encoder takes no T x T `src_mask`: limit what frames see with `dynchunktrain_config`.")


class Encoder(nn.Module):
    """A stack of encoder layers and a final LayerNorm.

    Takes the arguments of SpeechBrain's own encoders and returns what they return, so that it can stand in their
    place. The mask of each utterance's padding is the only mask that ever exists here.

    Parameters
    ----------
    layers : iterable of torch.nn.Module
        Each with ``forward(x, padding_mask, chunks)``, ``initial_state(batch_size, chunks)`` and
        ``stream(x, state)``.
    d_model : int
        Features of every layer.
    output_hidden_states : bool
        Also return the input and the output of every layer.
    layerdrop_prob : float
        Probability that training skips a layer.
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
            A T x T mask is refused; say what a frame may see by ``dynchunktrain_config``.
        src_key_padding_mask : torch.Tensor, optional
            (B, T) bool, True = padding.
        pos_embs : None
            Unused: a mixer that wants positions makes them.
        dynchunktrain_config : DynChunkTrainConfig, optional
            Chunk size in frames, left context in chunks.

        Returns
        -------
        torch.Tensor
            (B, T, D), zero at padding.
        list
            A None for each layer, where SpeechBrain's encoders return attention maps.
        list of torch.Tensor
            Only with ``output_hidden_states``: the input and each layer's output, ``num_layers + 1`` in all. A layer
            that training skips repeats its input.

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
            (B, T, D), zero at padding: the last layer's output after the final LayerNorm.
        list of torch.Tensor
            ``num_layers + 1`` of (B, T, D): the input and each layer's output, before the final LayerNorm.
        """
        if padding_mask is not None:
            x = x.masked_fill(padding_mask.unsqueeze(-1), 0.0)
        hidden_states = [x]
        for layer in self.layers:
            if self.training and self.layerdrop_prob and torch.rand(()) < self.layerdrop_prob:
                # Gradients of zero, and not none: processes that skip different layers wait for each other's.
                x = x + 0.0 * sum(parameter.sum() for parameter in layer.parameters())
            else:
                x = layer(x, padding_mask, chunks)
            hidden_states.append(x)
        x = self.norm(x)
        if padding_mask is not None:
            x = x.masked_fill(padding_mask.unsqueeze(-1), 0.0)
        return x, hidden_states

    def make_streaming_context(self, dynchunktrain_config):
        """A blank context; the same object goes to every :meth:`forward_streaming` of one stream.

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
        if not context.layers:
            context.layers = [layer.initial_state(src.shape[0], context.dynchunktrain_config) for layer in self.layers]
        x = src
        for layer, state in zip(self.layers, context.layers, strict=True):
            x = layer.stream(x, state)
        return self.norm(x), [None] * len(self.layers)
