"""A corpus of synthetic speech in LibriSpeech's on-disk layout."""

import itertools

from summarymixing.synthetic import acoustics, corpus, grammar, voices

SAMPLE_RATE = 16000
MIN_SECONDS, MAX_SECONDS = 2.0, 16.0
# Part of the settings: increase it with every change that alters the files of a given seed.
GENERATOR_VERSION = 9
# Speed relative to the speaker's own, 127 to 165 words a minute as in read speech. Training goes beyond
# test-other's faster speech: near the 25 frames a second of a CTC model characters are hard to keep apart.
_TEMPO = {"train-clean-100": (0.95, 1.3), "test-other": (1.1, 1.25)}

_SPLITS = ["train-clean-100", "dev-clean", "test-clean", "test-other"]
_UTTERANCES_PER_CHAPTER = 25

_README = """SYNTHETIC SPEECH in the layout of LibriSpeech. No human being speaks here.

The sentences come from a small grammar and the voices from espeak-ng (through espeakng-loader).
This is not LibriSpeech: error rates on it say nothing about error rates on real speech.

Generator version {generator_version}, seed {seed}.
Made by: python tools/make_corpus.py librispeech FOLDER --minutes {minutes} --seed {seed} \
--dev-minutes {dev_minutes} --test-minutes {test_minutes}
"""


def make_librispeech(folder, minutes, seed=0, dev_minutes=10, test_minutes=20, workers=None, progress=True):
    """Generate a synthetic corpus in LibriSpeech's layout, or reuse the one already there.

    The splits are train-clean-100, dev-clean, test-clean (voices and sentences that training
    never holds) and test-other (the same with faster speech and noise at 5 to 15 dB SNR).
    The files are 16 kHz mono 16-bit FLAC, 2 to 16 s long, about 8 s on average. The same
    settings give the same bytes for any number of workers.

    Parameters
    ----------
    folder : str or pathlib.Path
        The corpus root, which will hold one folder per split. It appears only when complete.
    minutes : float
        Duration of train-clean-100; every split ends with the utterance that reaches its target.
    seed : int
        Chooses the sentences, the speakers' utterances and the noise.
    dev_minutes, test_minutes : float
        Duration of dev-clean, and of each of test-clean and test-other.
    workers, progress
        As in `summarymixing.synthetic.corpus.generate`.

    Returns
    -------
    pathlib.Path
        The absolute path of `folder`.

    Raises
    ------
    InputError
        If a duration is not positive, and as in `summarymixing.synthetic.corpus.build`.

    Examples
    --------
    >>> import tempfile
    >>> root = make_librispeech(
    ...     tempfile.mkdtemp() + "/corpus", 0.1, dev_minutes=0.1, test_minutes=0.1,
    ...     workers=1, progress=False)
    >>> sorted(path.name for path in root.iterdir() if path.is_dir())
    ['dev-clean', 'test-clean', 'test-other', 'train-clean-100']
    """
    targets = dict(zip(_SPLITS, (minutes, dev_minutes, test_minutes, test_minutes), strict=True))
    corpus.check_minutes(targets)
    return corpus.generate(
        folder,
        layout="librispeech",
        version=GENERATOR_VERSION,
        settings=corpus.durations(minutes, dev_minutes, test_minutes),
        seed=seed,
        readme=("README.TXT", _README),
        minutes=sum(targets.values()),
        workers=workers,
        progress=progress,
        write=lambda root, studio: _write_splits(root, targets, seed, studio),
    )


def make_utterance(split, index, seed):
    """Generate utterance number `index` of a split; it depends only on these three arguments.

    Returns
    -------
    samples : numpy.ndarray
        Shape (samples,), int16, at 16 kHz, 2 to 16 s.
    text : str
        The transcript, upper case.

    Examples
    --------
    >>> samples, text = make_utterance("dev-clean", 0, seed=0)
    >>> again, _ = make_utterance("dev-clean", 0, seed=0)
    >>> samples.dtype.name, bool((samples == again).all()), text.isupper()
    ('int16', True, True)
    """
    rng = corpus.random_generator(seed, split, index)
    cast = voices.speakers(split)
    speaker = cast[index % len(cast)]
    while True:
        rate = speaker.rate * rng.uniform(*_TEMPO.get(split, (0.92, 1.08)))
        seconds = rng.triangular(1.0, 6.0, 17.0)
        # espeak-ng speaks about a tenth more words than its nominal rate.
        text = grammar.sentence(rng, round(1.1 * seconds * rate / 60))
        if not grammar.belongs_to(text, split):
            continue
        speech = voices.say(text, speaker, rng, rate, SAMPLE_RATE)
        speech = acoustics.between_silences(speech, rng, SAMPLE_RATE, 0.4)
        if MIN_SECONDS <= len(speech) / SAMPLE_RATE <= MAX_SECONDS:
            break
    return _record(speech, split, rng), grammar.normalise(text)


def _record(speech, split, rng):
    """Put clean speech in the acoustic conditions of a split; returns int16 samples."""
    snr_db = {"train-clean-100": (18, 45), "test-other": (5, 15)}.get(split, (25, 45))
    echo = ((0.1, 0.3), (-20, -10)) if split != "train-clean-100" or rng.random() < 0.5 else None
    return acoustics.record(speech, rng, SAMPLE_RATE, snr_db, echo)


def _encoded_utterance(task):
    samples, text = make_utterance(*task)
    seconds = len(samples) / SAMPLE_RATE
    _, index, _ = task
    return seconds, (index, corpus.encode(samples, SAMPLE_RATE, "FLAC"), seconds, text)


def _write_splits(root, targets, seed, studio):
    lines = [";SYNTHETIC SPEECH: these speakers do not exist, their voices are espeak-ng's"]
    lines.append(";ID   |SEX| SUBSET           |MINUTES| NAME")
    for split, minutes in targets.items():
        seconds = _write_split(root / split, split, minutes * 60, seed, studio)
        for speaker in voices.speakers(split):
            if speaker.id in seconds:
                spoken = seconds[speaker.id] / 60
                lines.append(
                    f"{speaker.id:<5} | {speaker.sex} | {split:<16} | {spoken:5.2f} | "
                    f"espeak-ng {speaker.voice} (synthetic)"
                )
    (root / "SPEAKERS.TXT").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_split(folder, split, target_seconds, seed, studio):
    """Write utterances 0, 1, 2, ... until they last `target_seconds`; seconds of each speaker."""
    cast = voices.speakers(split)
    seconds, transcripts = {}, {}
    tasks = ((split, index, seed) for index in itertools.count())
    for index, flac, duration, text in studio.make(_encoded_utterance, tasks, target_seconds):
        turn, voice = divmod(index, len(cast))
        speaker = cast[voice].id
        chapter, number = divmod(turn, _UTTERANCES_PER_CHAPTER)
        chapter += speaker * 1000
        name = f"{speaker}-{chapter}-{number:04d}"
        path = folder / str(speaker) / str(chapter) / f"{name}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(flac)
        transcript = path.with_name(f"{speaker}-{chapter}.trans.txt")
        transcripts.setdefault(transcript, []).append(f"{name} {text}\n")
        seconds[speaker] = seconds.get(speaker, 0.0) + duration
    for path, rows in transcripts.items():
        path.write_text("".join(rows), encoding="utf-8")
    return seconds
