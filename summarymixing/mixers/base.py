"""What every token mixer is: (B, T, D) -> (B, T, D), offline, chunk-masked or streaming."""

import torch
from torch import nn


class Mixer(nn.Module):
    """Base class of all token mixers.

    A subclass implements :meth:`mix`; one that can stream also implements :meth:`initial_state` and
    :meth:`stream`. An encoder builds one mixer a layer by calling the factory of its YAML key ``mixer`` with
    ``d_model``.

    Parameters
    ----------
    d_model : int
        Size D of the input and the output features.

    Examples
    --------
    >>> class Double(Mixer):
    ...     def mix(self, x, padding_mask, chunks):
    ...         return 2 * x
    >>> Double(4)(torch.ones(1, 2, 4), torch.tensor([[False, True]]))[0, :, 0]
    tensor([2., 0.])
    """

    #: Whether the mixer takes ``chunks`` and can stream.
    chunkable = True

    def __init__(self, d_model):
        super().__init__()
        self.d_model = d_model

    def forward(self, x, padding_mask=None, chunks=None):
        """Mix over time.

        Parameters
        ----------
        x : torch.Tensor
            (B, T, D).
        padding_mask : torch.Tensor, optional
            (B, T) bool, True = padding.
        chunks : speechbrain.utils.dynamic_chunk_training.DynChunkTrainConfig, optional
            Frame t of chunk k sees chunks max(0, k - left context) to k only.

        Returns
        -------
        torch.Tensor
            (B, T, D), zero at padding.

        Raises
        ------
        ValueError
            If the mixer cannot be limited to chunks, or the mask is not a (B, T) bool tensor.
        """
        if chunks is not None and not self.chunkable:
            raise ValueError(
                f"{type(self).__name__} mixes the whole utterance at once and takes no chunks: train it without "
                "dynamic chunk training and decode it offline, or choose another mixer."
            )
        if padding_mask is None:
            return self.mix(x, None, chunks)
        if padding_mask.dtype != torch.bool or padding_mask.shape != x.shape[:2]:
            raise ValueError(
                f"padding_mask must be bool (True = padding) of shape {tuple(x.shape[:2])}, got "
                f"{padding_mask.dtype} of shape {tuple(padding_mask.shape)}."
            )
        # Filled on the way in as well as out: a NaN in padding times a zero gradient would still be NaN.
        padding = padding_mask.unsqueeze(-1)
        return self.mix(x.masked_fill(padding, 0.0), padding_mask, chunks).masked_fill(padding, 0.0)

    def mix(self, x, padding_mask, chunks):
        """The mixing itself; padded frames of ``x`` are zero already, those of the result need not be."""
        raise NotImplementedError

    def initial_state(self, batch_size, chunks):
        """The state of a stream before its first chunk.

        Parameters
        ----------
        batch_size : int
            Streams that advance together.
        chunks : DynChunkTrainConfig
            Chunk size in frames, left context in chunks or None for all the past.
        """
        raise ValueError(f"{type(self).__name__} cannot stream: decode offline, or choose another mixer.")

    def stream(self, x, state):
        """Mix one chunk, (B, C, D) -> (B, C, D), and update ``state`` in place.

        Only the last chunk of a stream may be shorter than the chunk size.
        """
        raise ValueError(f"{type(self).__name__} cannot stream: decode offline, or choose another mixer.")


def check_heads(d_model, nhead):
    """Refuse a number of heads that does not cut the features in equal parts.

    Raises
    ------
    ValueError
        If ``nhead`` is no positive divisor of ``d_model``.

    Examples
    --------
    >>> check_heads(64, 4)
    """
    if nhead < 1 or d_model % nhead:
        raise ValueError(f"nhead={nhead} must divide d_model={d_model}.")
