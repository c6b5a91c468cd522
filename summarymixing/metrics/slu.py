"""The metrics of the SLURP paper, over semantic frames."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import jiwer


@dataclass
class Confusion:
    """Counts of right and wrong entities; a wrong one may count for less than 1, or more.

    Attributes
    ----------
    true, false_positives, false_negatives : float
        Found and right; said and wrong; not found.

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
        """Fraction of the predicted entities that are right; 0 if none was said."""
        return self.true / (self.true + self.false_positives) if self.true else 0.0

    @property
    def recall(self) -> float:
        """Fraction of the reference entities that were found; 0 if there is none."""
        return self.true / (self.true + self.false_negatives) if self.true else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two; 0 if nothing is right."""
        return 2 * self.true / (2 * self.true + self.false_positives + self.false_negatives) if self.true else 0.0


def slu_scores(references, predictions):
    """SLURP's metrics over a list of utterances (Bastianelli et al. 2020, arXiv 2011.13205).

    Entity F1 counts an entity as right if type and filler are both right. Word-F1 and Char-F1 forgive part of a filler
    (:func:`match_by_distance`), SLU-F1 is that of both their counts summed. All entities count alike (micro-average).

    Parameters
    ----------
    references, predictions : list of SemanticFrame
        What was asked for, and what was understood, in the same order.

    Returns
    -------
    dict of str to float
        In percent: ``scenario_accuracy``, ``action_accuracy``, ``intent_accuracy`` (both right), and ``_precision``,
        ``_recall`` and ``_f1`` of ``entity``, ``word``, ``char`` and ``slu``.

    Raises
    ------
    ValueError
        If there are no utterances, or not as many predictions.

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
        raise ValueError(f"{len(references)} references and {len(predictions)} predictions")
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
    """Whether scenario and action are both right; names joined by "_" could be cut in two ways.

    Examples
    --------
    >>> from summarymixing.corpora.semantic_frame import SemanticFrame
    >>> same_intent(SemanticFrame("a_b", "c"), SemanticFrame("a", "b_c"))
    False
    """
    return (gold.scenario, gold.action) == (heard.scenario, heard.action)


def match_exactly(gold, heard):
    """Count entities of one utterance of which type and filler are both right; each is used once.

    Parameters
    ----------
    gold, heard : sequence of (str, str)
        Type and filler of the real entities and of those understood.

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
    """Count entities of one utterance, each wrong by as much as its filler is wrong.

    Each entity understood, in turn, takes the nearest filler of its own type among the real ones that no other has
    taken, the first of equally near ones, as in SLURP's evaluation tool. Such a pair is one right entity and adds its
    distance to both kinds of error; what is left over on either side is a whole error.

    Parameters
    ----------
    gold, heard : sequence of (str, str)
        As for :func:`match_exactly`.
    distance : callable
        ``distance(real filler, heard filler)``, 0 for equal ones; may exceed 1.

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
    """Word error rate of a filler, by jiwer: edits over the words of the real one; exceeds 1 if too much was heard.

    Examples
    --------
    >>> word_distance("five", "five in the morning")
    3.0
    """
    return jiwer.wer(real, heard)


def character_distance(real, heard):
    """Edits over the characters of the longer filler, 0 to 1: the normalised Levenshtein distance.

    Examples
    --------
    >>> character_distance("five", "nine")
    0.5
    """
    found = jiwer.process_characters(real, heard)
    return (found.substitutions + found.deletions + found.insertions) / max(len(real), len(heard))
