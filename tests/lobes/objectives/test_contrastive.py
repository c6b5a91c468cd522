"""The contrastive objective against its equations, and what it says of a collapse."""

import math
from types import SimpleNamespace

import pytest
import torch
from speechbrain.nnet.losses import ContrastiveLoss

from summarymixing.lobes.objectives import contrastive
from summarymixing.lobes.objectives.contrastive import Contrastive, cosine_similarities
from summarymixing.lobes.objectives.masked import MaskedFrames
from summarymixing.lobes.objectives.quantizer import GumbelQuantizer

MASK = torch.tensor([[0, 1, 1, 0, 1, 1], [1, 0, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]], dtype=torch.bool)
COUNTS = torch.tensor([6, 4, 1, 0])
#: Of the masked frames that have a loss, utterance after utterance.
OWNERS = [0, 0, 0, 0, 1, 1, 1]


def small_quantizer(input_size):
    return GumbelQuantizer(input_size, groups=2, codes=3, entry_size=4)


@pytest.fixture
def objective():
    torch.manual_seed(0)
    sizes = SimpleNamespace(front_end=SimpleNamespace(output_size=5), d_model=7)
    return Contrastive(sizes, small_quantizer, size=6, negatives=9, temperature=0.2, diversity_weight=0.3).eval()


@pytest.fixture
def batch():
    torch.manual_seed(1)
    masked = MaskedFrames(MASK, COUNTS, Contrastive.fewest_masked)
    return torch.randn(len(masked), 7), torch.randn(4, 6, 5), None, masked


def test_masked_frames(batch):
    hidden, frames, _, masked = batch
    places = [(0, 1), (0, 2), (0, 4), (0, 5), (1, 0), (1, 2), (1, 3)]
    assert torch.equal(masked.of(frames), torch.stack([frames[place] for place in places]))
    assert (len(masked), masked.frames, masked.counts.tolist()) == (7, 11, [4, 3, 0, 0])
    assert masked.sum_by_utterance(torch.arange(7.0)).tolist() == [6, 15, 0, 0]


def test_equals_its_equations(objective, batch, monkeypatch):
    """In float64, frame after frame."""
    drawn = []
    sample = contrastive.sample_negatives
    monkeypatch.setattr(contrastive, "sample_negatives", lambda *a: drawn.append(sample(*a)) or drawn[-1])
    hidden, frames, _, masked = batch
    output = objective(*batch)
    objective.double()
    quantizer = objective.quantizer
    scores = quantizer.scores(masked.of(frames).double()).view(7, 2, 3)
    best = scores.argmax(-1)
    vectors = torch.stack([torch.cat([quantizer.entries[g, row[g]] for g in (0, 1)]) for row in best])
    targets, predictions = objective.target_proj(vectors), objective.prediction_proj(hidden.double())

    def similarity(i, j):
        return (predictions[i] @ targets[j]) / (predictions[i].norm() * targets[j].norm())

    losses, correct, chance = [0.0] * 4, 0, 0.0
    for i in range(7):
        others = [j for j in drawn[0][i].tolist() if not torch.equal(best[j], best[i])]
        assert all(OWNERS[j] == OWNERS[i] for j in others)
        positive = similarity(i, i).item()
        negatives = [similarity(i, j).item() for j in others]
        total = sum(math.exp(s / 0.2) for s in [positive, *negatives])
        losses[OWNERS[i]] += math.log(total) - positive / 0.2
        correct += all(positive > s for s in negatives)
        chance += 1 / (1 + len({tuple(best[j].tolist()) for j in others}))
    assert output.losses.tolist() == pytest.approx(losses, rel=1e-4)
    assert output.correct == correct and output.chance.item() == pytest.approx(chance)
    probabilities = scores.softmax(-1).mean(0)
    perplexities = (-(probabilities * probabilities.log()).sum(-1)).exp().sum().item()
    assert output.loss.item() == pytest.approx(sum(losses) + 0.3 * 7 * (6 - perplexities) / 6, rel=1e-4)
    torch.testing.assert_close(output.code_probabilities.double(), 7 * probabilities, rtol=1e-4, atol=1e-5)
    assert (output.masked, output.frames) == (7, 11)
    for group in (0, 1):
        assert output.code_counts[group].tolist() == torch.bincount(best[:, group], minlength=3).tolist()


def test_equals_speechbrain(objective, batch, monkeypatch):
    """Given the negatives, where none has the codes of the positive."""
    negatives = torch.tensor([[1, 3], [2, 2], [0, 3], [1, 0], [5, 6], [6, 4], [4, 5]])
    codes = torch.arange(7)
    monkeypatch.setattr(contrastive, "sample_negatives", lambda *_: negatives)
    forward = objective.quantizer.forward
    objective.quantizer.forward = lambda x: SimpleNamespace(**{**vars(forward(x)), "codes": codes})
    objective.diversity_weight = 0.0
    output = objective(*batch)
    x = objective.prediction_proj(batch[0]).unsqueeze(0)
    y = objective.target_proj(forward(batch[3].of(batch[1])).vectors)
    y = y + 1e-6 * torch.arange(7)[:, None]  # theirs compares vectors
    loss, accuracy = ContrastiveLoss(0.2)(x, y.unsqueeze(0), y[negatives].permute(1, 0, 2).unsqueeze(1))
    assert output.loss.item() == pytest.approx(loss.item(), rel=1e-3)


def test_blocks_change_nothing(objective, batch, monkeypatch):
    found = []
    for size in (1024, 3):
        monkeypatch.setattr(contrastive, "_BLOCK", size)
        torch.manual_seed(0)
        objective.train().zero_grad()
        output = objective(*batch)
        output.loss.backward()
        found.append((output.loss.item(), [p.grad.clone() for p in objective.parameters()]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
        assert one.abs().sum() > 0


def test_a_collapse_is_no_progress(objective, batch):
    """All targets are equal: no loss but the lack of diversity, and nothing is right that would not be by chance."""
    torch.nn.init.zeros_(objective.quantizer.scores.weight)
    objective.quantizer.scores.bias.data = torch.tensor([50.0, 0, 0, 0, 50.0, 0])
    output = objective(*batch)
    assert output.losses.tolist() == [0, 0, 0, 0]
    assert output.correct == output.chance == output.masked
    assert output.loss.item() == pytest.approx(0.3 * 7 * (6 - 2) / 6, rel=1e-4)


def test_even_codes_cost_nothing(objective, batch):
    torch.nn.init.zeros_(objective.quantizer.scores.weight)
    output = objective(*batch)
    assert output.loss.item() == pytest.approx(output.losses.sum().item(), abs=1e-4)


def test_the_diversity_of_a_collapse_has_a_gradient(objective, batch):
    """Towards other codes: it is what ends a collapse."""
    torch.nn.init.zeros_(objective.quantizer.scores.weight)
    objective.quantizer.scores.bias.data = torch.tensor([5.0, 0, 0, 0, 5.0, 0])
    objective(*batch).loss.backward()
    gradient = objective.quantizer.scores.bias.grad
    assert gradient.isfinite().all() and gradient[0] > 0 > gradient[1]


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_gradient_of_the_targets(objective, batch, share):
    """Into the front end it is multiplied; everything else learns as before."""
    hidden, frames, features, masked = batch
    found = []
    for objective.target_gradient in (1.0, share):
        latents = frames.clone().requires_grad_()
        objective.zero_grad()
        torch.manual_seed(0)
        objective.train()(hidden, latents, features, masked).loss.backward()
        found.append((latents.grad, [p.grad.clone() for p in objective.parameters()]))
    torch.testing.assert_close(found[1][0], share * found[0][0])
    assert found[0][0].any() and all(torch.equal(a, b) for a, b in zip(found[0][1], found[1][1], strict=True))


def test_nothing_masked(objective):
    masked = MaskedFrames(torch.zeros(2, 5, dtype=torch.bool), torch.tensor([5, 1]), 2)
    output = objective.train()(torch.randn(0, 7, requires_grad=True), torch.randn(2, 5, 5), None, masked)
    output.loss.backward()
    assert output.loss == 0 and output.masked == 0 and output.losses.tolist() == [0, 0]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in objective.parameters())


def test_similarities_are_float32_under_autocast():
    x, y, rows = torch.randn(5, 8), torch.randn(6, 8), torch.randint(6, (5, 4))
    expected = torch.nn.functional.cosine_similarity(x.double()[:, None], y.double()[rows], dim=-1)
    with torch.autocast("cpu", torch.bfloat16):
        found = cosine_similarities(x, y, rows)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-6)
