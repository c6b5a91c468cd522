"""Self-attention baselines around SpeechBrain's own modules: regular, relative-position and RoPE.

All three see the same frames as the linear mixers do, so that a comparison differs in the mixing alone. Under
``chunks`` they need a T x T mask, which is attention's cost and not the encoder's.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from speechbrain.nnet.attention import (
    MultiheadAttention,
    PrecomputedRoPESinusoids,
    RelPosEncXL,
    RelPosMHAXL,
    RoPEMHA,
)

from summarymixing.mixers.base import Mixer, check_heads


def chunk_attention_mask(num_frames, chunks, device=None):
    """Which key frames a query frame may NOT see; (T, T) bool.

    Examples
    --------
    >>> from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
    >>> chunk_attention_mask(3, DynChunkTrainConfig(1, 1)).int().tolist()
    [[0, 1, 1], [0, 0, 1], [1, 0, 0]]
    """
    chunk = torch.arange(num_frames, device=device) // chunks.chunk_size
    return hidden_keys(chunk, chunk, chunks.left_context_size)


def hidden_keys(query_chunk, key_chunk, left_context_size):
    """Which keys a query may NOT see, (Q, K) bool, by the numbers of the chunks that they are in, (Q,) and (K,)."""
    distance = query_chunk[:, None] - key_chunk[None, :]  # chunks that the key lies behind the query
    hidden = distance < 0
    if left_context_size is not None:
        hidden |= distance > left_context_size
    return hidden


def safe_padding_mask(padding_mask):
    """The mask with one frame freed in utterances that are all padding, where softmax would be 0 / 0.

    Examples
    --------
    >>> safe_padding_mask(torch.tensor([[True, True], [False, True]])).int().tolist()
    [[0, 1], [0, 1]]
    """
    if padding_mask is None:
        return None
    first = torch.arange(padding_mask.shape[1], device=padding_mask.device) == 0
    return padding_mask & ~(padding_mask.all(1, keepdim=True) & first)


@dataclass
class AttentionState:
    """The past that a stream's next chunk attends to, (B, frames, ...); it grows with an infinite left context."""

    past: torch.Tensor
    max_frames: int | None

    def extend(self, new):
        """Append a chunk; return past and chunk, and keep what the next chunk may see."""
        seen = torch.cat([self.past, new], dim=1)
        keep = seen.shape[1] if self.max_frames is None else min(self.max_frames, seen.shape[1])
        self.past = seen[:, seen.shape[1] - keep :]
        return seen


class _Attention(Mixer):
    """Streaming shared by the baselines: remember the input frames of the left context."""

    def initial_state(self, batch_size, chunks):
        past = next(self.parameters()).new_zeros(batch_size, 0, self.d_model)
        return AttentionState(past, chunks.left_context_size_frames())

    def _masks(self, x, padding_mask, chunks):
        """Attention mask and padding mask; no row of their union is all hidden."""
        hidden = None if chunks is None else chunk_attention_mask(x.shape[1], chunks, x.device)
        return hidden, safe_padding_mask(padding_mask)


class RegularAttention(_Attention):
    """Multi-head self-attention without positions (SpeechBrain's ``MultiheadAttention``).

    Parameters
    ----------
    d_model, nhead : int
        Features, heads.
    dropout : float
        On the attention weights.

    Examples
    --------
    >>> RegularAttention(64, nhead=4)(torch.rand(2, 50, 64)).shape
    torch.Size([2, 50, 64])
    """

    def __init__(self, d_model, nhead=8, dropout=0.0):
        super().__init__(d_model)
        check_heads(d_model, nhead)
        self.attention = MultiheadAttention(nhead=nhead, d_model=d_model, dropout=dropout)

    def mix(self, x, padding_mask, chunks):
        hidden, padding_mask = self._masks(x, padding_mask, chunks)
        if hidden is not None and padding_mask is not None:
            hidden = _free_padded_queries(hidden, padding_mask, self.attention.att.num_heads)
        return self.attention(x, x, x, attn_mask=hidden, key_padding_mask=padding_mask, return_attn_weights=False)

    def stream(self, x, state):
        seen = state.extend(x)
        return self.attention(x, seen, seen, return_attn_weights=False)


def _free_padded_queries(hidden, padding_mask, nhead):
    """(B * H, T, T) mask in which a padded query, whose whole view may be padding, sees every frame.

    Its output is zeroed afterwards; without this its softmax is 0 / 0 and the NaN comes back in the gradient.
    """
    hidden = hidden & ~padding_mask.unsqueeze(-1)
    return hidden.repeat_interleave(nhead, dim=0)


def visible_keys(hidden, padded_keys, padded_queries):
    """What SDPA's ``attn_mask`` has to be, for all heads alike: True where a query sees a key, and in no row all False.

    Parameters
    ----------
    hidden : torch.Tensor or None
        (Q, K) bool, what chunks hide.
    padded_keys, padded_queries : torch.Tensor or None
        (B, K) and (B, Q) bool.

    Returns
    -------
    torch.Tensor or None
        Broadcasts to (B, H, Q, K); None where every query sees every key.
    """
    if hidden is None:
        return None if padded_keys is None else ~padded_keys[:, None, None, :]
    if padded_keys is None:
        return ~hidden
    # As in _free_padded_queries: a padded query sees anything.
    return ~(hidden | padded_keys[:, None, None, :]) | padded_queries[:, None, :, None]


class RelPosAttention(_Attention):
    """Transformer-XL relative-position attention (SpeechBrain's ``RelPosMHAXL``), the published baseline.

    It keeps float32 (B, H, T, T) scores and shares SpeechBrain's encoding, whose embedding of a distance does not
    depend on its sign.

    Parameters
    ----------
    d_model, nhead : int
        Features, heads.
    dropout : float
        On the attention weights.

    Examples
    --------
    >>> RelPosAttention(64, nhead=4)(torch.rand(2, 50, 64)).shape
    torch.Size([2, 50, 64])
    """

    def __init__(self, d_model, nhead=8, dropout=0.0):
        super().__init__(d_model)
        check_heads(d_model, nhead)
        self.attention = RelPosMHAXL(embed_dim=d_model, num_heads=nhead, dropout=dropout)
        self.positions = RelPosEncXL(d_model)

    def mix(self, x, padding_mask, chunks):
        hidden, padding_mask = self._masks(x, padding_mask, chunks)
        if hidden is not None and padding_mask is not None:
            hidden = _free_padded_queries(hidden, padding_mask, self.attention.num_heads)
        positions = self.positions.make_pe(x.shape[1]).to(x)
        return self.attention(
            x,
            x,
            x,
            positions,
            attn_mask=hidden,
            key_padding_mask=padding_mask,
            return_attn_weights=False,
        )

    def stream(self, x, state):
        seen = state.extend(x)
        att, queries, keys = self.attention, x.shape[1], seen.shape[1]
        q, k, v = _project_heads(att, seen)
        q = q[:, :, keys - queries :]
        # One embedding for each distance from keys - 1 down to 1 - queries.
        distances = self.positions.make_pe(keys)[0, : keys + queries - 1].to(x)
        p = att.linear_pos(distances).unflatten(-1, (att.num_heads, att.head_dim)).transpose(0, 1)
        bias_u = att.pos_bias_u.view(att.num_heads, 1, att.head_dim)
        bias_v = att.pos_bias_v.view(att.num_heads, 1, att.head_dim)
        content = (q + bias_u) * att.scale @ k.transpose(-2, -1)
        position = (q + bias_v) * att.scale @ p.transpose(-2, -1)  # [B, H, queries, distances]
        i = torch.arange(queries, device=x.device)[:, None]
        j = torch.arange(keys, device=x.device)[None, :]
        index = (queries - 1 - i + j).expand(*position.shape[:2], -1, -1)
        weights = torch.softmax(content + position.gather(-1, index), dim=-1, dtype=torch.float32)
        mixed = att.dropout_att(weights).to(v.dtype) @ v
        return att.out_proj(mixed.transpose(1, 2).flatten(-2))


def _project_heads(attention, x):
    """Queries, keys and values, each (B, H, T, D / H), in the layout of SpeechBrain's fused self-attention weight.

    (Its modules read the same weight in another layout when query and key differ, so streaming cannot call them.)
    """
    qkv = F.linear(x, attention.in_proj_weight).unflatten(-1, (attention.num_heads, -1))
    return [part.transpose(1, 2) for part in qkv.chunk(3, dim=-1)]


class RoPEAttention(_Attention):
    """Self-attention with rotary positions through PyTorch's SDPA: today's strong and fast baseline.

    Weights are those of SpeechBrain's ``RoPEMHA``. Its forward pass expands every padding mask to
    (B, H, T, T) and scales scores by 1 / sqrt(d_model); this one lets SDPA broadcast the mask.

    Parameters
    ----------
    d_model, nhead : int
        Features, heads (an even number of features a head).
    dropout : float
        On the attention weights.
    scale : str
        "head" divides scores by sqrt(d_model / nhead), as is usual; "model" by sqrt(d_model), as SpeechBrain does.

    Raises
    ------
    ValueError
        For an unknown ``scale``.

    Examples
    --------
    >>> RoPEAttention(64, nhead=4)(torch.rand(2, 50, 64)).shape
    torch.Size([2, 50, 64])
    """

    def __init__(self, d_model, nhead=8, dropout=0.0, scale="head"):
        super().__init__(d_model)
        check_heads(d_model, nhead)
        if d_model // nhead % 2:
            raise ValueError(f"nhead={nhead} gives heads of {d_model // nhead} features; RoPE needs an even number.")
        if scale not in ("head", "model"):
            raise ValueError(f'scale={scale!r} is neither "head" nor "model".')
        self.attention = RoPEMHA(embed_dim=d_model, num_heads=nhead, dropout=dropout)
        scaled_by = self.attention.head_dim if scale == "head" else d_model
        self.attention.scale = 1 / math.sqrt(scaled_by)
        self._sinusoids = None

    def mix(self, x, padding_mask, chunks):
        hidden, padding_mask = self._masks(x, padding_mask, chunks)
        q, k, v = _project_heads(self.attention, x)
        positions = slice(x.shape[1])
        q, k = self._rotate(q, positions, x.shape[1]), self._rotate(k, positions, x.shape[1])
        return self._attend(q, k, v, visible_keys(hidden, padding_mask, padding_mask))

    def initial_state(self, batch_size, chunks):
        att = self.attention
        past = att.in_proj_weight.new_zeros(batch_size, 0, 2, att.num_heads, att.head_dim)
        return AttentionState(past, chunks.left_context_size_frames())

    def stream(self, x, state):
        q, k, v = _project_heads(self.attention, x)
        # Keys are kept unrotated: only distances matter, so positions restart at the oldest frame kept.
        seen = state.extend(torch.stack([k, v], dim=2).permute(0, 3, 2, 1, 4))
        k, v = seen.permute(2, 0, 3, 1, 4)
        past, stop = k.shape[2] - x.shape[1], k.shape[2]
        return self._attend(self._rotate(q, slice(past, stop), stop), self._rotate(k, slice(stop), stop), v, None)

    def _attend(self, q, k, v, visible):
        att = self.attention
        dropout = att.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible, dropout_p=dropout, scale=att.scale)
        return att.out_proj(mixed.transpose(1, 2).flatten(-2))

    def _rotate(self, heads, positions, stop):
        """Rotate (B, H, T, D / H) by positions, a slice or a (T,) tensor, all of them below ``stop``."""
        table = self._sinusoids
        if table is None or table[0] != (heads.dtype, heads.device) or table[1].max_length < stop:
            # Grown in powers of two, so that ever longer inputs do not rebuild it every time.
            length = 2 ** math.ceil(math.log2(max(stop, 2)))
            with torch.inference_mode(False):  # a table made in inference mode could not train afterwards
                # float64: a float32 angle is off by 3e-5 at frame 1000, 3e-3 at an hour.
                built = PrecomputedRoPESinusoids(length, heads.shape[-1], torch.float64, "cpu").to(heads)
            self._sinusoids = table = ((heads.dtype, heads.device), built)
        cos, sin = table[1].cosines[positions], table[1].sines[positions]
        return heads * cos + heads[..., table[1].index_swap] * sin
