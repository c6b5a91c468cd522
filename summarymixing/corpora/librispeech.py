"""LibriSpeech: from its folders to CSV manifests."""

from pathlib import Path

from summarymixing.corpora.audio import inspect_audio
from summarymixing.corpora.preparation import prepare_split, stat_files
from summarymixing.errors import InputError

FIELDS = ["ID", "duration", "wav", "spk_id", "wrd"]
# One analysis frame: anything shorter gives a recogniser nothing to look at.
MIN_SECONDS = 0.025
# Raise it with every change to what a manifest holds, so that older ones are made again.
_VERSION = 1
_AUDIO_SUFFIXES = (".flac", ".wav")
_TRANSCRIPT_SUFFIX = ".trans.txt"


def prepare(data_folder, manifest_folder, splits, max_bad_fraction=0.01, workers=None, progress=True):
    """Write one CSV manifest a split, or reuse those of an earlier call.

    The columns are ID, duration (seconds), wav (absolute path), spk_id and wrd (the transcript as
    it stands). The layout is LibriSpeech's, ``<split>/<speaker>/<chapter>/<ID>.flac`` (or
    ``.wav``; where both exist, the FLAC) beside ``<speaker>-<chapter>.trans.txt``.

    A recording that is unreadable, truncated, empty or shorter than a frame, or whose transcript
    is missing, empty, contradictory or not UTF-8, is left out, and so is a transcript without
    recording; ``<split>.skipped.csv`` names them. A manifest is made again when the settings, or
    the name, size or date of a file of its splits has changed.

    Parameters
    ----------
    data_folder : str or pathlib.Path
        The folder that holds the split folders.
    manifest_folder : str or pathlib.Path
        Where the manifests go; made if missing.
    splits : list of str
        Split folders, such as ``"dev-clean"``; several joined by ``+`` make one manifest:
        ``"train-clean-100+train-clean-360"``.
    max_bad_fraction : float
        Largest tolerated share of recordings left out of a split, 0 to 1.
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
    >>> manifests["dev-clean"].read_text().splitlines()[0]
    'ID,duration,wav,spk_id,wrd'
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
    files = []
    folders = split.split("+")
    for name in folders:
        if not name or not (data_folder / name).is_dir():
            present = ", ".join(sorted(p.name for p in data_folder.iterdir() if p.is_dir()))
            raise InputError(
                f"{data_folder} has no split folder {name!r}; folders there: {present or 'none'}; "
                "correct the split's name or the key data_folder"
            )
        files += _scan(data_folder / name)
    if len(set(folders)) < len(folders):
        raise InputError(f"splits: {split!r} names a folder twice; name it once")

    def find_records():
        audio, transcripts = _records([Path(path) for path, _, _ in files])
        if not audio:
            raise InputError(
                f"{data_folder}: split {split!r} holds no .flac or .wav recordings as "
                "<speaker>/<chapter>/<ID>.flac; check the key data_folder"
            )
        ids = sorted(audio.keys() | transcripts.keys())
        return ids, lambda record_id: _examine(audio.get(record_id), transcripts.get(record_id))

    settings = {"version": _VERSION, "data_folder": str(data_folder), "split": split}
    return prepare_split(
        split, manifest_folder, FIELDS, settings, files, find_records, max_bad_fraction, workers, progress
    )


def _scan(folder):
    """Return (path, size, modification time in ns) of the files of a split, sorted by path."""
    names = (*_AUDIO_SUFFIXES, _TRANSCRIPT_SUFFIX)
    return stat_files(path for path in folder.glob("*/*/*") if path.name.endswith(names))


def _records(paths):
    """Return {ID: audio file} and {ID: [(transcript bytes, transcript file), ...]}."""
    audio, transcripts = {}, {}
    for path in paths:
        if not path.name.endswith(_TRANSCRIPT_SUFFIX):
            # Sorted paths bring .wav after .flac, and the FLAC is the original.
            audio.setdefault(path.stem, path)
            continue
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None
        # Bytes, because one line in another encoding must not cost the whole chapter.
        for line in filter(None, map(bytes.strip, lines)):
            record_id, _, words = line.partition(b" ")
            record_id = record_id.decode(errors="replace")
            transcripts.setdefault(record_id, []).append((words, path))
    return audio, transcripts


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
    try:
        seconds = inspect_audio(path, MIN_SECONDS)
    except InputError as error:
        return None, path, str(error).removeprefix(f"{path}: ")
    speaker = path.parent.parent.name
    row = {"duration": f"{seconds:.6f}", "wav": str(path), "spk_id": speaker, "wrd": words}
    return row, path, None
