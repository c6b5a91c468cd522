"""A corpus of synthetic single words in the on-disk layout of Google Speech Commands."""

import hashlib

import numpy as np
from scipy.signal import fftconvolve

from summarymixing.synthetic import acoustics, corpus, voices
from summarymixing.utils.errors import InputError

SAMPLE_RATE = 16000
# Part of the settings: increase it with every change that alters the files of a given seed.
GENERATOR_VERSION = 1

_V1 = """bed bird cat dog down eight five four go happy house left marvin nine no off on one right seven sheila six stop
    three tree two up wow yes zero""".split()
WORDS = {1: _V1, 2: sorted([*_V1, "backward", "follow", "forward", "learn", "visual"])}
# Name and slope of the spectrum, as in `acoustics.coloured_noise`, of the files in _background_noise_.
NOISES = {
    "doing_the_dishes": 0.5,
    "dude_miaowing": 1.2,
    "exercise_bike": 1.6,
    "pink_noise": 1.0,
    "running_tap": 0.3,
    "white_noise": 0.0,
}
_NOISE_SECONDS = 60

_ACCENTS = tuple("en-us en en-gb-x-rp en-gb-scotland en-029 en-us-nyc en-gb-x-gbclan en-gb-x-gbcwmd".split())
_FIRST_SPEAKER = {"train": 1, "dev": 10001, "test": 20001}
_PERSONAS = 4
# Of ten recordings of a word one is for validation and one for testing, as in the real set.
_PARTS = ["dev", "test"] + ["train"] * 8
_SHORT = 0.1

_README = """SYNTHETIC SPEECH in the layout of Google Speech Commands, version {version}. No human being speaks here.

The words are spoken by espeak-ng (through espeakng-loader) and the files of _background_noise_ are noise of
several colours, in spite of their names. This is not Speech Commands: accuracies on it say nothing about
accuracies on real speech. There is nothing of the real set in it, and its licence does not apply.

Generator version {generator_version}, seed {seed}.
Made by: python tools/make_corpus.py speech_commands FOLDER --version {version} --per-word {per_word} --seed {seed}
"""


def make_speech_commands(folder, per_word, seed=0, version=2, workers=None, progress=True):
    """Generate a synthetic corpus in the layout of Google Speech Commands, or reuse the one already there.

    ``<folder>/<word>/<speaker>_nohash_<n>.wav`` are 16 kHz mono 16-bit recordings of 1 s, some a
    little shorter, in many voices, rooms and noises; `n` counts the recordings of a word by a speaker.
    ``validation_list.txt`` and ``testing_list.txt`` name a tenth of them each, whose speakers and
    voices are in no other list; the rest is for training. ``_background_noise_`` holds a minute
    each of noises. The same settings give the same bytes for any number of workers.

    Parameters
    ----------
    folder : str or pathlib.Path
        The corpus root. It appears only when complete.
    per_word : int
        Recordings of each word, 10 or more.
    seed : int
        Chooses the speakers' pitches and rates, rooms and noise.
    version : int
        2, of 35 words, or 1, of 30.
    workers, progress
        As in `summarymixing.synthetic.corpus.generate`.

    Returns
    -------
    pathlib.Path
        The absolute path of `folder`.

    Raises
    ------
    InputError
        If the version is unknown, `per_word` is below 10, and as in `summarymixing.synthetic.corpus.build`.

    Examples
    --------
    >>> import tempfile
    >>> root = make_speech_commands(tempfile.mkdtemp() + "/corpus", 10, workers=1, progress=False)
    >>> len(list(root.glob("marvin/*_nohash_*.wav"))), len(list(root.glob("[a-z]*/")))
    (10, 35)
    """
    if version not in WORDS:
        raise InputError(f"version: {version!r} is unknown; choose 1 or 2")
    if per_word < 10:
        raise InputError(f"per_word: {per_word} is too few for every list to hold every word; choose 10 or more")

    def write(root, studio):
        (root / "LICENSE").write_text("Synthetic speech, made by a program: see README.md.\n", encoding="utf-8")
        _write_words(root, WORDS[version], per_word, seed, studio)
        _write_noises(root / "_background_noise_", seed)

    return corpus.generate(
        folder,
        layout="speech_commands",
        version=GENERATOR_VERSION,
        settings={"version": int(version), "per_word": int(per_word)},
        seed=seed,
        readme=("README.md", _README),
        minutes=len(WORDS[version]) * per_word / 60,
        workers=workers,
        progress=progress,
        write=write,
    )


def make_word(word, index, seed):
    """Generate recording number `index` of a word; it depends only on these arguments.

    Returns
    -------
    numpy.ndarray
        Shape (samples,), int16, at 16 kHz; 16000 samples, or in a tenth of the recordings down to 11200.

    Examples
    --------
    >>> make_word("yes", 1, seed=0).shape
    (16000,)
    """
    rng = corpus.random_generator(seed, word, index)
    speaker, _ = speaker_of(index)
    speech = voices.say(word, speaker, rng, speaker.rate * rng.uniform(0.9, 1.5), SAMPLE_RATE, pitch_spread=15)
    loud = np.flatnonzero(np.abs(speech) > 0.01)
    speech = speech[loud[0] : loud[-1] + 1]
    samples = SAMPLE_RATE if rng.random() >= _SHORT else round(rng.uniform(0.7, 0.98) * SAMPLE_RATE)
    # Where it is longer than the recording, its end is lost, as happens to real recordings.
    start = rng.integers(max(1, samples - len(speech)))
    recording = np.zeros(samples)
    recording[start : start + len(speech)] = speech[: samples - start]
    echo = ((0.1, 0.5), (-20, -3)) if rng.random() < 0.6 else None
    return acoustics.record(recording, rng, SAMPLE_RATE, (0, 35), echo, level_db=(-40, -16))


def speaker_of(index):
    """Return the speaker of recording `index` of every word, and how many recordings of it they made before.

    Returns
    -------
    speaker : summarymixing.synthetic.voices.Speaker
        Of ten recordings in a row the first is for validation, the second for testing, the others for
        training; none of the three share a voice.
    take : int
        The ``n`` of ``_nohash_<n>``.

    Examples
    --------
    >>> (validation, _), (testing, _) = speaker_of(0), speaker_of(1)
    >>> validation.voice == testing.voice
    False
    """
    turn, place = divmod(index, len(_PARTS))
    part = _PARTS[place]
    cast = voices.cast(part, _ACCENTS, _FIRST_SPEAKER[part], _PERSONAS)
    # Counts the recordings of this part only.
    number = turn * _PARTS.count(part) + _PARTS[:place].count(part)
    take, voice = divmod(number, len(cast))
    return cast[voice], take


def _encoded_word(task):
    word, index, seed = task
    return 1.0, (word, index, corpus.encode(make_word(word, index, seed), SAMPLE_RATE, "WAV"))


def _write_words(root, words, per_word, seed, studio):
    lists = {"dev": [], "test": [], "train": []}
    tasks = [(word, index, seed) for word in words for index in range(per_word)]
    for word, index, wav in studio.make(_encoded_word, tasks):
        speaker, take = speaker_of(index)
        # Eight hexadecimal digits name a speaker.
        name = hashlib.sha256(f"synthetic {speaker.id}".encode()).hexdigest()[:8]
        path = root / word / f"{name}_nohash_{take}.wav"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(wav)
        lists[_PARTS[index % len(_PARTS)]].append(f"{word}/{path.name}\n")
    (root / "validation_list.txt").write_text("".join(sorted(lists["dev"])))
    (root / "testing_list.txt").write_text("".join(sorted(lists["test"])))


def _write_noises(folder, seed):
    folder.mkdir()
    (folder / "README.md").write_text("Synthetic noise of several colours; the names are those of the real set.\n")
    for number, (name, slope) in enumerate(NOISES.items()):
        rng = np.random.default_rng([seed, number])
        noise = acoustics.coloured_noise(rng, _NOISE_SECONDS * SAMPLE_RATE, slope)
        # Household noises come and go, in swells of a few seconds.
        if name not in ("pink_noise", "white_noise"):
            swell = np.repeat(rng.uniform(0.2, 1.0, _NOISE_SECONDS), SAMPLE_RATE)
            noise *= fftconvolve(swell, np.hanning(SAMPLE_RATE) / (SAMPLE_RATE / 2), mode="same")
        samples = np.round(noise * (0.2 / np.max(np.abs(noise))) * 32767).astype(np.int16)
        (folder / f"{name}.wav").write_bytes(corpus.encode(samples, SAMPLE_RATE, "WAV"))
