"""SummaryMixing written directly from its formula, with which the speed of the fast code is compared."""

import torch

from summarymixing.mixers.base import Mixer


class PlainSummaryMixing(Mixer):
    """SummaryMixing in its plain formulation, sharing the parameters of a `SummaryMixing`.

    Heads are an einsum; the summary is repeated T times and concatenated with f(x) before one dense combiner; under
    chunks the mean is a T x T matrix with normalised rows; padding is multiplied by a mask. Output and gradients
    are those of the mixer that it takes.

    Parameters
    ----------
    mixer : summarymixing.mixers.SummaryMixing
        Its ``summary`` is the mean; the parameters are shared, not copied.

    Examples
    --------
    >>> from summarymixing.mixers import SummaryMixing
    >>> mixer, x = SummaryMixing(8, nhead=2), torch.rand(2, 5, 8)
    >>> torch.allclose(PlainSummaryMixing(mixer)(x), mixer(x), atol=1e-6)
    True
    """

    def __init__(self, mixer):
        super().__init__(mixer.d_model)
        if mixer.summary != "mean":
            raise ValueError(f"summary={mixer.summary!r}: the plain formulation knows the mean only.")
        self.local_proj, self.summary_proj = mixer.local_proj, mixer.summary_proj
        self.local_norm, self.summary_norm = mixer.local_norm, mixer.summary_norm
        self.dropout, self.combiner, self.activation = mixer.dropout, mixer.combiner, mixer.activation

    def forward(self, x, padding_mask=None, chunks=None):
        """(B, T, D) -> (B, T, D); arguments as in `summarymixing.mixers.Mixer`."""
        mask = None if padding_mask is None else (~padding_mask).unsqueeze(-1).to(x.dtype)  # (B, T, 1)
        local, s = (self._mlp(projection, x) for projection in (self.local_proj, self.summary_proj))
        if mask is not None:
            local, s = local * mask, s * mask
        if chunks is None:
            total = s.sum(1) / (x.shape[1] if mask is None else mask.sum(1).clamp(min=1))
            summary = self.summary_norm(total).unsqueeze(1).repeat(1, x.shape[1], 1)
        else:
            summary = self.summary_norm(self._chunk_matrix(x, mask, chunks) @ s)
        combined = torch.cat([self.local_norm(local), summary], dim=-1)
        y = self.activation(self.combiner(self.dropout(combined)))
        return y if mask is None else y * mask

    def _mlp(self, projection, x):
        layers = list(projection)
        for linear, activation in zip(layers[::2], layers[1::2], strict=True):
            heads = x.unflatten(-1, (linear.nhead, -1))
            x = activation(torch.einsum("bthi,hoi->btho", heads, linear.weight).flatten(-2) + linear.bias)
        return x

    def _chunk_matrix(self, x, mask, chunks):
        """The weights of the mean that each frame takes, (T, T), or (B, T, T) with padding."""
        chunk = torch.arange(x.shape[1], device=x.device) // chunks.chunk_size
        visible = chunk[None, :] <= chunk[:, None]
        if chunks.left_context_size is not None:
            visible &= chunk[None, :] >= chunk[:, None] - chunks.left_context_size
        weights = visible.to(x.dtype)
        if mask is not None:
            weights = weights * mask.transpose(1, 2)
        return weights.div_(weights.sum(-1, keepdim=True).clamp(min=1))  # in place: it is T x T
