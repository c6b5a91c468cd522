"""Perplexity against its definition."""

import math

import pytest
import torch

from summarymixing.ops.perplexity import perplexity


@pytest.mark.parametrize("weights", [[1, 2, 3, 4], [0, 0, 5, 0], [0.25] * 4, [1e-30, 1, 0, 1e30]], ids=str)
def test_equals_its_definition(weights):
    shares = [weight / sum(weights) for weight in weights]
    expected = math.exp(-sum(share * math.log(share) for share in shares if share > 0))
    assert perplexity(torch.tensor(weights, dtype=torch.float64)).item() == pytest.approx(expected, rel=1e-9)


def test_extremes():
    even, one, none = torch.ones(320), torch.eye(320)[3], torch.zeros(320)
    assert perplexity(torch.stack([even, one, none])).tolist() == pytest.approx([320, 1, 1])


def test_gradient():
    weights = torch.tensor([[0.2, 0.3, 0.5]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(perplexity, weights)
    collapsed = torch.tensor([1.0, 0.0, 0.0], requires_grad=True)
    perplexity(collapsed).backward()
    assert collapsed.grad.isfinite().all() and (collapsed.grad[1:] > collapsed.grad[0]).all()
