"""Common Voice: from its TSV lists and clips to CSV manifests."""

import os
from pathlib import Path
from typing import NamedTuple

from summarymixing.corpora.audio import inspect_audio
from summarymixing.corpora.preparation import prepare_split, stat_files
from summarymixing.corpora.text_normalisation import LANGUAGES, Language, Unspeakable, normalise
from summarymixing.utils.errors import InputError

FIELDS = ["ID", "duration", "wav", "spk_id", "wrd"]
#: The columns that are read; releases differ in other columns and in their order.
COLUMNS = ("client_id", "path", "sentence")
# One analysis frame: shorter recordings give a recogniser no frame.
MIN_SECONDS = 0.025
#: Characters per second, spaces included, that nobody can say (reading aloud has 10 to 20): such a clip is cut off.
MAX_CHARACTERS_PER_SECOND = 30.0
# Increase it with every change of the manifest, so that older ones are made again.
_VERSION = 2


class _Record(NamedTuple):
    list_file: Path
    clip: Path | None
    speaker: str
    sentence: str
    defect: str | None


def prepare(
    data_folder,
    manifest_folder,
    splits,
    max_bad_fraction=0.01,
    locale="fr",
    max_seconds=None,
    train_splits=("train",),
    max_characters_per_second=MAX_CHARACTERS_PER_SECOND,
    workers=None,
    progress=True,
):
    """Write one CSV manifest per split, or reuse those of an earlier call.

    The columns are ID (the clip's path below the locale's folder, such as ``clips/common_voice_fr_17299384.mp3``),
    duration (seconds), wav (absolute path), spk_id (``client_id``) and wrd (the sentence as
    :func:`~summarymixing.corpora.text_normalisation.normalise` writes it). The layout is that of every release:
    ``<locale>/<split>.tsv`` beside ``<locale>/clips/``; the lists' columns are found by name.

    These are left out and named in ``<split>.skipped.csv``: clips that are missing, empty, unreadable or shorter than a
    frame; sentences that are empty, cannot be normalised, or are too long for their clip; lines whose number of columns
    differs from the header; clips of another locale; and clips that are listed twice (the first line stays if the
    sentences agree). Training clips longer than `max_seconds` are left out on purpose: they are named in
    ``<split>.left_out.csv`` and do not count as unusable. A manifest is made again if the settings, or the name, size
    or date of a list or clip has changed.

    Parameters
    ----------
    data_folder : str or pathlib.Path
        The folder that holds the locale's folder, or the locale's folder itself.
    manifest_folder : str or pathlib.Path
        Folder of the manifests; created if missing.
    splits : list of str
        Lists, such as ``"dev"``; several joined by ``+`` make one manifest: ``"train+other"``.
    max_bad_fraction : float
        Largest tolerated fraction of unusable sentences, 0 to 1.
    locale : str
        Common Voice's name of the language, such as ``"fr"`` or ``"cy"``.
    max_seconds : float, optional
        Seconds of the longest clip in a manifest of `train_splits`; other splits keep all clips, so that test sets do
        not change.
    train_splits : list of str
        Training lists.
    max_characters_per_second : float
        Largest number of characters of a transcript per second of its clip.
    workers : int, optional
        Threads that inspect clips; by default two per core, because much of the time is spent on the disk.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    dict of str to pathlib.Path
        The CSV file of each entry of `splits`.

    Raises
    ------
    InputError
        If a folder or list is missing, a list is not UTF-8, lacks a column or has another locale, or too many
        sentences are unusable.

    Examples
    --------
    >>> import tempfile
    >>> import soundfile, torch
    >>> root = Path(tempfile.mkdtemp())
    >>> (root / "fr" / "clips").mkdir(parents=True)
    >>> soundfile.write(root / "fr" / "clips" / "a.mp3", torch.rand(48000).numpy(), 48000)
    >>> _ = (root / "fr" / "dev.tsv").write_text("client_id\\tpath\\tsentence\\nx\\ta.mp3\\tC’est l’été !\\n")
    >>> manifests = prepare(root, root / "manifests", ["dev"], progress=False)
    >>> manifests["dev"].read_text().split(",")[-1]
    "C'EST L'ÉTÉ\\n"
    """
    if isinstance(splits, str):
        raise InputError(f"splits: expected a list of split names, got the text {splits!r}")
    folder = _locale_folder(Path(data_folder).absolute(), locale)
    settings = {"folder": str(folder), "locale": locale, "max_characters_per_second": max_characters_per_second}
    # All lists are read before any clip, so that a missing list is found before hours of work.
    records = {split: _read_records(folder, split, locale) for split in splits}
    manifests = {}
    for split in splits:
        training = set(split.split("+")) <= set(train_splits)
        choice = {**settings, "max_seconds": max_seconds if training else None}
        manifests[split] = _prepare_split(
            split, records[split], manifest_folder, choice, max_bad_fraction, workers, progress
        )
    return manifests


def _prepare_split(split, records, manifest_folder, settings, max_bad_fraction, workers, progress):
    folder, locale, limit = Path(settings["folder"]), settings["locale"], settings["max_seconds"]
    lists = [folder / f"{name}.tsv" for name in split.split("+")]
    clips = {record.clip for record in records.values() if record.clip}

    def examine(record_id):
        return _examine(records[record_id], locale, settings["max_characters_per_second"])

    def choose(row):
        too_long = limit is not None and float(row["duration"]) > limit
        return f"longer than {limit:g} s" if too_long else None

    return prepare_split(
        split,
        manifest_folder,
        FIELDS,
        # The entry of the language table is included, so that its changes make the manifests again.
        {"version": _VERSION, **settings, "language": repr(LANGUAGES.get(locale, Language()))},
        stat_files([*lists, *clips]),
        lambda: (list(records), examine),
        max_bad_fraction,
        workers,
        progress,
        choose,
    )


def _locale_folder(data_folder, locale):
    """The folder of one language, found from itself or from its parent folder."""
    if not data_folder.is_dir():
        raise InputError(
            f"{data_folder}: no such folder; set the key data_folder to the folder of a Common Voice release, which "
            f"holds {locale}/clips"
        )
    for folder in (data_folder / locale, data_folder):
        if (folder / "clips").is_dir():
            return folder
    present = ", ".join(sorted(path.parent.name for path in data_folder.glob("*/clips")))
    raise InputError(
        f"{data_folder} has no folder {locale}/clips; languages there: {present or 'none'}; correct the key locale or "
        "the key data_folder"
    )


def _read_records(folder, split, locale):
    """Return {ID: _Record} in the order of the lists; the ID of a line without its own clip is LIST:LINE."""
    names = split.split("+")
    if len(set(names)) < len(names):
        raise InputError(f"splits: {split!r} names a list twice; name it once")
    records = {}
    for name in names:
        list_file = folder / f"{name}.tsv"
        columns, lines = _read_list(list_file)
        locales = set()
        for number, values in lines:
            line_id = f"{list_file.name}:{number}"
            if len(values) != len(columns):
                defect = f"line of {len(values)} columns, the header has {len(columns)}"
                records[line_id] = _Record(list_file, None, "", "", defect)
                continue
            row = dict(zip(columns, values, strict=True))
            locales.add(row.get("locale") or locale)
            record = _record(list_file, folder / "clips", row, locale)
            record_id = os.path.relpath(record.clip, folder) if record.clip else line_id
            if record_id in records:
                first, record_id = record_id, line_id
                record = _repeated(records, first, record)
            records[record_id] = record
        if locales and locale not in locales:
            raise InputError(
                f"{list_file}: its column locale says {', '.join(sorted(locales))}; set the key locale, now {locale}, "
                "to that, or correct the key data_folder"
            )
    if not records:
        raise InputError(f"{folder}: the list of split {split!r} holds no sentences; check the key data_folder")
    return records


def _read_list(path):
    """Return the columns of a TSV file, and (line number, values) of each line."""
    try:
        content = path.read_bytes()
        # Byte order marks come from spreadsheets.
        header, *lines = content.decode("utf-8-sig").split("\n")
    except FileNotFoundError:
        present = ", ".join(sorted(file.stem for file in path.parent.glob("*.tsv")))
        raise InputError(
            f"{path}: no such list; lists there: {present or 'none'}; correct the split's name or the key data_folder"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}: line {line} is not UTF-8; take the file of the release as it is") from None
    columns = header.rstrip("\r").split("\t")
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise InputError(
            f"{path}: its first line has no column {', '.join(missing)}, but {', '.join(map(repr, columns))}; take the "
            "file of the release, separated by tabs"
        )
    # Not the csv module: quotation marks are part of the sentences, and nothing escapes a tab.
    return columns, [(n, line.rstrip("\r").split("\t")) for n, line in enumerate(lines, 2) if line.strip()]


def _record(list_file, clips, row, locale):
    """The record of one line of a list."""
    path = row["path"].strip()
    if not path:
        return _Record(list_file, None, "", "", "no clip named")
    clip = clips / (path if Path(path).suffix else f"{path}.mp3")  # the first releases leave the suffix out
    other = row.get("locale") or locale
    defect = None if other == locale else f"clip of the locale {other}"
    return _Record(list_file, clip, row["client_id"], row["sentence"], defect)


def _repeated(records, first, again):
    """Mark a line whose clip is in an earlier line as bad; if the two contradict each other, also the earlier one."""
    if records[first].sentence == again.sentence:
        return again._replace(clip=None, defect=f"clip listed twice ({first})")
    defect = f"clip listed with several sentences ({first})"
    records[first] = records[first]._replace(defect=defect)
    return again._replace(clip=None, defect=defect)


def _examine(record, locale, max_characters_per_second):
    """Return (row, file, reason) of one record; the reason is None for a good one."""
    list_file, clip, speaker, sentence, defect = record
    if defect:
        return None, list_file, defect
    if not sentence.strip():
        return None, list_file, "empty sentence"
    try:
        words = normalise(sentence, locale)
    except Unspeakable as error:
        return None, list_file, str(error)
    if not words:
        return None, list_file, "sentence without a word"
    try:
        if clip.stat().st_size == 0:
            return None, clip, "zero-byte clip"
        seconds = inspect_audio(clip, MIN_SECONDS)
    except FileNotFoundError:
        return None, clip, "no such clip"
    except InputError as error:
        return None, clip, str(error).removeprefix(f"{clip}: ")
    if len(words) > max_characters_per_second * seconds:
        return None, clip, f"sentence too long for its clip ({len(words)} characters in {seconds:.1f} s)"
    return {"duration": f"{seconds:.6f}", "wav": str(clip), "spk_id": speaker, "wrd": words}, clip, None
