"""With SEW's weights the squeezed encoder gives what Hugging Face's SEW gives."""

import pytest
import torch
from torch import nn

from summarymixing.lobes import SqueezedEncoder

transformers = pytest.importorskip("transformers", reason="Hugging Face's SEW: pip install transformers")
D, LAYERS = 32, 2


class Layers(nn.Module):
    """Hugging Face's own layers behind the LayerNorm of a post-norm model, as an encoder of ours."""

    output_hidden_states = False

    def __init__(self, sew):
        super().__init__()
        self.d_model, self.norm, self.layers = D, sew.layer_norm, sew.layers

    def encode(self, x, padding_mask=None, chunks=None):
        hidden = None
        if padding_mask is not None:
            lowest = torch.finfo(x.dtype).min
            hidden = torch.zeros_like(padding_mask, dtype=x.dtype).masked_fill(padding_mask, lowest)[:, None, None]
            hidden = hidden.expand(-1, 1, x.shape[1], -1)
        states = [self.norm(x)]
        for layer in self.layers:
            output = layer(states[-1], attention_mask=hidden)
            states.append(output[0] if isinstance(output, tuple) else output)  # differs between versions
        return states[-1], states


def pair(factor):
    """Hugging Face's encoder with random weights, and ours with the same."""
    from transformers.models.sew.modeling_sew import SEWEncoder

    torch.manual_seed(0)
    config = transformers.SEWConfig(
        hidden_size=D,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=48,
        squeeze_factor=factor,
        num_conv_pos_embeddings=31,
        num_conv_pos_embedding_groups=16,
        attn_implementation="eager",
    )
    theirs = SEWEncoder(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    ours = SqueezedEncoder(Layers(theirs), factor, kernel_size=31, groups=16, positions=factor).eval()
    ours.positions.load_state_dict(theirs.pos_conv_embed.conv.state_dict())
    up = theirs.upsample.projection
    ours.upsampling.load_state_dict({"weight": up.weight.view(factor, D, D), "bias": up.bias.view(factor, D)})
    return ours, theirs


@torch.no_grad()
@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("windows", [1, 5, 40])
def test_equals_sew(factor, windows):
    ours, theirs = pair(factor)
    x = torch.randn(2, windows * factor, D)
    expected = theirs(x.clone()).last_hidden_state
    assert expected.abs().mean() > 0.1
    torch.testing.assert_close(ours(x)[0], expected, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("factor", [2, 3])
def test_equals_sew_in_a_padded_batch(factor):
    """At lengths that the factor divides; SEW leaves the tail of any other at zero."""
    ours, theirs = pair(factor)
    counts = torch.tensor([20, 12, 3]) * factor
    x = torch.randn(3, 20 * factor, D)
    real = torch.arange(20 * factor) < counts[:, None]
    expected = theirs(x.clone(), attention_mask=real).last_hidden_state
    actual, _ = ours(x, src_key_padding_mask=~real)
    torch.testing.assert_close(actual[real], expected[real], rtol=0, atol=1e-5)
