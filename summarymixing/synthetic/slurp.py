"""A corpus of synthetic spoken commands in SLURP's on-disk layout."""

import itertools
import json

from summarymixing.synthetic import acoustics, commands, corpus, grammar, voices

SAMPLE_RATE = 16000
# Part of the settings: increase it with every change that alters the files of a given seed.
GENERATOR_VERSION = 1

_ACCENTS = ("en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-029")
_PERSONAS = 3
# SLURP's own synthetic speech is for training, and has less of the variety.
_SYNTHETIC_SHARE = 0.25
# Number of the first sentence and of the first recording in each file.
_FIRST = {
    "train": (0, 1490000000),
    "devel": (100000, 1495000000),
    "test": (200000, 1500000000),
    "train_synthetic": (300000, 1505000000),
}
_PARTS = {"train": ("train", 1), "devel": ("dev", 301), "test": ("test", 601), "train_synthetic": ("train", 1)}
# How many say a sentence: mostly one, so that an hour holds many sentences.
_USERS = [1, 1, 1, 1, 2, 3]

_README = """SYNTHETIC SPEECH in the layout of SLURP. No human being speaks here, in audio/slurp_real no more than in
audio/slurp_synth.

The commands come from tables and the voices from espeak-ng (through espeakng-loader). This is not SLURP: results on
it say nothing about results on real speech. "wer" and "ent_wer" are not measured, lemmas and parts of speech are rough.

Generator version {generator_version}, seed {seed}.
Made by: python tools/make_corpus.py slurp FOLDER --minutes {minutes} --seed {seed} \
--dev-minutes {dev_minutes} --test-minutes {test_minutes}
"""


def make_slurp(folder, minutes, seed=0, dev_minutes=10, test_minutes=20, workers=None, progress=True):
    """Generate a synthetic corpus in SLURP's layout, or reuse the one already there.

    ``dataset/slurp`` holds ``train.jsonl``, ``devel.jsonl``, ``test.jsonl``, ``train_synthetic.jsonl`` (whose
    recordings have a ``file`` only) and ``metadata.json`` (who spoke what); ``audio/slurp_real`` and
    ``audio/slurp_synth`` hold the recordings, 16 kHz mono 16-bit FLAC. A sentence is said by one to three
    speakers, each recorded by a headset (``...-headset.flac``), by a far microphone in a reverberant, noisy
    room, or by both. No sentence and no voice of devel or test is in training. The intents are as
    unbalanced as in SLURP. The same settings give the same bytes for any number of workers.

    Parameters
    ----------
    folder : str or pathlib.Path
        The corpus root. It appears only when complete.
    minutes : float
        Duration of all recordings of train; train_synthetic has a quarter more. Every file ends with the
        sentence that reaches its target.
    seed : int
        Chooses the sentences, the speakers' rates and pitches, the rooms and the noise.
    dev_minutes, test_minutes : float
        Duration of devel and of test.
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
    >>> root = make_slurp(
    ...     tempfile.mkdtemp() + "/corpus", 0.2, dev_minutes=0.1, test_minutes=0.1,
    ...     workers=1, progress=False)
    >>> line = json.loads((root / "dataset/slurp/devel.jsonl").read_text().splitlines()[0])
    >>> (root / "audio/slurp_real" / line["recordings"][0]["file"]).is_file()
    True
    """
    targets = {"train": minutes, "devel": dev_minutes, "test": test_minutes}
    corpus.check_minutes(targets)
    targets["train_synthetic"] = _SYNTHETIC_SHARE * minutes
    return corpus.generate(
        folder,
        layout="slurp",
        version=GENERATOR_VERSION,
        settings=corpus.durations(minutes, dev_minutes, test_minutes),
        seed=seed,
        readme=("README.md", _README),
        minutes=sum(targets.values()),
        workers=workers,
        progress=progress,
        write=lambda root, studio: _write_splits(root, targets, seed, studio),
    )


def make_entry(split, index, seed):
    """Generate sentence number `index` of a file with its recordings; it depends only on these arguments.

    Parameters
    ----------
    split : str
        ``"train"``, ``"devel"``, ``"test"`` or ``"train_synthetic"``.
    index : int
        Number of the sentence, which also chooses the speakers.
    seed : int
        The corpus' seed.

    Returns
    -------
    entry : dict
        A line of the file, as `summarymixing.synthetic.commands.command` gives it.
    recordings : list of (summarymixing.synthetic.voices.Speaker, dict of str to numpy.ndarray)
        For each speaker the int16 samples at 16 kHz from each microphone: ``"headset"``, ``"far"``.

    Examples
    --------
    >>> entry, recordings = make_entry("test", 0, seed=0)
    >>> 1 <= len(recordings) <= 3, set(recordings[0][1]) <= {"headset", "far"}
    (True, True)
    """
    rng = corpus.random_generator(seed, split, index)
    while True:
        entry = commands.command(rng)
        if grammar.belongs_to(entry["sentence"], split):
            break
    cast = speakers(split)
    real = split != "train_synthetic"
    recordings = []
    for user in range(rng.choice(_USERS) if real else 1):
        speaker = cast[(index + user * len(cast) // max(_USERS)) % len(cast)]
        rate = speaker.rate * rng.uniform(0.95, 1.3)
        speech = voices.say(entry["sentence"], speaker, rng, rate, SAMPLE_RATE)
        speech = acoustics.between_silences(speech, rng, SAMPLE_RATE, 0.5)
        microphones = [("headset", "far"), ("headset", "far"), ("headset",), ("far",)][rng.integers(4)]
        takes = {}
        for microphone in microphones if real else ("headset",):
            if microphone == "headset":
                takes[microphone] = acoustics.record(speech, rng, SAMPLE_RATE, (20, 40))
            else:
                echo = ((0.2, 0.5), (-10, -2))
                takes[microphone] = acoustics.record(speech, rng, SAMPLE_RATE, (5, 20), echo, (-40, -26))
        recordings.append((speaker, takes))
    return entry, recordings


def speakers(split):
    """Return the speakers of a file; no voice is shared between training, devel and test.

    Examples
    --------
    >>> train = {speaker.voice for speaker in speakers("train")}
    >>> any(speaker.voice in train for speaker in speakers("devel"))
    False
    """
    part, first_id = _PARTS[split]
    return voices.cast(part, _ACCENTS, first_id, _PERSONAS)


def _encoded_entry(task):
    entry, recordings = make_entry(*task)
    _, index, _ = task
    encoded = [
        (speaker, {name: corpus.encode(take, SAMPLE_RATE, "FLAC") for name, take in takes.items()})
        for speaker, takes in recordings
    ]
    seconds = sum(len(take) for _, takes in recordings for take in takes.values()) / SAMPLE_RATE
    return seconds, (index, entry, encoded)


def _write_splits(root, targets, seed, studio):
    lists = root / "dataset" / "slurp"
    lists.mkdir(parents=True)
    metadata = {}
    for split, minutes in targets.items():
        audio = root / "audio" / ("slurp_synth" if split == "train_synthetic" else "slurp_real")
        audio.mkdir(parents=True, exist_ok=True)
        tasks = ((split, index, seed) for index in itertools.count())
        lines = []
        for index, entry, recordings in studio.make(_encoded_entry, tasks, minutes * 60):
            first_sentence, first_recording = _FIRST[split]
            # The order of the fields is SLURP's.
            entry = {"slurp_id": first_sentence + index, **entry}
            entities = entry.pop("entities")
            entry["recordings"], users = [], {}
            for user, (speaker, takes) in enumerate(recordings):
                for microphone, flac in takes.items():
                    stem = f"audio-{first_recording + index * max(_USERS) + user}"
                    headset = microphone == "headset" and split != "train_synthetic"
                    file = f"{stem}-headset.flac" if headset else f"{stem}.flac"
                    (audio / file).write_bytes(flac)
                    entry["recordings"].append({"file": file})
                    users[file] = {"status": "correct", "usrid": f"{speaker.sex}E-{speaker.id:03d}"}
            if split != "train_synthetic":
                for recording in entry["recordings"]:
                    recording |= {"wer": 0.0, "ent_wer": 0.0 if entities else None, "status": "correct"}
                metadata[entry["slurp_id"]] = {
                    "recordings": users,
                    "sentence_normalised": entry["sentence"],
                    "sentence_original": entry["sentence"],
                    "status": "correct",
                }
            entry["entities"] = entities
            lines.append(json.dumps(entry))
        (lists / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (lists / "metadata.json").write_text(json.dumps(metadata, indent=1) + "\n", encoding="utf-8")
