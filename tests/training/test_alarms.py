"""Alarms of a pre-training: what raises them, and what does not."""

import math
from dataclasses import replace

import pytest
import torch

from summarymixing.training.alarms import CollapseAlarm, FewCodesWarning, NonFiniteAlarm, collapsed, refuse_non_finite
from summarymixing.training.masked_frames import Step
from summarymixing.utils.errors import InputError

GOOD = Step(
    masked=9000,
    frames=18000,
    seconds=360.0,
    loss=3.0,
    accuracy=60.0,
    chance=1.0,
    code_perplexity=300.0,
    probability_perplexity=400.0,
    groups=2,
    codes=640,
)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"code_perplexity": 3.1}, None),  # low, but not one code in each codebook
        ({"code_perplexity": 2.9}, "nearly all frames have the same target"),
        ({"groups": 1, "codes": 8192, "code_perplexity": 1.4}, "nearly all frames have the same target"),
        ({"loss": 0.0}, "all candidates look the same"),
        ({"accuracy": 99.0, "code_perplexity": 39.0}, "the targets have become trivial"),
        ({"accuracy": 99.0}, None),  # a good model
        ({"accuracy": 68.0, "code_perplexity": 24.0}, None),
        # Of 20 frames no more than 40 codes can be in use.
        ({"accuracy": 99.0, "masked": 20, "code_perplexity": 20.0}, None),
        ({"masked": 0, "loss": 0.0, "code_perplexity": 2.0}, None),
    ],
)
def test_what_is_a_collapse(change, reason):
    found = collapsed(replace(GOOD, **change))
    assert (found is None) if reason is None else (reason in found)


def test_the_alarm_waits_for_steps_one_after_the_other():
    bad, alarm = replace(GOOD, loss=0.0), CollapseAlarm(patience=3)
    assert [alarm(step, 1) for step in (bad, bad, GOOD, bad, bad)] == [None] * 5 and alarm.in_doubt
    assert "3 optimizer steps up to number 6" in alarm(bad, 6)
    assert alarm(GOOD, 7) is None and not alarm.in_doubt


def test_few_codes_are_warned_of_once():
    few, warning = replace(GOOD, code_perplexity=31.0), FewCodesWarning(patience=2)
    assert [warning(step) for step in (few, GOOD, few, few, few, GOOD, few, few)] == [False] * 3 + [True] + [False] * 4


def test_an_overflow_in_the_search_for_a_scale_is_no_defect():
    alarm = NonFiniteAlarm(patience=0)
    assert not alarm(math.inf, searching=True) and alarm(math.inf, searching=False)


def test_statistics_that_are_not_finite_are_refused_too():
    model = torch.nn.BatchNorm1d(2)
    refuse_non_finite(model)
    model.running_var[1] = math.inf
    with pytest.raises(InputError, match="running_var of the model is NaN or infinite.*--lr"):
        refuse_non_finite(model)
