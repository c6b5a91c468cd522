"""Sentences as people type them to transcripts as a recogniser learns them: one table of languages, one function.

What can be read aloud in one way only is rewritten; what cannot (digits, symbols, foreign scripts) is refused, because
a guess would be a wrong transcript.
"""

import re
import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """How one language is written, in upper case.

    Attributes
    ----------
    letters : str, optional
        Those beyond A to Z. Any other letter loses its diacritics (``Tōkyō`` is TOKYO), is spelled out
        (``SPELLED_OUT``) or is refused. None: every letter and mark of Unicode is kept.
    initial, final : str
        Regular expressions of the words that keep an apostrophe before, behind them; all others lose it, as it is a
        quotation mark there. An apostrophe between two letters always stays.
    elided : str
        Those that an apostrophe joins to the next word, whatever space or quotation mark stands between them.
    replacements : tuple of (str, str)
        Regular expression and what it becomes, before anything but apostrophes is changed.
    """

    letters: str | None = None
    initial: str = ""
    final: str = ""
    elided: str = ""
    replacements: tuple[tuple[str, str], ...] = ()


#: By Common Voice's name of the locale; all others are `Language()`.
LANGUAGES = {
    # œ and æ are no letters here, so they become OE and AE: people type cœur and coeur, and sound the same.
    "fr": Language(letters="ÀÂÇÈÉÊËÎÏÔÙÛÜŸ", elided=r"[CDJLMNST]|\w*QU|ENTR"),
    # un po' di, 'ndrangheta. È is mostly typed E'.
    "it": Language(
        letters="ÀÈÉÌÍÎÒÓÙÚ",
        initial="NA|NDRANGHETA|NDRINA|NO|STA|STE|STI|STO",
        final="BE|CA|DA|DI|FA|MO|PO|STA|TO|VA",
        elided=r"[CDLMNSTV]|\w*LL|\w*UN|ANCH|COM|DOV|QUEST|SANT|SENZ|TUTT",
        replacements=((r"\b[Ee]'(?!\w)", "È"),),
    ),
    # 's avonds, 't huis; Frits' fiets, Beatrix' kroon. The ligature ĳ becomes IJ, which is how it is mostly typed.
    "nl": Language(letters="ÀÁÂÄÇÈÉÊËÍÎÏÓÔÖÚÛÜ", initial="K|M|N|R|S|T", final=r"\w*[SXZ]"),
    # 'r, 'n, 'i, ... follow a vowel, mostly without a space (mae'r); 'di, 'nôl, 'ma, ... are spoken forms.
    "cy": Language(
        letters="ÀÁÂÄÈÉÊËÌÍÎÏÒÓÔÖÙÚÛÜẀẂŴẄỲÝŶŸ",
        initial="CH|CHYDIG|DA|DAN|DI|DW|DWI|DYN|FALLE|FORY|I|M|MA|MOND|N|NA|NÔL|NW|R|RIOED|RUN|SA|SDIM|SGEN|STEDDFOD|"
        "TE|TH|U|W",
    ),
    "eu": Language(letters="ÇÑÜ"),
    # Their dotted i is another letter than their dotless one.
    "az": Language(replacements=(("i", "İ"),)),
    "tr": Language(replacements=(("i", "İ"),)),
}

#: Letters without a base letter to fall back on, where an alphabet does not have them.
SPELLED_OUT = {"Æ": "AE", "Œ": "OE", "Ĳ": "IJ", "ẞ": "SS", "Ø": "O", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "TH"}

_APOSTROPHES = str.maketrans(dict.fromkeys("‘’‛ʼ′´`＇", "'"))
# Punctuation to Unicode, but words to a reader.
_SPOKEN = "%‰&@#§"


class Unspeakable(ValueError):
    """A sentence of which nobody can know, by rule, what was said; the message is a reason in a few words."""


def normalise(sentence, locale):
    """Turn a sentence into a transcript: upper-case words of letters and apostrophes, one space between them.

    Upper case, as in LibriSpeech's transcripts, so that all recipes write alike; accents stay, as they are heard.
    Whatever way a letter or an apostrophe was typed, it becomes one (NFC, ``’`` as ``'``); other punctuation, dashes
    and hyphens with it, becomes a space.

    Parameters
    ----------
    sentence : str
        As in the dataset.
    locale : str
        A key of `LANGUAGES`; any other name means that all letters and marks are kept.

    Returns
    -------
    str
        The transcript; empty if the sentence has no letter. Normalised again it stays the same.

    Raises
    ------
    Unspeakable
        For digits, for symbols that are read aloud, such as ``%`` and ``€``, and for letters that are neither in the
        alphabet of the language nor such with diacritics.

    Examples
    --------
    >>> normalise("« L’été, c’est peut-être sa sœur ? »", "fr")
    "L'ÉTÉ C'EST PEUT ÊTRE SA SOEUR"
    >>> normalise("Un po' d’acqua dell'«Arno».", "it")
    "UN PO' D'ACQUA DELL'ARNO"
    >>> normalise("‘s Avonds zei ze: ‘Zo’n idee!’", "nl")
    "'S AVONDS ZEI ZE ZO'N IDEE"
    >>> normalise("Mae’r tŷ ’ma’n fach.", "cy")
    "MAE'R TŶ 'MA'N FACH"
    >>> normalise("Kaixo, zer moduz, Begoña?", "eu")
    'KAIXO ZER MODUZ BEGOÑA'
    >>> normalise("Где «ёж»?", "ru")
    'ГДЕ ЁЖ'
    >>> normalise("Le 14 juillet", "fr")
    Traceback (most recent call last):
    summarymixing.corpora.text_normalisation.Unspeakable: digits ('1')
    """
    language = LANGUAGES.get(locale, Language())
    text = unicodedata.normalize("NFC", sentence).translate(_APOSTROPHES)
    for old, new in language.replacements:
        text = re.sub(old, new, text)
    # Upper-casing may decompose: ǰ becomes two characters.
    text = unicodedata.normalize("NFC", text.upper())
    text = "".join(_written(char, language.letters, locale) for char in text)
    text = re.sub("''+", " ", text)  # typed for a double quotation mark
    return " ".join(_without_quotes(text.split(), language))


def _written(char, letters, locale):
    """What stands for one upper-case character: letters, an apostrophe, a space, or nothing."""
    category = unicodedata.category(char)
    if char == "'" or "A" <= char <= "Z":
        return char
    if category == "Cf":  # soft hyphens, direction marks, joiners
        return ""
    if category[0] == "Z" or category == "Cc" or (category[0] == "P" and char not in _SPOKEN):
        return " "
    if category[0] == "N":
        raise Unspeakable(f"digits ({char!r})")
    if category[0] in "LM":
        found = char if letters is None else _in_alphabet(char, category, letters)
        if found is not None:
            return found
    raise Unspeakable(f"character outside the alphabet of {locale} ({char!r})")


def _in_alphabet(char, category, letters):
    """The same letter without the diacritics that the alphabet does not have, or None."""
    if char in letters:
        return char
    if category[0] == "M":  # NFC found no letter for it and the one before
        return ""
    if char in SPELLED_OUT:
        return SPELLED_OUT[char]
    parts = unicodedata.normalize("NFD", char)
    for size in range(len(parts) - 1, 0, -1):
        base = unicodedata.normalize("NFC", parts[:size])
        if base in letters or "A" <= base <= "Z":
            return base
    return None


def _without_quotes(tokens, language):
    """Words without the apostrophes that are quotation marks."""
    quoted, joined = False, ""
    for token in tokens:
        word = token.strip("'")
        if not word:
            continue
        parts = word.split("'")
        begins, ends = token.startswith("'"), token.endswith("'")
        keeps_first = begins and re.fullmatch(language.initial, parts[0]) is not None
        quoted = quoted or (begins and not keeps_first)
        word = joined + "'" * keeps_first + word
        joined = ""
        if ends and quoted:  # inside a quotation an apostrophe behind a word closes it
            quoted = False
        elif ends and re.fullmatch(language.elided, parts[-1]):
            joined = word + "'"
            continue
        elif ends and re.fullmatch(language.final, parts[-1]):
            word += "'"
        yield word
    if joined:
        yield joined.removesuffix("'")
