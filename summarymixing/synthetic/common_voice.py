"""A corpus of synthetic speech in Common Voice's on-disk layout."""

import hashlib
import itertools
import unicodedata

from summarymixing.synthetic import acoustics, corpus, grammar, languages, voices
from summarymixing.utils.errors import InputError

MIN_SECONDS, MAX_SECONDS = 2.0, 10.0
# Part of the settings: increase it with every change that alters the files of a given seed.
GENERATOR_VERSION = 1

FIELDS = {
    11: "client_id path sentence up_votes down_votes age gender accents locale segment".split(),
    17: """client_id path sentence_id sentence sentence_domain up_votes down_votes age gender accents variant locale
        segment""".split(),
}
# On request, row k of train.tsv (row 0 follows the header) has the defect k of this list. The first five are
# sentences to repair, spoken as they are; the others are records to leave out.
DEFECTS = (
    "typographic quotes",
    "dashes",
    "decomposed characters",
    "digits",
    "straight quote",
    "empty sentence",
    "zero-byte clip",
    "missing clip",
    "long sentence",
)
# In a long sentence; its clip speaks the first of them only.
_LONG = 30

# Of the minutes of train; what listeners rejected, and what nobody has judged yet.
_SHARE = {"invalidated": 0.04, "other": 0.04}
_FIRST_SPEAKER = {"train": 1, "dev": 10001, "test": 20001, "invalidated": 30001, "other": 40001}
_FIRST_CLIP = {"train": 17000000, "dev": 27000000, "test": 37000000, "invalidated": 47000000, "other": 57000000}
_PERSONAS = 6
_AGES = ["teens", "twenties", "thirties", "fourties", "fifties", "sixties", ""]
_GENDERS = {11: {"F": "female", "M": "male"}, 17: {"F": "female_feminine", "M": "male_masculine"}}

_README = """SYNTHETIC SPEECH in the layout of Common Voice, {locale}. No human being speaks here.

The sentences come from a small grammar and the voices from espeak-ng (through espeakng-loader).
This is not Common Voice: error rates on it say nothing about error rates on real speech.

Generator version {generator_version}, seed {seed}.
Made by: python tools/make_corpus.py common_voice FOLDER --locale {locale} --minutes {minutes} --seed {seed} \
--dev-minutes {dev_minutes} --test-minutes {test_minutes} --version {version}{defects_option}
"""


def make_common_voice(
    folder,
    locale,
    minutes,
    seed=0,
    dev_minutes=10,
    test_minutes=20,
    version=17,
    defects=False,
    workers=None,
    progress=True,
):
    """Generate a synthetic corpus of one language in Common Voice's layout, or reuse the one already there.

    ``<folder>/<locale>`` holds ``clips/*.mp3`` (mono, 32 or 48 kHz by speaker, 2 to 10 s), the tables
    ``train.tsv``, ``dev.tsv``, ``test.tsv`` (sentences and voices that training never holds),
    ``validated.tsv`` (these three together), ``invalidated.tsv`` (other words than those spoken),
    ``other.tsv`` and ``clip_durations.tsv``. As in Common Voice, nothing in a table is quoted. The same
    settings give the same bytes for any number of workers.

    Parameters
    ----------
    folder : str or pathlib.Path
        The corpus root, for one language. It appears only when complete.
    locale : str
        ``"fr"``, ``"it"``, ``"nl"``, ``"cy"`` or ``"eu"``.
    minutes : float
        Duration of train; every split ends with the clip that reaches its target.
    seed : int
        Chooses the sentences, their speakers' rates and pitches and the noise.
    dev_minutes, test_minutes : float
        Duration of dev and of test.
    version : int
        Release of Common Voice whose columns are written: 11, or 17 for those of 17 and later.
    defects : bool
        Whether the first rows of train have the `DEFECTS`, in that order.
    workers, progress
        As in `summarymixing.synthetic.corpus.generate`.

    Returns
    -------
    pathlib.Path
        The absolute path of `folder`.

    Raises
    ------
    InputError
        If the locale or version is unknown, a duration is not positive, and as in
        `summarymixing.synthetic.corpus.build`.

    Examples
    --------
    >>> import tempfile
    >>> root = make_common_voice(
    ...     tempfile.mkdtemp() + "/corpus", "eu", 0.1, dev_minutes=0.05, test_minutes=0.05,
    ...     workers=1, progress=False)
    >>> sorted(path.name for path in (root / "eu").glob("t*.tsv"))
    ['test.tsv', 'train.tsv']
    """
    if locale not in languages.LANGUAGES:
        raise InputError(f"locale: no synthetic voice for {locale!r}; choose one of {', '.join(languages.LANGUAGES)}")
    if version not in FIELDS:
        raise InputError(f"version: {version!r} is unknown; choose one of {', '.join(map(str, FIELDS))}")
    targets = {"train": minutes, "dev": dev_minutes, "test": test_minutes}
    corpus.check_minutes(targets)
    if defects and minutes * 60 < len(DEFECTS) * MAX_SECONDS:
        raise InputError(f"minutes: {minutes} may be too few for all defects; give 1.5 or more")
    targets |= {split: share * minutes for split, share in _SHARE.items()}
    durations = corpus.durations(minutes, dev_minutes, test_minutes)
    return corpus.generate(
        folder,
        layout="common_voice",
        version=GENERATOR_VERSION,
        settings={"locale": locale, **durations, "version": int(version), "defects": bool(defects)},
        seed=seed,
        readme=("README.txt", _README.replace("{defects_option}", " --defects" if defects else "")),
        minutes=sum(targets.values()),
        workers=workers,
        progress=progress,
        write=lambda root, studio: _write_locale(root, locale, version, seed, defects, targets, studio),
    )


def make_clip(locale, split, index, seed, text=None):
    """Generate clip number `index` of a split; it depends only on these arguments.

    Parameters
    ----------
    locale : str
        The language.
    split : str
        ``"train"``, ``"dev"``, ``"test"``, ``"invalidated"`` or ``"other"``.
    index : int
        Number of the clip, which also chooses the speaker.
    seed : int
        The corpus' seed.
    text : str, optional
        What to say; drawn from the grammar without it.

    Returns
    -------
    samples : numpy.ndarray
        Shape (samples,), int16, 2 to 10 s.
    sample_rate : int
        In hertz, 32000 or 48000.
    text : str
        The sentence, with punctuation.

    Examples
    --------
    >>> samples, sample_rate, text = make_clip("nl", "dev", 0, seed=0)
    >>> 2 <= len(samples) / sample_rate <= 10, text[-1] in ".?!"
    (True, True)
    """
    rng = corpus.random_generator(seed, f"{locale} {split}", index)
    cast = speakers(locale, split)
    speaker = cast[index % len(cast)]
    # Old recordings of Common Voice have 48 kHz, newer ones 32 kHz.
    sample_rate = 48000 if speaker.id % 3 == 0 else 32000
    while True:
        said = text or languages.sentence(locale, rng)
        if text is None and not grammar.belongs_to(languages.words(said), split):
            continue
        speech = voices.say(said, speaker, rng, speaker.rate * rng.uniform(0.9, 1.2), sample_rate)
        speech = acoustics.between_silences(speech, rng, sample_rate, 0.6)
        if MIN_SECONDS <= len(speech) / sample_rate <= MAX_SECONDS:
            break
    echo = ((0.1, 0.3), (-20, -10)) if rng.random() < 0.5 else None
    return acoustics.record(speech, rng, sample_rate, (18, 45), echo), sample_rate, said


def speakers(locale, split):
    """Return the speakers of a split; no voice is shared between dev, test and the rest.

    Examples
    --------
    >>> train = {speaker.voice for speaker in speakers("fr", "train")}
    >>> any(speaker.voice in train for speaker in speakers("fr", "test"))
    False
    """
    part = split if split in ("dev", "test") else "train"
    return voices.cast(part, tuple(languages.LANGUAGES[locale].VOICES), _FIRST_SPEAKER[split], _PERSONAS)


def _client_id(locale, speaker):
    return hashlib.sha512(f"synthetic {locale} {speaker.id} {speaker.voice}".encode()).hexdigest()


def _encoded_clip(task):
    """Return the seconds of a clip, and its index, sentence, milliseconds and mp3 file (None: to be missing)."""
    locale, split, index, seed, defect = task
    text = languages.LANGUAGES[locale].DEFECTS.get(defect)
    samples, sample_rate, sentence = make_clip(locale, split, index, seed, text)
    seconds = len(samples) / sample_rate
    mp3 = corpus.encode(samples, sample_rate, "MP3")
    rng = corpus.random_generator(seed, f"{locale} {split} text", index)
    if split == "invalidated":
        sentence = languages.sentence(locale, rng)
    elif defect == "decomposed characters":
        sentence = unicodedata.normalize("NFD", sentence)
    elif defect == "empty sentence":
        sentence = ""
    elif defect == "long sentence":
        sentence = " ".join([sentence] + [languages.sentence(locale, rng) for _ in range(_LONG - 1)])
    elif defect == "zero-byte clip":
        mp3 = b""
    elif defect == "missing clip":
        mp3 = None
    return seconds, (index, sentence, round(1000 * seconds), mp3)


def _votes(split, index):
    """Votes of a clip: two more for it than against it make it valid, two more against it invalid."""
    if split == "invalidated":
        return index % 2, 2 + index % 2
    return (index % 2, 0) if split == "other" else (2 + index % 3, index % 5 // 4)


def _write_locale(root, locale, version, seed, with_defects, targets, studio):
    root = root / locale
    clips = root / "clips"
    clips.mkdir(parents=True)
    defects = dict(enumerate(DEFECTS)) if with_defects else {}
    tables, durations = {}, ["clip\tduration[ms]"]
    for split, minutes in targets.items():
        cast = speakers(locale, split)
        tasks = (
            (locale, split, index, seed, defects.get(index) if split == "train" else None)
            for index in itertools.count()
        )
        tables[split] = []
        for index, sentence, milliseconds, mp3 in studio.make(_encoded_clip, tasks, minutes * 60):
            speaker = cast[index % len(cast)]
            path = f"common_voice_{locale}_{_FIRST_CLIP[split] + index}.mp3"
            if mp3 is not None:
                (clips / path).write_bytes(mp3)
            durations.append(f"{path}\t{milliseconds}")
            up_votes, down_votes = _votes(split, index)
            row = {
                "client_id": _client_id(locale, speaker),
                "path": path,
                "sentence_id": hashlib.sha256(sentence.encode()).hexdigest(),
                "sentence": sentence,
                "up_votes": up_votes,
                "down_votes": down_votes,
                "age": _AGES[speaker.id % len(_AGES)],
                "gender": _GENDERS[version][speaker.sex],
                "accents": languages.LANGUAGES[locale].VOICES[speaker.voice.split("+")[0]],
                "locale": locale,
            }
            tables[split].append("\t".join(str(row.get(field, "")) for field in FIELDS[version]))
    tables["validated"] = tables["train"] + tables["dev"] + tables["test"]
    for split, rows in tables.items():
        lines = ["\t".join(FIELDS[version]), *rows]
        (root / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    # Older releases have no such table.
    if version >= 17:
        (root / "clip_durations.tsv").write_text("\n".join(durations) + "\n", encoding="utf-8")
