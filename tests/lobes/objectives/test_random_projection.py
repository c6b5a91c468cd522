"""Random-projection targets against their definition: nearest entries, alignment, padding, several codebooks."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from summarymixing.lobes.objectives.masked import MaskedFrames
from summarymixing.lobes.objectives.random_projection import RandomProjection

COUNTS = torch.tensor([9, 5, 1])


def make(codebooks=1, centre=3, stride=2, stack=4, codes=11):
    torch.manual_seed(0)
    front_end = SimpleNamespace(stride=stride, centre=centre)
    sizes = SimpleNamespace(features=SimpleNamespace(output_size=6), front_end=front_end, d_model=7)
    return RandomProjection(sizes, codes=codes, entry_size=4, codebooks=codebooks, stack=stack)


def everything():
    """A batch all of whose real frames are masked."""
    mask = torch.arange(9) < COUNTS[:, None]
    torch.manual_seed(1)
    return torch.randn(15, 7), torch.empty(3, 9, 1), torch.randn(3, 23, 6), MaskedFrames(mask, COUNTS)


@pytest.mark.parametrize("codebooks", [1, 3])
@pytest.mark.parametrize("centre, stride, stack", [(3, 2, 4), (0, 4, 4), (3, 2, 1), (0, 1, 3)])
def test_targets_are_the_nearest_entries(codebooks, centre, stride, stack):
    """In float64, frame after frame; features that are not there are zero, which is their mean."""
    objective = make(codebooks, centre, stride, stack)
    _, frames, features, masked = everything()
    features = features[:, : centre + 9 * stride - 1]
    found = objective.targets(features, masked, frames.shape[1]).tolist()
    projection = objective.projection.double().view(codebooks, 4, -1)
    places = [(row, frame) for row, count in enumerate(COUNTS.tolist()) for frame in range(count)]
    for codes, (row, frame) in zip(found, places, strict=True):
        first = centre + frame * stride - (stack - 1) // 2
        around = range(first, first + stack)
        seen = [features[row, u] if 0 <= u < features.shape[1] else torch.zeros(6) for u in around]
        # A feature's frames lie beside each other, as `unfold` gives them.
        stacked = torch.stack(seen, dim=1).flatten().double()
        for book, code in enumerate(codes):
            direction = F.normalize(projection[book] @ stacked, dim=0)
            distances = (objective.entries[book].double() - direction).norm(dim=1)
            assert distances[code] == pytest.approx(distances.min().item(), abs=1e-6)


@pytest.mark.parametrize("codebooks", [1, 3])
def test_loss_is_cross_entropy(codebooks):
    objective = make(codebooks)
    hidden, frames, features, masked = everything()
    output = objective(hidden, frames, features, masked)
    targets = objective.targets(features, masked, 9)
    logits = objective.prediction_proj(hidden).view(15, codebooks, 11).double()
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(15, codebooks).mean(1)
    assert output.loss.item() == pytest.approx(losses.sum().item(), rel=1e-5)
    assert output.losses.tolist() == pytest.approx([part.sum().item() for part in losses.split([9, 5, 1])], rel=1e-5)
    assert output.correct.item() == pytest.approx((logits.argmax(-1) == targets).sum().item() / codebooks)
    most = [torch.bincount(targets[:, book]).max().item() for book in range(codebooks)]
    assert output.chance.item() == pytest.approx(sum(most) / codebooks) and output.code_probabilities is None
    for book in range(codebooks):
        assert output.code_counts[book].tolist() == torch.bincount(targets[:, book], minlength=11).tolist()


def test_nothing_is_trained_but_the_prediction():
    objective = make()
    assert {name for name, _ in objective.named_parameters()} == {"prediction_proj.weight", "prediction_proj.bias"}
    assert {"projection", "entries"} <= objective.state_dict().keys()
    torch.testing.assert_close(objective.entries.norm(dim=-1), torch.ones(1, 11))


def test_other_utterances_change_nothing():
    objective = make()
    hidden, frames, features, masked = everything()
    together = objective(hidden, frames, features, masked)
    for row, (count, part) in enumerate(zip(COUNTS.tolist(), hidden.split(COUNTS.tolist()), strict=True)):
        alone = MaskedFrames(torch.ones(1, count, dtype=torch.bool), COUNTS[row : row + 1])
        output = objective(part, frames[row : row + 1, :count], features[row : row + 1], alone)
        assert output.loss.item() == pytest.approx(together.losses[row].item(), rel=1e-5)


def test_normalised_features_use_many_codes():
    """Which is why they must be normalised: a common mean leads to few codes."""
    objective = make(codes=500)
    masked = MaskedFrames(torch.ones(1, 2000, dtype=torch.bool), torch.tensor([2000]))
    features = torch.randn(1, 4006, 6)
    used = [objective.targets(features + mean, masked, 2000).unique().numel() for mean in (0.0, 50.0)]
    assert used[0] > 300 > 20 > used[1]


def test_equal_targets_are_all_right_by_chance():
    hidden, frames, features, masked = everything()
    output = make()(hidden, frames, torch.zeros_like(features), masked)
    assert output.chance == output.masked == output.code_counts.amax()


def test_the_waveform_has_no_targets():
    sizes = SimpleNamespace(features=SimpleNamespace(output_size=1))
    with pytest.raises(ValueError, match="spectrum"):
        RandomProjection(sizes)
