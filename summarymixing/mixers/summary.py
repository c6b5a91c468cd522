"""SummaryMixing and its published variants: full, lite, fast (2307.07421, 2409.07165)."""

import torch
import torch.nn.functional as F
from torch import nn

from summarymixing.mixers.base import Mixer
from summarymixing.mixers.projection import projection
from summarymixing.ops import means
from summarymixing.ops.running_sums import decayed_sum

SUMMARIES = ("mean", "decay", "causal")


class SummaryState:
    """The streaming state of a summary: sums over past chunks, no frames.

    If all of the past is visible, the state is one (decayed) sum; with a left context of L chunks it is the last L
    sums. Its size does not depend on the length of the stream.

    Parameters
    ----------
    batch_size, size : int
        Number of streams; features S of the summary.
    chunks : DynChunkTrainConfig
        Chunk size in frames, left context in chunks or None for all of the past.
    decay : float, optional
        Factor on the weight per frame of distance; None for the plain mean.
    device : torch.device, optional
        Device of the sums.
    """

    def __init__(self, batch_size, size, chunks, decay=None, device=None):
        self.chunks = chunks
        self.decay = decay
        slots = 1 if chunks.left_context_size is None else chunks.left_context_size
        # float64: one more chunk must still change a sum over hours of frames.
        self.sums = torch.zeros(batch_size, slots, size + 1, dtype=torch.float64, device=device)

    def update(self, s):
        """Add one chunk and return its summary.

        Parameters
        ----------
        s : torch.Tensor
            (B, C, S), the output of the MLP s for the frames of the chunk.

        Returns
        -------
        torch.Tensor
            (B, 1, S) for the plain mean, which all frames of the chunk share; (B, C, S) with decay.
        """
        values = torch.cat([s, torch.ones_like(s[..., :1])], dim=-1).double()  # the last feature counts frames
        if self.decay is None:
            last = values.sum(1)
            total = (self.sums.sum(1) + last).unsqueeze(1)
        else:
            past = decayed_sum(values.unsqueeze(1), self.decay).squeeze(1)
            future = decayed_sum(values.flip(1).unsqueeze(1), self.decay).squeeze(1).flip(1)
            last = past[:, -1]
            steps = torch.arange(1, s.shape[1] + 1, device=s.device, dtype=torch.float64)
            total = past + future - values + (self.decay**steps)[:, None] * self._context().unsqueeze(1)
        self._remember(last)
        return (total[..., :-1] / total[..., -1:]).to(s.dtype)

    def _context(self):
        """Decayed sum over the stored chunks, at the last frame before the current chunk; (B, S + 1)."""
        slots = self.sums.shape[1]
        ages = torch.arange(slots - 1, -1, -1, device=self.sums.device, dtype=torch.float64)
        return ((self.decay**self.chunks.chunk_size) ** ages)[:, None].mul(self.sums).sum(1)

    def _remember(self, last):
        if self.chunks.left_context_size is None:
            kept = 1.0 if self.decay is None else self.decay**self.chunks.chunk_size
            self.sums.mul_(kept).add_(last.unsqueeze(1))
        elif self.chunks.left_context_size > 0:
            self.sums = torch.cat([self.sums[:, 1:], last.unsqueeze(1)], dim=1)


class SummaryMixing(Mixer):
    """SummaryMixing (2307.07421): ``h_t = c([f(x_t); s_bar])`` with ``s_bar = mean_t s(x_t)``, linear in time.

    f and s are MLPs with the activation after every layer; c, the combiner, is one dense linear layer and the
    activation. The combiner never repeats the summary T times: it computes ``W [f; s_bar]`` as ``W_f f + W_s s_bar``,
    with the second product once per utterance (once per chunk if there are ``chunks``).

    Parameters
    ----------
    d_model : int
        Number of features D of input and output.
    nhead : int
        Blocks of the block-diagonal projections f and s. One block is faster and larger. c is always dense.
    local_proj_hid_dim : list of int, optional
        Hidden sizes of f; default ``[d_model]``, ``[]`` for one linear layer as in the paper's text.
    local_proj_out_dim : int, optional
        Output size of f; default ``d_model``.
    summary_hid_dim : list of int, optional
        Hidden sizes of s; default ``[d_model]``.
    summary_out_dim : int, optional
        Output size of s; default ``d_model``.
    activation : type
        Activation class: GELU or Swish in the published settings.
    dropout : float
        Dropout on both halves of the combiner's input. On the summary one mask is drawn for all frames that share it
        (those of an utterance or a chunk), on f(x_t) one mask per frame.
    use_layernorm : bool
        LayerNorm on f(x_t) and on the summary.
    summary : str
        "mean", as in the paper; "decay", a mean with weights ``decay ** |t - u|``; "causal", the running mean.
    decay : float
        Factor on the weight per frame of distance, for ``summary="decay"``.

    Raises
    ------
    ValueError
        If ``summary`` is unknown, or ``nhead`` does not divide a size.

    Examples
    --------
    >>> mixer = SummaryMixing(64, nhead=4, use_layernorm=True)
    >>> mixer(torch.rand(2, 50, 64)).shape
    torch.Size([2, 50, 64])
    """

    def __init__(
        self,
        d_model,
        nhead=1,
        local_proj_hid_dim=None,
        local_proj_out_dim=None,
        summary_hid_dim=None,
        summary_out_dim=None,
        activation=nn.GELU,
        dropout=0.0,
        use_layernorm=False,
        summary="mean",
        decay=0.995,
    ):
        super().__init__(d_model)
        if summary not in SUMMARIES:
            raise ValueError(f"summary={summary!r} is not one of {', '.join(SUMMARIES)}.")
        self.summary = summary
        self.decay = decay
        self.chunkable = summary != "causal"
        self.local_size = d_model if local_proj_out_dim is None else local_proj_out_dim
        self.summary_size = d_model if summary_out_dim is None else summary_out_dim
        self.build_projections(nhead, local_proj_hid_dim, summary_hid_dim, activation)
        norm = nn.LayerNorm if use_layernorm else nn.Identity
        if self.local_size:
            self.local_norm = norm(self.local_size)
        self.summary_norm = norm(self.summary_size)
        self.dropout = nn.Dropout(dropout)
        self.build_combiner(activation)

    def build_projections(self, nhead, local_hidden, summary_hidden, activation):
        """Create f and s."""
        local_hidden = [self.d_model] if local_hidden is None else local_hidden
        self.local_proj = projection(self.d_model, local_hidden, self.local_size, nhead, activation)
        self.summary_proj = self._summary_projection(nhead, summary_hidden, activation)

    def _summary_projection(self, nhead, hidden, activation):
        hidden = [self.d_model] if hidden is None else hidden
        return projection(self.d_model, hidden, self.summary_size, nhead, activation)

    def build_combiner(self, activation):
        """Create c, whose weight holds W_f and W_s side by side."""
        self.combiner = nn.Linear(sum(self.combined_sizes()), self.d_model)
        nn.init.xavier_uniform_(self.combiner.weight)
        nn.init.zeros_(self.combiner.bias)
        self.activation = activation()

    def combined_sizes(self):
        """Sizes of the parts of the combiner's input, in order."""
        return [self.local_size, self.summary_size]

    def project(self, x):
        """f(x) and s(x); (B, T, D) -> (B, T, L), (B, T, S)."""
        return self.local_proj(x), self.summary_proj(x)

    def mix(self, x, padding_mask, chunks):
        local, s = self.project(x)
        return self.combine(local, [self.summarise(s, padding_mask, chunks)], chunks)

    def summarise(self, s, padding_mask, chunks):
        """The summary of each utterance (B, 1, S), of each chunk (B, K, S) or of each frame (B, T, S)."""
        if self.summary == "decay":
            summary = means.decay_mean(s, self.decay, padding_mask, chunks)
        elif self.summary == "causal":
            summary = means.causal_mean(s, padding_mask)
        elif chunks is None:
            summary = means.utterance_mean(s, padding_mask).unsqueeze(1)
        else:
            summary = means.chunk_mean(s, chunks, padding_mask)
        return self.dropout(self.summary_norm(summary))

    def combine(self, local, summary_parts, chunks=None):
        """``c([f; s_bar])`` without the concatenation.

        The bias is added to the last part, which has the fewest rows: once per summary, not once per frame.
        """
        weights = self.combiner.weight.split(self.combined_sizes(), dim=1)
        y = F.linear(self.dropout(self.local_norm(local)), weights[0])
        biases = [None] * (len(summary_parts) - 1) + [self.combiner.bias]
        for summary, weight, bias in zip(summary_parts, weights[1:], biases, strict=True):
            add_summary(y, F.linear(summary, weight, bias), chunks)
        return self.activation(y)

    def initial_state(self, batch_size, chunks):
        if not self.chunkable:
            return super().initial_state(batch_size, chunks)
        decay = self.decay if self.summary == "decay" else None
        device = next(self.parameters()).device
        return SummaryState(batch_size, self.summary_size, chunks, decay, device)

    def stream(self, x, state):
        local, s = self.project(x)
        summary = self.dropout(self.summary_norm(state.update(s)))
        return self.combine(local, [summary])


def add_summary(y, summary, chunks=None):
    """Add each summary in place to the frames that share it, without repeating it.

    Parameters
    ----------
    y : torch.Tensor
        (B, T, D), changed in place.
    summary : torch.Tensor
        (B, T, D), one per frame; (B, 1, D), one per utterance; or (B, K, D), one per chunk.
    chunks : DynChunkTrainConfig, optional
        Gives the chunk size if there is one summary per chunk.
    """
    frames = y.shape[1]
    if chunks is None or summary.shape[1] in (1, frames):
        y.add_(summary)
        return
    full = frames // chunks.chunk_size
    covered = full * chunks.chunk_size
    if full:
        y[:, :covered].unflatten(1, (full, -1)).add_(summary[:, :full].unsqueeze(2))
    if covered < frames:
        y[:, covered:].add_(summary[:, full:])


class SummaryMixingLite(SummaryMixing):
    """SummaryMixing-lite (2307.07421): the summary alone, ``h_t = s_bar``, without f and c.

    It is made for the Branchformer, whose cgMLP branch takes the role of f and whose merge MLP that of c.

    Parameters
    ----------
    d_model, nhead, summary_hid_dim, activation, dropout, use_layernorm, summary, decay
        As in :class:`SummaryMixing`; the summary has ``d_model`` features.

    Examples
    --------
    >>> SummaryMixingLite(64)(torch.rand(2, 50, 64)).shape
    torch.Size([2, 50, 64])
    """

    def __init__(
        self,
        d_model,
        nhead=1,
        summary_hid_dim=None,
        activation=nn.GELU,
        dropout=0.0,
        use_layernorm=False,
        summary="mean",
        decay=0.995,
    ):
        super().__init__(
            d_model,
            nhead=nhead,
            local_proj_out_dim=0,
            summary_hid_dim=summary_hid_dim,
            activation=activation,
            dropout=dropout,
            use_layernorm=use_layernorm,
            summary=summary,
            decay=decay,
        )

    def build_projections(self, nhead, local_hidden, summary_hidden, activation):
        self.summary_proj = self._summary_projection(nhead, summary_hidden, activation)

    def build_combiner(self, activation):
        """Create nothing: the lite mixer has no c."""

    def mix(self, x, padding_mask, chunks):
        summary = self.summarise(self.summary_proj(x), padding_mask, chunks)
        if chunks is not None and summary.shape[1] not in (1, x.shape[1]):
            return summary.repeat_interleave(chunks.chunk_size, dim=1)[:, : x.shape[1]]
        return summary.expand(-1, x.shape[1], -1)

    def stream(self, x, state):
        summary = self.dropout(self.summary_norm(state.update(self.summary_proj(x))))
        return summary.expand(-1, x.shape[1], -1)


class SummaryMixingFast(SummaryMixing):
    """SummaryMixing-fast (2409.07165): f and s are the two halves of one linear layer and its activation.

    Parameters
    ----------
    d_model, nhead, activation, dropout, use_layernorm, summary, decay
        As in :class:`SummaryMixing`. With several heads the output of each head is split in two halves.
    summary_out_dim : int, optional
        Size of each half; default ``d_model``.

    Examples
    --------
    >>> SummaryMixingFast(64)(torch.rand(2, 50, 64)).shape
    torch.Size([2, 50, 64])
    """

    def __init__(
        self,
        d_model,
        nhead=1,
        summary_out_dim=None,
        activation=nn.GELU,
        dropout=0.0,
        use_layernorm=False,
        summary="mean",
        decay=0.995,
    ):
        super().__init__(
            d_model,
            nhead=nhead,
            local_proj_out_dim=summary_out_dim,
            summary_out_dim=summary_out_dim,
            activation=activation,
            dropout=dropout,
            use_layernorm=use_layernorm,
            summary=summary,
            decay=decay,
        )

    def build_projections(self, nhead, local_hidden, summary_hidden, activation):
        self.fused_proj = projection(self.d_model, [], 2 * self.summary_size, nhead, activation)

    def project(self, x):
        halves = self.fused_proj(x).unflatten(-1, (self.fused_proj[0].nhead, 2, -1))
        return halves[..., 0, :].flatten(-2), halves[..., 1, :].flatten(-2)
