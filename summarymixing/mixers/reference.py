"""Every mixer written in the slow, obvious way. Read this module first; tests compare the fast code with it.

The functions take one utterance x (T, D) at a time: no batch, no padding, no streaming, no dropout. A mean over time is
a (T, T) matrix; row t holds the weights that frame t gives to the frames u, and sums to one. Only the weights of the
mixer are shared with the fast code.

With ``chunks`` (SpeechBrain's ``DynChunkTrainConfig``) frame t sees only the frames that :func:`visible` gives.
"""

import math

import torch
import torch.nn.functional as F

from summarymixing import mixers


def visible(num_frames, chunks=None):
    """Which frames u (columns) each frame t (rows) may use.

    Frame t is in chunk k = t // chunk size, and may use all frames of the chunks k - left context to k.

    Parameters
    ----------
    num_frames : int
        T.
    chunks : DynChunkTrainConfig, optional
        Chunk size in frames, left context in chunks or None for all of the past. Without it all frames are visible.

    Returns
    -------
    torch.Tensor
        (T, T) bool.

    Examples
    --------
    >>> from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
    >>> visible(5, DynChunkTrainConfig(chunk_size=2, left_context_size=1)).int()
    tensor([[1, 1, 0, 0, 0],
            [1, 1, 0, 0, 0],
            [1, 1, 1, 1, 0],
            [1, 1, 1, 1, 0],
            [0, 0, 1, 1, 1]], dtype=torch.int32)
    """
    if chunks is None:
        return torch.ones(num_frames, num_frames, dtype=torch.bool)
    left = math.inf if chunks.left_context_size is None else chunks.left_context_size
    frames, size = range(num_frames), chunks.chunk_size
    return torch.tensor([[0 <= t // size - u // size <= left for u in frames] for t in frames])


def distance(num_frames):
    """``|t - u|`` for every pair of frames, (T, T) float64."""
    t = torch.arange(num_frames, dtype=torch.float64)
    return (t[:, None] - t[None, :]).abs()


def normalise(weights):
    """Divide every row of (T, T) weights by its sum, so that each frame takes a mean."""
    return weights / weights.sum(1, keepdim=True)


# The means of ops/means.py. Each returns (T, T) float64 weights; ``weights @ s`` is the mean for every frame.


def utterance_weights(num_frames):
    """The plain mean over all frames."""
    return normalise(torch.ones(num_frames, num_frames, dtype=torch.float64))


def chunk_weights(num_frames, chunks):
    """The mean over the frames that each frame may see.

    Examples
    --------
    >>> from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
    >>> chunk_weights(3, DynChunkTrainConfig(2, 0)).tolist()
    [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    """
    return normalise(visible(num_frames, chunks).double())


def causal_weights(num_frames):
    """The running mean over the frames u <= t."""
    return normalise(torch.ones(num_frames, num_frames, dtype=torch.float64).tril())


def window_weights(num_frames, half_width, chunks=None, edge="count"):
    """The mean over the visible frames at most ``half_width`` away.

    With ``edge="paper"`` every frame has the weight that it has in a complete window, so that the rows at the ends of
    the utterance sum to less than one.

    Examples
    --------
    >>> window_weights(3, 1)[:2].tolist()
    [[0.5, 0.5, 0.0], [0.3333333333333333, 0.3333333333333333, 0.3333333333333333]]
    >>> window_weights(3, 1, edge="paper")[0].tolist()
    [0.3333333333333333, 0.3333333333333333, 0.0]
    """
    near = ((distance(num_frames) <= half_width) & visible(num_frames, chunks)).double()
    return near / (2 * half_width + 1) if edge == "paper" else normalise(near)


def decay_weights(num_frames, decay, chunks=None):
    """The mean over the visible frames, each weighted by ``decay ** |t - u|``.

    Examples
    --------
    >>> decay_weights(2, 0.25).tolist()
    [[0.8, 0.2], [0.2, 0.8]]
    """
    return normalise(decay ** distance(num_frames) * visible(num_frames, chunks))


# The mixers. Each function takes the module, whose weights it uses, and one utterance (T, D); it returns (T, D).


def summary_mixing(mixer, x, chunks=None):
    """SummaryMixing: ``h_t = c([f(x_t); s_bar_t])``."""
    local, s = mlp(mixer.local_proj, x), mlp(mixer.summary_proj, x)
    return combine(mixer, [mixer.local_norm(local), summary(mixer, s, chunks)])


def summary_mixing_lite(mixer, x, chunks=None):
    """SummaryMixing-lite: ``h_t = s_bar_t``."""
    return summary(mixer, mlp(mixer.summary_proj, x), chunks)


def summary_mixing_fast(mixer, x, chunks=None):
    """SummaryMixing-fast: one projection; the first half of each head is f(x_t), the second half s(x_t)."""
    heads = [head.chunk(2, dim=1) for head in mlp(mixer.fused_proj, x).chunk(mixer.fused_proj[0].nhead, dim=1)]
    local, s = (torch.cat(halves, dim=1) for halves in zip(*heads, strict=True))
    return combine(mixer, [mixer.local_norm(local), summary(mixer, s, chunks)])


def windowed_summary_mixing(mixer, x, chunks=None):
    """Windowed SummaryMixing: ``h_t = c([f(x_t); n_t; s_bar_t])``, n_t the mean around t."""
    local, s = mlp(mixer.local_proj, x), mlp(mixer.summary_proj, x)
    near = s if mixer.window_proj is None else mlp(mixer.window_proj, x)
    window = mixer.window_norm(window_weights(len(x), mixer.half_width, chunks, mixer.edge).to(s) @ near)
    return combine(mixer, [mixer.local_norm(local), window, summary(mixer, s, chunks)])


def mlp(projection, x):
    """f or s: linear layers with a block-diagonal matrix, one block per head, and the activation after each of them."""
    for linear, activation in zip(projection[::2], projection[1::2], strict=True):
        x = activation(x @ linear.dense_weight().T + linear.bias)
    return x


def summary(mixer, s, chunks):
    """The summary for every frame, (T, S); T equal rows if all frames see the same frames."""
    if mixer.summary == "decay":
        weights = decay_weights(len(s), mixer.decay, chunks)
    elif mixer.summary == "causal":
        weights = causal_weights(len(s))
    else:
        weights = utterance_weights(len(s)) if chunks is None else chunk_weights(len(s), chunks)
    return mixer.summary_norm(weights.to(s) @ s)


def combine(mixer, parts):
    """c: one dense linear layer on the concatenated parts, and the activation."""
    return mixer.activation(torch.cat(parts, dim=1) @ mixer.combiner.weight.T + mixer.combiner.bias)


def regular_attention(mixer, x, chunks=None):
    """Each frame takes a mean of the values of visible frames, weighted by the softmax of query-key products."""
    attention = mixer.attention.att
    q, k, v = (x @ attention.in_proj_weight.T + attention.in_proj_bias).chunk(3, dim=1)
    size = attention.head_dim
    heads = []
    for qh, kh, vh in zip(q.split(size, dim=1), k.split(size, dim=1), v.split(size, dim=1), strict=True):
        heads.append(attend(qh @ kh.T / math.sqrt(size), vh, chunks))
    return attention.out_proj(torch.cat(heads, dim=1))


def rel_pos_attention(mixer, x, chunks=None):
    """Transformer-XL attention: ``score_tu = ((q_t + a) . k_u + (q_t + b) . W r_|t-u|) / sqrt(D)``.

    r is a sinusoidal embedding of the distance. As in SpeechBrain it does not distinguish before from after, and the
    scale is sqrt(D) of the model, not of a head. a and b are learned, one pair per head.
    """
    attention = mixer.attention
    embeddings = attention.linear_pos(sinusoids(distance(len(x)), x.shape[1]).to(x))  # [T, T, D], one for each pair
    a, b = (bias.reshape(attention.num_heads, -1) for bias in (attention.pos_bias_u, attention.pos_bias_v))
    heads = []
    for h, (q, k, v) in enumerate(query_key_value(attention, x)):
        content = (q + a[h]) @ k.T
        pair = embeddings.unflatten(2, (attention.num_heads, -1))[:, :, h]
        position = torch.einsum("td,tud->tu", q + b[h], pair)
        heads.append(attend((content + position) / math.sqrt(x.shape[1]), v, chunks))
    return attention.out_proj(torch.cat(heads, dim=1))


def rope_attention(mixer, x, chunks=None):
    """Rotary attention: features 2i and 2i + 1 are a complex number, turned by the angle t * 10000^(-2i / d)."""
    attention = mixer.attention
    size = attention.head_dim
    t, i = torch.arange(len(x), dtype=torch.float64), torch.arange(0, size, 2, dtype=torch.float64)
    angle = t[:, None] * 10000 ** (-i / size)
    turn = torch.polar(torch.ones_like(angle), angle).to(x.device, x.dtype.to_complex())
    heads = []
    for q, k, v in query_key_value(attention, x):
        q, k = (torch.view_as_complex(part.reshape(len(x), -1, 2)) * turn for part in (q, k))
        heads.append(attend((q @ k.conj().T).real * attention.scale, v, chunks))
    return attention.out_proj(torch.cat(heads, dim=1))


def pooled_attention(mixer, x, chunks=None):
    """Rotary attention among windows: means of so many frames ask, means of so many others answer.

    A window has the position of its middle frame; with chunks each chunk begins a window.
    """
    attention, size = mixer.attention, mixer.attention.head_dim
    sees = visible(len(x), chunks)
    i = torch.arange(0, size, 2, dtype=torch.float64)

    def windows(factor):
        """The frames of each window."""
        chunk_size = len(x) if chunks is None else chunks.chunk_size
        numbers = [(t // chunk_size, t % chunk_size // factor) for t in range(len(x))]
        return [[t for t in range(len(x)) if numbers[t] == number] for number in dict.fromkeys(numbers)]

    def turned(vectors, each, factor):
        middle = torch.tensor([frames[0] + factor // 2 for frames in each], dtype=torch.float64)
        angle = middle[:, None] * 10000 ** (-i / size)
        turn = torch.polar(torch.ones_like(angle), angle).to(x.device, x.dtype.to_complex())
        return torch.view_as_complex(vectors.reshape(len(each), -1, 2)) * turn

    query_pool, key_pool = mixer.chosen["query_pool"], mixer.chosen["key_pool"]
    asking, answering = windows(query_pool), windows(key_pool)
    pooled = [torch.stack([x[frames].mean(0) for frames in each]) for each in (asking, answering)]
    hidden = torch.tensor([[not sees[a[0], b[0]] for b in answering] for a in asking], device=x.device)
    heads = []
    both = zip(query_key_value(attention, pooled[0]), query_key_value(attention, pooled[1]), strict=True)
    for (q, _, _), (_, k, v) in both:
        scores = (turned(q, asking, query_pool) @ turned(k, answering, key_pool).conj().T).real * attention.scale
        heads.append(torch.softmax(scores.masked_fill(hidden, -torch.inf), dim=1) @ v)
    output = attention.out_proj(torch.cat(heads, dim=1))
    return torch.cat([row.expand(len(frames), -1) for row, frames in zip(output, asking, strict=True)])


def query_key_value(attention, x):
    """(q, k, v) of each head. In SpeechBrain's layout the rows of the weight are ordered by head, then q, k, v."""
    for weight in attention.in_proj_weight.chunk(attention.num_heads):
        yield (x @ weight.T).chunk(3, dim=1)


def attend(scores, values, chunks):
    """Softmax of (T, T) scores over the visible frames, then the mean of the values with these weights."""
    hidden = ~visible(len(values), chunks).to(scores.device)
    return torch.softmax(scores.masked_fill(hidden, -torch.inf), dim=1) @ values


def sinusoids(positions, size):
    """sin and cos of ``positions * 10000^(-2i / size)``, interleaved; (...) -> (..., size)."""
    i = torch.arange(0, size, 2, dtype=torch.float64)
    angle = positions.unsqueeze(-1) * 10000 ** (-i / size)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)


def hyper_mixing(mixer, x, chunks=None):
    """HyperMixing: an MLP over time. Another MLP generates its matrices, (T, hidden), row by row from the frames."""
    mixing = mixer.mixing
    hyper_input = x + sinusoids(torch.arange(len(x)), x.shape[1]).to(x)
    inputs, tokens = hyper_input.chunk(mixing.num_heads, dim=1), x.chunk(mixing.num_heads, dim=1)

    def generated(maker, h):
        hidden = F.gelu(inputs[h] @ maker.fc1_weights[h].T + maker.fc1_biases[h])
        return hidden @ maker.fc2_weights[h].T + maker.fc2_biases[h]

    heads = []
    for h in range(mixing.num_heads):
        w1, w2 = generated(mixing.hyper.w1_gen, h), generated(mixing.hyper.w2_gen, h)
        heads.append(w2 @ F.gelu(w1.T @ tokens[h]))
    return mixing.layer_norm(torch.cat(heads, dim=1))


def fastformer(mixer, x, chunks=None):
    """Fastformer: one global query scales the keys, one global key scales the values, the query is added."""

    def pool(frames, score):
        heads = frames.chunk(mixer.nhead, dim=1)
        weights = torch.softmax(score(frames) / math.sqrt(heads[0].shape[1]), dim=0)  # [T, heads]
        return torch.cat([weights[:, h] @ head for h, head in enumerate(heads)])

    query, key, value = mixer.qkv(x).chunk(3, dim=1)
    key = key * pool(query, mixer.query_score)
    return mixer.out_proj(value * pool(key, mixer.key_score)) + query


def identity(mixer, x, chunks=None):
    """No mixing."""
    return x


REFERENCES = {
    mixers.SummaryMixing: summary_mixing,
    mixers.SummaryMixingLite: summary_mixing_lite,
    mixers.SummaryMixingFast: summary_mixing_fast,
    mixers.WindowedSummaryMixing: windowed_summary_mixing,
    mixers.RegularAttention: regular_attention,
    mixers.RelPosAttention: rel_pos_attention,
    mixers.RoPEAttention: rope_attention,
    mixers.PooledAttention: pooled_attention,
    mixers.HyperMixing: hyper_mixing,
    mixers.Fastformer: fastformer,
    mixers.Identity: identity,
}


def mix(mixer, x, padding_mask=None, chunks=None):
    """What ``mixer(x, padding_mask, chunks)`` must return without dropout.

    Parameters
    ----------
    mixer : summarymixing.mixers.Mixer
        A mixer of this package.
    x : torch.Tensor
        (B, T, D).
    padding_mask : torch.Tensor, optional
        (B, T) bool, True = padding, at the end of each row.
    chunks : DynChunkTrainConfig, optional
        As in :func:`visible`.

    Returns
    -------
    torch.Tensor
        (B, T, D), zero at padding.

    Examples
    --------
    >>> mixer, x = mixers.SummaryMixing(8, nhead=2), torch.rand(2, 3, 8)
    >>> padding_mask = torch.tensor([[False, False, False], [False, True, True]])
    >>> torch.allclose(mix(mixer, x, padding_mask), mixer(x, padding_mask), atol=1e-6)
    True
    """
    rows = []
    for b, utterance in enumerate(x):
        length = x.shape[1] if padding_mask is None else int((~padding_mask[b]).sum())
        real = utterance[:length]
        if length:
            real = REFERENCES[type(mixer)](mixer, real, chunks)
        rows.append(F.pad(real, (0, 0, 0, x.shape[1] - length)))
    return torch.stack(rows)
