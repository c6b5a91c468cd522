"""The distilled start: each mixer learns the output of the attention that it replaces, and nothing else changes."""

from functools import partial

import pytest
import torch
from speechbrain.lobes.models.transformer.Conformer import ConformerEncoder
from torch.testing import assert_close

from summarymixing import lobes
from summarymixing.mixers import RoPEAttention, SummaryMixing, WindowedSummaryMixing
from summarymixing.mixers.base import Mixer
from summarymixing.upstreams import distil_mixers, replace_mixers, restore_mixers, swapped_mixers
from summarymixing.utils.errors import InputError

WAVS = 0.1 * torch.randn(3, 16000, generator=torch.Generator().manual_seed(1))
LENGTHS = torch.tensor([1.0, 0.7, 0.35])


class Scaled(Mixer):
    """Its input times a number: an error that can be computed by hand."""

    def __init__(self, d_model):
        super().__init__(d_model)
        self.scale = torch.nn.Parameter(torch.tensor(0.5))

    def mix(self, x, padding_mask, chunks):
        return self.scale * x


@pytest.mark.slow
def test_mixers_come_nearer_and_nothing_else_changes(make, family):
    upstream = make(family)
    torch.manual_seed(3)
    before, _ = upstream(WAVS.clone(), LENGTHS)
    replaced = replace_mixers(upstream.model, "last 2", WindowedSummaryMixing)
    mixers = swapped_mixers(upstream.model)
    random = [one.clone() for one in upstream(WAVS.clone(), LENGTHS)[0]]
    inside = {id(weight) for mixer in mixers.values() for weight in mixer.parameters()}
    others = {name: weight.clone() for name, weight in upstream.named_parameters() if id(weight) not in inside}
    modes = [module.training for module in upstream.modules()]
    errors = distil_mixers(upstream, replaced, [(WAVS.clone(), LENGTHS)] * 30, lr=3e-3)
    assert list(errors) == [1, 2] and all(len(error) == 30 for error in errors.values())
    assert all(error[-1] < 0.7 * error[0] for error in errors.values())
    assert swapped_mixers(upstream.model) == mixers and [module.training for module in upstream.modules()] == modes
    weights = dict(upstream.named_parameters())
    assert all(torch.equal(weights[name], weight) for name, weight in others.items())
    assert not any(weight.requires_grad or weight.grad is not None for weight in weights.values())  # it is frozen
    after, _ = upstream(WAVS.clone(), LENGTHS)
    assert torch.equal(after[1], before[1])
    # The output of a layer is nearer to the attention's, though the second one hears the first one's.
    for layer in (2, 3):
        assert (after[layer] - before[layer]).norm() < (random[layer] - before[layer]).norm()
    restore_mixers(upstream.model, replaced)
    assert all(torch.equal(one, other) for one, other in zip(upstream(WAVS.clone(), LENGTHS)[0], before, strict=True))


@pytest.mark.parametrize("name", ["ours", "speechbrain"])
def test_the_error_is_that_of_real_frames(name):
    """By hand, of what the attention hears and says, with rubbish in the padding."""
    torch.manual_seed(0)
    if name == "ours":
        encoder, slot = lobes.TransformerEncoder(2, 16, 32, mixer=partial(RoPEAttention, nhead=2)), "mixer"
    else:
        encoder, slot = ConformerEncoder(2, 16, 32, 2, kernel_size=3, attention_type="regularMHA"), "mha_layer"
    padding = torch.arange(9) >= torch.tensor([[9], [5]])
    x = torch.randn(2, 9, 16).masked_fill(padding.unsqueeze(-1), 50.0)
    encoder.eval()
    heard = []
    attention = getattr(encoder.layers[1], slot)
    hook = attention.register_forward_hook(lambda _, args, output: heard.extend((args[0], output)))
    with torch.no_grad():
        encoder(x, src_key_padding_mask=padding)
    hook.remove()
    inputs, output = heard
    target = (output[0] if isinstance(output, tuple) else output)[~padding].double()
    expected = (0.5 * inputs[~padding].double() - target).square().sum() / target.square().sum()

    class Bound(torch.nn.Module):
        """An encoder that is called with frames and their padding alone."""

        def __init__(self):
            super().__init__()
            self.encoder = encoder

        def forward(self, x, padding):
            return encoder(x, src_key_padding_mask=padding)

    replaced = replace_mixers(encoder, [1], Scaled)
    errors = distil_mixers(Bound().train(), replaced, [(x, padding)])
    assert_close(torch.tensor(errors[1][0]), expected.float(), rtol=1e-4, atol=0)
    assert swapped_mixers(encoder)[1].training and encoder.layers[0].training


def test_without_swap_or_audio_there_is_nothing_to_learn():
    encoder = lobes.TransformerEncoder(2, 16, 32, mixer=partial(RoPEAttention, nhead=2))
    with pytest.raises(InputError, match="swap first"):
        distil_mixers(encoder, {}, [(torch.rand(1, 5, 16),)])
    replaced = replace_mixers(encoder, [1], SummaryMixing)
    with pytest.raises(InputError, match="batches: none came"):
        distil_mixers(encoder, replaced, [])
    assert isinstance(encoder.layers[1].mixer, SummaryMixing)
