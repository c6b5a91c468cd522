"""Masked prediction as a whole: where the mask goes, alone as in a batch, short and long, reproducible."""

import math

import pytest
import torch

from summarymixing import mixers
from summarymixing.lobes import Contrastive, GumbelQuantizer, PretrainingModel, RandomProjection
from summarymixing.lobes.objectives import contrastive
from summarymixing.ops.spans import span_mask

OBJECTIVES = {
    "contrastive": lambda encoder: Contrastive(
        encoder, lambda size: GumbelQuantizer(size, 2, 6, 5), size=8, negatives=7
    ),
    "random_projection": lambda encoder: RandomProjection(encoder, codes=13, entry_size=4, codebooks=2),
}
CASES = [("log-mel", "contrastive"), ("log-mel", "random_projection"), ("waveform", "contrastive")]
LENGTHS = (16000, 12345, 9601, 2500, 1200, 801, 400, 1)


def fixed_mask(counts, num_frames):
    """The same mask for an utterance of the same length, in any batch."""
    mask = torch.zeros(len(counts), num_frames, dtype=torch.bool)
    for row, count in enumerate(counts.tolist()):
        mask[row, : (count + 1) // 2] = True
    return mask


def next_negatives(counts, number):
    """The masked frames that follow, round the utterance."""
    rows, first = [], 0
    for count in counts.tolist():
        for frame in range(count):
            rows.append([first + (frame + 1 + i % (count - 1)) % count for i in range(number)])
        first += count
    return torch.tensor(rows, dtype=torch.int64).view(-1, number)


@pytest.fixture(params=CASES, ids="-".join)
def model(request, tools):
    front_end, objective = request.param
    encoder = tools.latent_encoder(front_end == "waveform")
    return tools.randomise(PretrainingModel(encoder, OBJECTIVES[objective], span_mask))


def relative(lengths):
    return torch.tensor(lengths) / max(lengths)


@torch.no_grad()
def test_loss_alone_equals_in_batch(model, tools, monkeypatch):
    monkeypatch.setattr(contrastive, "sample_negatives", next_negatives)
    model.mask = fixed_mask
    wavs = tools.noise(*LENGTHS)
    padding = torch.arange(16000) >= torch.tensor(LENGTHS)[:, None]
    output, counts = model(wavs.masked_fill(padding, float("nan")), relative(LENGTHS))
    assert output.losses.sum() > 1 and counts.tolist() == model.frame_counts(torch.tensor(LENGTHS)).tolist()
    alone = [model(wavs[row : row + 1, :n]) for row, n in enumerate(LENGTHS)]
    for row, (single, count) in enumerate(alone):
        assert count == counts[row]
        assert single.losses[0].item() == pytest.approx(output.losses[row].item(), abs=1e-4 * single.masked + 1e-6)
    guesses = ("chance",) if isinstance(model.objective, Contrastive) else ()  # or it is of the batch
    for name in ("masked", "frames", "correct", "code_counts", *guesses):
        total = sum(getattr(single, name) for single, _ in alone)
        torch.testing.assert_close(torch.as_tensor(total), torch.as_tensor(getattr(output, name)), rtol=1e-5, atol=1e-4)


@torch.no_grad()
def test_masked_frames_are_one_vector_before_positions(model, tools):
    model.mask = fixed_mask
    wavs = tools.noise(16000, 9601)
    seen, encoder = [], model.speech_encoder
    hook = encoder.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(wavs, relative((16000, 9601)))
    hook.remove()
    frames, counts = encoder.extract_frames(*encoder.extract_features(wavs, relative((16000, 9601))))
    mask = fixed_mask(counts, frames.shape[1])
    expected = encoder.input_proj(frames)
    expected[mask] = model.mask_vector
    torch.testing.assert_close(seen[0], expected + encoder.positions(expected, 0))
    assert 0.3 < mask.float().mean() < 0.5


def test_the_encoder_learns_nothing_of_what_is_masked(model, tools):
    """No gradient flows from the loss through the encoder into a masked frame, but from the targets."""
    wavs = tools.noise(8000)
    encoder = model.speech_encoder
    frames, counts = encoder.extract_frames(*encoder.extract_features(wavs))
    frames = frames.detach().requires_grad_()
    mask = fixed_mask(counts, frames.shape[1])
    replace = lambda x: torch.where(mask.unsqueeze(-1), model.mask_vector, x)  # noqa: E731
    encoder.encode_frames(frames, counts, replace=replace)[0].square().sum().backward()
    assert (frames.grad[mask] == 0).all() and (frames.grad[~mask] != 0).any()


def test_same_seed_same_step(model, tools):
    wavs, found = tools.noise(16000, 9601), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        model.train().zero_grad()
        output, _ = model(wavs, relative((16000, 9601)))
        output.loss.backward()
        found.append((output.loss.item(), model.mask_vector.grad.clone()))
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert found[0][0] == found[1][0] != found[2][0] and torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize("lengths", [(1,), (320,), (401, 1), (1200, 700, 330)], ids=str)
def test_short_utterances(model, lengths, tools):
    """Of one frame and a few: a loss, with gradients for all parameters, where there is something to tell apart."""
    output, counts = model.train()(tools.noise(*lengths), relative(lengths))
    output.loss.backward()
    assert output.loss.isfinite() and counts.min() >= 1 and output.losses.shape == (len(lengths),)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    if isinstance(model.objective, Contrastive) and max(counts) < 4:
        assert output.masked == 0 == output.loss
    else:
        assert 0 < output.masked <= output.frames == counts.sum()


@torch.no_grad()
def test_ten_minutes(tools):
    encoder = tools.latent_encoder(False, mixers.WindowedSummaryMixing)
    model = PretrainingModel(encoder, OBJECTIVES["contrastive"])
    output, counts = model(torch.randn(1, 600 * 16000))
    assert counts.tolist() == [29999 - 1] and output.loss.isfinite()
    assert output.masked / output.frames == pytest.approx(0.49, abs=0.03)


def test_an_untrained_model_guesses(tools):
    """Its loss is that of all codes alike."""
    torch.manual_seed(0)
    model = PretrainingModel(tools.latent_encoder(False), OBJECTIVES["random_projection"])
    output, _ = model(torch.randn(4, 16000))
    assert output.loss.item() / output.masked == pytest.approx(math.log(13), rel=0.3)


def test_a_few_steps_learn(tools):
    """Frames that repeat: the loss falls well below that of a guess."""
    torch.manual_seed(0)
    model = PretrainingModel(tools.latent_encoder(False), OBJECTIVES["random_projection"])
    wavs = tools.noise(4000).repeat(4, 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        output, _ = model.train()(wavs)
        optimizer.zero_grad()
        (output.loss / output.masked).backward()
        optimizer.step()
        losses.append(output.loss.item() / output.masked)
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
