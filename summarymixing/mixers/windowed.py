"""Windowed SummaryMixing (2602.09043): a local summary beside the global one."""

from dataclasses import dataclass

import torch
from torch import nn

from summarymixing.mixers.summary import SummaryMixing, SummaryState
from summarymixing.ops import means


@dataclass
class WindowedState:
    """A stream's global summary state, and the frames of s(x) that later windows still reach."""

    summary: SummaryState
    frames: torch.Tensor


class WindowedSummaryMixing(SummaryMixing):
    """Windowed SummaryMixing: ``h_t = c([f(x_t); n_t; s_bar])``, n_t the mean of s over [t - w, t + w].

    The abstract of 2602.09043 adds neighbourhood summaries beside the global one; this combiner is our reading of
    it. Prefix sums make the cost independent of the window.

    Parameters
    ----------
    d_model : int
        Features D in and out.
    half_width : int
        w, in frames to each side (a frame of the ASR encoders is 40 ms).
    **kwargs
        As in :class:`~summarymixing.mixers.summary.SummaryMixing`, except that ``summary`` is the mean.

    Examples
    --------
    >>> WindowedSummaryMixing(64, half_width=10)(torch.rand(2, 50, 64)).shape
    torch.Size([2, 50, 64])
    """

    def __init__(self, d_model, half_width=25, **kwargs):
        if kwargs.get("summary", "mean") != "mean":
            raise ValueError("WindowedSummaryMixing's global summary is the mean; leave `summary` out.")
        if half_width < 0:
            raise ValueError(f"half_width={half_width} must be 0 or more frames.")
        super().__init__(d_model, **kwargs)
        self.half_width = half_width
        use_layernorm = isinstance(self.summary_norm, nn.LayerNorm)
        self.window_norm = nn.LayerNorm(self.summary_size) if use_layernorm else nn.Identity()

    def combined_sizes(self):
        return [self.local_size, self.summary_size, self.summary_size]

    def mix(self, x, padding_mask, chunks):
        local, s = self.project(x)
        window = means.window_mean(s, self.half_width, padding_mask, chunks)
        window = self.dropout(self.window_norm(window))
        return self.combine(local, [window, self.summarise(s, padding_mask, chunks)], chunks)

    def initial_state(self, batch_size, chunks):
        summary = super().initial_state(batch_size, chunks)
        weight = self.combiner.weight
        frames = weight.new_zeros(batch_size, 0, self.summary_size)
        return WindowedState(summary, frames)

    def stream(self, x, state):
        local, s = self.project(x)
        reachable = torch.cat([state.frames, s], dim=1)
        window = means.window_mean(reachable, self.half_width)[:, state.frames.shape[1] :]
        left_context = state.summary.chunks.left_context_size_frames()
        reach = self.half_width if left_context is None else min(self.half_width, left_context)
        state.frames = reachable[:, max(0, reachable.shape[1] - reach) :].clone()
        summary = self.dropout(self.summary_norm(state.summary.update(s)))
        return self.combine(local, [self.dropout(self.window_norm(window)), summary])
