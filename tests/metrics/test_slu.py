"""Frames as text, and SLURP's metrics by hand."""

import random

import jiwer
import pytest

from summarymixing.corpora.semantic_frame import SemanticFrame
from summarymixing.metrics.slu import (
    Confusion,
    character_distance,
    match_by_characters,
    match_by_words,
    match_exactly,
    slu_scores,
    word_distance,
)


def counts(confusion):
    return confusion.true, confusion.false_positives, confusion.false_negatives


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (SemanticFrame("alarm", "query"), "alarm|query"),
        (
            SemanticFrame("iot", "hue_lightoff", (("house_place", "o'brien's room"),)),
            "iot|hue_lightoff|house_place:o'brien's room",
        ),
        # The same entity twice, a colon in a filler, letters outside ASCII.
        (
            SemanticFrame("a", "b", (("time", "5:30"), ("time", "5:30"), ("person", "zoë"))),
            "a|b|time:5:30|time:5:30|person:zoë",
        ),
    ],
)
def test_a_frame_is_written_and_read_back(frame, text):
    assert frame.to_text() == text
    assert SemanticFrame.from_text(text) == frame


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (SemanticFrame("alarm", ""), "empty"),
        (SemanticFrame("alarm", "set", (("time", ""),)), "empty"),
        (SemanticFrame("alarm", "set", (("time", "five  am"),)), "white space"),
        (SemanticFrame("alarm ", "set"), "white space"),
        (SemanticFrame("al|arm", "set"), r'"\|"'),
        (SemanticFrame("alarm", "set", (("time", "a|b"),)), r'"\|"'),
        (SemanticFrame("alarm", "s:et"), '":" in a label'),
        (SemanticFrame("alarm", "set", (("ti:me", "five"),)), '":" in a label'),
    ],
)
def test_what_the_format_cannot_hold_is_refused(frame, reason):
    with pytest.raises(ValueError, match=reason):
        frame.to_text()


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("", SemanticFrame("", "")),
        ("|||", SemanticFrame("", "")),
        ("alarm", SemanticFrame("alarm", "")),
        (" alarm | set ", SemanticFrame("alarm", "set")),
        ("alarm|set|query|time:five", SemanticFrame("alarm", "set", (("time", "five"),))),
        ("alarm|time:five|set", SemanticFrame("alarm", "set", (("time", "five"),))),
        ("time:five", SemanticFrame("", "", (("time", "five"),))),
        ("alarm|set|time:|:five|:|time five", SemanticFrame("alarm", "set")),
        ("alarm|set|time: five\tam ", SemanticFrame("alarm", "set", (("time", "five am"),))),
        ("alarm|set|time:date:five", SemanticFrame("alarm", "set", (("time", "date:five"),))),
        ("|set", SemanticFrame("", "set")),
    ],
)
def test_a_malformed_frame_gives_what_can_be_read(text, frame):
    assert SemanticFrame.from_text(text) == frame


def test_nothing_that_a_decoder_says_is_an_error():
    generator = random.Random(0)
    for _ in range(2000):
        text = "".join(generator.choices("ab |:\t⁇é", k=generator.randrange(30)))
        frame = SemanticFrame.from_text(text)
        assert frame.entities == () or all(kind and filler for kind, filler in frame.entities)
        # What has been read can be written, but for labels that are missing; then it is read the same.
        if frame.scenario and frame.action:
            assert SemanticFrame.from_text(frame.to_text()) == frame


@pytest.mark.parametrize(
    ("gold", "heard", "expected"),
    [
        ([], [], (0, 0, 0)),
        ([("time", "five")], [], (0, 0, 1)),
        ([], [("time", "five")], (0, 1, 0)),
        ([("time", "five")], [("time", "nine")], (0, 1, 1)),
        ([("time", "five")], [("date", "five")], (0, 1, 1)),
        # Said three times, twice by right; the order is of no account.
        ([("t", "x"), ("t", "x"), ("d", "y")], [("d", "y"), ("t", "x"), ("t", "x"), ("t", "x")], (3, 1, 0)),
        ([("t", "x"), ("t", "x")], [("t", "x")], (1, 0, 1)),
    ],
)
def test_exact_matches_are_those_of_multisets(gold, heard, expected):
    assert counts(match_exactly(gold, heard)) == expected


@pytest.mark.parametrize(
    ("real", "heard", "word", "character"),
    [
        ("five am", "five am", 0, 0),
        ("five am", "nine am", 1 / 2, 2 / 7),  # f -> n, v -> n of 7 characters
        ("five", "five am", 1, 3 / 7),  # one word too much beside one; " am" of the longer filler's 7 characters
        ("five", "five in the morning", 3, 15 / 19),  # " in the morning" has 15 characters
        ("one two three four", "two", 3 / 4, 15 / 18),
        ("a", "b c d", 3, 5 / 5),  # a -> b and four more
    ],
)
def test_distances(real, heard, word, character):
    assert word_distance(real, heard) == pytest.approx(word)
    assert character_distance(real, heard) == pytest.approx(character)


@pytest.mark.parametrize(
    ("gold", "heard", "words", "characters"),
    [
        ([], [], (0, 0, 0), (0, 0, 0)),
        # Another type is no match at all: one thing missing, one too much.
        ([("time", "five")], [("date", "five")], (0, 1, 1), (0, 1, 1)),
        # One word of two, two characters of seven.
        ([("time", "five am")], [("time", "nine am")], (1, 0.5, 0.5), (1, 2 / 7, 2 / 7)),
        # A distance above 1 weighs more than leaving the entity out would have.
        ([("time", "five")], [("time", "five in the morning")], (1, 3, 3), (1, 15 / 19, 15 / 19)),
        # The nearest, not the first, is taken; the other was not heard.
        ([("time", "ten pm"), ("time", "five am")], [("time", "five pm")], (1, 0.5, 1.5), (1, 1 / 7, 1 + 1 / 7)),
        # Each is taken once: "ten" takes the first "five" (distance 1 in words; t e n against f i v e: 4 edits of 4),
        # "five" the second.
        ([("t", "five"), ("t", "five")], [("t", "ten"), ("t", "five")], (2, 1, 1), (2, 1, 1)),
        # Two real ones, one heard: the second was not.
        ([("t", "five"), ("t", "five")], [("t", "five")], (1, 0, 1), (1, 0, 1)),
        ([("t", "dollar"), ("t", "yen")], [("t", "yen")], (1, 0, 1), (1, 0, 1)),
        # One real one, two heard: the first takes it, though the second is nearer in characters (2 of 4).
        ([("t", "five")], [("t", "ten"), ("t", "nine")], (1, 2, 1), (1, 2, 1)),
        # They choose in the order in which they were heard: "b" takes "a b" (1 of 2 words off, "c" is 1 of 1; 2 of 3
        # characters, "c" 1 of 1), and leaves "c" to "a b" (2 of 1 words off, 3 of 3 characters), where the other
        # pairing would have cost 1 and 0.
        ([("t", "a b"), ("t", "c")], [("t", "b"), ("t", "a b")], (2, 2.5, 2.5), (2, 5 / 3, 5 / 3)),
    ],
)
def test_matches_by_distance(gold, heard, words, characters):
    assert counts(match_by_words(gold, heard)) == pytest.approx(words)
    assert counts(match_by_characters(gold, heard)) == pytest.approx(characters)


def test_a_tie_goes_to_the_first_real_one():
    """Seen by what is left for the second: with "ten" gone, "ten" finds "five", one word off; else it finds itself."""
    heard = [("t", "six"), ("t", "ten")]
    assert counts(match_by_words([("t", "ten"), ("t", "five")], heard)) == (2, 2, 2)
    assert counts(match_by_words([("t", "five"), ("t", "ten")], heard)) == (2, 1, 1)


@pytest.mark.parametrize(
    ("confusion", "precision", "recall", "f1"),
    [
        (Confusion(3, 1, 2), 3 / 4, 3 / 5, 6 / 9),
        (Confusion(1, 3, 3), 1 / 4, 1 / 4, 1 / 4),
        (Confusion(0, 2, 0), 0, 0, 0),
        (Confusion(), 0, 0, 0),
    ],
)
def test_measures_of_counts(confusion, precision, recall, f1):
    assert (confusion.precision, confusion.recall, confusion.f1) == pytest.approx((precision, recall, f1))
    if f1:
        assert confusion.f1 == pytest.approx(2 * precision * recall / (precision + recall))


def test_a_corpus_of_four_utterances():
    said = [
        SemanticFrame("alarm", "set", (("time", "five am"), ("date", "this week"))),
        SemanticFrame("alarm", "query"),
        SemanticFrame("qa", "currency", (("currency_name", "dollar"), ("currency_name", "yen"))),
        SemanticFrame("play", "music", (("song", "one"),)),
    ]
    understood = [
        SemanticFrame("alarm", "set", (("time", "nine am"), ("date", "this week"))),
        SemanticFrame("alarm", "set", (("time", "two"),)),
        SemanticFrame("play", "currency", (("currency_name", "yen"),)),
        SemanticFrame("play", "music", (("song", "one of them all"),)),
    ]
    scores = slu_scores(said, understood)
    assert scores["scenario_accuracy"] == 75 and scores["action_accuracy"] == 75
    assert scores["intent_accuracy"] == 50  # the first and the last
    # Exact: this week and yen of 5 real and 5 heard ones.
    assert (scores["entity_precision"], scores["entity_recall"], scores["entity_f1"]) == pytest.approx((40, 40, 40))
    # Words. 1: five am ~ nine am 1/2, this week 0: true 2, both errors 1/2. 2: one too much. 3: yen takes yen, dollar
    # was not heard: true 1, false negatives 1. 4: 3 words too many.
    true, false_positives, false_negatives = 2 + 0 + 1 + 1, 0.5 + 1 + 0 + 3, 0.5 + 0 + 1 + 3
    precision, recall = true / (true + false_positives), true / (true + false_negatives)
    assert scores["word_precision"] == pytest.approx(100 * precision) == pytest.approx(100 * 4 / 8.5)
    assert scores["word_recall"] == pytest.approx(100 * recall) == pytest.approx(100 * 4 / 8.5)
    assert scores["word_f1"] == pytest.approx(100 * 8 / (8 + 4.5 + 4.5))
    # Characters: 2/7; one too much; yen, and no dollar; " of them all" is 12 of 15.
    false_positives, false_negatives = 2 / 7 + 1 + 0 + 12 / 15, 2 / 7 + 0 + 1 + 12 / 15
    assert scores["char_f1"] == pytest.approx(100 * 8 / (8 + false_positives + false_negatives))
    # SLU-F1: the counts of both summed.
    false_positives, false_negatives = 4.5 + false_positives, 4.5 + false_negatives
    assert scores["slu_precision"] == pytest.approx(100 * 8 / (8 + false_positives))
    assert scores["slu_recall"] == pytest.approx(100 * 8 / (8 + false_negatives))
    assert scores["slu_f1"] == pytest.approx(100 * 16 / (16 + false_positives + false_negatives))


def test_the_perfect_and_the_silent():
    said = [SemanticFrame("a", "b", (("t", "x y"), ("t", "x y"))), SemanticFrame("a", "c")]
    perfect = slu_scores(said, said)
    assert set(perfect.values()) == {100}
    silent = slu_scores(said, [SemanticFrame.from_text("")] * 2)
    assert set(silent.values()) == {0}


def test_an_intent_is_a_pair_and_not_a_word():
    assert slu_scores([SemanticFrame("a_b", "c")], [SemanticFrame("a", "b_c")])["intent_accuracy"] == 0


def test_bad_lists_are_refused():
    for said, understood in [([], []), ([SemanticFrame("a", "b")], [])]:
        with pytest.raises(ValueError, match="references"):
            slu_scores(said, understood)


def test_one_pair_a_type_agrees_with_error_rates():
    """Where each type occurs once on either side, the word errors are those of jiwer over the fillers."""
    generator = random.Random(1)
    words = "five nine ten am pm".split()
    for _ in range(50):
        kinds = ["time", "date", "person"][: generator.randrange(1, 4)]
        gold, heard = (
            [(kind, " ".join(generator.choices(words, k=generator.randrange(1, 4)))) for kind in kinds]
            for _ in range(2)
        )
        errors = sum(jiwer.wer(real, said) for (_, real), (_, said) in zip(gold, heard, strict=True))
        assert counts(match_by_words(gold, heard)) == pytest.approx((len(kinds), errors, errors))
