"""Unpadded convolutions over log-mel or the waveform, and normalisation by utterance: sizes, padding, definitions."""

import pytest
import torch
import torch.nn.functional as F
from speechbrain.processing.features import InputNormalization
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing import lobes

#: Input size, kernels, strides: as published over log-mel and over the waveform, and one whose windows leave gaps.
SHAPES = {
    "log-mel": (11, (3, 3), (2, 1)),
    "waveform": (1, (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)),
    "gaps": (4, (2, 3), (3, 2)),
}


@pytest.fixture(params=SHAPES)
def front_end(request, tools):
    size, kernels, strides = SHAPES[request.param]
    torch.manual_seed(0)
    return tools.randomise(lobes.LatentExtractor(size, 6, kernels, strides))


@torch.no_grad()
def test_equals_its_definition(front_end):
    x = torch.randn(2, 900, front_end.convs[0].in_channels)
    expected = x.double()
    for conv, norm in zip(front_end.convs, front_end.norms, strict=True):
        windows = expected.unfold(1, conv.kernel_size[0], conv.stride[0])  # [B, T', C, k]
        expected = torch.einsum("btck,ock->bto", windows, conv.weight.double())
        expected = F.gelu(F.layer_norm(expected, (6,), norm.weight.double(), norm.bias.double(), norm.eps))
    expected = F.layer_norm(expected, (6,), front_end.norm.weight.double(), front_end.norm.bias.double())
    output, _ = front_end(x, torch.tensor([900, 900]))
    torch.testing.assert_close(output.double(), expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_frame_counts_equal_real_sizes(front_end):
    size = front_end.convs[0].in_channels
    counts = torch.tensor([*range(1, 40), 399, 400, 401, 719, 720, 721, 999])
    assert [front_end.frame_counts(n) for n in counts.tolist()] == front_end.frame_counts(counts).tolist()
    for n, count in zip(counts.tolist(), front_end.frame_counts(counts).tolist(), strict=True):
        output, frames = front_end(torch.rand(1, n, size), torch.tensor([n]))
        assert output.shape == (1, count, 6) and frames.tolist() == [count] and count >= 1


def test_published_frame_counts():
    """2407.13377's T = floor((M - 3) / 2) - 1 for M log-mel frames; 49 frames of 20 ms in a second of waveform."""
    frames = torch.arange(7, 2000)
    log_mel = lobes.LatentExtractor(80, 4, (3, 3), (2, 1))
    assert torch.equal(log_mel.frame_counts(frames), (frames - 3) // 2 - 1)
    assert (log_mel.stride, log_mel.receptive_field, log_mel.centre) == (2, 7, 3)
    waveform = lobes.LatentExtractor(channels=4)
    assert waveform.frame_counts(torch.tensor([16000, 160000])).tolist() == [49, 499]
    assert (waveform.stride, waveform.receptive_field) == (320, 400)


@torch.no_grad()
@pytest.mark.parametrize("filling", [7.0, float("nan"), float("inf")], ids=str)
def test_alone_equals_in_batch(front_end, filling, tools):
    lengths = torch.tensor([1203, 801, 401, 400, 30, 6, 1])
    x, padding_mask = tools.ragged(*lengths.tolist(), d_model=front_end.convs[0].in_channels)
    output, frames = front_end(x.masked_fill(padding_mask.unsqueeze(-1), filling), lengths)
    real = torch.arange(output.shape[1]) < frames[:, None]
    assert 0.2 < output[real].abs().mean() < 2 and (output[~real] == 0).all()
    for row, length in enumerate(lengths):
        alone, count = front_end(x[row : row + 1, :length], lengths[row : row + 1])
        assert count == frames[row] == alone.shape[1]
        torch.testing.assert_close(output[row, : frames[row]], alone[0], rtol=0, atol=1e-5)


def test_what_a_frame_sees(front_end):
    size = front_end.convs[0].in_channels
    x = torch.rand(1, front_end.receptive_field + 3 * front_end.stride, size, requires_grad=True)
    output, _ = front_end(x, torch.tensor([x.shape[1]]))
    (gradient,) = torch.autograd.grad((output[0, 2] * torch.randn(6)).sum(), x)
    reached = (gradient[0] != 0).any(-1).nonzero().flatten()
    first = 2 * front_end.stride
    assert reached[0] == first and reached[-1] == first + front_end.receptive_field - 1
    assert (reached[0] + reached[-1]) // 2 == first + front_end.centre


def test_gradients_do_not_feel_padding(front_end, tools):
    lengths = torch.tensor([643, 430, 6, 1])
    x, padding_mask = tools.ragged(*lengths.tolist(), d_model=front_end.convs[0].in_channels)
    dirty = x.masked_fill(padding_mask.unsqueeze(-1), float("nan")).requires_grad_()
    front_end(dirty, lengths)[0].square().sum().backward()
    assert dirty.grad.isfinite().all() and (dirty.grad[padding_mask] == 0).all()
    assert all(p.grad.isfinite().all() for p in front_end.parameters())


def test_lists_of_two_lengths_are_refused():
    with pytest.raises(ValueError, match="kernel_sizes=.*strides="):
        lobes.LatentExtractor(80, 8, (3, 3), (2,))


def test_normalisation_equals_speechbrain(tools):
    """Of log-mel features by sentence."""
    x, _ = tools.ragged(50, d_model=7)
    theirs = InputNormalization(norm_type="sentence")(x * 9 - 40, torch.ones(1))
    ours = lobes.UtteranceNormalization()(x * 9 - 40)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("filling", [7.0, float("nan")], ids=str)
def test_normalisation_is_the_layer_norm_of_each_utterance(filling, tools):
    """Over all samples, as wav2vec 2.0 begins."""
    lengths = torch.tensor([4000, 399, 2])
    x, padding_mask = tools.ragged(*lengths.tolist(), d_model=1)
    dirty = (0.01 * x).masked_fill(padding_mask.unsqueeze(-1), filling)
    found = lobes.UtteranceNormalization()(dirty, padding_mask)
    assert (found[padding_mask] == 0).all()
    for row, length in enumerate(lengths):
        samples = 0.01 * x[row, :length, 0]
        expected = F.layer_norm(samples.double(), samples.shape, eps=0.0)
        torch.testing.assert_close(found[row, :length, 0].double(), expected, rtol=1e-4, atol=1e-4)


def test_silence_is_zero():
    assert (lobes.UtteranceNormalization()(torch.full((2, 30, 4), -70.0)) == 0).all()
    assert (lobes.UtteranceNormalization()(torch.full((1, 1, 4), -70.0)) == 0).all()


@torch.no_grad()
@pytest.mark.parametrize("waveform", [True, False])
def test_speech_encoder_alone_equals_in_batch(waveform, tools):
    encoder = tools.latent_encoder(waveform)
    lengths = (16000, 12345, 9601, 801, 400, 160, 1)
    wavs = tools.noise(*lengths)
    padding = torch.arange(16000) >= torch.tensor(lengths)[:, None]
    relative = torch.tensor(lengths) / 16000
    together, frames = encoder(wavs.masked_fill(padding, float("nan")), relative)
    states, counts = encoder.hidden_states(wavs, relative)
    assert torch.equal(states[-1], together) and torch.equal(counts, frames) and len(states) == 3
    assert encoder.frame_seconds == pytest.approx(0.02)
    for row, n in enumerate(lengths):
        alone, count = encoder(wavs[row : row + 1, :n])
        assert count == frames[row] and (together[row, frames[row] :] == 0).all()
        torch.testing.assert_close(together[row, : frames[row]], alone[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("part, normalize", [("front end", "Global"), ("normalisation", "Utterance")])
def test_what_needs_whole_utterances_refuses_to_stream(part, normalize):
    normalize = lobes.UtteranceNormalization() if normalize == "Utterance" else lobes.GlobalNormalization(80)
    front_end = lobes.ConvolutionalFrontEnd(80) if part == "normalisation" else lobes.LatentExtractor(80, 8, (3,), (2,))
    encoder = lobes.SpeechEncoder(lobes.LogMel(), normalize, front_end, lobes.ConformerEncoder(1, 16, 16))
    with pytest.raises(ValueError, match="cannot stream; use"):
        encoder.make_streaming_context(DynChunkTrainConfig(4, 2))
