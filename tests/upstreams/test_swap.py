"""Mixers swapped into trained encoders: this package's, SpeechBrain's and Hugging Face's."""

from functools import partial

import pytest
import torch
from speechbrain.lobes.models.transformer.Branchformer import BranchformerEncoder
from speechbrain.lobes.models.transformer.Conformer import ConformerEncoder
from speechbrain.lobes.models.transformer.Transformer import TransformerEncoder
from torch import nn
from torch.testing import assert_close

from summarymixing import lobes
from summarymixing.mixers import RoPEAttention, SummaryMixing, WindowedSummaryMixing
from summarymixing.mixers.base import Mixer
from summarymixing.upstreams import HuggingFaceUpstream, mixer_factory, replace_mixers, restore_mixers, save_swapped
from summarymixing.upstreams.swap import chosen_layers, encoder_layers, padding_of, swapped_mixers
from summarymixing.utils.errors import InputError

SAMPLES = (16000, 11200, 5600)
WAVS = 0.1 * torch.randn(3, 16000, generator=torch.Generator().manual_seed(1))
LENGTHS = torch.tensor(SAMPLES) / 16000
WINDOWED = {"mixer": "summarymixing.mixers.WindowedSummaryMixing", "nhead": 2, "half_width": 2}
#: Swapped layers, and which of them may be told apart: WavLM's first layer computes the bias of all.
LAYERS = ["last 2", [0], "all"]


class Witness(Mixer):
    """Remembers what it was given."""

    def mix(self, x, padding_mask, chunks):
        self.padding_mask = padding_mask
        return x


@pytest.mark.parametrize("layers", LAYERS, ids=str)
def test_alone_equals_in_batch_and_swapping_back_is_exact(make, family, layers):
    upstream = make(family)
    before, _ = upstream(WAVS.clone(), LENGTHS)
    replaced = replace_mixers(upstream.model, layers, mixer_factory(WINDOWED))
    assert list(replaced) == list(swapped_mixers(upstream.model)) == chosen_layers(layers, 3)
    states, counts = upstream(WAVS.clone(), LENGTHS)
    first = min(replaced)
    assert all(torch.equal(one, other) for one, other in zip(states[: first + 1], before, strict=False))
    assert (states[first + 1] - before[first + 1]).abs().mean() > 1e-3
    for row, samples in enumerate(SAMPLES):
        for one, other in zip(upstream(WAVS[row : row + 1, :samples].clone())[0], states, strict=True):
            assert_close(one[0], other[row, : counts[row]], rtol=0, atol=1e-4)
    restore_mixers(upstream.model, replaced)
    assert all(torch.equal(one, other) for one, other in zip(upstream(WAVS.clone(), LENGTHS)[0], before, strict=True))


def test_wavlm_without_attention_has_no_bias_of_positions(make):
    """It is (T, T) for each head; with one layer of attention left, it is there again."""
    upstream = make("wavlm")
    torch.manual_seed(3)
    replaced = replace_mixers(upstream.model, [0, 1], partial(SummaryMixing, nhead=2))
    expected, _ = upstream(WAVS.clone(), LENGTHS)
    replaced |= replace_mixers(upstream.model, [2], partial(SummaryMixing, nhead=2))
    seen = []
    for layer in upstream.model.encoder.layers:
        layer.attention.register_forward_hook(lambda _, args, output: seen.append(output[2]))
    upstream(WAVS.clone(), LENGTHS)
    assert seen == [None] * 3
    restore_mixers(upstream.model, {2: replaced[2]})
    for one, other in zip(upstream(WAVS.clone(), LENGTHS)[0], expected, strict=True):
        assert torch.equal(one, other)


def test_padding_reaches_the_mixer_as_padding(make, family):
    upstream = make(family)
    upstream.one_by_one = False
    replace_mixers(upstream.model, "all", Witness)
    _, counts = upstream(WAVS.clone(), LENGTHS)
    for mixer in swapped_mixers(upstream.model).values():
        found = (~mixer.padding_mask).sum(1)
        if family == "sew":
            assert ((found - counts / 2).abs() <= 1).all()  # versions round differently
        else:
            assert torch.equal(found, counts)


def test_what_is_written_is_loaded_by_path(make, family, tmp_path):
    upstream = make(family)
    replace_mixers(upstream.model, "last 2", mixer_factory(WINDOWED))
    for mixer in swapped_mixers(upstream.model).values():
        nn.init.normal_(mixer.combiner.weight, std=0.3)
    expected, _ = upstream(WAVS.clone(), LENGTHS)
    save_swapped(upstream.model, tmp_path, WINDOWED, upstream.extractor)
    states, _ = HuggingFaceUpstream(tmp_path)(WAVS.clone(), LENGTHS)
    for one, other in zip(states, expected, strict=True):
        assert_close(one, other, rtol=0, atol=1e-5)
    assert not hasattr(upstream.model.config, "summarymixing")  # swapped back, it can be saved as what it was
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match="model.safetensors"):
        HuggingFaceUpstream(tmp_path)


@pytest.mark.parametrize("family", ["wav2vec2-large", "wavlm", "whisper"], indirect=True)
def test_gradient_checkpointing_gives_the_same_gradients(make, family):
    gradients = []
    for checkpointing in (False, True):
        upstream = make(family, frozen=False)
        torch.manual_seed(3)
        replace_mixers(upstream.model, "last 2", partial(SummaryMixing, nhead=2))
        if checkpointing:
            upstream.model.gradient_checkpointing_enable()
        upstream.train()
        for module in upstream.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        options = upstream.model.config
        for name in ("attention_dropout", "hidden_dropout", "activation_dropout", "dropout"):
            setattr(options, name, 0.0)
        upstream(WAVS.clone(), LENGTHS)[0][-1].square().mean().backward()
        mixer = swapped_mixers(upstream.model)[1]
        gradients.append(mixer.combiner.weight.grad)
    assert gradients[0].abs().max() > 0
    assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-7)


def test_device_type_and_mode_are_those_of_what_is_replaced(make):
    upstream = make("hubert").bfloat16()
    replace_mixers(upstream.model, [1], SummaryMixing)
    mixer = swapped_mixers(upstream.model)[1]
    assert {parameter.dtype for parameter in mixer.parameters()} == {torch.bfloat16} and not mixer.training


SPEECHBRAIN = {
    "conformer": lambda: ConformerEncoder(2, 16, 32, 2, kernel_size=3, attention_type="regularMHA"),
    "branchformer": lambda: BranchformerEncoder(
        2, 16, 2, kernel_size=3, csgu_linear_units=32, attention_type="regularMHA"
    ),
    "transformer": lambda: TransformerEncoder(2, 2, 32, d_model=16),
}


@pytest.mark.parametrize("name", SPEECHBRAIN)
@torch.no_grad()
def test_speechbrains_encoders(name):
    encoder = SPEECHBRAIN[name]().eval()
    x, padding = torch.randn(2, 9, 16), torch.arange(9) >= torch.tensor([[9], [5]])
    before = encoder(x, src_key_padding_mask=padding)[0]
    replaced = replace_mixers(encoder, "all", Witness)
    assert encoder(x, src_key_padding_mask=padding)[0].shape == before.shape
    assert all(torch.equal(mixer.padding_mask, padding) for mixer in swapped_mixers(encoder).values())
    restore_mixers(encoder, replaced)
    assert torch.equal(encoder(x, src_key_padding_mask=padding)[0], before)


@torch.no_grad()
def test_this_packages_models_at_any_depth():
    front_end, encoder = lobes.ConvolutionalFrontEnd(80, channels=[4, 4]), lobes.ConformerEncoder(2, 16, 32)
    speech = lobes.SpeechEncoder(lobes.LogMel(), lobes.GlobalNormalization(80), front_end, encoder)
    model = lobes.CTCModel(speech, 5).eval()
    layers, name = encoder_layers(model)
    assert name == "mixer" and list(swapped_mixers(model)) == list(range(len(layers)))
    before = model(WAVS, LENGTHS)[0]
    replaced = replace_mixers(model, "last 1", partial(RoPEAttention, nhead=2))
    assert isinstance(layers[-1].mixer, RoPEAttention) and not torch.equal(model(WAVS, LENGTHS)[0], before)
    # Another swap of the same layer, and both back.
    restore_mixers(model, {**replace_mixers(model, "all", WindowedSummaryMixing), **replaced})
    assert torch.equal(model(WAVS, LENGTHS)[0], before)


def test_what_cannot_be_swapped_is_named():
    with pytest.raises(InputError, match="Linear has no encoder whose layers have one of mixer"):
        replace_mixers(nn.Linear(2, 2), "all", SummaryMixing)
    encoder = lobes.ConformerEncoder(2, 16, 32)
    with pytest.raises(InputError, match="encoders at 0.layers, 1.layers; give the encoder itself"):
        replace_mixers(nn.Sequential(encoder, lobes.ConformerEncoder(2, 16, 32)), "all", SummaryMixing)
    assert chosen_layers("0 11", 12) == chosen_layers("[0, -1]", 12) == chosen_layers([11, 0], 12) == [0, 11]
    for layers, message in ((["0"], "none of 'all'"), ("last", "none of"), ("[2]", "has 2"), ("last 3", "has 2")):
        with pytest.raises(InputError, match=message):
            replace_mixers(encoder, layers, SummaryMixing)
    with pytest.raises(InputError, match="the mixer to swap in is a Linear"):
        replace_mixers(encoder, "all", lambda size: nn.Linear(size, size))
    with pytest.raises(InputError, match="no.such.Mixer: no such class"):
        mixer_factory({"mixer": "no.such.Mixer"})
    with pytest.raises(ValueError, match="a mask of another form"):
        padding_of(torch.zeros(1, 3, 3), torch.zeros(1, 3, 4))
