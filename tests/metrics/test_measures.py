"""Tests of summarymixing/metrics/measures.py: what each utterance adds is what the corpus-wide functions count."""

import random

import jiwer
import numpy as np
import pytest

from summarymixing.corpora.manifest import write_manifest
from summarymixing.corpora.semantic_frame import SemanticFrame
from summarymixing.metrics.measures import Measure, interval, of_frames, of_transcripts, read_test, resampled
from summarymixing.metrics.slu import slu_scores
from summarymixing.metrics.wer import score, write_scored

WORDS = "A BIG CAT SAT ON THE MAT AND ATE ITS FISH".split()


def texts(generator, count, fewest):
    return [" ".join(generator.choices(WORDS, k=generator.randint(fewest, 9))) for _ in range(count)]


def test_error_counts_add_up_to_jiwers_corpus_error_rates():
    generator = random.Random(1)
    references, hypotheses = texts(generator, 200, 1), texts(generator, 200, 0)
    measures = of_transcripts(references, hypotheses)
    assert measures["wer"].value == pytest.approx(100 * jiwer.wer(references, hypotheses), abs=1e-10)
    assert measures["cer"].value == pytest.approx(100 * jiwer.cer(references, hypotheses), abs=1e-10)
    for place, (reference, hypothesis) in enumerate(zip(references, hypotheses, strict=True)):
        assert measures["wer"].parts[place] == round(jiwer.wer(reference, hypothesis) * len(reference.split()))
        assert measures["cer"].parts[place] == round(jiwer.cer(reference, hypothesis) * len(reference))


def test_spaces_are_no_errors():
    measures = of_transcripts(["A B C", "A  B"], ["  A B   C ", "A B"])
    assert measures["cer"].parts.tolist() == measures["wer"].parts.tolist() == [0, 0]
    assert measures["cer"].wholes.tolist() == [5, 3]


def test_error_counts_by_hand():
    measures = of_transcripts(["A B C", "A B C", "A B C", "A B C", "A"], ["A B C", "A X C", "A C", "", "A B C"])
    assert measures["wer"].parts.tolist() == [0, 1, 1, 3, 2]
    assert measures["wer"].wholes.tolist() == [3, 3, 3, 3, 1]
    assert measures["cer"].parts.tolist() == [0, 1, 2, 5, 4]
    assert measures["cer"].wholes.tolist() == [5, 5, 5, 5, 1]


def frames(generator, count):
    return [
        SemanticFrame(
            generator.choice(["alarm", "play"]),
            generator.choice(["set", "query"]),
            tuple((generator.choice(["time", "date"]), text) for text in texts(generator, generator.randrange(4), 1)),
        )
        for _ in range(count)
    ]


def test_frame_counts_add_up_to_the_scores_of_slurp():
    generator = random.Random(2)
    gold, heard = frames(generator, 300), frames(generator, 300)
    scores = slu_scores(gold, heard)
    measures = of_frames([frame.to_text() for frame in gold], [frame.to_text() for frame in heard], {"intent": 7.0})
    for name in ("intent_accuracy", "slu_f1"):
        assert 0 < scores[name] < 100
        assert measures[name].value == pytest.approx(scores[name], abs=1e-10)
    assert measures["intent_accuracy"].baseline == 7.0 and measures["slu_f1"].baseline is None


def test_no_entity_anywhere_is_no_error():
    assert of_frames(["alarm|set"], ["alarm|set"], {})["slu_f1"].value == 0
    assert Measure("F1", np.zeros(2), np.zeros(2)).value == 0


def test_classes_of_several_targets_are_read(tmp_path):
    rows = [
        {"ID": "b", "scenario": "alarm", "scenario_predicted": "alarm", "action": "set", "action_predicted": "query"},
        {"ID": "a", "scenario": "play", "scenario_predicted": "alarm", "action": "set", "action_predicted": "query"},
    ]
    write_manifest(tmp_path / "predictions_test.csv", rows, list(rows[0]))
    metrics = {"scenario_accuracy": 50.0, "scenario_majority_accuracy": 40.0}
    metrics |= {"action_accuracy": 0.0, "action_majority_accuracy": 60.0}
    references, measures = read_test(tmp_path, "test", metrics)
    slightly_other = {**metrics, "action_accuracy": 0.01}  # as an earlier version may have recorded
    assert read_test(tmp_path, "test", slightly_other)[1]["action_accuracy"].value == 0
    assert references == {"a": "play|set", "b": "alarm|set"} and list(references) == ["a", "b"]
    assert measures["scenario_accuracy"].parts.tolist() == [0, 1]
    assert [measure.title for measure in measures.values()] == ["scenario accuracy", "action accuracy"]
    assert [measure.baseline for measure in measures.values()] == [40.0, 60.0]
    with pytest.raises(ValueError, match="test: action accuracy is 0.00 % over its utterances, but 5.00 % in run.json"):
        read_test(tmp_path, "test", {**metrics, "action_accuracy": 5.0})
    rows[1]["action"] = ""
    write_manifest(tmp_path / "predictions_test.csv", rows, list(rows[0]))
    with pytest.raises(ValueError, match="without one of ID, scenario, action, scenario_predicted, action_predicted"):
        read_test(tmp_path, "test", metrics)


def test_an_empty_hypothesis_is_one_and_an_empty_reference_is_not(tmp_path):
    rows = [{"ID": "a", "duration": 1.0, "reference": "A B", "hypothesis": ""}]
    write_scored(tmp_path, "test", rows)
    _, measures = read_test(tmp_path, "test", score(rows))
    assert measures["wer"].value == 100
    write_manifest(tmp_path / "transcripts_test.csv", [{**rows[0], "reference": ""}], list(rows[0]))
    with pytest.raises(ValueError, match="transcripts_test.csv has no rows"):
        read_test(tmp_path, "test", score(rows))


# Bootstrap


def wers(errors, words, **options):
    """:func:`resampled` of the word errors of several runs."""
    return resampled([Measure("WER", np.asarray(row), np.asarray(words)) for row in errors], **options)


def test_resampling_two_utterances_by_hand():
    # Utterances of 1 and 3 words with 1 and 0 errors: drawn (0, 0), (0, 1) or (1, 0), (1, 1) with odds 1 : 2 : 1.
    rates = wers([[1, 0]], [1, 3], resamples=20_000)[:, 0]
    found, counts = np.unique(rates, return_counts=True)
    assert found.tolist() == [0, 25, 100]
    np.testing.assert_allclose(counts / rates.size, [0.25, 0.5, 0.25], atol=0.02)


def slow_bootstrap(errors, other, words, resamples, draw):
    """Differences of word error rates, in plain Python."""
    differences = []
    for _ in range(resamples):
        chosen = [draw() for _ in words]
        total = sum(words[index] for index in chosen)
        rate = 100 * sum(errors[index] for index in chosen) / total
        differences.append(100 * sum(other[index] for index in chosen) / total - rate)
    return sorted(differences)


@pytest.fixture
def counts():
    generator = random.Random(7)
    words = [generator.randint(1, 30) for _ in range(40)]
    return [[generator.randint(0, count) for count in words] for _ in range(2)], words


def test_same_draws_as_a_slow_bootstrap(counts):
    (errors, other), words = counts
    resamples, generator = 300, np.random.default_rng(5)
    drawn = iter(generator.integers(len(words), size=resamples * len(words)).tolist())
    expected = slow_bootstrap(errors, other, words, resamples, lambda: next(drawn))
    rates = wers([errors, other], words, resamples=resamples, seed=5)
    np.testing.assert_allclose(sorted(rates[:, 1] - rates[:, 0]), expected, atol=1e-10)


def test_same_interval_as_a_slow_bootstrap_with_other_draws(counts):
    (errors, other), words = counts
    resamples, generator = 4000, random.Random(3)
    expected = slow_bootstrap(errors, other, words, resamples, lambda: generator.randrange(len(words)))
    low, high = expected[resamples // 40], expected[-resamples // 40]
    rates = wers([errors, other], words)
    found = interval(rates[:, 1] - rates[:, 0])
    np.testing.assert_allclose(found, [low, high], atol=0.06 * (high - low))


def test_a_large_test_set_is_resampled_in_parts_without_a_seam():
    words = np.arange(1, 1_200_001)  # more than one part holds: one resample a part
    errors = words // 2
    rates = wers([errors], words, resamples=3, seed=2)
    generator = np.random.default_rng(2)
    for rate in rates[:, 0]:
        chosen = generator.integers(words.size, size=words.size)
        assert rate == 100 * errors[chosen].sum() / words[chosen].sum()


def test_the_seed_fixes_the_interval(counts):
    errors, words = counts
    assert (wers(errors, words) == wers(errors, words)).all()
    assert (wers(errors, words) != wers(errors, words, seed=9)).any()


def test_a_resample_with_nothing_to_divide_by_counts_as_nothing():
    # Two utterances of which one has an entity, which was found: a quarter of the draws hold none.
    found = resampled([Measure("SLU-F1", np.array([2.0, 0.0]), np.array([2.0, 0.0]))], resamples=20_000)[:, 0]
    values, counts = np.unique(found, return_counts=True)
    assert values.tolist() == [0, 100]
    np.testing.assert_allclose(counts / found.size, [0.25, 0.75], atol=0.02)
