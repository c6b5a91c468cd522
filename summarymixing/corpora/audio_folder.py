"""Any folder of audio without transcripts: from its files to CSV manifests of pieces of recordings."""

import hashlib
import logging
import math
import os
from itertools import accumulate
from pathlib import Path

from summarymixing.corpora.audio import inspect_audio
from summarymixing.corpora.librispeech import AUDIO_SUFFIXES, MIN_SECONDS
from summarymixing.corpora.manifest import APPLE_DOUBLE, read_manifest, write_manifest
from summarymixing.corpora.preparation import prepare_split, report_choice, stat_files
from summarymixing.utils.errors import InputError

logger = logging.getLogger(__name__)

FIELDS = ["ID", "duration", "wav", "start", "spk_id"]
#: Names of the two manifests, and of that of all recordings as they are.
TRAIN, VALID, RECORDINGS = "train", "valid", "recordings"
# Increase it with every change of the recordings manifest, so that older ones are made again.
_VERSION = 1
# A level of folders with at least this many is taken as that of the speakers.
_SPEAKERS = 10
_HELD_OUT = ("dev", "test", "valid", "eval")


def prepare(
    data_folder,
    manifest_folder,
    train_splits=(".",),
    valid_split=None,
    valid_share=0.01,
    min_seconds=0.0,
    max_seconds=30.0,
    max_bad_fraction=0.01,
    recordings_folder=None,
    workers=None,
    progress=True,
):
    """Write the manifests ``train.csv`` and ``valid.csv`` of a folder of audio.

    Every file below the folder that can be decoded is a recording, at any depth: LibriSpeech, Libri-Light after its
    ``cut_by_vad.py``, Common Voice's ``clips``, VoxCeleb, or another folder. The columns are ID (the recording's path
    below `data_folder`, and the start of a piece), duration (seconds), wav (absolute path), start (seconds) and spk_id
    (a folder).

    A recording longer than `max_seconds` is cut into equal pieces and not cropped at random in each epoch. Therefore
    every second is used for training, the lengths are known before batches are made, and a resumed run reads the same
    samples with its seed alone.

    All recordings are decoded once, in parallel, to measure their lengths, which are kept in ``recordings.csv``; it is
    made again only if a file has changed. A recording that is unreadable, empty, silent or shorter than an analysis
    frame is left out and named in ``recordings.skipped.csv``; one shorter than `min_seconds` is named in
    ``train.left_out.csv``.

    Parameters
    ----------
    data_folder : str or pathlib.Path
        The folder.
    manifest_folder : str or pathlib.Path
        Folder of the two manifests; created if missing.
    train_splits : list of str
        Training folders below `data_folder`; ``"."`` is the whole folder.
    valid_split : str, optional
        The validation folder, whose recordings are not used for training. By default a part of the speakers of
        `train_splits` is held out, the same speakers in every run. Speakers are the folders of the shallowest level
        that has ten or more; without such a level each recording counts as a speaker.
    valid_share : float
        Fraction of the audio that is held out, between 0 and 1.
    min_seconds, max_seconds : float
        Shorter recordings are left out, longer ones are cut.
    max_bad_fraction : float
        Largest tolerated fraction of unusable recordings, 0 to 1.
    recordings_folder : str or pathlib.Path, optional
        Folder of ``recordings.csv``, so that several runs can share it; by default `manifest_folder`.
    workers : int, optional
        Threads that decode; by default two per core.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    dict of str to pathlib.Path
        ``train`` and ``valid``.

    Raises
    ------
    InputError
        If a folder is missing or holds no recordings, if too many are unusable, if nothing is left for training or
        validation, or if `min_seconds` and `max_seconds` contradict each other.

    Examples
    --------
    >>> import tempfile, soundfile, torch
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name, seconds in (("a", 2), ("b", 5)):
    ...     soundfile.write(folder / f"{name}.flac", torch.rand(16000 * seconds).numpy(), 16000)
    >>> manifests = prepare(folder, folder / "manifests", valid_share=0.2, max_seconds=4, progress=False)
    >>> print(manifests["train"].read_text().replace(str(folder), ""), end="")
    ID,duration,wav,start,spk_id
    b.flac@0.00,2.500000,/b.flac,0.000000,b.flac
    b.flac@2.50,2.500000,/b.flac,2.500000,b.flac
    """
    _check(train_splits, valid_split, valid_share, min_seconds, max_seconds)
    data_folder, manifest_folder = Path(data_folder).absolute(), Path(manifest_folder)
    if not data_folder.is_dir():
        raise InputError(f"{data_folder}: no such folder; set the key data_folder to a folder of audio files")
    validates = {} if valid_split is None else _find(data_folder, [valid_split], "valid_split")
    trains = _find(data_folder, train_splits, "train_splits")
    trains = {name: path for name, path in trains.items() if name not in validates}
    _warn_of_test_sets(trains)
    found = {**trains, **validates}

    def examine(name):
        try:
            seconds = inspect_audio(found[name], MIN_SECONDS)
        except InputError as error:
            return None, found[name], str(error).removeprefix(f"{found[name]}: ")
        return {"duration": f"{seconds:.6f}", "wav": str(found[name])}, found[name], None

    recordings = prepare_split(
        RECORDINGS,
        manifest_folder if recordings_folder is None else recordings_folder,
        ["ID", "duration", "wav"],
        {"version": _VERSION, "data_folder": str(data_folder)},
        stat_files(found.values()),
        lambda: (sorted(found), examine),
        max_bad_fraction,
        workers,
        progress,
    )
    rows = [{**row, "duration": float(row["duration"])} for row in read_manifest(recordings)]
    for row, speaker in zip(rows, _speakers([row["ID"] for row in rows]), strict=True):
        row["spk_id"] = speaker
    if valid_split is None:
        held_out = _share_of_speakers([row for row in rows if row["duration"] >= min_seconds], valid_share)
        parts = {TRAIN: [], VALID: []}
        for row in rows:
            parts[VALID if row["spk_id"] in held_out else TRAIN].append(row)
    else:
        parts = {TRAIN: [row for row in rows if row["ID"] in trains]}
        parts[VALID] = [row for row in rows if row["ID"] in validates]
    return {name: _write(manifest_folder, name, part, min_seconds, max_seconds) for name, part in parts.items()}


def _check(train_splits, valid_split, valid_share, min_seconds, max_seconds):
    if isinstance(train_splits, str):
        raise InputError(f"train_splits: expected a list of folders, got the text {train_splits!r}")
    if not 0 <= min_seconds <= max_seconds / 2 or max_seconds <= 0:
        raise InputError(
            f"min_seconds {min_seconds} and max_seconds {max_seconds}: the pieces of a recording that is longer than "
            "max_seconds may be half as long, so min_seconds may be at most half of it"
        )
    if valid_split is None and not 0 < valid_share < 1:
        raise InputError(f"valid_share {valid_share}: must lie between 0 and 1, or name a folder as valid_split")


def _find(data_folder, splits, key):
    """Audio files below some folders, by their path below `data_folder`."""
    found = {}
    for split in splits:
        folder = data_folder / split
        if not folder.is_dir():
            present = ", ".join(sorted(path.name for path in data_folder.iterdir() if path.is_dir()))
            raise InputError(
                f"{data_folder} has no folder {split!r}; folders there: {present or 'none'}; correct the key {key}"
            )
        before = len(found)
        found.update((path.relative_to(data_folder).as_posix(), path) for path in _audio_files(folder))
        if len(found) == before:
            raise InputError(
                f"{folder} holds no recordings (.flac, .wav, .mp3, .ogg, ...) that another folder of the key {key} "
                "does not; correct that key"
            )
    return found


def _audio_files(folder):
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:  # a link to a folder above it
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        for name in names:
            if os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES and not name.startswith(APPLE_DOUBLE):
                yield Path(os.path.normpath(place)) / name


def _warn_of_test_sets(trains):
    """Warn if a training folder has a usual name of a test set."""
    folders = {folder for name in trains for folder in name.split("/")[:-1]}
    suspects = sorted(folder for folder in folders if folder.lower().startswith(_HELD_OUT))
    if suspects:
        logger.warning(
            "the training set holds the folders %s: if these are validation or test sets, name the others in "
            "train_splits",
            ", ".join(suspects),
        )


def _speakers(ids):
    """The speaker of each recording: its folder at the shallowest level that has `_SPEAKERS` folders or more."""
    deepest = max((name.count("/") for name in ids), default=0)
    for level in range(1, deepest + 1):
        # Recordings above that level are speakers of their own.
        folders = ["/".join(name.split("/")[:level]) for name in ids]
        if len({folder for folder, name in zip(folders, ids, strict=True) if folder != name}) >= _SPEAKERS:
            return folders
    return list(ids)


def _share_of_speakers(rows, share):
    """Speakers with this fraction of the audio, at least one, in an order that depends only on their names."""
    seconds = {}
    for row in rows:
        seconds[row["spk_id"]] = seconds.get(row["spk_id"], 0.0) + row["duration"]
    order = sorted(seconds, key=lambda name: hashlib.sha256(os.fsencode(name)).digest())
    totals = accumulate(seconds[name] for name in order)
    wanted = share * sum(seconds.values())
    return set(order[: 1 + sum(total < wanted for total in totals)])


def _write(folder, split, recordings, min_seconds, max_seconds):
    """Write the manifest of one set; recordings that are too short are left out, longer ones are cut."""
    rows, short = [], []
    for row in recordings:
        name, seconds = row["ID"], row["duration"]
        if seconds < min_seconds:
            short.append({"ID": name, "file": row["wav"], "reason": f"shorter than min_seconds {min_seconds}"})
            continue
        pieces = math.ceil(seconds / max_seconds)
        for start in (seconds * number / pieces for number in range(pieces)):
            piece = name if pieces == 1 else f"{name}@{start:.2f}"
            times = {"duration": f"{seconds / pieces:.6f}", "start": f"{start:.6f}"}
            rows.append({"ID": piece, **times, "wav": row["wav"], "spk_id": row["spk_id"]})
    folder.mkdir(parents=True, exist_ok=True)
    report_choice(split, folder / f"{split}.left_out.csv", short, len(recordings), rows)
    if not rows:
        raise InputError(
            f"nothing is left to {'train' if split == TRAIN else 'validate'} on; name other folders in train_splits "
            "and valid_split, or choose another valid_share"
        )
    write_manifest(folder / f"{split}.csv", rows, FIELDS)
    return folder / f"{split}.csv"
