"""LibriSpeech: from its folders to CSV manifests."""

import codecs
import contextlib
import os
import unicodedata
from pathlib import Path

from summarymixing.corpora.audio import inspect_audio
from summarymixing.corpora.manifest import APPLE_DOUBLE
from summarymixing.corpora.preparation import prepare_split, stat_files
from summarymixing.utils.errors import InputError

FIELDS = ["ID", "duration", "wav", "spk_id", "wrd"]
# One analysis frame: shorter recordings give a recogniser no frame.
MIN_SECONDS = 0.025
#: A file of one of these is a recording even if no transcript names it. The first two win over the rest, in this order.
AUDIO_SUFFIXES = (
    ".flac .wav .aac .ac3 .aif .aifc .aiff .amr .ape .au .caf .gsm .m4a .mka .mkv .mp2 .mp3 .mp4 .nist .oga .ogg .opus "
    ".rf64 .snd .sph .spx .tta .w64 .webm .wma .wv"
).split()
# Increase it with every change of the manifest, so that older ones are made again.
_VERSION = 2
_TRANSCRIPT_SUFFIX = ".trans.txt"


def prepare(data_folder, manifest_folder, splits, max_bad_fraction=0.01, workers=None, progress=True):
    """Write one CSV manifest per split, or reuse those of an earlier call.

    The columns are ID (the recording's path below `data_folder`, without its extension), duration (seconds), wav
    (absolute path), spk_id and wrd (the transcript as it stands). The layout is LibriSpeech's,
    ``<split>/<speaker>/<chapter>/<name>.flac`` beside ``<speaker>-<chapter>.trans.txt``, whose lines are
    ``<name> <words>``: a line belongs to the recording of that name in its own folder, so other folders may hold the
    name again. Any other ``*.trans.txt`` will do as well, and any other audio file: of several with one name the FLAC
    is taken, then the WAV, then the first in the order of the alphabet. Capitals in extensions make no difference.

    A recording that is unreadable, truncated, empty or shorter than a frame, or whose transcript is missing, empty,
    contradictory, not UTF-8 or holds control characters, is left out, and so is a transcript without recording;
    ``<split>.skipped.csv`` names them. A manifest is made again when the settings, or the name, size or date of a file
    of its splits has changed.

    Parameters
    ----------
    data_folder : str or pathlib.Path
        The folder that holds the split folders.
    manifest_folder : str or pathlib.Path
        Folder of the manifests; created if missing.
    splits : list of str
        Split folders, such as ``"dev-clean"``; several joined by ``+`` make one manifest:
        ``"train-clean-100+train-clean-360"``.
    max_bad_fraction : float
        Largest tolerated fraction of recordings left out of a split, 0 to 1.
    workers : int, optional
        Threads that inspect recordings; by default two per core, as much of the time is disk's.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    dict of str to pathlib.Path
        The CSV file of each entry of `splits`.

    Raises
    ------
    InputError
        If a folder is missing, a split holds no recordings, or too many are unusable.

    Examples
    --------
    >>> import tempfile
    >>> import soundfile, torch
    >>> root = Path(tempfile.mkdtemp())
    >>> chapter = root / "dev-clean" / "84" / "121123"
    >>> chapter.mkdir(parents=True)
    >>> soundfile.write(chapter / "84-121123-0000.flac", torch.rand(16000).numpy(), 16000)
    >>> _ = (chapter / "84-121123.trans.txt").write_text("84-121123-0000 GO ON\\n")
    >>> manifests = prepare(root, root / "manifests", ["dev-clean"], progress=False)
    >>> manifests["dev-clean"].read_text().split(",")[4:6]
    ['wrd\\ndev-clean/84/121123/84-121123-0000', '1.000000']
    """
    if isinstance(splits, str):
        raise InputError(f"splits: expected a list of split names, got the text {splits!r}")
    data_folder = Path(data_folder).absolute()
    if not data_folder.is_dir():
        raise InputError(
            f"{data_folder}: no such folder; set the key data_folder to the folder that holds "
            "LibriSpeech's splits (train-clean-100, dev-clean, ...)"
        )
    return {
        split: _prepare_split(data_folder, Path(manifest_folder), split, max_bad_fraction, workers, progress)
        for split in splits
    }


def _prepare_split(data_folder, manifest_folder, split, max_bad_fraction, workers, progress):
    records = {}
    folders = split.split("+")
    for name in folders:
        if not name or not (data_folder / name).is_dir():
            present = ", ".join(sorted(p.name for p in data_folder.iterdir() if p.is_dir()))
            raise InputError(
                f"{data_folder} has no split folder {name!r}; folders there: {present or 'none'}; "
                "correct the split's name or the key data_folder"
            )
        for chapter in (data_folder / name).glob("*/*/"):
            records.update(_read_chapter(chapter, chapter.relative_to(data_folder).as_posix()))
    if len(set(folders)) < len(folders):
        raise InputError(f"splits: {split!r} names a folder twice; name it once")

    def find_records():
        if not any(recording for recording, _ in records.values()):
            raise InputError(
                f"{data_folder}: split {split!r} holds no recordings as <speaker>/<chapter>/<name>.flac (or .wav, "
                ".ogg, .mp3, ...); check the key data_folder"
            )
        # By name first, so that the order of a split does not depend on how it is divided into folders.
        ids = sorted(records, key=lambda record_id: (record_id.rpartition("/")[2], record_id))
        return ids, lambda record_id: _examine(*records[record_id])

    files = {recording for recording, _ in records.values() if recording}
    files.update(file for _, lines in records.values() for _, file in lines)
    settings = {"version": _VERSION, "data_folder": str(data_folder), "split": split}
    return prepare_split(
        split, manifest_folder, FIELDS, settings, stat_files(files), find_records, max_bad_fraction, workers, progress
    )


def _read_chapter(folder, prefix):
    """Return {ID: (recording or None, [(words, transcript file), ...])} of one folder; words are bytes."""
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(APPLE_DOUBLE)]
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be read ({error.strerror})") from None
    transcripts, recordings = {}, {}
    for file in sorted(name for name in names if name.lower().endswith(_TRANSCRIPT_SUFFIX)):
        names.remove(file)
        for name, words in _read_transcripts(folder / file):
            transcripts.setdefault(name, []).append((words, folder / file))
    for file in sorted(names, key=_preference):
        name, suffix = os.path.splitext(file)
        if name in transcripts or suffix.lower() in AUDIO_SUFFIXES:
            recordings.setdefault(name, folder / file)
    names = recordings.keys() | transcripts.keys()
    return {f"{prefix}/{name}": (recordings.get(name), transcripts.get(name, [])) for name in names}


def _preference(file):
    """Key that sorts the files of one name: FLAC, WAV, other audio, the rest."""
    suffix = os.path.splitext(file)[1].lower()
    rank = min(AUDIO_SUFFIXES.index(suffix), 2) if suffix in AUDIO_SUFFIXES else 3
    return rank, file


def _read_transcripts(path):
    """Yield (name, words) of each line; words are bytes, as a line in another encoding must not cost the others."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        with contextlib.suppress(UnicodeDecodeError):
            content = content.decode("utf-16").encode()
    for line in content.splitlines():
        # Files that were joined have a byte-order mark in the middle too.
        name, *words = line.removeprefix(codecs.BOM_UTF8).split(None, 1) or [b""]
        if name:
            yield os.fsdecode(name), b"".join(words)


def _examine(path, transcripts):
    """Return (row, file, reason) of one record; the reason is None for a good one."""
    if path is None:
        return None, transcripts[0][1], "transcript without recording"
    if not transcripts:
        return None, path, "no transcript"
    if len({words for words, _ in transcripts}) > 1:
        return None, transcripts[0][1], "several different transcripts"
    try:
        words = " ".join(transcripts[0][0].decode("utf-8").split())
    except UnicodeDecodeError:
        return None, transcripts[0][1], "transcript is not UTF-8"
    if not words:
        return None, transcripts[0][1], "empty transcript"
    if any(unicodedata.category(character) == "Cc" for character in words):
        return None, transcripts[0][1], "control character in the transcript"
    try:
        seconds = inspect_audio(path, MIN_SECONDS)
    except InputError as error:
        return None, path, str(error).removeprefix(f"{path}: ")
    speaker = path.parent.parent.name
    row = {"duration": f"{seconds:.6f}", "wav": str(path), "spk_id": speaker, "wrd": words}
    return row, path, None
