"""Where SpeechBrain has the same part, the same weights give the same numbers."""

import pytest
import torch
from speechbrain.lobes.models.convolution import ConvolutionalSpatialGatingUnit
from speechbrain.lobes.models.transformer.Branchformer import BranchformerEncoder as StockBranchformer
from speechbrain.lobes.models.transformer.Conformer import ConformerEncoder as StockConformer
from speechbrain.lobes.models.transformer.Conformer import ConvolutionModule
from speechbrain.lobes.models.transformer.Transformer import TransformerEncoder as StockTransformer
from speechbrain.lobes.models.transformer.TransformerASR import make_transformer_src_mask
from speechbrain.nnet.attention import RelPosEncXL
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing.lobes.encoders.convolution import (
    ConformerConvolution,
    ConvolutionState,
    GatedConvolutionBranch,
    SpatialGatingUnit,
)

CHUNKS = [DynChunkTrainConfig(4, 1), DynChunkTrainConfig(7, None), DynChunkTrainConfig(16, 0)]


def copy_weights(ours, stock, renamed):
    """Load our weights into SpeechBrain's module; every one of its weights must be among them."""
    state = {}
    for name, value in ours.state_dict().items():
        for before, after in renamed.items():
            name = name.replace(before, after)
        state[name] = value
    stock.load_state_dict({name: value for name, value in state.items() if "positions" not in name}, strict=True)
    return stock.eval()


@torch.no_grad()
@pytest.mark.parametrize(
    "mixer, attention_type, positions",
    [("relpos", "RelPosMHAXL", True), ("regular", "regularMHA", False)],
)
def test_conformer(mixer, attention_type, positions, tools):
    ours = tools.Case("conformer", mixer).make()
    stock = StockConformer(2, tools.D, 24, nhead=4, kernel_size=tools.KERNEL, attention_type=attention_type)
    copy_weights(ours, stock, {"mixer.attention": "mha_layer"})
    x, _ = tools.ragged(45)
    pos_embs = RelPosEncXL(tools.D)(x) if positions else None
    actual, expected = ours(x)[0], stock(x, pos_embs=pos_embs)[0]
    assert expected.abs().mean() > 0.5
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)
    for chunks in CHUNKS:
        hidden = make_transformer_src_mask(x, causal=False, dynchunktrain_config=chunks)
        expected = stock(x, src_mask=hidden, pos_embs=pos_embs, dynchunktrain_config=chunks)[0]
        torch.testing.assert_close(ours(x, dynchunktrain_config=chunks)[0], expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_transformer(tools):
    ours = tools.Case("transformer", "regular").make()
    stock = StockTransformer(
        2, 4, d_ffn=24, d_model=tools.D, activation=torch.nn.GELU, normalize_before=True, attention_type="regularMHA"
    )
    copy_weights(ours, stock, {"mixer.attention": "self_att"})
    x, padding_mask = tools.ragged(45, 20)
    torch.testing.assert_close(ours(x)[0], stock(x)[0], rtol=0, atol=1e-5)
    actual = ours(x, src_key_padding_mask=padding_mask)[0]  # no convolution: here even SpeechBrain's padding is safe
    expected = stock(x, src_key_padding_mask=padding_mask)[0]
    torch.testing.assert_close(actual[~padding_mask], expected[~padding_mask], rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kernel_size", [1, 5, 31])
@pytest.mark.parametrize("bias", [True, False])
def test_conformer_convolution(kernel_size, bias, tools):
    ours = tools.randomise(ConformerConvolution(tools.D, kernel_size, bias))
    stock = copy_weights(ours, ConvolutionModule(tools.D, kernel_size, bias), {})
    for num_frames in (1, 9, 45):
        x, _ = tools.ragged(num_frames, num_frames)
        torch.testing.assert_close(ours(x), stock(x), rtol=0, atol=1e-5)
        for chunks in CHUNKS:
            expected = stock(x, dynchunktrain_config=chunks)
            torch.testing.assert_close(ours(x, None, chunks), expected, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("linear", [False, True])
def test_gating_unit_away_from_the_edges(linear, tools):
    ours = tools.randomise(SpatialGatingUnit(24, tools.KERNEL, use_linear_after_conv=linear))
    stock = ConvolutionalSpatialGatingUnit(24, tools.KERNEL, use_linear_after_conv=linear)
    copy_weights(ours, stock, {})
    x, _ = tools.ragged(45, 45, d_model=24)
    actual, expected = ours(x), stock(x)
    inside = slice(tools.REACH, -tools.REACH)
    torch.testing.assert_close(actual[:, inside], expected[:, inside], rtol=0, atol=1e-5)
    # Zeros there, reflections here.
    assert ((actual - expected).abs().amax((0, 2))[[0, -1]] > 1e-3).all()


@torch.no_grad()
def test_branchformer_away_from_the_edges(tools):
    ours = tools.Case("branchformer", "regular").make(1, merge="linear")
    stock = StockBranchformer(
        1, tools.D, nhead=4, kernel_size=tools.KERNEL, csgu_linear_units=24, attention_type="regularMHA"
    )
    copy_weights(ours, stock, {"mixer.attention": "mha_layer", "norm_mixer": "norm_mhsa"})
    x, _ = tools.ragged(45)
    inside = slice(tools.REACH, -tools.REACH)
    torch.testing.assert_close(ours(x)[0][:, inside], stock(x)[0][:, inside], rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("module", ["conformer", "branchformer"])
def test_convolution_zeroes_padding_and_streams(module, tools):
    """The convolutions on their own, against the same frames written out with zeros around them."""
    build = {
        "conformer": lambda: ConformerConvolution(tools.D, tools.KERNEL),
        "branchformer": lambda: GatedConvolutionBranch(tools.D, 24, tools.KERNEL),
    }
    layer = tools.randomise(build[module]())
    conv = layer.conv if module == "conformer" else layer.csgu.conv.conv
    x, padding_mask = tools.ragged(31, 20, 7)
    dirty = x.masked_fill(padding_mask.unsqueeze(-1), 5.0)
    for chunks in (None, *CHUNKS):
        batched = layer(dirty, padding_mask, chunks)
        for row, length in enumerate((31, 20, 7)):
            alone = layer(x[row : row + 1, :length], None, chunks)[0]
            torch.testing.assert_close(batched[row, :length], alone, rtol=0, atol=1e-5)
        if chunks is not None:
            state = ConvolutionState(conv, 3)
            parts = [layer.stream(part, state) for part in x.split(chunks.chunk_size, dim=1)]
            expected = layer(x, None, chunks)
            torch.testing.assert_close(torch.cat(parts, dim=1), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["conformer", "branchformer"])
def test_even_kernel_is_refused(name, tools):
    with pytest.raises(ValueError, match="odd"):
        tools.Case(name, "mean").make(kernel_size=4)


def test_unknown_merge_is_refused(tools):
    with pytest.raises(ValueError, match="merge"):
        tools.Case("branchformer", "mean").make(merge="mean")
