"""The interface of every token mixer: (B, T, D) -> (B, T, D), offline, chunk-masked or streaming."""

import torch
from torch import nn


class Mixer(nn.Module):
    """Base class of all token mixers.

    A subclass implements :meth:`mix`. A mixer that can stream also implements :meth:`initial_state` and
    :meth:`stream`. An encoder builds one mixer per layer: it calls the factory in its YAML key ``mixer`` with
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
            Frame t of chunk k sees only the chunks max(0, k - left context) to k.

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
                f"{type(self).__name__} mixes whole utterances and takes no chunks: train it without "
                "dynamic chunk training and decode it offline, or choose another mixer."
            )
        if padding_mask is None:
            return self.mix(x, None, chunks)
        if padding_mask.dtype != torch.bool or padding_mask.shape != x.shape[:2]:
            raise ValueError(
                f"padding_mask must be bool (True = padding) of shape {tuple(x.shape[:2])}, got "
                f"{padding_mask.dtype} of shape {tuple(padding_mask.shape)}."
            )
        # Zeroed in the input as well as in the output: a NaN in padding times a zero gradient would still be NaN.
        padding = padding_mask.unsqueeze(-1)
        return self.mix(x.masked_fill(padding, 0.0), padding_mask, chunks).masked_fill(padding, 0.0)

    def mix(self, x, padding_mask, chunks):
        """Mix over time; implemented by subclasses.

        Parameters
        ----------
        x : torch.Tensor
            (B, T, D), zero at padding.
        padding_mask : torch.Tensor or None
            (B, T) bool, True = padding.
        chunks : DynChunkTrainConfig or None
            As in :meth:`forward`.

        Returns
        -------
        torch.Tensor
            (B, T, D), with any values at padding.
        """
        raise NotImplementedError

    def initial_state(self, batch_size, chunks):
        """The state of a stream before its first chunk.

        Parameters
        ----------
        batch_size : int
            Number of streams that are processed together.
        chunks : DynChunkTrainConfig
            Chunk size in frames, left context in chunks or None for all of the past.

        Returns
        -------
        object
            What :meth:`stream` takes and updates.

        Raises
        ------
        ValueError
            If the mixer cannot stream.
        """
        raise ValueError(f"{type(self).__name__} cannot stream: decode offline, or choose another mixer.")

    def stream(self, x, state):
        """Mix one chunk and update the state.

        Parameters
        ----------
        x : torch.Tensor
            (B, C, D), one chunk. Only the last chunk of a stream may be shorter than the chunk size.
        state : object
            From :meth:`initial_state`; changed in place.

        Returns
        -------
        torch.Tensor
            (B, C, D).

        Raises
        ------
        ValueError
            If the mixer cannot stream.
        """
        raise ValueError(f"{type(self).__name__} cannot stream: decode offline, or choose another mixer.")


def check_heads(d_model, nhead):
    """Refuse a number of heads that does not split the features into equal parts.

    Parameters
    ----------
    d_model : int
        Number of features.
    nhead : int
        Number of heads.

    Raises
    ------
    ValueError
        If ``nhead`` is not a positive divisor of ``d_model``.

    Examples
    --------
    >>> check_heads(64, 4)
    """
    if nhead < 1 or d_model % nhead:
        raise ValueError(f"nhead={nhead} must divide d_model={d_model}.")
