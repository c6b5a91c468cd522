"""The squeezed encoder: its mathematics, any factor, in any batch, chunk-wise and streaming; and SEW's own."""

import copy

import pytest
import torch
import torch.nn.functional as F
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing.lobes import SqueezedEncoder
from summarymixing.utils.on_demand import choose

FACTORS = (1, 2, 3, 4, 5)
LENGTHS = (31, 20, 7, 1)
#: Sizes that factors divide, do not divide, and fall below; more than there are frames.
CHUNKS = [None, *(DynChunkTrainConfig(*pair) for pair in [(4, 1), (6, None), (7, 2), (1, 0), (64, 1)])]
#: Every factor around one encoder, and one that divides nothing around the others.
CASES = [
    *(("conformer", "mean", factor) for factor in FACTORS),
    ("branchformer", "pooled", 3),
    ("transformer", "windowed", 3),
]


@pytest.fixture(params=CASES, ids=lambda case: "-".join(map(str, case)))
def encoder(request, tools):
    """A squeezed encoder, every weight random, its factor chosen."""
    *names, factor = request.param
    squeezed = make(tools, *names)
    choose(squeezed, squeeze=factor)
    return squeezed


def make(tools, name="conformer", mixer="mean", **options):
    torch.manual_seed(0)
    squeezed = SqueezedEncoder(tools.Case(name, mixer).make(**options), FACTORS, kernel_size=5, groups=4, positions=4)
    return tools.randomise(squeezed)


def slow(squeezed, x, factor):
    """One utterance (T, D) window by window, up by a fine grid of twelfths of a window."""
    conv = squeezed.positions
    near = F.gelu(F.conv1d(x.T[None], conv.weight, conv.bias, padding=2, groups=conv.groups)[0].T)
    starts = range(0, len(x), factor)
    inner = torch.stack([x[t : t + factor].mean(0) + near[t] for t in starts])
    encoded = squeezed.encoder(inner[None])[0][0]
    # Which of the four positions each 60th of a window belongs to: 60 is a multiple of all factors.
    grid = torch.arange(60) * 4 // 60
    weight, bias = squeezed.upsampling.weight[grid], squeezed.upsampling.bias[grid]
    frames = []
    for frame in encoded:
        for i in range(factor):
            part = slice(60 * i // factor, 60 * (i + 1) // factor)
            frames.append(F.gelu(weight[part].mean(0) @ frame + bias[part].mean(0)))
    return torch.stack(frames)[: len(x)]


@torch.no_grad()
@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("num_frames", [1, 4, 7, 31])
def test_equals_its_definition(factor, num_frames, tools):
    squeezed = make(tools).double()
    choose(squeezed, squeeze=factor)
    x = tools.ragged(num_frames)[0].double()
    expected = slow(squeezed, x[0], factor)
    assert expected.abs().mean() > 0.05
    torch.testing.assert_close(squeezed(x)[0][0], expected, rtol=0, atol=1e-10)


@torch.no_grad()
def test_alone_equals_in_a_batch_whose_padding_is_nan(encoder, tools):
    x, padding_mask = tools.ragged(*LENGTHS)
    x = x.masked_fill(padding_mask.unsqueeze(-1), float("nan"))
    for chunks in CHUNKS:
        batched, _ = encoder(x, src_key_padding_mask=padding_mask, dynchunktrain_config=chunks)
        assert (batched[padding_mask] == 0).all() and batched[~padding_mask].abs().mean() > 0.05
        for row, length in enumerate(LENGTHS):
            alone, _ = encoder(x[row : row + 1, :length], dynchunktrain_config=chunks)
            torch.testing.assert_close(batched[row, :length], alone[0], rtol=0, atol=1e-4)
        states = encoder.encode(x, padding_mask, chunks)[1]
        alone = encoder.encode(x[1:2, : LENGTHS[1]], None, chunks)[1]
        for state, single in zip(states, alone, strict=True):
            torch.testing.assert_close(state[1, : LENGTHS[1]], single[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("row_of_padding", [False, True])
def test_gradients_do_not_feel_padding_and_reach_every_weight(encoder, row_of_padding, tools):
    x, padding_mask = tools.ragged(*LENGTHS)
    padding_mask[1] |= row_of_padding
    found = []
    for filling in (0.0, float("nan")):
        filled = x.masked_fill(padding_mask.unsqueeze(-1), filling).requires_grad_()
        encoder.zero_grad()
        output, _ = encoder(filled, src_key_padding_mask=padding_mask)
        output.square().sum().backward()
        assert (filled.grad[padding_mask] == 0).all() and (output[padding_mask] == 0).all()
        gradients = {name: weight.grad for name, weight in encoder.named_parameters()}
        assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())
        found.append({"output": output, "x": filled.grad, **gradients})
    assert all(torch.equal(found[0][name], value) for name, value in found[1].items())
    assert all(
        found[0][f"upsampling.{name}"].abs().sum((1,) if name == "bias" else (1, 2)).all()
        for name in ("weight", "bias")
    )


@torch.no_grad()
@pytest.mark.parametrize("limits", CHUNKS[1:], ids=str)
def test_stream_equals_offline(encoder, limits, tools):
    x, _ = tools.ragged(31, 31)
    offline, _ = encoder(x, dynchunktrain_config=limits)
    context = encoder.make_streaming_context(limits)
    choose(encoder, squeeze=1)  # a stream goes on as it began
    parts = [encoder.forward_streaming(part, context)[0] for part in x.split(limits.chunk_size, dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), offline, rtol=0, atol=1e-4)
    assert context.frames == 31


def test_no_chunk_feels_the_next(encoder, tools):
    chunks = DynChunkTrainConfig(7, 1)
    x = tools.ragged(23)[0].requires_grad_()
    output, _ = encoder(x, dynchunktrain_config=chunks)
    for start in range(0, 23, 7):
        (gradient,) = torch.autograd.grad(output[0, start : start + 7].square().sum(), x, retain_graph=True)
        felt = gradient[0].abs().sum(1)
        assert not felt[start + 7 :].any() and felt[start : start + 7].all()


@torch.no_grad()
def test_streams_refuse_wrong_chunks(tools):
    encoder = make(tools)
    choose(encoder, squeeze=4)
    for sizes in [(5,), (0,), (3, 4), (4, 2, 1)]:
        context = encoder.make_streaming_context(DynChunkTrainConfig(4, 1))
        for size in sizes[:-1]:
            encoder.forward_streaming(torch.rand(1, size, tools.D), context)
        with pytest.raises(ValueError, match="only the last chunk"):
            encoder.forward_streaming(torch.rand(1, sizes[-1], tools.D), context)


def test_what_the_encoder_within_refuses_is_refused(tools):
    encoder = make(tools, mixer="hypermixing")
    with pytest.raises(ValueError, match="HyperMixing .* takes no chunks"):
        encoder(tools.ragged(9)[0], dynchunktrain_config=DynChunkTrainConfig(4, 1))
    with pytest.raises(ValueError, match="cannot stream"):
        encoder.make_streaming_context(DynChunkTrainConfig(4, 1))
    with pytest.raises(ValueError, match="src_mask"):
        encoder(tools.ragged(9)[0], src_mask=torch.zeros(9, 9, dtype=torch.bool))


@torch.no_grad()
@pytest.mark.parametrize("factor", FACTORS)
def test_hidden_states_are_those_of_the_layers_at_every_frame(factor, tools):
    encoder = make(tools, output_hidden_states=True, num_layers=3)
    choose(encoder, squeeze=factor)
    x, padding_mask = tools.ragged(14, 9)
    output, attention, states = encoder(x, src_key_padding_mask=padding_mask)
    assert attention == [None] * 3 and len(encoder.layers) == 3 and encoder.d_model == tools.D
    assert len(states) == 4 and all(state.shape == x.shape for state in states)
    windows = [state[:1, ::factor] for state in states]
    for layer, before, after in zip(encoder.layers, windows[:-1], windows[1:], strict=True):
        torch.testing.assert_close(layer(before), after, rtol=0, atol=1e-4)
    for state in states:
        repeated = state[0, ::factor].repeat_interleave(factor, dim=0)[:14]
        torch.testing.assert_close(state[0], repeated, rtol=0, atol=0)


@torch.no_grad()
def test_the_layers_see_fewer_frames(tools):
    """What costs less: the encoder within runs on ceil(T / s) frames."""
    encoder, seen = make(tools), []
    encoder.layers[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].shape[1]))
    for factor in FACTORS:
        choose(encoder, squeeze=factor)
        encoder(tools.ragged(31)[0])
    assert seen == [31, 16, 11, 8, 7]


@torch.no_grad()
def test_weights_do_not_depend_on_the_factors(tools):
    """One stochastic model becomes one of a single factor, and back."""
    encoder = make(tools)
    fixed = SqueezedEncoder(tools.Case("conformer", "mean").make(), 2, kernel_size=5, groups=4)
    fixed.load_state_dict(encoder.state_dict())
    choose(encoder, squeeze=2)
    x = tools.ragged(9)[0]
    expected = encoder(x)[0]
    assert torch.equal(fixed.eval()(x)[0], expected) and torch.equal(copy.deepcopy(encoder)(x)[0], expected)


@torch.no_grad()
def test_upsampling_begins_as_repetition(tools):
    upsampling = SqueezedEncoder(tools.Case("conformer", "mean").make(), 2, groups=4).upsampling
    x = torch.randn(2, 5, tools.D)
    for factor in FACTORS:
        expected = upsampling(x, 1).repeat_interleave(factor, dim=1)
        torch.testing.assert_close(upsampling(x, factor), expected, rtol=0, atol=1e-6)


def test_bfloat16_autocast(encoder, tools):
    x, padding_mask = tools.ragged(31, 20)
    expected, _ = encoder(x, src_key_padding_mask=padding_mask)
    with torch.autocast("cpu", torch.bfloat16):
        actual, _ = encoder(x, src_key_padding_mask=padding_mask)
    error = (actual.float() - expected)[~padding_mask].square().mean().sqrt()
    assert 0 < error < 0.05 * expected[~padding_mask].square().mean().sqrt()
    actual.float().square().sum().backward()
    assert all(weight.grad.isfinite().all() for weight in encoder.parameters())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"squeeze": 0}, "squeeze=0 must be a number such as 2"),
        ({"squeeze": []}, r"squeeze=\[\] must be"),
        ({"squeeze": [1, 1]}, "a list of different ones"),
        ({"squeeze": [1, 2.5]}, "squeeze="),
        ({"squeeze": True}, "squeeze=True"),
        ({"kernel_size": 4}, "kernel_size=4 must be odd"),
        ({"groups": 3}, "groups=3 must divide d_model=16"),
        ({"positions": 0}, "positions=0 must be 1 or more"),
    ],
    ids=str,
)
def test_bad_settings_are_refused(options, said, tools):
    with pytest.raises(ValueError, match=said):
        SqueezedEncoder(tools.Case("conformer", "mean").make(), **options)
