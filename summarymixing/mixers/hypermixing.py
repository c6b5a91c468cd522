"""HyperMixing baseline: a token-mixing MLP whose weights a hyper-network makes (2203.03691)."""

from speechbrain.nnet.hypermixing import HyperMixing as SpeechBrainHyperMixing

from summarymixing.mixers.base import Mixer, check_heads
from summarymixing.ops.positions import SinusoidalPositions


class HyperMixing(Mixer):
    """SpeechBrain's HyperMixing without its (B, T, T) dummy attention map and with no maximum length.

    Parameters
    ----------
    d_model, nhead : int
        Features, parallel token-mixing MLPs.
    hypernet_size : int, optional
        Hidden size of the token-mixing MLPs, all heads together; default ``4 * d_model``.

    Examples
    --------
    >>> import torch
    >>> HyperMixing(64, nhead=4)(torch.rand(2, 50, 64)).shape
    torch.Size([2, 50, 64])
    """

    chunkable = False

    def __init__(self, d_model, nhead=8, hypernet_size=None):
        super().__init__(d_model)
        check_heads(d_model, nhead)
        size = 4 * d_model if hypernet_size is None else hypernet_size
        # max_length only sizes the table that is replaced below.
        self.mixing = SpeechBrainHyperMixing(d_model, size, num_heads=nhead, fix_tm_hidden_size=False, max_length=1)
        self.mixing.positional_encoding = SinusoidalPositions(d_model)

    def mix(self, x, padding_mask, chunks):
        # The steps of SpeechBrain's forward, which cannot be called: it allocates (B, T, T) zeros to return.
        mixing, heads = self.mixing, self.mixing.num_heads
        hyper_input = x + mixing.positional_encoding(x)
        w1, w2 = mixing.hyper(hyper_input)  # [B, H, T, hidden / H] each
        if padding_mask is not None:
            padding = padding_mask[:, None, :, None]
            w1, w2 = w1.masked_fill(padding, 0.0), w2.masked_fill(padding, 0.0)
        tokens = x.transpose(1, 2).unflatten(1, (heads, -1)).flatten(0, 1)  # [B H, D / H, T]
        mixed = mixing._mlp_pass_from_components(tokens, w1.flatten(0, 1), w2.flatten(0, 1), mixing.activation)
        return mixing.layer_norm(mixed.unflatten(0, (-1, heads)).flatten(1, 2).transpose(1, 2))
