"""Choices of a model's parts: found, drawn, made."""

from collections import Counter

import pytest
from torch import nn

from summarymixing.utils.on_demand import OnDemand, choose, draw, offered


class Part(nn.Module, OnDemand):
    def __init__(self, **choices):
        super().__init__()
        self.offer(**choices)


def test_choices_of_all_parts():
    model = nn.Sequential(Part(squeeze=[1, 2]), nn.Sequential(Part(squeeze=[1, 2], query_pool=[2, 4, 1])), nn.ReLU())
    assert offered(model) == {"query_pool": (2, 4, 1), "squeeze": (1, 2)}
    choose(model, squeeze=2)
    assert [part.chosen for part in model.modules() if isinstance(part, Part)] == [
        {"squeeze": 2},
        {"squeeze": 2, "query_pool": 2},
    ]
    choose(model)
    assert model[0].chosen == {"squeeze": 1}


def test_draws_are_uniform_and_independent_and_repeat():
    choices = {"query_pool": (1, 2), "squeeze": (1, 2, 4)}
    seeds = [1_000_003 * epoch + step for epoch in range(10) for step in range(600)]  # as of training steps
    found = [draw(choices, seed) for seed in seeds]
    assert found == [draw(choices, seed) for seed in seeds]
    pairs = Counter((one["query_pool"], one["squeeze"]) for one in found)
    assert len(pairs) == 6 and all(abs(count - 1000) < 120 for count in pairs.values())  # 4 standard deviations


def test_what_cannot_be_chosen_is_refused():
    with pytest.raises(ValueError, match="this model has no squeeze: nothing of it can be chosen"):
        choose(nn.Linear(1, 1), squeeze=2)
    with pytest.raises(ValueError, match="no squeeze: what can be chosen is query_pool"):
        choose(Part(query_pool=[1, 2]), squeeze=2)
    with pytest.raises(ValueError, match="squeeze=0 must be a number"):
        choose(Part(squeeze=[1, 2]), squeeze=0)
    with pytest.raises(ValueError, match=r"offer squeeze=\(1, 2\) and squeeze=\(1, 3\)"):
        offered(nn.Sequential(Part(squeeze=[1, 2]), Part(squeeze=[1, 3])))
