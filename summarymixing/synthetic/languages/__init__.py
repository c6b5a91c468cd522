"""The languages of synthetic Common Voice corpora: one module of tables per language.

Each module holds ``VOICES`` (espeak-ng voice to Common Voice's name of the accent), ``RULES`` (a
context-free grammar for `summarymixing.synthetic.grammar.expand`, whose alternatives are parted by
``|``), ``CONTRACTIONS`` (pairs of a regular expression and its replacement, for what two words become
together), ``SPACED`` (punctuation with a space before it) and ``DEFECTS`` (a sentence for each kind of
text that a reader has to repair).
"""

import re

from summarymixing.synthetic import grammar
from summarymixing.synthetic.languages import basque, dutch, french, italian, welsh

LANGUAGES = {"fr": french, "it": italian, "nl": dutch, "cy": welsh, "eu": basque}

_RULES = {locale: grammar.alternatives(language.RULES) for locale, language in LANGUAGES.items()}


def sentence(locale, rng):
    """Draw a sentence with its capital letter and punctuation.

    Parameters
    ----------
    locale : str
        A key of `LANGUAGES`.
    rng : numpy.random.Generator
        Source of every choice.

    Returns
    -------
    str
        The sentence.

    Examples
    --------
    >>> import numpy as np
    >>> text = sentence("fr", np.random.default_rng(0))
    >>> text[0].isupper(), text[-1] in ".?!"
    (True, True)
    """
    language = LANGUAGES[locale]
    text = " ".join(grammar.expand(_RULES[locale], "SENTENCE", rng))
    for pattern, replacement in language.CONTRACTIONS:
        text = re.sub(pattern, replacement, text)
    glued = "".join(mark for mark in ",.?!" if mark not in language.SPACED)
    text = re.sub(rf" ([{re.escape(glued)}])", r"\1", text)
    return text[0].upper() + text[1:]


def words(text):
    """Return the words of a sentence in lower case, without punctuation.

    Examples
    --------
    >>> words("Où est l'école ?")
    "où est l'école"
    """
    return " ".join(re.findall(r"[\w'’-]+", text.lower()))
