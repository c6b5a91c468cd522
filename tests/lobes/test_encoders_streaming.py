"""A stream equals the chunk-masked offline pass, and no frame feels what it may not see."""

import pytest
import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig


def stream(encoder, x, chunks):
    context = encoder.make_streaming_context(chunks)
    return torch.cat([encoder.forward_streaming(part, context)[0] for part in x.split(chunks.chunk_size, dim=1)], 1)


@torch.no_grad()
def test_stream_equals_offline(chunk_case, chunks, tools):
    encoder = chunk_case.make()
    x, _ = tools.ragged(45, 45, 45)  # 45: the last chunk is short for every chunk size but 1
    offline, _ = encoder(x, dynchunktrain_config=chunks)
    assert offline.abs().mean() > 0.3
    torch.testing.assert_close(stream(encoder, x, chunks), offline, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("num_frames", [1, 2, 3, 8])
def test_short_streams(chunk_case, num_frames, tools):
    encoder, chunks = chunk_case.make(), DynChunkTrainConfig(4, 1)
    x, _ = tools.ragged(num_frames, num_frames)
    offline, _ = encoder(x, dynchunktrain_config=chunks)
    torch.testing.assert_close(stream(encoder, x, chunks), offline, rtol=0, atol=1e-5)


@torch.no_grad()
def test_chunk_masking_differs_from_the_whole_utterance(chunk_case, tools):
    encoder = chunk_case.make()
    x, _ = tools.ragged(45)
    offline, _ = encoder(x)
    masked, _ = encoder(x, dynchunktrain_config=DynChunkTrainConfig(4, 1))
    if (chunk_case.encoder, chunk_case.mixer) == ("transformer", "identity"):
        assert torch.equal(masked, offline)  # it mixes nothing over time, so there is nothing to hide
    else:
        assert (masked - offline).abs().max() > 1e-2


@torch.no_grad()
def test_streams_of_one_encoder_do_not_mix(chunk_case, tools):
    encoder, chunks = chunk_case.make(), DynChunkTrainConfig(4, 2)
    x, _ = tools.ragged(24, 24)
    contexts = [encoder.make_streaming_context(chunks) for _ in range(2)]
    parts = []
    for part in x.split(4, dim=1):
        outputs = [encoder.forward_streaming(part[i : i + 1], contexts[i])[0] for i in range(2)]
        parts.append(torch.cat(outputs))
    expected, _ = encoder(x, dynchunktrain_config=chunks)
    torch.testing.assert_close(torch.cat(parts, dim=1), expected, rtol=0, atol=1e-5)


def sensitivity(encoder, x, chunks):
    """Largest gradient that each output frame (rows) gives each input frame (columns); (T, T)."""
    x = x.clone().requires_grad_()
    output, _ = encoder(x, dynchunktrain_config=chunks)
    rows = []
    for t in range(x.shape[1]):
        weights = torch.randn(output.shape[-1], generator=torch.Generator().manual_seed(t))
        (gradient,) = torch.autograd.grad((output[0, t] * weights).sum(), x, retain_graph=True)
        rows.append(gradient[0].abs().amax(-1))
    return torch.stack(rows)


def assert_blind(case, felt, may_see):
    """The gradient is exactly 0 where ``may_see`` is False."""
    leaks = felt.masked_fill(may_see, 0.0)
    if case.mixer == "windowed":
        # Windows are differences of running sums. Where gradients of several windows meet, as behind a convolution
        # or another layer, rounding is left of them in frames before the left context; never in future frames.
        frames = torch.arange(len(felt))
        past = frames[None, :] < frames[:, None]
        assert leaks.max() <= 1e-12 * felt.max()
        leaks = leaks.masked_fill(past, 0.0)
    where = (leaks != 0).nonzero().tolist()
    assert not where, f"frame t feels frame u out of its sight, (t, u) = {where[:5]}"


def test_one_layer_sees_exactly_what_it_may(chunk_case, chunks, tools):
    x, _ = tools.ragged(19)
    may_see = chunk_case.layer_sees(19, chunks)
    felt = sensitivity(chunk_case.make(1), x, chunks)
    assert_blind(chunk_case, felt, may_see)
    missed = (may_see & (felt == 0)).nonzero().tolist()
    assert not missed, f"frame t does not feel frame u in its sight, (t, u) = {missed[:5]}"


def test_one_layer_without_chunks_sees_everything(chunk_case, tools):
    x, _ = tools.ragged(19)
    assert torch.equal(sensitivity(chunk_case.make(1), x, None) != 0, chunk_case.layer_sees(19, None))


@pytest.mark.parametrize("left_context", [0, 1, 4, None])
def test_stacked_layers_see_no_further(chunk_case, left_context, tools):
    chunks = DynChunkTrainConfig(4, left_context)
    x, _ = tools.ragged(23)
    felt = sensitivity(chunk_case.make(3), x, chunks)
    layer = chunk_case.layer_sees(23, chunks).float()
    may_see = layer @ layer @ layer > 0
    assert_blind(chunk_case, felt, may_see)
    frame = torch.arange(23)
    future = frame[None, :] >= ((frame // 4 + 1) * 4)[:, None]
    assert not (may_see & future).any() and (felt[future] == 0).all()


def test_mixers_of_whole_utterances_refuse_chunks(offline_case, tools):
    encoder, chunks = offline_case.make(), DynChunkTrainConfig(4, 1)
    with pytest.raises(ValueError, match="takes no chunks"):
        encoder(tools.ragged(9)[0], dynchunktrain_config=chunks)
    with pytest.raises(ValueError, match="cannot stream"):
        encoder.make_streaming_context(chunks)


@torch.no_grad()
@pytest.mark.parametrize("name", ["conformer", "branchformer", "transformer"])
@pytest.mark.parametrize("sizes", [(5,), (0,), (4, 5), (3, 4), (4, 2, 1), (4, 2, 4)], ids=str)
def test_stream_refuses_wrong_chunks(name, sizes, tools):
    encoder = tools.Case(name, "mean").make()
    context = encoder.make_streaming_context(DynChunkTrainConfig(4, 1))
    for size in sizes[:-1]:
        encoder.forward_streaming(torch.rand(1, size, tools.D), context)
    with pytest.raises(ValueError, match="only the last chunk"):
        encoder.forward_streaming(torch.rand(1, sizes[-1], tools.D), context)
