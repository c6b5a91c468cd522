"""Preparation of all datasets: examine the records of a split once, in parallel and resumably, and write a manifest."""

import hashlib
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from summarymixing.corpora.manifest import BadRecords, printable, write_manifest
from summarymixing.utils.errors import InputError
from summarymixing.utils.files import atomic_open
from summarymixing.utils.progress import Progress

logger = logging.getLogger(__name__)

# Records between two writes of the journal: the most that a killed preparation loses.
_JOURNAL_EVERY = 100


def prepare_split(
    split,
    manifest_folder,
    fields,
    settings,
    files,
    find_records,
    max_bad_fraction=0.01,
    workers=None,
    progress=True,
    choose=None,
):
    """Write the manifest of one split, or reuse that of an earlier call.

    A record whose path or text cannot be written as UTF-8 is left out like a bad record, with its name escaped.

    A manifest is made again if `settings`, or the name, size or date of one of `files`, has changed. A preparation that
    was killed continues where it stopped: results are kept in ``<split>.journal`` until the manifest is complete.

    Parameters
    ----------
    split : str
        Name of the manifest.
    manifest_folder : str or pathlib.Path
        Folder of the manifest; created if missing.
    fields : sequence of str
        The columns, ``"ID"`` among them.
    settings : dict
        Everything else on which the manifest depends, for JSON: version of the reader, options.
    files : list of tuple
        The files of the split, from :func:`stat_files`.
    find_records : callable
        Called without arguments if there is work; returns the IDs in the order of the manifest, and a function
        ``examine(ID)`` that is called in threads and returns (row, file, reason): a dict of the other columns, the file
        at fault, and the reason in a few words or None for a good record.
    max_bad_fraction : float
        Largest tolerated fraction of records left out, 0 to 1.
    workers : int, optional
        Threads; by default two per core, because much of the time is spent on the disk.
    progress : bool
        Whether to show a progress bar.
    choose : callable, optional
        ``choose(row)`` returns in a few words why a good record is left out on purpose, or None to keep it. Such
        records do not count as bad.

    Returns
    -------
    pathlib.Path
        The CSV file; ``<split>.skipped.csv`` beside it names what was left out, if anything, and
        ``<split>.left_out.csv`` what `choose` left out.

    Raises
    ------
    InputError
        If too many records are unusable, all others are left out by choice, or what `find_records` raises.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> def find_records():
    ...     return ["a", "b"], lambda record_id: ({"wrd": record_id.upper()}, None, None)
    >>> prepare_split("dev", folder, ["ID", "wrd"], {}, [], find_records, progress=False).read_text().split()
    ['ID,wrd', 'a,A', 'b,B']
    """
    manifest_folder = Path(manifest_folder)
    manifest = manifest_folder / f"{split}.csv"
    settings_file = manifest_folder / f"{split}.settings.json"
    bad = BadRecords(split, manifest_folder, max_bad_fraction)
    fingerprint = hashlib.sha256(repr(files).encode()).hexdigest()
    settings = {**settings, "max_bad_fraction": max_bad_fraction, "files": len(files), "fingerprint": fingerprint}
    if manifest.exists() and _read_json(settings_file) == settings:
        return manifest

    ids, examine = find_records()
    manifest_folder.mkdir(parents=True, exist_ok=True)
    # Neither the share of bad records nor the columns' order change what one record gives.
    examined = {key: value for key, value in settings.items() if key != "max_bad_fraction"}
    with _Journal(manifest_folder / f"{split}.journal", examined) as journal:
        todo = [record_id for record_id in ids if record_id not in journal.results]
        pool = ThreadPoolExecutor(workers or 2 * (os.cpu_count() or 1))
        bar = Progress(total=len(ids), initial=len(ids) - len(todo), desc=f"preparing {split}", disable=not progress)
        try:
            for record_id, (row, file, reason) in zip(todo, pool.map(examine, todo), strict=True):
                journal.add(record_id, row, str(file), reason)
                bar.update()
        finally:  # on Ctrl-C too, without the records that no thread has begun
            pool.shutdown(cancel_futures=True)
            bar.close()
    rows, chosen_out = [], []
    for record_id in ids:
        row, file, reason = journal.results[record_id]
        reason = reason or _unwritable(row)
        choice = choose(row) if choose and not reason else None
        if reason:
            bad.add(record_id, file, reason)
        elif choice:
            chosen_out.append({"ID": printable(record_id), "file": printable(file), "reason": choice})
        else:
            rows.append({"ID": printable(record_id), **row})
    bad.close(total=len(ids))
    report_choice(split, manifest_folder / f"{split}.left_out.csv", chosen_out, len(ids), rows)
    write_manifest(manifest, rows, fields)
    # Written after the manifest, so that settings exist only with a complete manifest.
    with atomic_open(settings_file) as file:
        json.dump(settings, file, indent=2)
    journal.path.unlink()
    return manifest


def _unwritable(row):
    """Why a row cannot be written to a manifest, which is UTF-8; None if it can."""
    for column, value in row.items():
        try:
            str(value).encode()
        except UnicodeEncodeError:
            return "its path is not UTF-8; rename it" if column == "wav" else f"its {column} is not Unicode text"
    return None


def report_choice(split, report, chosen_out, total, rows):
    """Name and count the records that are left out on purpose.

    Parameters
    ----------
    split : str
        Name of the manifest.
    report : pathlib.Path
        The CSV file that names them; one of an earlier call is removed if there are none.
    chosen_out : list of dict
        Their ``ID``, ``file`` and ``reason``.
    total : int
        Records of the split.
    rows : list
        What is left.

    Raises
    ------
    InputError
        If nothing is left.
    """
    if not chosen_out:
        report.unlink(missing_ok=True)
        return
    write_manifest(report, chosen_out, ["ID", "file", "reason"])
    reasons = "; ".join(dict.fromkeys(record["reason"] for record in chosen_out))
    summary = f"{split}: {len(chosen_out)} of {total} recordings are left out by choice ({reasons}), see {report}"
    if not rows:
        raise InputError(f"{summary}; none is left, so choose otherwise")
    logger.info("%s", summary)


def stat_files(paths):
    """Return (path, size in bytes, modification time in ns) of each file, sorted by path; -1, -1 for a missing one.

    Examples
    --------
    >>> stat_files(["no/such/file"])
    [('no/such/file', -1, -1)]
    """
    found = []
    for path in paths:
        try:
            status = os.stat(path)
            found.append((str(path), status.st_size, status.st_mtime_ns))
        except FileNotFoundError:  # a dangling link, or a file that a list names: inspecting it will say so
            found.append((str(path), -1, -1))
    return sorted(found)


class _Journal:
    """Results of the records examined so far, stored as lines of JSON; the first line holds the settings."""

    def __init__(self, path, settings):
        self.path = path
        self.results = {}
        lines = _json_lines(path)
        if lines[:1] == [settings]:
            self.results = {record_id: result for record_id, *result in lines[1:]}
            # A killed process may have left half a line, so that the next record must begin a new line.
            self._file = open(path, "a", encoding="utf-8")
            self._file.write("\n")
        else:
            self._file = open(path, "w", encoding="utf-8")
            self._file.write(json.dumps(settings) + "\n")

    def add(self, record_id, row, file, reason):
        self.results[record_id] = (row, file, reason)
        self._file.write(json.dumps([record_id, row, file, reason]) + "\n")
        if len(self.results) % _JOURNAL_EVERY == 0:
            self._file.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


def _json_lines(path):
    """The lines of a file that are JSON; none of them if it cannot be read."""
    lines = []
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                try:
                    lines.append(json.loads(line))
                except ValueError:
                    continue
    except OSError:
        return []
    return lines


def _read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
