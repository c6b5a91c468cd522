"""Windowed SummaryMixing (2602.09043): a local summary beside the global one."""

from dataclasses import dataclass

import torch
from torch import nn

from summarymixing.mixers.summary import SummaryMixing, SummaryState
from summarymixing.ops import means


@dataclass
class WindowedState:
    """A stream's global summary state, and the projected frames that later windows still reach."""

    summary: SummaryState
    frames: torch.Tensor


class WindowedSummaryMixing(SummaryMixing):
    """Windowed SummaryMixing: ``h_t = c([f(x_t); n_t; s_bar])``, n_t the mean of s over [t - k, t + k].

    The mean of the neighbourhood (2602.09043, eq. 3) is a third input of the combiner (eq. 4). The paper fixes k = 5
    at frames of 20 ms; it leaves open whether both summaries come from one network, and what a window is divided by
    where the utterance ends. Neither the window nor its width changes the order of the cost, O(T).

    Parameters
    ----------
    d_model : int
        Features D in and out.
    half_width : int
        k, in frames to each side: 5 frames of 20 ms are 0.1 s.
    edge : str
        The divisor of a window that the end of the utterance cuts off: "count", the frames that are left of it;
        "paper", 2k + 1 as eq. 3 has it for all frames.
    shared_summary : bool
        One network s for both summaries. If not, the window has one of its own, with the sizes of s.
    **kwargs
        As in :class:`~summarymixing.mixers.summary.SummaryMixing`, except that ``summary`` is the mean.

    Raises
    ------
    ValueError
        For a negative ``half_width``, an unknown ``edge``, or a ``summary`` other than the mean.

    Examples
    --------
    >>> WindowedSummaryMixing(64, half_width=10)(torch.rand(2, 50, 64)).shape
    torch.Size([2, 50, 64])
    """

    def __init__(self, d_model, half_width=5, edge="count", shared_summary=True, **kwargs):
        if kwargs.get("summary", "mean") != "mean":
            raise ValueError("WindowedSummaryMixing's global summary is the mean; leave `summary` out.")
        if half_width < 0:
            raise ValueError(f"half_width={half_width} must be 0 or more frames.")
        if edge not in means.EDGES:
            raise ValueError(f"edge={edge!r} is not one of {', '.join(means.EDGES)}.")
        self._shared_summary = shared_summary  # a plain value: build_projections runs before nn.Module is set up
        super().__init__(d_model, **kwargs)
        self.half_width = half_width
        self.edge = edge
        use_layernorm = isinstance(self.summary_norm, nn.LayerNorm)
        self.window_norm = nn.LayerNorm(self.summary_size) if use_layernorm else nn.Identity()

    def build_projections(self, nhead, local_hidden, summary_hidden, activation):
        super().build_projections(nhead, local_hidden, summary_hidden, activation)
        own = not self._shared_summary
        self.window_proj = self._summary_projection(nhead, summary_hidden, activation) if own else None

    def combined_sizes(self):
        return [self.local_size, self.summary_size, self.summary_size]

    def mix(self, x, padding_mask, chunks):
        local, s = self.project(x)
        window = self.summarise_window(self._near(x, s), padding_mask, chunks)
        return self.combine(local, [window, self.summarise(s, padding_mask, chunks)], chunks)

    def _near(self, x, s):
        """What the window's mean is taken of, (B, T, S)."""
        return s if self.window_proj is None else self.window_proj(x)

    def summarise_window(self, near, padding_mask=None, chunks=None):
        """The normalised mean around each frame, (B, T, S), with dropout."""
        window = means.window_mean(near, self.half_width, padding_mask, chunks, self.edge)
        return self.dropout(self.window_norm(window))

    def initial_state(self, batch_size, chunks):
        summary = super().initial_state(batch_size, chunks)
        weight = self.combiner.weight
        frames = weight.new_zeros(batch_size, 0, self.summary_size)
        return WindowedState(summary, frames)

    def stream(self, x, state):
        local, s = self.project(x)
        reachable = torch.cat([state.frames, self._near(x, s)], dim=1)
        window = self.summarise_window(reachable)[:, state.frames.shape[1] :]
        left_context = state.summary.chunks.left_context_size_frames()
        reach = self.half_width if left_context is None else min(self.half_width, left_context)
        state.frames = reachable[:, max(0, reachable.shape[1] - reach) :].clone()
        summary = self.dropout(self.summary_norm(state.summary.update(s)))
        return self.combine(local, [window, summary])
