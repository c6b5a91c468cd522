"""Transcripts of the languages of Common Voice, worked out by hand."""

import unicodedata

import pytest

from summarymixing.corpora.text_normalisation import LANGUAGES, Unspeakable, normalise

CASES = {
    "fr": [
        ("Aujourd'hui, c'est l’anniversaire d´Élodie !", "AUJOURD'HUI C'EST L'ANNIVERSAIRE D'ÉLODIE"),
        ("« Où est-il ? » demanda-t-elle.", "OÙ EST IL DEMANDA T ELLE"),
        ("Le cœur et les œuvres d'Ægir", "LE COEUR ET LES OEUVRES D'AEGIR"),
        ("Noël à L'Haÿ-les-Roses — ça alors…", "NOËL À L'HAŸ LES ROSES ÇA ALORS"),
        ("L’« Arlésienne », l' 'Aiglon' et d'\"Artagnan\"", "L'ARLÉSIENNE L'AIGLON ET D'ARTAGNAN"),
        ("jusqu’ici, qu’“elle” vienne", "JUSQU'ICI QU'ELLE VIENNE"),
        ("il a dit ‘oui’ aux ‘deux amis’", "IL A DIT OUI AUX DEUX AMIS"),
        ("São Tomé, Tōkyō, Łódź, Ångström, Thiết", "SAO TOMÉ TOKYO LODZ ANGSTROM THIÊT"),
        ("Wagner\u00adplatz\u200b; la\u00a0straße/rue", "WAGNERPLATZ LA STRASSE RUE"),
        ("la lettre L'", "LA LETTRE L"),
        ("L’‘homme’ et d'’après, l'‘eau’", "L'HOMME ET D'APRÈS L'EAU"),
        ("Aujourd' hui, aujourd’ «hui»", "AUJOURD'HUI AUJOURD'HUI"),
    ],
    "it": [
        ("Perché l’acqua dell'«Arno» è così bassa?", "PERCHÉ L'ACQUA DELL'ARNO È COSÌ BASSA"),
        ("Un po’ di sale. Va' via, di' la verità!", "UN PO' DI SALE VA' VIA DI' LA VERITÀ"),
        ("E' vero: la 'ndrangheta c'e'", "È VERO LA 'NDRANGHETA C'È"),
        ("disse 'mo' vengo' e 'un po'' dopo", "DISSE MO VENGO E UN PO DOPO"),
        ("l'album ''Nero''bianco", "L'ALBUM NERO BIANCO"),
        ("'Nu bello sole è un po' vecchio", "NU BELLO SOLE È UN PO' VECCHIO"),
        ("Cos' è? Mezz' ora, quest' altr' anno", "COS'È MEZZ'ORA QUEST'ALTR'ANNO"),
        ("Lorenzo de' Medici e fra' Guglielmo", "LORENZO DE' MEDICI E FRA' GUGLIELMO"),
        ("Perche' la citta' c'e' gia', piu' ne' di', cosi'!", "PERCHÉ LA CITTÀ C'È GIÀ PIÙ NÉ DI' COSÌ"),
        ("la ‘citta’ e la 'luna piena' no", "LA CITTA E LA LUNA PIENA NO"),
        ("Malaʻe Kula", "MALA'E KULA"),
        ("quell' ultimo crème brûlée", "QUELL'ULTIMO CRÈME BRULÉE"),
    ],
    "nl": [
        ("'s Avonds gaat 't licht uit.", "'S AVONDS GAAT 'T LICHT UIT"),
        ("’s-Hertogenbosch, zo’n foto’s", "'S HERTOGENBOSCH ZO'N FOTO'S"),
        ("Frits' fiets en Beatrix’ kroon", "FRITS' FIETS EN BEATRIX' KROON"),
        ("Hij zei: 'Dit is Kees'.", "HIJ ZEI DIT IS KEES"),
        ("'Dit is Kees', zei 'Jan' over Frits' fiets", "DIT IS KEES ZEI JAN OVER FRITS' FIETS"),
        ("‘’t Is laat’ en ’‘s avonds’", "'T IS LAAT EN 'S AVONDS"),
        ("‘’t Is Frits’ fiets’, niet ‘die van Frits'’", "'T IS FRITS' FIETS NIET DIE VAN FRITS'"),
        ("Heeft 'ie Frits' fiets? 'Zag hij Kees' auto?", "HEEFT 'IE FRITS' FIETS ZAG HIJ KEES' AUTO"),
        ("coëfficiënt, één, ĳsberg, IJmuiden, bíj́na", "COËFFICIËNT ÉÉN IJSBERG IJMUIDEN BÍJNA"),
        ("crème, Curaçao en Malmö", "CRÈME CURAÇAO EN MALMÖ"),
    ],
    "cy": [
        ("Mae’r gath a 'r ci yn y tŷ.", "MAE'R GATH A 'R CI YN Y TŶ"),
        ("Ble mae'r gŵr 'na? Dw i 'di blino; dos 'nôl!", "BLE MAE'R GŴR 'NA DW I 'DI BLINO DOS 'NÔL"),
        ("Lle 'dach chi? 'Neud te. 'Roedd hi'n braf", "LLE 'DACH CHI 'NEUD TE 'ROEDD HI'N BRAF"),
        ("Dywedodd 'Bore da' wrth ’r athrawes", "DYWEDODD BORE DA WRTH 'R ATHRAWES"),
        ("Siôn a Siân: ẁ, ỳ, ÿ, ẅ", "SIÔN A SIÂN Ẁ Ỳ Ÿ Ẅ"),
    ],
    "eu": [
        ("Kaixo, zer moduz? «Ondo», esan zuen Iñakik.", "KAIXO ZER MODUZ ONDO ESAN ZUEN IÑAKIK"),
        ("'Etxea' eta O'Neill; Orüe, Curaçao, café", "ETXEA ETA O'NEILL ORÜE CURAÇAO CAFE"),
    ],
    "tr": [
        ("Işık ilk İzmir'de", "IŞIK İLK İZMİR'DE"),
        ("Millî takım", "MİLLÎ TAKIM"),
        ("i\u0307zmir i\u0307lk I\u0307Z", "İZMİR İLK İZ"),
    ],
    "uk": [("М’ята — «з’їзд»; ґанок, її", "М'ЯТА З'ЇЗД ҐАНОК ЇЇ")],
    "de": [("Straße, Äpfel, Łódź 'hier'", "STRASSE ÄPFEL ŁÓDŹ HIER"), ("STRAẞE, Fuẞ", "STRASSE FUSS")],
    "hi": [("नमस्ते, दुनिया।", "नमस्ते दुनिया")],
}
FLAT = [(locale, *case) for locale, cases in CASES.items() for case in cases]


@pytest.mark.parametrize("locale, sentence, transcript", FLAT)
def test_by_hand(locale, sentence, transcript):
    assert normalise(sentence, locale) == transcript


@pytest.mark.parametrize("locale, sentence, transcript", FLAT)
def test_neither_composition_nor_repetition_nor_case_matters(locale, sentence, transcript):
    assert normalise(unicodedata.normalize("NFD", sentence), locale) == transcript
    assert normalise(transcript, locale) == transcript
    # A German ß is two letters in upper case, and a Turkish dotless ı has no lower case of its own in Python.
    if locale not in ("de", "tr"):
        assert normalise(transcript.lower(), locale) == transcript


@pytest.mark.parametrize("apostrophe", "'’‘ʼ`´′＇‛")
def test_every_apostrophe_is_one(apostrophe):
    assert normalise(f"l{apostrophe}eau", "fr") == "L'EAU"


@pytest.mark.parametrize("quotes", ["«»", "“”", "„“", '""', "‹›", "‘’", "''", ("''", "''"), ("« ", " »")])
def test_every_quotation_mark_goes(quotes):
    assert normalise(f"a {quotes[0]}b c{quotes[1]}, d", "nl") == "A B C D"


@pytest.mark.parametrize("dash", "-‐‑‒–—―")
def test_dashes_part_words(dash):
    assert normalise(f"peut{dash}être", "fr") == "PEUT ÊTRE"


@pytest.mark.parametrize("sentence", ["", "  ", "...", "« ? »", "' '", "\u200b", "—"])
def test_nothing_to_say(sentence):
    assert normalise(sentence, "fr") == ""


@pytest.mark.parametrize("sentence", ["Le 14 juillet", "m²", "un ½ verre", "Louis Ⅺ", "٣"])
def test_digits_are_refused_in_every_language(sentence):
    for locale in ("fr", "it", "nl", "cy", "eu", "ar"):
        with pytest.raises(Unspeakable, match="digits"):
            normalise(sentence, locale)


@pytest.mark.parametrize(
    "sentence, shown",
    [("vingt %", "%"), ("dix €", "€"), ("Tom & Lili", "&"), ("Москва", "М"), ("東京", "東"), ("α", "Α")],
)
def test_what_the_alphabet_lacks_is_refused_and_shown(sentence, shown):
    with pytest.raises(Unspeakable) as refused:
        normalise(sentence, "fr")
    assert str(refused.value) == f"character outside the alphabet of fr ({shown!r})"


def test_transcripts_hold_nothing_but_the_alphabet():
    """Every letter of Unicode's first planes either is refused or becomes letters of the alphabet."""
    for locale, language in LANGUAGES.items():
        if language.letters is None:
            continue
        assert unicodedata.normalize("NFC", language.letters).upper() == language.letters
        allowed = set("ABCDEFGHIJKLMNOPQRSTUVWXYZ" + language.letters + "' ")
        kept = 0
        for code in range(0x20, 0x2FFF):
            try:
                found = normalise(f"a{chr(code)}a", locale)
            except Unspeakable:
                continue
            kept += 1
            assert set(found) <= allowed, (locale, hex(code))
        assert kept > 500
