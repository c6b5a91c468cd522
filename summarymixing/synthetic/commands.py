"""Spoken commands to a home assistant with their meaning, as in SLURP, from tables."""

import numpy as np

from summarymixing.synthetic import grammar
from summarymixing.synthetic.command_tables import COMMANDS, ENTITIES, PHRASES

# Types that exist only to choose other fillers: "for ten minutes" but "at ten", "on monday" but not "on today".
_TYPE = {"time_span": "time", "day": "date"}

_TAGS = {
    "DT": "a an the this that some any all no every",
    "IN": "at in on for of with from by about to off until since if that near between behind",
    "PRP": "i me you it we us they",
    "PRP$": "my your",
    "WP": "what who which",
    "WRB": "how when where",
    "MD": "can could will would should",
    "CC": "and or but",
    "RB": "not please again never ever here there so next",
    "CD": """one two three four five six seven eight nine ten eleven twelve fifteen eighteen twenty thirty forty fifty
        sixty ninety""",
    "VBZ": "is does has",
    "VBP": "are am do have",
    "VBD": "did was had",
    "VB": """set wake turn play add remove delete cancel tell give find show send write call make put order buy
        read start change need want like love be get go""",
}
_POS = {word: tag for tag, words in _TAGS.items() for word in words.split()}
_LEMMAS = dict(pair.split(":") for pair in "is:be are:be am:be was:be does:do did:do has:have had:have an:a".split())


_INTENTS = [(scenario, action) for scenario, action, _ in COMMANDS]
_WEIGHTS = np.array([weight for _, _, weight in COMMANDS])
_FILLERS = grammar.alternatives(ENTITIES)
_RULES = grammar.alternatives(PHRASES | {f"{key[0]}_{key[1]}": ways for key, ways in COMMANDS.items()})


def command(rng):
    """Draw a command and its meaning.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of every choice.

    Returns
    -------
    dict
        The fields ``sentence``, ``sentence_annotation``, ``intent``, ``action``, ``tokens``, ``scenario``
        and ``entities`` of a line of SLURP. Parts of speech and lemmas of rare words are guesses (a noun,
        the word itself).

    Examples
    --------
    >>> drawn = command(np.random.default_rng(0))
    >>> drawn["intent"] == f"{drawn['scenario']}_{drawn['action']}"
    True
    >>> [token["surface"] for token in drawn["tokens"]] == drawn["sentence"].split()
    True
    """
    scenario, action = _INTENTS[rng.choice(len(_INTENTS), p=_WEIGHTS / _WEIGHTS.sum())]
    intent = f"{scenario}_{action}"
    words, annotation, entities = [], [], []
    for token in grammar.expand(_RULES | {"SAY": [intent]}, "START", rng):
        slot = token[1:-1]
        if slot not in _FILLERS:
            words.append(token)
            annotation.append(token)
            continue
        filler = _FILLERS[slot][rng.integers(len(_FILLERS[slot]))].split()
        kind = _TYPE.get(slot, slot)
        entities.append({"span": list(range(len(words), len(words) + len(filler))), "type": kind})
        words += filler
        annotation.append(f"[{kind} : {' '.join(filler)}]")
    return {
        "sentence": " ".join(words),
        "sentence_annotation": " ".join(annotation),
        "intent": intent,
        "action": action,
        "tokens": [_token(number, word) for number, word in enumerate(words)],
        "scenario": scenario,
        "entities": entities,
    }


def _token(number, word):
    pos = _POS.get(word, "NN")
    lemma = "-PRON-" if pos.startswith("PRP") else _LEMMAS.get(word, word)
    return {"surface": word, "id": number, "lemma": lemma, "pos": pos}
