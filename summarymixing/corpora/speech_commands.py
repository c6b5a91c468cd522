"""Google Speech Commands v1 and v2: from its word folders and list files to CSV manifests."""

import math
import random
import re
from functools import partial
from pathlib import Path

from summarymixing.corpora.audio import inspect_audio
from summarymixing.corpora.manifest import APPLE_DOUBLE
from summarymixing.corpora.preparation import prepare_split, stat_files
from summarymixing.utils.errors import InputError

FIELDS = ["ID", "duration", "wav", "spk_id", "wrd", "command", "start", "gain"]
_V1 = (
    "bed bird cat dog down eight five four go happy house left marvin nine no off on one right seven sheila six stop "
    "three tree two up wow yes zero"
).split()
#: All words of each version.
WORDS = {1: _V1, 2: sorted([*_V1, "backward", "follow", "forward", "learn", "visual"])}
#: The ten words of the 12-class task.
COMMANDS = ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"]
UNKNOWN, SILENCE = "unknown", "silence"
#: Part of each noise file, from and to, that a split uses, so that test noise is never used in training.
NOISE_PARTS = {"train": (0.0, 0.8), "valid": (0.8, 0.9), "test": (0.9, 1.0)}
NOISE_FOLDER = "_background_noise_"
#: The separate archive ``speech_commands_test_set_v0.02``.
ARCHIVE_SPLIT = "test-archive"
MIN_SECONDS = 0.025
_SILENCE_SECONDS = 1.0
# Unknown words and pieces of silence, each over the recordings of the ten words (TensorFlow's percentages).
_SHARE = 0.1
# Seed of validation and test sets, independent of that of the training set.
_EVALUATION_SEED = 0
_LISTS = {"valid": "validation_list.txt", "test": "testing_list.txt"}
_NAME = re.compile(r"(?:.+_)?([^_]+)_nohash_\d+\.wav")
# Increase it with every change of the manifest, so that older ones are made again.
_VERSION = 2


def prepare(
    data_folder,
    manifest_folder,
    splits,
    max_bad_fraction=0.01,
    classes=12,
    version=2,
    seed=0,
    test_archive=None,
    workers=None,
    progress=True,
):
    """Write one CSV manifest per split, or reuse those of an earlier call.

    The columns are ID, duration (seconds), wav (absolute path), spk_id, wrd (the word spoken), command (the class),
    and, because a piece of silence is cut out of a long recording, start (seconds) and gain (a factor). The layout is
    the archive's, ``<word>/<speaker>_nohash_<n>.wav``, ``validation_list.txt`` and ``testing_list.txt`` (the rest is
    the training set), ``_background_noise_/*.wav``.

    With 12 classes all words other than the ten commands are "unknown", and "silence" is background noise. In every
    split there is one of each per ten recordings of commands. This is TensorFlow's convention, which the published test
    set (Warden 2018, arXiv 1804.03209) follows. Unknown words are drawn from the same split. Silence is 1 s from a
    random place in the split's own part of a noise file (80, 10 and 10 %), at a volume drawn from 0 to 1; TensorFlow
    itself tests silence with zeros.

    A recording that is unreadable, truncated, empty, or listed but missing is left out, and so are folders that are not
    words of the version; ``<split>.skipped.csv`` names them.

    Parameters
    ----------
    data_folder : str or pathlib.Path
        The folder that holds the word folders.
    manifest_folder : str or pathlib.Path
        Folder of the manifests; created if missing.
    splits : list of str
        Of ``"train"``, ``"valid"``, ``"test"`` and ``"test-archive"``.
    max_bad_fraction : float
        Largest tolerated fraction of recordings left out of a split, 0 to 1.
    classes : int
        12; or all words, 35 in version 2 and 30 in version 1.
    version : int
        1 or 2.
    seed : int
        Draws unknown words and silence of the training set; the other splits are always the same.
    test_archive : str or pathlib.Path, optional
        The folder of the published 12-class test set (``yes``, ..., ``_unknown_``, ``_silence_``), which is the split
        ``"test-archive"``.
    workers : int, optional
        Threads that inspect recordings; by default two per core.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    dict of str to pathlib.Path
        The CSV file of each entry of `splits`.

    Raises
    ------
    InputError
        If a folder, a list or a word is missing, or too many recordings are unusable.

    Examples
    --------
    >>> import tempfile
    >>> import soundfile, torch
    >>> root = Path(tempfile.mkdtemp())
    >>> for word in WORDS[2]:
    ...     (root / word).mkdir()
    ...     soundfile.write(root / word / "0a7c2a8d_nohash_0.wav", torch.rand(16000).numpy(), 16000)
    >>> for name, word in (("validation_list.txt", "yes"), ("testing_list.txt", "no")):
    ...     _ = (root / name).write_text(f"{word}/0a7c2a8d_nohash_0.wav")
    >>> manifests = prepare(root, root / "manifests", ["valid"], classes=35, progress=False)
    >>> manifests["valid"].read_text().splitlines()[0]
    'ID,duration,wav,spk_id,wrd,command,start,gain'
    """
    if version not in WORDS or classes not in (12, len(WORDS[version])):
        raise InputError(
            f"classes={classes}, version={version}: set version to 1 or 2, and classes to 12 or to all words, 30 in "
            "version 1 or 35 in version 2"
        )
    unknown = [split for split in splits if split not in (*NOISE_PARTS, ARCHIVE_SPLIT)]
    if isinstance(splits, str) or unknown:
        raise InputError(f"splits: {splits!r} must be a list of train, valid, test and {ARCHIVE_SPLIT}")
    root = Path(data_folder).absolute()
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; set the key data_folder to the folder that holds yes, no, up, ...")
    corpus = _Corpus(root, version)
    manifests = {}
    for split in splits:
        settings = {"version": _VERSION, "data_folder": str(root), "corpus_version": version, "classes": classes}
        if split == ARCHIVE_SPLIT:
            archive = _archive_folder(test_archive, classes)
            settings["test_archive"] = str(archive)
            files, records = stat_files(archive.glob("*/*.wav")), partial(_archive_records, archive)
        else:
            settings["seed"] = seed if split == "train" else _EVALUATION_SEED
            files, records = corpus.files, partial(corpus.records, split, classes, settings["seed"])
        find_records = partial(_find_records, records)
        manifests[split] = prepare_split(
            split, manifest_folder, FIELDS, settings, files, find_records, max_bad_fraction, workers, progress
        )
    return manifests


class _Corpus:
    """The dataset's folder: the split and the class of each recording."""

    def __init__(self, root, version):
        self.root, self.version, self.words = root, version, WORDS[version]
        folders = {path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")}
        missing = [word for word in self.words if word not in folders]
        if missing:
            shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            raise InputError(
                f"{root}: lacks {len(missing)} of the {len(self.words)} word folders of version {version} ({shown}); "
                "correct the key data_folder or version"
            )
        self.extra = sorted(folders - set(self.words) - {NOISE_FOLDER})
        newer = [word for word in self.extra if word in WORDS[2]]
        if newer:
            raise InputError(f"{root}: holds {newer[0]!r}, a word of version 2; set the key version to 2")
        lists = {split: self._read_list(name) for split, name in _LISTS.items()}
        both = lists["valid"] & lists["test"]
        if both:
            raise InputError(
                f"{root}: {min(both)} is in both validation_list.txt and testing_list.txt, {len(both)} recordings in "
                "all; take the lists from the archive"
            )
        present = {f"{word}/{path.name}" for word in self.words for path in _recordings(root / word)}
        self.lists = {"train": present - lists["valid"] - lists["test"], **lists}
        self.noise = _recordings(root / NOISE_FOLDER)
        paths = [root / name for name in (*_LISTS.values(), *present)]
        self.files = stat_files([*paths, *self.noise])

    def _read_list(self, name):
        try:
            lines = (self.root / name).read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{self.root / name}: the list of a split cannot be read ({type(error).__name__}); it is part of the "
                "archive, unpack it again"
            ) from None
        names = {line.strip() for line in lines} - {""}
        if not names:
            raise InputError(f"{self.root / name}: lists no recordings; it is part of the archive, unpack it again")
        return names

    def records(self, split, classes, seed):
        """{ID: (path, columns, reason)}: columns of a good record, or why it is none."""
        records, commands, others = {}, [], []
        for name in sorted(self.lists[split]):
            word, _, file = name.partition("/")
            match = _NAME.fullmatch(file)
            record_id, path = name.removesuffix(".wav"), self.root / name
            if word not in self.words:
                records[record_id] = (path, None, f"{word} is no word of version {self.version}")
            elif not match:
                records[record_id] = (path, None, "not named <speaker>_nohash_<n>.wav")
            else:
                known = classes != 12 or word in COMMANDS
                columns = {"spk_id": match[1], "wrd": word, "command": word if known else UNKNOWN}
                (commands if known else others).append((record_id, (path, columns, None)))
        if not commands:
            raise InputError(f"{self.root}: the split {split!r} holds no recording; check its list and the data_folder")
        if split == "train":  # a folder belongs to no list
            for name in self.extra:
                reason = f"no word of version {self.version}, the folder is ignored"
                records[name] = (self.root / name, None, reason)
        records.update(commands)
        if classes == 12:
            count = math.ceil(_SHARE * len(commands))
            draw = random.Random(f"unknown {split} {seed}")
            records.update(sorted(draw.sample(others, min(count, len(others)))))
            records.update(self._silence(split, count, random.Random(f"silence {split} {seed}")))
        return records

    def _silence(self, split, count, draw):
        """Draw pieces of silence from the split's own part of the noise files."""
        first, last = NOISE_PARTS[split]
        records, usable = {}, []
        for path in self.noise:
            try:
                usable.append((path, inspect_audio(path, _SILENCE_SECONDS / (last - first), allow_silence=True)))
            except InputError as error:
                records[f"{NOISE_FOLDER}/{path.stem}"] = (path, None, str(error).removeprefix(f"{path}: "))
        if not usable:
            raise InputError(
                f"{self.root / NOISE_FOLDER}: holds no .wav of at least {_SILENCE_SECONDS / (last - first):g} s to cut "
                "silence from; it is part of the archive, unpack it again"
            )
        for number in range(count):
            path, seconds = draw.choice(usable)
            start = draw.uniform(first * seconds, last * seconds - _SILENCE_SECONDS)
            place = {"start": f"{start:.6f}", "gain": f"{draw.random():.4f}", "duration": f"{_SILENCE_SECONDS:.6f}"}
            columns = {"spk_id": "", "wrd": "", "command": SILENCE, **place}
            records[f"{SILENCE}/{split}_{number:04d}"] = (path, columns, None)
        return records


def _recordings(folder):
    """The WAV files of a folder, sorted."""
    return sorted(path for path in folder.glob("*.wav") if not path.name.startswith(APPLE_DOUBLE))


def _archive_folder(test_archive, classes):
    if test_archive is None or not Path(test_archive).is_dir():
        raise InputError(
            f"test_archive={test_archive}: the split {ARCHIVE_SPLIT} needs the unpacked folder of "
            "speech_commands_test_set_v0.02 in this key"
        )
    if classes != 12:
        raise InputError(f"classes={classes}: the split {ARCHIVE_SPLIT} has 12; take the split test")
    return Path(test_archive).absolute()


def _archive_records(archive):
    """Records of the published test set, which has one folder per class."""
    folders = {**{word: word for word in COMMANDS}, "_unknown_": UNKNOWN, "_silence_": SILENCE}
    missing = [name for name in folders if not _recordings(archive / name)]
    if missing:
        raise InputError(f"{archive}: has no recordings in {', '.join(missing)}; correct the key test_archive")
    records = {}
    for name, command in folders.items():
        for path in _recordings(archive / name):
            match = _NAME.fullmatch(path.name)
            columns = {"spk_id": match[1] if match else "", "wrd": "" if name[0] == "_" else name, "command": command}
            records[f"{name}/{path.stem}"] = (path, columns, None)
    return records


def _find_records(read):
    """The argument ``find_records`` of :func:`~summarymixing.corpora.preparation.prepare_split`."""
    records = read()

    def examine(record_id):
        path, columns, reason = records[record_id]
        if reason is not None:
            return None, path, reason
        row = {"wav": str(path), "start": "0", "gain": "1", **columns}
        if "duration" not in row:
            try:
                row["duration"] = f"{inspect_audio(path, MIN_SECONDS, allow_silence=row['command'] == SILENCE):.6f}"
            except InputError as error:
                return None, path, str(error).removeprefix(f"{path}: ")
        return row, path, None

    return list(records), examine
