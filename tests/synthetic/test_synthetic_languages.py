"""The sentences of the generated Common Voice corpora, against spelling rules of each language."""

import functools
import re
import unicodedata

import numpy as np
import pytest

from summarymixing.synthetic import grammar, languages

ALPHABETS = {
    "fr": "abcdefghijklmnopqrstuvwxyzàâæçéèêëîïôœùûüÿ",
    "it": "abcdefghijklmnopqrstuvwxyzàèéìíîòóùú",
    "nl": "abcdefghijklmnopqrstuvwxyzëïéèöü",
    "cy": "abcdefghijklmnoprstuwyâêîôûŵŷáéïöäóẁàt",
    "eu": "abcdefghijklmnopqrstuvwxyzñç",
}
# What no sentence of the language may contain.
MISTAKES = {
    "fr": r"\b(à les?|de les?|que elle|que il|l[ea] [aeiouéèêâh]|(que|de) [aeiouéêh])\b|\b(l[ea]|que|de) [aeiouéêh]",
    "it": r"\b(a|di|in|su) (il|lo|la|i|gli|le|l')\b|\b(il|un) (z|s[bcdfgmnpqrtv]|ps|gn)|\b(il|l[aeo]) [aeiou]",
    "nl": r"\bde (boek|huis|meisje|mes|glas)\b|\bhet (brief|stoel|fiets|stad)\b|\been (rode|groene|dure) (boek|mes)",
    "cy": r"[aeiouwyâêîôûŵŷ] yr? |\by [aeiouwâêîôûh]|\byr [bcdfgklmnprst]|\bac (bydd|daeth|doedd)",
    # One thing with a verb for several, or several with a verb for one, within a clause.
    "eu": r"\b(bat|hau|hori)\b((?! eta |,).)* (ditu|zituen|ditugu|genituen)\b"
    r"|\b(batzuk|bi|hiru|lau|bost|hamar|ehun)\b((?! eta |,).)* (du|zuen|dut|dugu|nuen|genuen)\b",
}


@functools.cache
def draw(locale, count=3000):
    rng = np.random.default_rng(0)
    return [languages.sentence(locale, rng) for _ in range(count)]


@pytest.mark.parametrize("locale", ALPHABETS)
def test_sentences_are_written_as_in_common_voice(locale):
    space = "[?!]" if locale == "fr" else "(?!)"
    for text in draw(locale):
        assert text[0].isupper() and text[-1] in ".?!", text
        assert unicodedata.is_normalized("NFC", text)
        # Single spaces, and none before punctuation, except the French one.
        assert text == " ".join(text.split()) and not re.search(rf" (?!{space})[.,?!]", text), text
        letters = {letter for letter in text.lower() if letter.isalpha()}
        assert letters <= set(ALPHABETS[locale]), (letters - set(ALPHABETS[locale]), text)
        assert set(text) - set(" .,?!'-") <= {c for c in text if c.isalpha()}, text


@pytest.mark.parametrize("locale", ALPHABETS)
def test_every_symbol_is_expanded_and_none_is_idle(locale):
    rules = languages.LANGUAGES[locale].RULES
    used = {token for text in rules.values() for token in text.replace("|", " ").split()}
    assert set(rules) - used == {"SENTENCE"}
    shouted = {word for text in draw(locale) for word in text.split() if len(word) > 1 and word.isupper()}
    assert shouted == set()


@pytest.mark.parametrize("locale", ALPHABETS)
def test_neighbouring_words_agree(locale):
    wrong = [text for text in draw(locale) if re.search(MISTAKES[locale], text.lower())]
    assert wrong == []


@pytest.mark.parametrize("locale", ALPHABETS)
def test_there_are_enough_words_and_sentences(locale):
    texts = draw(locale)
    words = {word for text in texts for word in languages.words(text).split()}
    assert 300 <= len(words) <= 800
    assert len(set(texts)) > 0.9 * len(texts)
    held_out = [grammar.belongs_to(languages.words(text), "test") for text in set(texts)]
    assert 0.08 < np.mean(held_out) < 0.12


def test_contractions():
    drawn = {locale: " ".join(draw(locale)) for locale in ("fr", "it", "cy")}
    for text in ("au marché", "du jardin", "qu'elle"):
        assert text in drawn["fr"]
    for text in ("nella piazza", "al mercato", "dell", "sul tetto", "all'ospedale"):
        assert text in drawn["it"]
    for text in ("Mae'r", "Ydy'r", "i'r parc", "a daeth"):
        assert text in drawn["cy"]


def test_words_drop_punctuation_only():
    assert languages.words("« L’été, dit-il ! » — Où ?") == "l’été dit-il où"
