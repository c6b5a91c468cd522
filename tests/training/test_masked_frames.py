"""Sums over batches and means over steps, against sums over frames."""

import math

import pytest
import torch

from summarymixing.lobes.objectives.masked import PretrainingOutput
from summarymixing.training.masked_frames import StepMeans, StepSums, one_line


def batch(masked, seed, probabilities=True):
    """A batch of random frames: its output, and each frame's codes and probabilities."""
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(masked, 2, 6, generator=generator).softmax(-1)
    chosen = torch.nn.functional.one_hot(share.argmax(-1), 6).float()
    loss, correct = torch.rand(masked, generator=generator), torch.rand(masked, generator=generator) < 0.4
    output = PretrainingOutput(
        loss=loss.sum().requires_grad_(),
        masked=masked,
        frames=2 * masked,
        correct=correct.sum(),
        chance=torch.tensor(0.1 * masked),
        code_counts=chosen.sum(0),
        code_probabilities=share.sum(0) if probabilities else None,
        losses=loss,
    )
    return output, loss, correct, chosen, share


def entropy_perplexity(shares):
    """Sum over codebooks of exp(entropy) of (groups, codes) that sum to 1, term by term."""
    return sum(math.exp(-sum(p * math.log(p) for p in row if p > 0)) for row in shares.double().tolist())


def test_a_step_is_what_all_its_frames_are():
    sums, batches = StepSums(), [batch(masked, seed) for seed, masked in enumerate((5, 50, 17))]
    for output, *_ in batches:
        sums.add(output, seconds=1.5)
    step = sums.close()
    loss, correct, chosen, share = (torch.cat(parts) for parts in list(zip(*batches, strict=True))[1:])
    assert (step.masked, step.frames, step.seconds, step.groups, step.codes) == (72, 144, 4.5, 2, 12)
    assert step.loss == pytest.approx(float(loss.double().mean()), rel=1e-5)
    assert step.accuracy == pytest.approx(100 * float(correct.double().mean()), rel=1e-5)
    assert step.chance == pytest.approx(10.0, rel=1e-5)
    assert step.code_perplexity == pytest.approx(entropy_perplexity(chosen.mean(0)), rel=1e-4)
    assert step.probability_perplexity == pytest.approx(entropy_perplexity(share.mean(0)), rel=1e-4)
    assert sums.batches == 0


def test_targets_without_probabilities_have_no_such_perplexity():
    sums = StepSums()
    for seed in (0, 1):
        sums.add(batch(5, seed, probabilities=False)[0], seconds=1.0)
    step = sums.close()
    assert step.probability_perplexity is None and "probability_perplexity" not in step.row()


def step_of(masked, seed):
    sums = StepSums()
    sums.add(batch(masked, seed)[0], seconds=2.0)
    return sums.close()


def test_means_are_kept_in_checkpoints(tmp_path):
    steps, means, other = [step_of(masked, masked) for masked in (5, 50)], StepMeans(), StepMeans()
    means.add(steps[0], 1.0, wall=1.0, waiting=0.5)
    means.save(tmp_path / "means")
    other.load(tmp_path / "means", end_of_epoch=False)
    other.add(steps[1], 3.0, wall=1.0, waiting=0.0)
    row = other.row()
    assert row["loss"] == pytest.approx((5 * steps[0].loss + 50 * steps[1].loss) / 55)
    assert row["code_perplexity"] == pytest.approx(sum(step.code_perplexity for step in steps) / 2)
    assert (row["gradient_norm"], row["waiting"], row["nonfinite_steps"]) == (2.0, 25.0, 0)
    assert row["hours_per_step"] == pytest.approx(2 / 3600) and row["speech_seconds_per_second"] == 2.0
    other.load(tmp_path / "means", end_of_epoch=True)
    assert other.row() == {}


def test_a_step_that_is_not_finite_enters_no_mean():
    means = StepMeans()
    means.add(step_of(5, 0), math.nan, wall=1.0, waiting=0.0)
    assert means.row()["nonfinite_steps"] == 1 and "loss" not in means.row()
    good = step_of(50, 1)
    means.add(good, 2.0, wall=1.0, waiting=0.0)
    assert means.row()["loss"] == pytest.approx(good.loss) and means.row()["gradient_norm"] == 2.0
    assert one_line(means.row()).endswith("1 steps left out")
