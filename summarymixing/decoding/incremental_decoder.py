"""A Transformer decoder that is called with one token at a time, as beam search does."""

import torch
import torch.nn.functional as F
from speechbrain.lobes.models.transformer.Transformer import get_lookahead_mask

from summarymixing.ops.masks import padding_mask_from_counts


class IncrementalDecoder:
    """Computes the states of a :class:`~summarymixing.lobes.TransformerDecoder` after each new token of all hypotheses.

    A decoder that is called with whole prefixes projects all frames for every hypothesis, layer and step. Here the keys
    and values of the frames are projected once per utterance and shared by its hypotheses. Only the new token goes
    through cross-attention and the feed-forward network. There is no dropout: it is for evaluation.

    Parameters
    ----------
    decoder : TransformerDecoder
        The decoder.
    encoded : torch.Tensor
        (B, T, D), the encoder's output.
    frame_counts : torch.Tensor
        (B,) real frames of each utterance.
    beam_size : int
        Hypotheses of each utterance, which are neighbouring rows.

    Examples
    --------
    >>> from summarymixing.lobes import TransformerDecoder
    >>> decoder = TransformerDecoder(30, d_model=64, nhead=4, d_ffn=128, num_layers=1).eval()
    >>> steps = IncrementalDecoder(decoder, torch.rand(2, 50, 64), torch.tensor([50, 20]), beam_size=3)
    >>> states, past = steps.step(torch.ones(6, dtype=torch.long), None)
    >>> states, past = steps.step(torch.randint(3, 30, (6,)), past)
    >>> states.shape
    torch.Size([6, 64])
    """

    def __init__(self, decoder, encoded, frame_counts, beam_size):
        self.decoder = decoder
        self.beam_size = beam_size
        self.layers = decoder.decoder.layers
        padding = padding_mask_from_counts(frame_counts, encoded.shape[1], encoded.device)
        self.seen = None if padding is None else ~padding[:, None, None]  # [B, 1, 1, T]
        self.keys_values = [_keys_values(layer.multihead_attn.att, encoded) for layer in self.layers]

    def step(self, tokens, past):
        """Process one token of each hypothesis.

        Parameters
        ----------
        tokens : torch.Tensor
            (B * beam_size,); at the first step the begin-of-sentence token.
        past : list of torch.Tensor or None
            The list that the step before returned, with rows in the order of the hypotheses; None at the first step.

        Returns
        -------
        torch.Tensor
            States (B * beam_size, D).
        list of torch.Tensor
            For each layer the inputs of self-attention so far, (B * beam_size, tokens, D).
        """
        x = self.decoder.embedding(tokens.unsqueeze(1))
        x = x + self.decoder.positions(x, start=0 if past is None else past[0].shape[1])
        past = past or [x[:, :0]] * len(self.layers)
        # Self-attention (or the Summary Decoder) reads the whole prefix again, which is much shorter than speech.
        read = []
        for layer, before, keys_values in zip(self.layers, past, self.keys_values, strict=True):
            prefix = torch.cat([before, layer.norm1(x)], dim=1)
            read.append(prefix)
            mixed, _ = layer.self_attn(prefix, prefix, prefix, attn_mask=get_lookahead_mask(prefix))
            x = x + mixed[:, -1:]
            x = x + self._attend(layer.multihead_attn.att, layer.norm2(x), *keys_values)
            x = x + layer.pos_ffn(layer.norm3(x))
        return self.decoder.decoder.norm(x)[:, 0], read

    def _attend(self, attention, x, keys, values):
        """Cross-attention of (B * beam_size, 1, D) to the frames of each utterance."""
        size = attention.embed_dim
        queries = F.linear(x, attention.in_proj_weight[:size], attention.in_proj_bias[:size])
        queries = queries.view(-1, self.beam_size, attention.num_heads, attention.head_dim).transpose(1, 2)
        found = F.scaled_dot_product_attention(queries, keys, values, attn_mask=self.seen)  # [B, H, beam, D / H]
        return attention.out_proj(found.transpose(1, 2).reshape(x.shape))


def _keys_values(attention, encoded):
    """Keys and values (B, H, T, D / H) of PyTorch's ``MultiheadAttention``."""
    size = attention.embed_dim
    both = F.linear(encoded, attention.in_proj_weight[size:], attention.in_proj_bias[size:])
    return [half.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2) for half in both.chunk(2, dim=-1)]
