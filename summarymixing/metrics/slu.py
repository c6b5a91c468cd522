"""What an utterance asks for: a frame, the frame as text for a decoder, and the metrics of the SLURP paper."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import jiwer


@dataclass(frozen=True)
class Frame:
    """Scenario, action and entities of one utterance.

    Attributes
    ----------
    scenario, action : str
        The two halves of the intent; empty if a decoder did not say.
    entities : tuple of (str, str)
        Type and filler (the words spoken) of each, in the order of the utterance; the same one may stand there twice.

    Examples
    --------
    >>> frame = Frame("alarm", "set", (("time", "five am"), ("date", "this week")))
    >>> frame.intent, frame.to_text()
    ('alarm_set', 'alarm|set|time:five am|date:this week')
    >>> Frame.from_text(frame.to_text()) == frame
    True
    """

    scenario: str
    action: str
    entities: tuple[tuple[str, str], ...] = ()

    @property
    def intent(self) -> str:
        """Scenario and action in one word, as SLURP has it."""
        return f"{self.scenario}_{self.action}"

    def to_text(self) -> str:
        """Return ``scenario|action|type:filler|type:filler...``, which :meth:`from_text` reads back.

        The labels come first, so that a decoder chooses among a few words before it spells fillers, and then the
        fillers in the order in which they are heard.

        Raises
        ------
        ValueError
            If the frame holds what the format cannot: an empty part, "|", ":" outside a filler, or white space other
            than single spaces between words.
        """
        labels = [self.scenario, self.action, *(kind for kind, _ in self.entities)]
        if any(":" in label for label in labels):
            raise ValueError('":" in a label')
        parts = [*labels, *(filler for _, filler in self.entities)]
        if any("|" in part for part in parts):
            raise ValueError('"|" in a label or filler')
        if any(part != _words(part) or not part for part in parts):
            raise ValueError("an empty label or filler, or white space beside one")
        return "|".join([self.scenario, self.action, *(f"{kind}:{filler}" for kind, filler in self.entities)])

    @classmethod
    def from_text(cls, text: str) -> Frame:
        """Read a frame from whatever a decoder says; nothing is an error.

        Parts with a colon are entities, wherever they stand; those without a type or a filler say nothing and are left
        out. The first part without a colon is the scenario, the second the action, and later ones are left out.

        Examples
        --------
        >>> Frame.from_text("alarm| |time: five  am|date|:x|y:")
        Frame(scenario='alarm', action='', entities=(('time', 'five am'),))
        """
        labels, entities = [], []
        for part in text.split("|"):
            kind, colon, filler = part.partition(":")
            if not colon:
                labels.append(_words(kind))
            elif _words(kind) and _words(filler):
                entities.append((_words(kind), _words(filler)))
        scenario, action, *_ = [*labels, "", ""]
        return cls(scenario, action, tuple(entities))


def _words(text):
    return " ".join(text.split())


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
        """Share of the entities said that are right; 0 if none was said."""
        return self.true / (self.true + self.false_positives) if self.true else 0.0

    @property
    def recall(self) -> float:
        """Share of the real entities that were found; 0 if there is none."""
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
    references, predictions : list of Frame
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
    >>> said = Frame("alarm", "set", (("time", "five am"),))
    >>> heard = Frame("alarm", "query", (("time", "nine am"),))
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
    >>> same_intent(Frame("a_b", "c"), Frame("a", "b_c"))
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
