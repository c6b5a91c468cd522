"""The metrics of the SLURP paper, for SLU frames."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import jiwer


@dataclass
class Confusion:
    """Counts of correct and wrong entities; a partly wrong entity adds less than 1, or more, to the errors.

    Attributes
    ----------
    true, false_positives, false_negatives : float
        True positives; false positives; false negatives.

    Examples
    --------
    >>> counts = Confusion(true=3, false_positives=1, false_negatives=2)
    >>> counts.precision, counts.recall, round(counts.f1, 4)
    (0.75, 0.6, 0.6667)
    """

    true: float = 0.0
    false_positives: float = 0.0
    false_negatives: float = 0.0

    def __add__(self, other: Confusion) -> Confusion:
        """Sum the counts."""
        return Confusion(
            self.true + other.true,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
        )

    @property
    def precision(self) -> float:
        """Fraction of the predicted entities that are correct; 0 if none was predicted."""
        return self.true / (self.true + self.false_positives) if self.true else 0.0

    @property
    def recall(self) -> float:
        """Fraction of the reference entities that were found; 0 if there is none."""
        return self.true / (self.true + self.false_negatives) if self.true else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 if no entity is correct."""
        return 2 * self.true / (2 * self.true + self.false_positives + self.false_negatives) if self.true else 0.0


def slu_scores(references, predictions):
    """Compute SLURP's metrics over a list of utterances (Bastianelli et al. 2020, arXiv 2011.13205).

    Entity F1 counts an entity as correct if its type and its filler are correct. Word-F1 and Char-F1 give partial
    credit for a filler (:func:`match_by_distance`); SLU-F1 is computed from the sum of their counts. All averages are
    over entities (micro-averages).

    Parameters
    ----------
    references, predictions : list of SemanticFrame
        Reference and predicted frames, in the same order.

    Returns
    -------
    dict of str to float
        In percent: ``scenario_accuracy``, ``action_accuracy``, ``intent_accuracy`` (both right), and ``_precision``,
        ``_recall`` and ``_f1`` of ``entity``, ``word``, ``char`` and ``slu``.

    Raises
    ------
    ValueError
        If there are no utterances, or the lists differ in length.

    Examples
    --------
    >>> from summarymixing.corpora.semantic_frame import SemanticFrame
    >>> said = SemanticFrame("alarm", "set", (("time", "five am"),))
    >>> heard = SemanticFrame("alarm", "query", (("time", "nine am"),))
    >>> scores = slu_scores([said], [heard])
    >>> scores["scenario_accuracy"], scores["intent_accuracy"], scores["entity_f1"], round(scores["word_f1"], 2)
    (100.0, 0.0, 0.0, 66.67)
    """
    if not references or len(references) != len(predictions):
        raise ValueError(f"{len(references)} references and {len(predictions)} predictions; give as many, at least one")
    pairs = list(zip(references, predictions, strict=True))
    right = {
        name: sum(getattr(gold, name) == getattr(heard, name) for gold, heard in pairs)
        for name in ("scenario", "action")
    }
    right["intent"] = sum(same_intent(gold, heard) for gold, heard in pairs)
    scores = {f"{name}_accuracy": 100 * count / len(pairs) for name, count in right.items()}

    matches = {"entity": match_exactly, "word": match_by_words, "char": match_by_characters}
    counts = {
        name: sum((match(gold.entities, heard.entities) for gold, heard in pairs), Confusion())
        for name, match in matches.items()
    }
    counts["slu"] = counts["word"] + counts["char"]
    for name, confusion in counts.items():
        for measure in ("precision", "recall", "f1"):
            scores[f"{name}_{measure}"] = 100 * getattr(confusion, measure)
    return scores


def same_intent(gold, heard):
    """Whether scenario and action are both equal; joined by "_" two different intents could look the same.

    Parameters
    ----------
    gold, heard : SemanticFrame
        Reference and prediction.

    Returns
    -------
    bool

    Examples
    --------
    >>> from summarymixing.corpora.semantic_frame import SemanticFrame
    >>> same_intent(SemanticFrame("a_b", "c"), SemanticFrame("a", "b_c"))
    False
    """
    return (gold.scenario, gold.action) == (heard.scenario, heard.action)


def match_exactly(gold, heard):
    """Count the entities of one utterance whose type and filler are both correct; each entity is matched once.

    Parameters
    ----------
    gold, heard : sequence of (str, str)
        Type and filler of the reference entities and of the predicted ones.

    Returns
    -------
    Confusion

    Examples
    --------
    >>> match_exactly([("time", "five"), ("time", "five")], [("time", "five"), ("date", "five")])
    Confusion(true=1, false_positives=1, false_negatives=1)
    """
    true = (Counter(gold) & Counter(heard)).total()
    return Confusion(true, len(heard) - true, len(gold) - true)


def match_by_distance(gold, heard, distance):
    """Count the entities of one utterance with partial errors for partly wrong fillers.

    As in SLURP's evaluation tool, each predicted entity in turn is matched with the nearest reference entity of its
    type that is left; of equally near ones, with the first. A matched pair is one true positive and adds its distance
    to the false positives and to the false negatives. Every unmatched entity counts as one error.

    Parameters
    ----------
    gold, heard : sequence of (str, str)
        As for :func:`match_exactly`.
    distance : callable
        ``distance(reference filler, predicted filler)``, 0 if they are equal; may exceed 1.

    Returns
    -------
    Confusion

    Examples
    --------
    >>> match_by_distance([("time", "five am")], [("time", "nine am"), ("date", "am")], word_distance)
    Confusion(true=1.0, false_positives=1.5, false_negatives=0.5)
    """
    counts, left = Confusion(), list(gold)
    for kind, filler in heard:
        candidates = [entity for entity in left if entity[0] == kind]
        if not candidates:
            counts += Confusion(false_positives=1.0)
            continue
        nearest = min(candidates, key=lambda entity: distance(entity[1], filler))
        left.remove(nearest)
        error = distance(nearest[1], filler)
        counts += Confusion(1.0, error, error)
    return counts + Confusion(false_negatives=float(len(left)))


def match_by_words(gold, heard):
    """:func:`match_by_distance` with :func:`word_distance`: the counts of Word-F1."""
    return match_by_distance(gold, heard, word_distance)


def match_by_characters(gold, heard):
    """:func:`match_by_distance` with :func:`character_distance`: the counts of Char-F1."""
    return match_by_distance(gold, heard, character_distance)


def word_distance(real, heard):
    """Word error rate of a filler, by jiwer: edits / reference words; exceeds 1 if the prediction is much longer.

    Parameters
    ----------
    real, heard : str
        Reference and predicted filler.

    Returns
    -------
    float

    Examples
    --------
    >>> word_distance("five", "five in the morning")
    3.0
    """
    return jiwer.wer(real, heard)


def character_distance(real, heard):
    """Normalised Levenshtein distance, 0 to 1: edits / characters of the longer filler.

    Parameters
    ----------
    real, heard : str
        Reference and predicted filler.

    Returns
    -------
    float

    Examples
    --------
    >>> character_distance("five", "nine")
    0.5
    """
    found = jiwer.process_characters(real, heard)
    return (found.substitutions + found.deletions + found.insertions) / max(len(real), len(heard))
