"""From waveform to encoder frames and tokens: the batch never changes the answer, and streams equal it."""

import random

import pytest
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing import mixers
from summarymixing.decoding.ctc import GreedyCTC, ctc_greedy_tokens
from summarymixing.lobes import CTCModel, ModelView
from summarymixing.ops.masks import sample_counts

LENGTHS = (16000, 12345, 9601, 9599, 4000, 801, 160, 1)
CHUNKS = DynChunkTrainConfig(4, 2)
VARIANTS = {
    "1d": {},
    "2d": {"two_dimensional": True},
    "positions": {"positions": True},
    "2d_positions_attention": {"two_dimensional": True, "positions": True, "mixer": mixers.RelPosAttention},
    "windowed": {"mixer": mixers.WindowedSummaryMixing},
}


@pytest.fixture(params=VARIANTS)
def model(request, tools):
    return tools.speech_encoder(**VARIANTS[request.param])


def batch(lengths, tools):
    """The batch and relative lengths that SpeechBrain's loaders give of the first of ``LENGTHS``' noises."""
    wavs = tools.noise(*LENGTHS)
    rows = [{"id": str(n), "sig": wavs[LENGTHS.index(n), :n]} for n in lengths]
    return PaddedBatch(rows).sig


@torch.no_grad()
@pytest.mark.parametrize("limit", [None, CHUNKS], ids=["offline", "chunks"])
def test_alone_equals_in_any_batch(model, limit, tools):
    wavs, lengths = batch(LENGTHS, tools)
    together, frames = model(wavs, lengths, limit)
    assert frames.tolist() == model.frame_counts(torch.tensor(LENGTHS)).tolist()
    real = torch.arange(together.shape[1]) < frames[:, None]
    assert 0.5 < together[real].abs().mean() < 2 and (together[~real] == 0).all()
    shuffled = random.Random(0).sample(LENGTHS, len(LENGTHS))
    for lengths in [(n,) for n in LENGTHS] + [shuffled[:3], shuffled[3:], shuffled]:
        other, counts = model(*batch(lengths, tools), limit)
        for row, n in enumerate(lengths):
            expected = together[LENGTHS.index(n), : counts[row]]
            torch.testing.assert_close(other[row, : counts[row]], expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_content_of_padding_changes_nothing(model, tools):
    wavs, lengths = batch(LENGTHS, tools)
    padding = torch.arange(wavs.shape[1]) >= torch.tensor(LENGTHS)[:, None]
    expected, _ = model(wavs, lengths)
    assert torch.equal(model(wavs.masked_fill(padding, float("nan")), lengths)[0], expected)


def test_gradients_do_not_feel_padding(model, tools):
    wavs, lengths = batch(LENGTHS, tools)
    padding = torch.arange(wavs.shape[1]) >= torch.tensor(LENGTHS)[:, None]
    found = []
    for filling in (0.0, float("nan")):
        model.zero_grad()
        model(wavs.masked_fill(padding, filling), lengths)[0].square().sum().backward()
        found.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    assert len(found[0]) > 10
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@torch.no_grad()
@pytest.mark.parametrize("block", [1, 37, 1234, 16000])
@pytest.mark.parametrize("left_context", [2, None])
def test_stream_equals_chunk_masked_offline(model, block, left_context, tools):
    samples = 3001 if block == 1 else 16555
    chunks = DynChunkTrainConfig(4, left_context)
    wavs = tools.noise(samples, samples)
    expected, _ = model(wavs, None, chunks)
    context = model.make_streaming_context(chunks, batch_size=2)
    parts = [model.forward_streaming(part, context) for part in wavs.split(block, dim=1)]
    assert all(part.shape[1] % 4 == 0 for part in parts)
    parts.append(model.forward_streaming(wavs[:, :0], context, final=True))
    torch.testing.assert_close(torch.cat(parts, dim=1), expected, rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("samples", [1, 160, 2399, 2400, 2401])
def test_short_streams(model, samples, tools):
    wavs = tools.noise(samples)
    context = model.make_streaming_context(CHUNKS)
    output = model.forward_streaming(wavs, context, final=True)
    torch.testing.assert_close(output, model(wavs, None, CHUNKS)[0], rtol=0, atol=1e-4)


@torch.no_grad()
def test_state_of_a_stream_does_not_grow(tools):
    model = tools.speech_encoder()
    context, sizes = model.make_streaming_context(DynChunkTrainConfig(4, None)), []
    for part in tools.noise(160000).split(1600, dim=1):
        model.forward_streaming(part, context)
        held = [context.features, context.waiting, *context.front_end]
        sizes.append(sum(tensor.untyped_storage().nbytes() for tensor in held))
    assert max(sizes[50:]) <= max(sizes[2:20])


def test_frame_counts_are_the_utterances_own(tools):
    """For relative lengths as float32 gives them; ``round(relative length * T)`` differs for a good part."""
    model, generator = tools.speech_encoder(), random.Random(0)
    naive_errors = 0
    for _ in range(200):
        short, long = sorted(generator.randint(1600, 320000) for _ in range(2))
        relative = torch.tensor([short / long, 1.0])
        counts = model.frame_counts(sample_counts(torch.empty(2, 1).expand(2, long), relative))
        own = model.frame_counts(torch.tensor([short, long]))
        assert counts.tolist() == own.tolist()
        naive_errors += int(torch.round(relative[0] * own[1])) != own[0].item()
    assert 20 < naive_errors < 180


def test_sample_counts_of_long_recordings():
    """Relative lengths are float32, which tells the samples of 15 minutes at 16 kHz apart."""
    long = 16000 * 60 * 15
    shorts = torch.randint(1, long, (500,), generator=torch.Generator().manual_seed(0))
    wavs = torch.empty(1, 1).expand(500, long)
    assert torch.equal(sample_counts(wavs, (shorts.double() / long).float()), shorts)
    assert sample_counts(torch.empty(3, 7)).tolist() == [7, 7, 7]


def test_augmentation_in_training_only(tools):
    model = tools.speech_encoder()
    model.augment.append(torch.nn.Threshold(1e9, 0.0))
    wavs = tools.noise(4000)
    with torch.no_grad():
        expected, _ = tools.speech_encoder()(wavs)
        assert torch.equal(model(wavs)[0], expected)
        model.normalize.num_batches = 0
        assert not torch.allclose(model.train()(wavs)[0], expected, atol=1e-2)


@pytest.fixture
def ctc(tools):
    torch.manual_seed(1)
    model = CTCModel(tools.speech_encoder(), vocab_size=12, blank_index=3)
    torch.nn.init.normal_(model.output.weight)
    return model.eval()


@torch.no_grad()
def test_tokens_do_not_depend_on_the_batch_size(ctc, tools):
    lengths = [8000 + 517 * i for i in range(16)]
    wavs = tools.noise(*lengths)
    found = {}
    for size in (1, 4, 16):
        found[size] = []
        for start in range(0, 16, size):
            rows = [{"id": str(i), "sig": wavs[i, : lengths[i]]} for i in range(start, start + size)]
            found[size] += ctc_greedy_tokens(ctc(*PaddedBatch(rows).sig), blank_index=3)
    assert found[1] == found[4] == found[16]
    assert len({token for tokens in found[1] for token in tokens}) > 4  # not all blank


@torch.no_grad()
def test_log_probabilities(ctc, tools):
    wavs, lengths = batch(LENGTHS, tools)
    log_probs, counts = ctc(wavs, lengths)
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(log_probs.shape[:2]))
    view = ModelView(ctc, blank_index=3)
    seen = view(wavs, lengths)
    assert not list(view.parameters()) and not view.state_dict()
    for row, (n, count) in enumerate(zip(LENGTHS, counts.tolist(), strict=True)):
        alone, own = ctc(*batch((n,), tools))
        assert alone.shape == (1, count, 12) and own.tolist() == [count]
        torch.testing.assert_close(log_probs[row, :count], alone[0], rtol=0, atol=1e-4)
        assert torch.equal(seen[row, :count], log_probs[row, :count])
        assert (seen[row, count:, 3] == 0).all() and (seen[row, count:].exp().sum(-1) == 1).all()


@torch.no_grad()
def test_streamed_tokens_equal_offline(ctc, tools):
    wavs = tools.noise(20001)
    context, decoder = ctc.make_streaming_context(CHUNKS), GreedyCTC(blank_index=3)
    for part in wavs.split(777, dim=1):
        decoder.decode(ctc.forward_streaming(part, context)[0])
    tokens = decoder.decode(ctc.forward_streaming(wavs[:, :0], context, final=True)[0])
    assert [tokens] == ctc_greedy_tokens(ctc(wavs, None, CHUNKS), blank_index=3)
    assert len(tokens) > 4
