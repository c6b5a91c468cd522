"""The SLU frame of an utterance: scenario, action and entities, and its text, which a decoder learns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SemanticFrame:
    """Scenario, action and entities of one utterance.

    Attributes
    ----------
    scenario, action : str
        The two parts of the intent; empty if a prediction lacks them.
    entities : tuple of (str, str)
        Type and filler (the spoken words) of each entity, in the order of the utterance; an entity may occur twice.

    Examples
    --------
    >>> frame = SemanticFrame("alarm", "set", (("time", "five am"), ("date", "this week")))
    >>> frame.intent, frame.to_text()
    ('alarm_set', 'alarm|set|time:five am|date:this week')
    >>> SemanticFrame.from_text(frame.to_text()) == frame
    True
    """

    scenario: str
    action: str
    entities: tuple[tuple[str, str], ...] = ()

    @property
    def intent(self) -> str:
        """Scenario and action joined by "_", as in SLURP."""
        return f"{self.scenario}_{self.action}"

    def to_text(self) -> str:
        """Return ``scenario|action|type:filler|type:filler...``, which :meth:`from_text` reads back.

        The labels come first, so that a decoder chooses among a few words before it spells fillers. The entities follow
        in the order of the utterance.

        Raises
        ------
        ValueError
            If the format cannot represent the frame: it has an empty part, "|", ":" outside a filler, or white space
            other than single spaces between words.
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
    def from_text(cls, text: str) -> SemanticFrame:
        """Parse any output of a decoder; no text is an error.

        Parts with a colon are entities, at any position; those without a type or a filler are left out. The first part
        without a colon is the scenario, the second the action; further ones are left out.

        Examples
        --------
        >>> SemanticFrame.from_text("alarm| |time: five  am|date|:x|y:")
        SemanticFrame(scenario='alarm', action='', entities=(('time', 'five am'),))
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
