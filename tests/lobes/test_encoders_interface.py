"""What users of SpeechBrain's encoders expect of these."""

import copy

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing import lobes, mixers

ALL = pytest.mark.parametrize("name", ["conformer", "branchformer", "transformer"])
CHUNKS = DynChunkTrainConfig(4, 1)


@ALL
@torch.no_grad()
def test_returns_output_and_a_none_for_each_layer(name, tools):
    x, _ = tools.ragged(9, 9)
    output, attention = tools.Case(name, "mean").make(3)(x)
    assert output.shape == x.shape
    assert attention == [None, None, None]


@ALL
@torch.no_grad()
def test_hidden_states(name, tools):
    encoder = tools.Case(name, "mean").make(3, output_hidden_states=True)
    x, padding_mask = tools.ragged(9, 5)
    output, attention, hidden_states = encoder(x, src_key_padding_mask=padding_mask)
    assert attention == [None, None, None] and len(hidden_states) == 4
    torch.testing.assert_close(hidden_states[0], x.masked_fill(padding_mask.unsqueeze(-1), 0.0))
    for layer, before, after in zip(encoder.layers, hidden_states[:-1], hidden_states[1:], strict=True):
        torch.testing.assert_close(layer(before, padding_mask), after)
    real = ~padding_mask
    torch.testing.assert_close(encoder.norm(hidden_states[-1])[real], output[real])


@ALL
def test_src_mask_is_refused(name, tools):
    encoder = tools.Case(name, "mean").make()
    x, _ = tools.ragged(9)
    with pytest.raises(ValueError, match="src_mask"):
        encoder(x, src_mask=torch.zeros(9, 9, dtype=torch.bool))


@ALL
@torch.no_grad()
def test_pos_embs_are_taken_and_unused(name, tools):
    encoder = tools.Case(name, "mean").make()
    x, _ = tools.ragged(9)
    torch.testing.assert_close(encoder(x, pos_embs=torch.rand(1, 17, tools.D))[0], encoder(x)[0])


@ALL
@torch.no_grad()
def test_layerdrop_in_training_only(name, tools):
    encoder = tools.Case(name, "mean").make(3, layerdrop_prob=0.5)
    whole = tools.Case(name, "mean").make(3)
    x, _ = tools.ragged(9)
    torch.testing.assert_close(encoder(x)[0], whole(x)[0])
    encoder.train()
    outputs = [encoder(x)[0] for _ in range(40)]
    distinct = {round(output.abs().sum().item(), 3) for output in outputs}
    assert 4 <= len(distinct) <= 8  # of the 2 ** 3 ways to keep layers
    assert len(encoder(x)[1]) == 3
    encoder.layerdrop_prob = 1.0
    torch.testing.assert_close(encoder(x)[0], encoder.norm(x))


@ALL
def test_a_dropped_layer_has_gradients_of_zero(name, tools):
    """Processes that drop different layers would wait for each other's for ever."""
    encoder = tools.Case(name, "mean").make(2, layerdrop_prob=1.0).train()
    encoder(tools.ragged(9)[0])[0].sum().backward()
    for parameter in encoder.layers.parameters():
        assert parameter.grad is not None and not parameter.grad.any()


@ALL
@torch.no_grad()
def test_dropout_in_training_only(name, tools):
    encoder = tools.Case(name, "mean").make(dropout=0.3)
    x, _ = tools.ragged(9)
    torch.testing.assert_close(encoder(x)[0], tools.Case(name, "mean").make()(x)[0])
    encoder.train()
    assert not torch.equal(encoder(x)[0], encoder(x)[0])


def test_every_layer_has_its_own_mixer(tools):
    encoder = tools.Case("conformer", "mean").make(3)
    assert len({id(layer.mixer) for layer in encoder.layers}) == 3
    first, second = (layer.mixer.combiner.weight for layer in encoder.layers[:2])
    assert not torch.equal(first, second)


YAML = """
d_model: 16
mixer: !name:summarymixing.mixers.WindowedSummaryMixing {half_width: 5}
conformer: !new:summarymixing.lobes.ConformerEncoder
  num_layers: 2
  d_model: !ref <d_model>
  d_ffn: 24
  mixer: !ref <mixer>
  kernel_size: 5
branchformer: !new:summarymixing.lobes.BranchformerEncoder
  num_layers: 2
  d_model: !ref <d_model>
  csgu_linear_units: 24
  mixer: !ref <mixer>
transformer: !new:summarymixing.lobes.TransformerEncoder
  num_layers: 2
  d_model: !ref <d_model>
  d_ffn: 24
  mixer: !name:summarymixing.mixers.RoPEAttention {nhead: 2}
"""


def test_builds_from_yaml(tools):
    hparams = load_hyperpyyaml(YAML)
    for name in ("conformer", "branchformer"):
        found = [layer.mixer for layer in hparams[name].layers]
        assert [type(mixer) for mixer in found] == [mixers.WindowedSummaryMixing] * 2
        assert [mixer.half_width for mixer in found] == [5, 5]
    assert all(isinstance(layer.mixer, mixers.RoPEAttention) for layer in hparams["transformer"].layers)
    x, _ = tools.ragged(9)
    assert all(hparams[name](x)[0].shape == x.shape for name in ("conformer", "branchformer", "transformer"))


@torch.no_grad()
def test_state_dict_round_trip(case, tmp_path, tools):
    encoder, other = case.make(), case.make()
    for parameter in other.parameters():
        parameter.zero_()
    torch.save(encoder.state_dict(), tmp_path / "encoder.pt")
    other.load_state_dict(torch.load(tmp_path / "encoder.pt", weights_only=True), strict=True)
    x, padding_mask = tools.ragged(9, 5)
    expected = encoder(x, src_key_padding_mask=padding_mask)[0]
    torch.testing.assert_close(other(x, src_key_padding_mask=padding_mask)[0], expected, rtol=0, atol=0)
    copied = copy.deepcopy(encoder)
    torch.testing.assert_close(copied(x, src_key_padding_mask=padding_mask)[0], expected, rtol=0, atol=0)


def test_bfloat16_autocast(case, tools):
    encoder = case.make()
    x, padding_mask = tools.ragged(31, 20)
    chunks = CHUNKS if case.chunkable else None
    expected, _ = encoder(x, src_key_padding_mask=padding_mask, dynchunktrain_config=chunks)
    with torch.autocast("cpu", torch.bfloat16):
        actual, _ = encoder(x, src_key_padding_mask=padding_mask, dynchunktrain_config=chunks)
    assert actual.isfinite().all() and (actual[padding_mask] == 0).all()
    # bfloat16 keeps 8 bits: an error of 0.4 % a rounding, a few of them a layer.
    error = (actual.float() - expected)[~padding_mask].square().mean().sqrt()
    assert 0 < error < 0.05 * expected[~padding_mask].square().mean().sqrt()
    actual.float().square().sum().backward()
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.grad is not None)


@torch.no_grad()
def test_bfloat16_autocast_streaming(chunk_case, tools):
    encoder = chunk_case.make()
    x, _ = tools.ragged(31, 31)
    expected, _ = encoder(x, dynchunktrain_config=CHUNKS)
    with torch.autocast("cpu", torch.bfloat16):
        context = encoder.make_streaming_context(CHUNKS)
        parts = [encoder.forward_streaming(part, context)[0] for part in x.split(4, dim=1)]
    actual = torch.cat(parts, dim=1).float()
    assert actual.isfinite().all()
    assert (actual - expected).square().mean().sqrt() < 0.05 * expected.square().mean().sqrt()


def test_default_mixer_is_summary_mixing():
    encoder = lobes.ConformerEncoder(1, 16, 24)
    assert type(encoder.layers[0].mixer) is mixers.SummaryMixing and encoder.d_model == 16
