"""Weights: their initialisation, their shapes, their names."""

import functools
import math

import pytest
import torch
from torch import nn

from summarymixing import mixers
from summarymixing.lobes.encoders.conformer import ConformerEncoder
from summarymixing.mixers.projection import HeadLinear

FAMILY = [
    mixers.SummaryMixing,
    mixers.SummaryMixingLite,
    mixers.SummaryMixingFast,
    mixers.WindowedSummaryMixing,
]


def check_blocks(module):
    """Every block has the standard deviation of its own Xavier fan; returns the number of blocks."""
    blocks = 0
    for layer in module.modules():
        if isinstance(layer, HeadLinear):
            assert (layer.bias == 0).all()
            for block in layer.weight:
                expected = math.sqrt(2 / sum(block.shape))
                assert block.std().item() == pytest.approx(expected, rel=0.05)
                assert block.abs().max() <= math.sqrt(3) * expected
                blocks += 1
    return blocks


def test_eight_heads_of_64():
    layer = HeadLinear(512, 512, nhead=8)
    assert layer.weight.shape == (8, 64, 64)
    for block in layer.weight:
        assert block.std().item() == pytest.approx(0.125, rel=0.05)


@pytest.mark.parametrize("nhead", [1, 4, 8])
@pytest.mark.parametrize("factory", FAMILY)
def test_blocks_are_initialised_for_their_own_fan(factory, nhead):
    mixer = factory(512, nhead=nhead)
    layers = {mixers.SummaryMixingLite: 2, mixers.SummaryMixingFast: 1}.get(factory, 4)
    assert check_blocks(mixer) == layers * nhead


def test_encoder_leaves_initialisation_alone():
    encoder = ConformerEncoder(2, d_model=512, d_ffn=8, mixer=functools.partial(mixers.SummaryMixing, nhead=8))
    assert check_blocks(encoder) == 2 * 4 * 8
    for layer in encoder.layers:
        assert layer.mixer.combiner.weight.std().item() == pytest.approx(math.sqrt(2 / (512 + 1024)), rel=0.02)


@pytest.mark.parametrize(
    ("factory", "columns"),
    [
        (functools.partial(mixers.SummaryMixing, local_proj_out_dim=24, summary_out_dim=8), 24 + 8),
        (functools.partial(mixers.SummaryMixingFast, summary_out_dim=24), 24 + 24),
        (functools.partial(mixers.WindowedSummaryMixing, local_proj_out_dim=24, summary_out_dim=8), 24 + 8 + 8),
    ],
    ids=["full", "fast", "windowed"],
)
def test_combiner_is_one_dense_layer(factory, columns):
    mixer = factory(16, nhead=4)
    shapes = {name: tuple(p.shape) for name, p in mixer.named_parameters() if not name.endswith("proj.0.weight")}
    assert shapes["combiner.weight"] == (16, columns)
    assert shapes["combiner.bias"] == (16,)
    assert [name for name in shapes if name.startswith("combiner")] == ["combiner.weight", "combiner.bias"]


def test_projections_end_with_the_activation():
    """The reference walks through the layers as they are, so what they are needs a test of its own."""
    mixer = mixers.SummaryMixing(16, local_proj_hid_dim=[24, 8], summary_hid_dim=[], activation=nn.SiLU)
    assert [type(layer) for layer in mixer.local_proj] == [HeadLinear, nn.SiLU] * 3
    assert [type(layer) for layer in mixer.summary_proj] == [HeadLinear, nn.SiLU]
    assert [type(layer) for layer in mixers.SummaryMixingFast(16).fused_proj] == [HeadLinear, nn.GELU]
    assert isinstance(mixer.activation, nn.SiLU)
    default = mixers.SummaryMixing(16)
    for projection in (default.local_proj, default.summary_proj):
        assert [type(layer) for layer in projection] == [HeadLinear, nn.GELU] * 2
        assert [layer.weight.shape for layer in projection[::2]] == [(1, 16, 16)] * 2


PROJECTIONS = [f"{name}.{layer}.{part}" for name in ("local_proj", "summary_proj") for layer in (0, 2) for part in "wb"]
NORMS = [f"{name}.{part}" for name in ("local_norm", "summary_norm") for part in "wb"]
COMBINER = ["combiner.w", "combiner.b"]
ATTENTION = ["attention.in_proj_weight", "attention.out_proj.weight", "attention.out_proj.bias"]


@pytest.mark.parametrize(
    ("mixer", "keys"),
    [
        (mixers.SummaryMixing(8), PROJECTIONS + COMBINER),
        (mixers.SummaryMixing(8, nhead=4, use_layernorm=True), PROJECTIONS + NORMS + COMBINER),
        (
            mixers.SummaryMixing(8, local_proj_hid_dim=[], summary_hid_dim=[]),
            PROJECTIONS[:2] + PROJECTIONS[4:6] + COMBINER,
        ),
        (mixers.SummaryMixingLite(8), PROJECTIONS[4:]),
        (mixers.SummaryMixingLite(8, use_layernorm=True), PROJECTIONS[4:] + NORMS[2:]),
        (mixers.SummaryMixingFast(8), ["fused_proj.0.w", "fused_proj.0.b", *COMBINER]),
        (mixers.WindowedSummaryMixing(8), PROJECTIONS + COMBINER),
        (
            mixers.WindowedSummaryMixing(8, use_layernorm=True),
            [*PROJECTIONS, *NORMS, *COMBINER, "window_norm.w", "window_norm.b"],
        ),
        (
            mixers.WindowedSummaryMixing(8, shared_summary=False),
            [*PROJECTIONS, *(key.replace("summary", "window") for key in PROJECTIONS[4:]), *COMBINER],
        ),
        (mixers.RoPEAttention(8, nhead=2), ATTENTION),
        (mixers.Identity(8), []),
    ],
)
def test_state_dict_keys(mixer, keys):
    """A change here breaks the checkpoints that users have."""
    endings = {"w": "weight", "b": "bias"}
    full = {f"{key[:-1]}{endings[key[-1]]}" if key[-2:] in (".w", ".b") else key for key in keys}
    assert set(mixer.state_dict()) == full


def test_state_dict_does_not_change_with_use(case, tools):
    mixer = case.make()
    before = {name: value.clone() for name, value in mixer.state_dict().items()}
    mixer(torch.rand(2, 9, tools.D))
    after = mixer.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_state_dict_makes_the_same_mixer(case, tools):
    mixer, other = case.make(), case.make()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(mixer.state_dict())
    x, padding_mask = tools.ragged(20)
    assert torch.equal(mixer(x, padding_mask), other(x, padding_mask))


@pytest.mark.parametrize("nhead", [1, 4, 8])
def test_dense_weight_is_block_diagonal(nhead):
    layer = HeadLinear(16, 24, nhead)
    dense = layer.dense_weight()
    assert dense.shape == (24, 16)
    block = torch.block_diag(*torch.ones(nhead, 24 // nhead, 16 // nhead)).bool()
    assert (dense[block] != 0).all() and (dense[~block] == 0).all()
    x = torch.rand(2, 5, 16)
    torch.testing.assert_close(layer(x), torch.nn.functional.linear(x, dense, layer.bias))
