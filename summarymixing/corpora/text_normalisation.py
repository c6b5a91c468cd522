"""Normalise typed sentences to transcripts for a recogniser: one table of languages, one function.

Text that can be read aloud in only one way is rewritten. Other text (digits, symbols, foreign scripts) is refused,
because a guess would be a wrong transcript.
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
        Letters besides A to Z. Any other letter loses its diacritics (``Tōkyō`` is TOKYO), is spelled out
        (``SPELLED_OUT``) or is refused. None: every letter and mark of Unicode is kept.
    initial, final : str
        Regular expressions of the words that keep an apostrophe before them, and after them. Before and after other
        words it is a quotation mark and is removed. An apostrophe between two letters always stays.
    elided : str
        Regular expression of the words that an apostrophe joins to the next word, even with a space or a quotation mark
        between them.
    accented : tuple of (str, str)
        Regular expression of words after which people type an apostrophe instead of an accent, and the accented letter
        that replaces their last letter.
    replacements : tuple of (str, str)
        Regular expression and its replacement, applied before everything except apostrophes.
    """

    letters: str | None = None
    initial: str = ""
    final: str = ""
    elided: str = ""
    accented: tuple[tuple[str, str], ...] = ()
    replacements: tuple[tuple[str, str], ...] = ()


#: By Common Voice's name of the locale; all others are `Language()`.
LANGUAGES = {
    # œ and æ are no letters here, so they become OE and AE: people type cœur and coeur, and sound the same.
    "fr": Language(letters="ÀÂÇÈÉÊËÎÏÔÙÛÜŸ", elided=r"[CDJLMNST]|\w*QU|ENTR|AUJOURD"),
    # un po' di, de' Medici, 'ndrangheta; cos'è, mezz'ora. È is mostly typed E', and città often citta'.
    "it": Language(
        letters="ÀÈÉÌÍÎÒÓÙÚ",
        initial="NA|NDRANGHETA|NDRINA|NO|STA|STE|STI|STO",
        final="BE|CA|CO|DA|DE|DI|FA|FRA|MO|PE|PO|STA|TO|VA",
        elided=r"[CDLMNSTV]|\w*ANCH|\w*GL|\w*LL|\w*UN|\w*ENT|\w*ANT|ALTR|CH|COM|COS|DOV|GRAND|MEZZ|OTT|PSEUD|QUEST|"
        r"SENZ|SOTT|TUTT",
        accented=(
            (r"\w*CHE|NE|SE|\w+TRE|VICERE", "É"),
            *((rf"\w+{plain}", accented) for plain, accented in zip("AEIOU", "ÀÈÌÒÙ", strict=True)),
        ),
        replacements=((r"\b[Ee]'(?!\w)", "È"),),
    ),
    # 's avonds, 't huis; Frits' fiets, Beatrix' kroon. The ligature ĳ becomes IJ, which is how it is mostly typed.
    "nl": Language(letters="ÀÁÂÄÇÈÉÊËÍÎÏÓÔÖÚÛÜ", initial="IE|K|M|N|R|S|T", final=r"\w*[SXZ]"),
    # 'r, 'n, 'i, ... follow a vowel, mostly without a space (mae'r); 'di, 'dach, 'nôl, ... are spoken forms.
    "cy": Language(
        letters="ÀÁÂÄÈÉÊËÌÍÎÏÒÓÔÖÙÚÛÜẀẂŴẄỲÝŶŸ",
        initial="CH|CHYDIG|D|DA|DACH|DAN|DD|DDIM|DI|DIO|DW|DWI|DYCH|DYN|FALLE|FO|FORY|I|IM|M|MA|MOND|N|NA|NABOD|NEUD|NO|"
        "NÔL|NW|R|RIOED|ROEDD|ROEDDEN|ROEDDECH|ROEDDWN|ROEDDET|RUN|RYDACH|RYDAN|RYDW|RYDYCH|RYDYN|SA|SDIM|SE|SGEN|SNA|"
        "STEDDFOD|STI|SWN|TE|TH|U|W|WAN|WYRACH|YDACH|YDW|YDY",
    ),
    "eu": Language(letters="ÇÑÜ"),
    # Their dotted i is another letter than their dotless one.
    "az": Language(replacements=(("i\u0307?", "İ"),)),
    "tr": Language(replacements=(("i\u0307?", "İ"),)),
}

#: Letters without a base letter to fall back on, where an alphabet does not have them.
SPELLED_OUT = {"Æ": "AE", "Œ": "OE", "Ĳ": "IJ", "ẞ": "SS", "Ø": "O", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "TH"}

_MARKS = "'‘’‛ʻʼ′´`＇"
_APOSTROPHES = str.maketrans(dict.fromkeys(_MARKS, "'"))
# Two alike are typed for a double quotation mark.
_DOUBLED = re.compile(rf"([{_MARKS}])\1+")
# What stands for punctuation until quotations are found.
_BREAK = "\n"
# Punctuation to Unicode, but words to a reader.
_SPOKEN = "%‰&@#§"


class Unspeakable(ValueError):
    """A sentence whose pronunciation no rule can determine; the message is the reason in a few words."""


def normalise(sentence, locale):
    """Turn a sentence into a transcript: upper-case words of letters and apostrophes, one space between them.

    Text is upper case, as in LibriSpeech's transcripts, so that all recipes write in the same way. Accents stay,
    because they can be heard. All ways to type a letter or an apostrophe become one (NFC, ``’`` as ``'``). Other
    punctuation, dashes and hyphens included, becomes a space.

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
        If the sentence has digits, symbols that are read aloud, such as ``%`` and ``€``, or letters that are not in the
        alphabet of the language, with or without diacritics.

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
    text = _DOUBLED.sub(_BREAK, unicodedata.normalize("NFC", sentence)).translate(_APOSTROPHES)
    for old, new in language.replacements:
        text = re.sub(old, new, text)
    # Upper-casing may decompose: ǰ becomes two characters, ŉ an apostrophe and N. A capital ẞ is rarer than its SS.
    text = unicodedata.normalize("NFC", text.upper()).translate(_APOSTROPHES).replace("ẞ", "SS")
    text = "".join(_written(char, language.letters, locale) for char in text)
    # Unlike ones that meet between letters: the first belongs to the word before, the second opens a quotation.
    text = re.sub(r"(?<=[^\s'])''(?=[^\s'])", "' '", text)
    found = re.findall(rf"[^\s{_BREAK}]+|{_BREAK}", text)
    words = [
        (word, after == _BREAK) for word, after in zip(found, [*found[1:], _BREAK], strict=False) if word != _BREAK
    ]
    return " ".join(_without_quotes(words, language))


def _written(char, letters, locale):
    """What stands for one upper-case character: letters, an apostrophe, a space, a break, or nothing."""
    category = unicodedata.category(char)
    if char in "'\n" or "A" <= char <= "Z":
        return char
    if category == "Cf":  # soft hyphens, direction marks, joiners
        return ""
    if category[0] == "Z" or category in ("Cc", "Pd"):
        return " "
    if category[0] == "P" and char not in _SPOKEN:
        return _BREAK
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


def _without_quotes(words, language):
    """Words without the apostrophes that are quotation marks; each comes with whether punctuation follows."""
    closing, joined = set(), ""
    for place, (typed, _) in enumerate(words):
        word = typed.strip("'")
        if not word:
            continue
        if _opens(typed, language):
            closing.add(_closing_place(words, place, language))
        keeps_first = typed.startswith("'") and _is(language.initial, word.split("'")[0])
        last = word.split("'")[-1]
        word = joined + "'" * keeps_first + word
        joined = ""
        if not typed.endswith("'") or (place in closing and not typed.endswith("''")):
            yield word
        elif _is(language.elided, last):
            joined = word + "'"
        elif _is(language.final, last):
            yield word + "'"
        else:
            # Behind a quotation it may be what closes it.
            accented = [letter for pattern, letter in language.accented if not closing and _is(pattern, last)]
            yield word[:-1] + accented[0] if accented else word
    if joined:
        yield joined.removesuffix("'")


def _is(pattern, word):
    return re.fullmatch(pattern, word) is not None


def _opens(typed, language):
    """Whether a word begins with a quotation mark: with an apostrophe that is not its own."""
    own = _is(language.initial, typed.strip("'").split("'")[0])
    return len(typed) - len(typed.lstrip("'")) > own


def _closing_place(words, start, language):
    """Where a quotation ends that begins at a place, or None if what looked like one was a word cut short.

    At an apostrophe that no word explains; else where punctuation follows one that is explained: `'Dit is Kees'.`, but
    not `'O sole mio è un po' vecchia`.
    """
    perhaps = None
    for place in range(start, len(words)):
        typed, break_follows = words[place]
        if place > start and _opens(typed, language):
            break
        if not typed.endswith("'"):
            continue
        last = typed.strip("'").split("'")[-1]
        explained = _is(language.elided, last) or _is(language.final, last)
        if place == start or not explained or typed.endswith("''"):
            return place
        if break_follows and perhaps is None:
            perhaps = place
    return perhaps
