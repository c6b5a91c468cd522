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
    """What a summary must remember of a stream: sums over past chunks, never frames.

    With all of the past visible that is one (decayed) sum, with a left context of L chunks the last L. Its size
    does not depend on how long the stream has run.

    Parameters
    ----------
    batch_size, size : int
        Streams, features of the summary.
    chunks : DynChunkTrainConfig
        Chunk size in frames, left context in chunks or None.
    decay : float, optional
        Weight lost per frame of distance; None for the plain mean.
    device : torch.device, optional
        Where the sums live.
    """

    def __init__(self, batch_size, size, chunks, decay=None, device=None):
        self.chunks = chunks
        self.decay = decay
        slots = 1 if chunks.left_context_size is None else chunks.left_context_size
        # float64: a sum over hours of frames must still feel one more chunk.
        self.sums = torch.zeros(batch_size, slots, size + 1, dtype=torch.float64, device=device)

    def update(self, s):
        """Take in one chunk and return its summary.

        Parameters
        ----------
        s : torch.Tensor
            (B, C, S).

        Returns
        -------
        torch.Tensor
            (B, 1, S) for the mean, which all frames of the chunk share; (B, C, S) with decay.
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
        """Decayed sum over the remembered chunks, as of the last frame before the current chunk; (B, S + 1)."""
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

    f and s are MLPs with the activation after every layer; c is one dense linear layer and the activation. The
    combiner never repeats the summary T times: ``W [f; s_bar] = W_f f + W_s s_bar``, the second product once an
    utterance (once a chunk under ``chunks``).

    Parameters
    ----------
    d_model : int
        Features D in and out.
    nhead : int
        Blocks of the block-diagonal projections f and s. 1 is faster and larger; c is dense always.
    local_proj_hid_dim : list of int, optional
        Hidden sizes of f; default ``[d_model]``, ``[]`` for one linear layer as in the paper's text.
    local_proj_out_dim : int, optional
        Output size of f; default ``d_model``.
    summary_hid_dim, summary_out_dim : optional
        The same for s.
    activation : type
        Activation class: GELU or Swish in the published settings.
    dropout : float
        On both halves of the combiner's input. On the summary one mask is drawn for all the frames that share it
        (a utterance, or a chunk), on f(x_t) one a frame.
    use_layernorm : bool
        LayerNorm on f(x_t) and on the summary.
    summary : str
        "mean" (the paper); "decay", weights ``decay ** |t - u|`` with normalised rows; "causal", the running mean.
    decay : float
        Weight lost per frame of distance, for ``summary="decay"``.

    Raises
    ------
    ValueError
        For an unknown ``summary``, or sizes that ``nhead`` does not divide.

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
        """Make f and s."""
        local_hidden = [self.d_model] if local_hidden is None else local_hidden
        self.local_proj = projection(self.d_model, local_hidden, self.local_size, nhead, activation)
        self.summary_proj = self._summary_projection(nhead, summary_hidden, activation)

    def _summary_projection(self, nhead, hidden, activation):
        hidden = [self.d_model] if hidden is None else hidden
        return projection(self.d_model, hidden, self.summary_size, nhead, activation)

    def build_combiner(self, activation):
        """Make c; its one weight holds W_f and W_s side by side."""
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
        """The summary of each utterance (B, 1, S), chunk (B, K, S) or frame (B, T, S)."""
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

        The last part has the fewest rows, so that it carries the bias: once a summary, not once a frame.
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
        (B, T, D), changed.
    summary : torch.Tensor
        (B, T, D) a frame, (B, 1, D) an utterance, or (B, K, D) a chunk.
    chunks : DynChunkTrainConfig, optional
        Tells the chunk size in the last case.
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
    """SummaryMixing-lite (2307.07421): the summary alone, ``h_t = s_bar``; no f and no c.

    Made for Branchformer, whose cgMLP branch plays f and whose merge MLP plays c.

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
        """There is none."""

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
        As in :class:`SummaryMixing`. With several heads each head's output is cut in its two halves.
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
