"""The product quantiser: against SpeechBrain's, the Gumbel softmax's probabilities and gradients, annealing."""

import pytest
import torch
from speechbrain.nnet.quantisers import GumbelVectorQuantizer

from summarymixing.lobes.objectives.quantizer import GumbelQuantizer
from summarymixing.ops.perplexity import perplexity


@pytest.fixture
def quantizer():
    torch.manual_seed(0)
    return GumbelQuantizer(6, groups=2, codes=5, entry_size=3)


@torch.no_grad()
def test_equals_speechbrain(quantizer):
    other = GumbelVectorQuantizer(6, 5, (2.0, 0.25, 0.999995), groups=2, vq_dim=6).eval()
    other.weight_proj.load_state_dict(quantizer.scores.state_dict())
    other.vars.copy_(quantizer.entries.flatten(0, 1).unsqueeze(0))
    x = torch.randn(40, 6)
    ours, theirs = quantizer.eval()(x), other(x.unsqueeze(0))
    torch.testing.assert_close(ours.vectors, theirs["x"][0])
    assert perplexity(ours.counts).sum().item() == pytest.approx(theirs["code_perplexity"].item(), abs=1e-4)
    assert perplexity(ours.probabilities).sum().item() == pytest.approx(theirs["prob_perplex"].item(), abs=1e-4)
    assert torch.equal(ours.counts.sum(1), torch.tensor([40.0, 40.0]))


@torch.no_grad()
def test_codes_name_the_entries(quantizer):
    quantized = quantizer.train()(torch.randn(300, 6))
    combinations = {
        (quantizer.entries[0, first].tolist() + quantizer.entries[1, second].tolist()).__repr__()
        for first in range(5)
        for second in range(5)
    }
    by_code = {}
    for code, vector in zip(quantized.codes.tolist(), quantized.vectors, strict=True):
        torch.testing.assert_close(vector, by_code.setdefault(code, vector))
    assert 10 < len(by_code) <= len(combinations) == 25


@torch.no_grad()
@pytest.mark.parametrize("temperature", [2.0, 0.25])
def test_training_draws_entries_by_their_probability(quantizer, temperature):
    """The largest of scores plus Gumbel noise is distributed as the softmax, at any temperature."""
    quantizer.train().temperature = temperature
    x, draws = 0.3 * torch.randn(1, 6), 20000
    codes = quantizer(x.expand(draws, 6)).codes
    first, second = quantizer.scores(x).view(2, 5).softmax(-1)
    joint = (second[:, None] * first[None, :]).flatten()
    assert (torch.bincount(codes, minlength=25) / draws - joint).abs().max() < 0.02


def test_one_entry_forwards_the_softmax_backwards(quantizer):
    quantizer.double().train()
    x = torch.randn(4, 6, dtype=torch.float64)
    weight = torch.randn(4, 6, dtype=torch.float64)
    torch.manual_seed(3)
    (quantizer(x).vectors * weight).sum().backward()
    found = quantizer.scores.weight.grad.clone()
    torch.manual_seed(3)
    quantizer.zero_grad()
    scores = quantizer.scores(x).view(4, 2, 5).float()
    noise = -torch.empty_like(scores).exponential_().log()
    soft = ((scores + noise) / 2.0).softmax(-1).double()
    (torch.einsum("ngv,gve->nge", soft, quantizer.entries).flatten(1) * weight).sum().backward()
    torch.testing.assert_close(found, quantizer.scores.weight.grad, rtol=1e-4, atol=1e-6)


def test_temperature(quantizer):
    found = []
    for step in (0, 100000, 10**6):
        quantizer.set_step(step)
        found.append(quantizer.temperature)
    assert found == [2.0, pytest.approx(2 * 0.999995**100000), 0.25]


@torch.no_grad()
@pytest.mark.parametrize("score_std", [1.0, 0.25])
def test_how_far_scores_are_apart_at_first(score_std):
    torch.manual_seed(0)
    scores = GumbelQuantizer(256, score_std=score_std).scores(
        torch.nn.functional.layer_norm(torch.randn(99, 256), (256,))
    )
    assert scores.std().item() == pytest.approx(16 * score_std, rel=0.05)
