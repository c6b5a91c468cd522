"""Plain English sentences from a small context-free grammar.

The vocabulary is closed (about 500 words), so that a small recogniser can learn to spell it. There are so
many sentences that a test sentence is practically never a training sentence. No two words sound the same
(to/two, see/sea), because a recogniser without a language model could only guess between them.
"""

import hashlib

# Upper-case tokens are symbols, lower-case tokens are words. Everything is in the past tense,
# so that subject and verb agree in singular and plural.
GRAMMAR = {
    "SENTENCE": ["CLAUSE", "CLAUSE", "TIME , CLAUSE", "CLAUSE LATER"],
    "CLAUSE": [
        "WHO MOVED PATH",
        "WHO SLOWLY MOVED PATH",
        "WHO DID THING",
        "WHO DID THING PLACE",
        "WHO DID MANY PLACE",
        "WHO GAVE THING to WHOM",
        "WHO STAYED PLACE",
        "WHO SAID that SHORT",
        "WHO wanted to DO THING",
        "WHO tried to DO THING PLACE",
        "WHO could not DO THING",
        "SHORT",
    ],
    "SHORT": [
        "WHO was FELT",
        "THING was QUALITY",
        "MANY were QUALITY",
        "the NATURE HAPPENED",
        "the NATURE HAPPENED PLACE",
        "the ANIMAL STAYED PLACE",
        "there was A_THING PLACE",
        "there were MANY PLACE",
        "it was TOO QUALITY",
        "nobody DID THING",
    ],
    "WHO": [
        "the PERSON",
        "the PERSON",
        "the AGE PERSON",
        "OWNER RELATIVE",
        "OWNER AGE RELATIVE",
        "NAME",
        "NAME and OWNER RELATIVE",
        "she",
        "he",
        "they",
        "we",
        "i",
        "NUMBER CROWD",
        "the ANIMAL",
        "every PERSON",
    ],
    "WHOM": ["the PERSON", "the AGE PERSON", "OWNER RELATIVE", "NAME", "him", "them", "us", "me"],
    "THING": [
        "the OBJECT",
        "the ADJECTIVE OBJECT",
        "OWNER OBJECT",
        "OWNER ADJECTIVE OBJECT",
        "A_THING",
        "another OBJECT",
        "that OBJECT",
    ],
    "A_THING": ["a OBJECT", "a ADJECTIVE OBJECT", "a SIZE COLOUR OBJECT"],
    "MANY": ["NUMBER OBJECTS", "NUMBER ADJECTIVE OBJECTS", "many OBJECTS", "all the OBJECTS"],
    "ADJECTIVE": ["SIZE", "COLOUR", "QUALITY"],
    "PLACE": [
        "NEAR the SITE",
        "NEAR the SIZE SITE",
        "NEAR OWNER SITE",
        "NEAR the SITE of the TOWN",
        "NEAR the TOWN",
        "at home",
        "upstairs",
        "outside",
    ],
    "PATH": [
        "ALONG the SITE",
        "ALONG the SIZE SITE",
        "ALONG the TOWN",
        "from the SITE to the TOWN",
        "ALONG OWNER SITE",
        "home",
        "away",
        "back",
    ],
    "TIME": [
        "on DAY",
        "in MONTH",
        "last NIGHTLY",
        "every WEEKLY",
        "one WEEKLY",
        "NUMBER UNITS ago",
        "that same WEEKLY",
        "at PARTOFDAY",
        "after MEAL",
        "before MEAL",
        "suddenly",
        "once again",
        "long ago",
        "at first",
    ],
    "LATER": ["on DAY", "NUMBER UNITS later", "after MEAL", "before MEAL", "at PARTOFDAY", "again"],
    "JOIN": [
        ", and",
        ", but",
        "while",
        "because",
        "before",
        "after",
        "until",
        "when",
        ", so",
        ", although",
        "as soon as",
        ", and then",
    ],
    "PERSON": """farmer teacher doctor sailor baker child woman man girl boy king queen soldier
        painter singer driver student guest judge thief hunter nurse lawyer captain stranger
        neighbour writer cook carpenter gardener shepherd fisherman""".split(),
    "AGE": "old young tall tired hungry honest clever lonely famous polite".split(),
    "RELATIVE": """brother sister mother father uncle cousin friend grandfather grandmother
        daughter husband wife nephew""".split(),
    "OWNER": "my your his her our".split(),
    "NAME": "anna peter martha oliver helen thomas george alice victor emma".split(),
    "CROWD": "children people women men travellers visitors workers".split(),
    "ANIMAL": "dog cat horse cow bird fox rabbit mouse sheep goose donkey wolf frog".split(),
    "NUMBER": ["COUNT", "COUNT", "COUNT", "a hundred", "a dozen", "several"],
    "COUNT": "three five six seven nine ten eleven twelve fifteen twenty thirty fifty".split(),
    "OBJECT": """book letter table chair lamp basket bottle box coat hat boat wagon clock candle
        key knife spoon cup plate bowl picture map newspaper umbrella ladder hammer rope bucket
        bell mirror drum violin piano blanket pillow ring necklace coin apple orange lemon
        cake pie potato egg cheese stone shell feather kite button pencil ticket suitcase
        present story song secret treasure machine""".split(),
    "OBJECTS": """books letters tables chairs lamps baskets bottles boxes boats wagons clocks
        candles cups plates bowls pictures maps coins apples oranges lemons cakes potatoes eggs
        stones shells feathers kites buttons pencils tickets""".split(),
    "SIZE": "big small little large tiny huge heavy long wide narrow".split(),
    "COLOUR": "red green yellow black white brown silver golden purple".split(),
    "QUALITY": """broken empty beautiful strange dirty clean expensive cheap dangerous ordinary
        perfect warm cold dark bright quiet wet dry soft hard ugly wonderful useful simple lost
        ready terrible""".split(),
    "FELT": """happy sad angry afraid asleep ill surprised proud alone nervous grateful thirsty
        busy lucky careful worried""".split(),
    "TOO": "very rather almost quite still".split(),
    "NEAR": "in behind beside under near above inside beyond".split(),
    "ALONG": "through across along around past towards into down up over".split(),
    "SITE": """garden kitchen river bridge forest field street church school market barn window
        door wall tower library station harbour island mountain hill valley lake beach cellar
        attic castle orchard meadow tunnel gate bakery cottage hospital factory theatre
        museum""".split(),
    "TOWN": "village city capital country north south kingdom".split(),
    "MOVED": """walked ran hurried climbed travelled wandered drove jumped marched crawled danced
        swam escaped returned rushed stumbled""".split(),
    "SLOWLY": "slowly quickly quietly carefully often never always gladly finally".split(),
    "DID": """carried found watched opened painted cleaned dropped pushed pulled bought sold lost
        kept broke wanted hid liked loved hated remembered forgot described touched lifted
        moved caught followed noticed borrowed brought needed built saved stole repaired
        measured""".split(),
    "DO": """carry find watch open paint drop push pull sell keep hide remember forget describe
        touch lift move catch follow borrow bring build save steal repair measure""".split(),
    "GAVE": """gave showed sent offered promised handed""".split(),
    "STAYED": "stayed waited slept sat stood sang played laughed worked lived rested cried".split(),
    "SAID": "said thought believed heard explained hoped knew dreamed agreed whispered".split(),
    "NATURE": "wind rain snow sun moon storm fog thunder fire water cloud tide".split(),
    "HAPPENED": """disappeared came began stopped arrived grew changed vanished rose fell
        returned""".split(),
    "DAY": "monday tuesday wednesday thursday friday saturday sunday".split(),
    "MONTH": """january february april june july august september october november december
        spring summer autumn winter""".split(),
    "WEEKLY": "morning evening afternoon night week month year".split(),
    "NIGHTLY": "night week month year summer winter".split(),
    "UNITS": "minutes hours days weeks months years".split(),
    "PARTOFDAY": "noon midnight sunrise sunset".split(),
    "MEAL": "breakfast lunch dinner supper".split(),
}

_HELD_OUT = {"dev-clean": 0, "test-clean": 1, "test-other": 2, "dev": 0, "devel": 0, "test": 1}
_PARTS, _HELD_OUT_PARTS = 10, 3


def vocabulary():
    """Return the sorted list of every word (lower case) that a sentence can hold.

    Examples
    --------
    >>> words = vocabulary()
    >>> "farmer" in words, "an" in words, "PERSON" in words
    (True, True, False)
    """
    tokens = {t for rules in GRAMMAR.values() for rule in rules for t in rule.split()}
    return sorted({t for t in tokens if t.islower()} | {"an"})


def sentence(rng, words):
    """Draw one utterance of about `words` words.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of every choice.
    words : int
        Target length; the result has at least one clause and rarely differs by more than six
        words.

    Returns
    -------
    str
        Lower-case words and commas; at the commas the synthesiser pauses.

    Examples
    --------
    >>> import numpy as np
    >>> text = sentence(np.random.default_rng(0), 12)
    >>> set(normalise(text).lower().split()) <= set(vocabulary())
    True
    """
    tokens = expand(GRAMMAR, "SENTENCE", rng)
    while True:
        joined = tokens + expand(GRAMMAR, "JOIN", rng) + expand(GRAMMAR, "CLAUSE", rng)
        # Stop at whichever of the two lengths is nearer to the one asked for.
        if len(joined) - words > words - len(tokens):
            return _spell(tokens)
        tokens = joined


def normalise(text):
    """Return the transcript of `text` in LibriSpeech's form: upper case, no punctuation.

    Examples
    --------
    >>> normalise("suddenly , the fox's tail disappeared")
    "SUDDENLY THE FOX'S TAIL DISAPPEARED"
    """
    return " ".join(text.replace(",", " ").upper().split())


def belongs_to(text, split):
    """Return whether the sentence `text` may be used in `split`.

    The sentences are divided among the splits of a corpus by a hash of their transcript, so that one
    of dev-clean, test-clean or test-other (dev, devel or test in other layouts) is never in another
    split, in all corpora. All other names are training.

    Examples
    --------
    >>> splits = ["train-clean-100", "dev-clean", "test-clean", "test-other"]
    >>> sum(belongs_to("the dog slept", split) for split in splits)
    1
    """
    part = int.from_bytes(hashlib.sha256(normalise(text).encode()).digest()[:8], "big") % _PARTS
    if split in _HELD_OUT:
        return part == _HELD_OUT[split]
    return part >= _HELD_OUT_PARTS


def alternatives(table):
    """Split the rules of a table, which `expand` reads, at their ``|``.

    Examples
    --------
    >>> alternatives({"WHO": "the cat | the dog"})
    {'WHO': ['the cat', 'the dog']}
    """
    return {symbol: [rule.strip() for rule in rules.split("|")] for symbol, rules in table.items()}


def expand(rules, symbol, rng):
    """Draw one of the token sequences that a context-free grammar gives for `symbol`.

    Parameters
    ----------
    rules : dict of str to list of str
        The alternatives for each symbol, equally likely; tokens that are symbols are expanded.
    symbol : str
        Where to begin.
    rng : numpy.random.Generator
        Source of every choice.

    Returns
    -------
    list of str
        Tokens that are no symbols.

    Examples
    --------
    >>> import numpy as np
    >>> expand({"A": ["x B B"], "B": ["y"]}, "A", np.random.default_rng(0))
    ['x', 'y', 'y']
    """
    tokens = []
    for token in rules[symbol][rng.integers(len(rules[symbol]))].split():
        tokens += expand(rules, token, rng) if token in rules else [token]
    return tokens


def _spell(tokens):
    """Join tokens, turning "a" into "an" where a vowel sound follows."""
    for i in range(len(tokens) - 1):
        following = tokens[i + 1]
        if tokens[i] == "a" and following[0] in "aeiou" and not following.startswith("use"):
            tokens[i] = "an"
    return " ".join(tokens)
