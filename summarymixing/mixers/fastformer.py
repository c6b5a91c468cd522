"""Fastformer baseline: additive attention, linear in time (2108.09084)."""

import torch
from torch import nn

from summarymixing.mixers.attention import safe_padding_mask
from summarymixing.mixers.base import Mixer, check_heads


class Fastformer(Mixer):
    """Fastformer's additive attention (2108.09084, section 3).

    In each head, the attention-weighted sum of the queries is a global query, which scales every key. The
    attention-weighted sum of the scaled keys is a global key, which scales every value. A linear layer follows, and the
    query is added as a residual.

    Parameters
    ----------
    d_model, nhead : int
        Number of features D; number of heads, a divisor of it.
    dropout : float
        Dropout on the attention weights of queries and keys.

    Raises
    ------
    ValueError
        If ``nhead`` does not divide ``d_model``.

    Examples
    --------
    >>> Fastformer(64, nhead=4)(torch.rand(2, 50, 64)).shape
    torch.Size([2, 50, 64])
    """

    chunkable = False

    def __init__(self, d_model, nhead=8, dropout=0.0):
        super().__init__(d_model)
        check_heads(d_model, nhead)
        self.nhead = nhead
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.query_score = nn.Linear(d_model, nhead)
        self.key_score = nn.Linear(d_model, nhead)
        self.out_proj = nn.Linear(d_model, d_model)
        self.dropout = nn.Dropout(dropout)

    def mix(self, x, padding_mask, chunks):
        padding_mask = safe_padding_mask(padding_mask)
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        global_query = self._pool(query, self.query_score(query), padding_mask)
        key = key * global_query
        global_key = self._pool(key, self.key_score(key), padding_mask)
        return self.out_proj(value * global_key) + query

    def _pool(self, frames, scores, padding_mask):
        """Attention-weighted sum over time: frames (B, T, D) and scores (B, T, H) to (B, 1, D)."""
        scores = scores / (self.d_model // self.nhead) ** 0.5
        if padding_mask is not None:
            scores = scores.masked_fill(padding_mask.unsqueeze(-1), -torch.inf)
        dtype = torch.promote_types(scores.dtype, torch.float32)
        weights = self.dropout(torch.softmax(scores, dim=1, dtype=dtype)).to(frames.dtype)
        heads = frames.unflatten(-1, (self.nhead, -1))
        return torch.einsum("bth,bthd->bhd", weights, heads).flatten(1).unsqueeze(1)
