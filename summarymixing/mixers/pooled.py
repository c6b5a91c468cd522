"""Self-attention among windows of frames: of the queries, of the keys and values, or of both.

Query pooling and key-value pooling of stochastic wav2vec 2.0 (2204.11934), whose equations are not public; what follows
is our reading. Queries come from the means of windows of ``query_pool`` frames, keys and values from those of
``key_pool`` frames, and each frame is given the output of its window. All that is behind the means costs as many times
less, scores and their sums ``query_pool * key_pool`` times. No weight depends on a factor, so that one set of weights
serves them all.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from summarymixing.mixers.attention import AttentionState, RoPEAttention, hidden_keys, safe_padding_mask, visible_keys
from summarymixing.ops.pooling import frames_of_windows, window_count, window_means
from summarymixing.utils.on_demand import OnDemand


@dataclass
class PooledState(AttentionState):
    """Keys and values of the windows of past chunks, and what the stream began with."""

    chunk_size: int
    query_pool: int
    key_pool: int


class PooledAttention(RoPEAttention, OnDemand):
    """Rotary attention whose queries, and keys and values, are means of windows of frames.

    A window has the position of its middle frame. Padding enters no window. Under chunks windows begin anew with each
    chunk, so that any chunk size goes with any factor and a stream equals the offline pass. With 1 and 1 this is
    :class:`~summarymixing.mixers.RoPEAttention`, and has its weights.

    Parameters
    ----------
    d_model, nhead : int
        Features, heads (an even number of features a head).
    dropout : float
        On the attention weights.
    scale : str
        "head" or "model", as in :class:`~summarymixing.mixers.RoPEAttention`.
    query_pool, key_pool : int or list of int
        Frames in a window. Training draws from a list uniformly, one number a step for all layers
        (:mod:`summarymixing.utils.on_demand`); whoever else calls the model has the first, or chooses another.

    Raises
    ------
    ValueError
        For bad factors, heads or an unknown ``scale``.

    Examples
    --------
    >>> from summarymixing.utils.on_demand import choose
    >>> mixer = PooledAttention(64, nhead=4, query_pool=[1, 2], key_pool=[1, 2, 4])
    >>> choose(mixer, query_pool=2, key_pool=4)
    >>> mixer(torch.rand(2, 50, 64)).shape
    torch.Size([2, 50, 64])
    """

    def __init__(self, d_model, nhead=8, dropout=0.0, scale="head", query_pool=(1, 2), key_pool=(1, 2)):
        super().__init__(d_model, nhead, dropout, scale)
        self.offer(query_pool=query_pool, key_pool=key_pool)

    def mix(self, x, padding_mask, chunks):
        query_pool, key_pool = self.chosen["query_pool"], self.chosen["key_pool"]
        size = None if chunks is None else chunks.chunk_size
        queries, padded_queries = window_means(x, query_pool, padding_mask, size)
        keys, padded_keys = window_means(x, key_pool, padding_mask, size)
        hidden = None
        if chunks is not None:
            chunk = [
                torch.arange(windows.shape[1], device=x.device) // window_count(size, factor)
                for windows, factor in ((queries, query_pool), (keys, key_pool))
            ]
            hidden = hidden_keys(*chunk, chunks.left_context_size)
        q, (k, v) = self._queries(queries), self._keys_and_values(keys).unbind(3)
        q = self._rotate_windows(q, query_pool, size)
        k = self._rotate_windows(k.transpose(1, 2), key_pool, size)
        visible = visible_keys(hidden, safe_padding_mask(padded_keys), padded_queries)
        output = self._attend(q, k, v.transpose(1, 2), visible)
        return _repeat(output, query_pool, x.shape[1], size)

    def initial_state(self, batch_size, chunks):
        att, left, size = self.attention, chunks.left_context_size, chunks.chunk_size
        past = att.in_proj_weight.new_zeros(batch_size, 0, att.num_heads, 2, att.head_dim)
        query_pool, key_pool = self.chosen["query_pool"], self.chosen["key_pool"]
        kept = None if left is None else left * window_count(size, key_pool)
        return PooledState(past, kept, size, query_pool, key_pool)

    def stream(self, x, state):
        query_pool, key_pool, size = state.query_pool, state.key_pool, state.chunk_size
        past_chunks = state.past.shape[1] // window_count(size, key_pool)
        # Kept unrotated: only distances matter, so positions restart at the oldest chunk kept.
        seen = state.extend(self._keys_and_values(window_means(x, key_pool)[0]))
        q = self._rotate_windows(self._queries(window_means(x, query_pool)[0]), query_pool, size, past_chunks)
        k, v = (part.transpose(1, 2) for part in seen.unbind(3))
        output = self._attend(q, self._rotate_windows(k, key_pool, size), v, None)
        return _repeat(output, query_pool, x.shape[1])

    def _queries(self, windows):
        """(B, W, D) -> (B, H, W, D / H)."""
        weight = self.attention.in_proj_weight.unflatten(0, (self.attention.num_heads, 3, -1))[:, 0]
        return F.linear(windows, weight.flatten(0, 1)).unflatten(-1, weight.shape[:2]).transpose(1, 2)

    def _keys_and_values(self, windows):
        """(B, W, D) -> (B, W, H, 2, D / H)."""
        weight = self.attention.in_proj_weight.unflatten(0, (self.attention.num_heads, 3, -1))[:, 1:]
        return F.linear(windows, weight.flatten(0, 2)).unflatten(-1, weight.shape[:3])

    def _rotate_windows(self, heads, factor, chunk_size, first_chunk=0):
        """Rotate (B, H, W, D / H) by the middle frames of the windows."""
        window = torch.arange(heads.shape[2], device=heads.device)
        if chunk_size is None:
            start, stop = window * factor, heads.shape[2] * factor
        else:
            each = window_count(chunk_size, factor)  # windows in a chunk
            start = (first_chunk + window // each) * chunk_size + window % each * factor
            stop = (first_chunk + -(-heads.shape[2] // each)) * chunk_size + factor
        return self._rotate(heads, start + factor // 2, stop)


def _repeat(x, factor, num_frames, chunk_size=None):
    """What each window has, for all of its frames."""
    return frames_of_windows(x.repeat_interleave(factor, dim=1), factor, num_frames, chunk_size)
