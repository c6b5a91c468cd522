"""Write complete CSV manifests, read them, and report the records left out of them."""

import csv
import logging
from pathlib import Path

from summarymixing.utils.errors import InputError
from summarymixing.utils.files import atomic_open

logger = logging.getLogger(__name__)

# A field may be longer than the csv module allows by default: the transcript of an hour is.
csv.field_size_limit(2**31 - 1)

_SHOWN = 3
#: Beside every file that macOS copies to a disk of another kind lies one of this name, with its attributes.
APPLE_DOUBLE = "._"
# A file in the root of generated corpora: SETTINGS_FILE of summarymixing.synthetic, which needs more packages.
_GENERATED = "corpus.json"


def write_manifest(path, rows, fields):
    """Write a CSV manifest completely or not at all.

    Parameters
    ----------
    path : str or pathlib.Path
        The CSV file; an existing file is replaced only when the new one is complete.
    rows : iterable of dict
        One dictionary per record, with exactly the keys `fields`.
    fields : sequence of str
        The columns, in order.

    Raises
    ------
    ValueError
        If a row has a key that is not in `fields`; nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "train.csv"
    >>> write_manifest(path, [{"ID": "a", "wrd": "GOOD MORNING"}], ["ID", "wrd"])
    >>> path.read_text().splitlines()
    ['ID,wrd', 'a,GOOD MORNING']
    """
    with atomic_open(path) as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def printable(text):
    r"""Text with what cannot be written as UTF-8 replaced by its escape, such as a file name in another encoding.

    Parameters
    ----------
    text : str
        For example a path from Python.

    Returns
    -------
    str

    Examples
    --------
    >>> print(printable("naïve/caf\udce9.flac"))
    naïve/caf\udce9.flac
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def read_manifest(path):
    """Read a CSV file with a header, as :func:`write_manifest` writes it.

    Parameters
    ----------
    path : str or pathlib.Path
        The CSV file.

    Returns
    -------
    list of dict
        The records, all values as text.

    Raises
    ------
    OSError, UnicodeDecodeError, csv.Error
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "train.csv"
    >>> write_manifest(path, [{"ID": "a", "wrd": "GOOD MORNING"}], ["ID", "wrd"])
    >>> read_manifest(path)
    [{'ID': 'a', 'wrd': 'GOOD MORNING'}]
    """
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def describe(manifests):
    """Describe the data of a run, for the key ``data`` of its record.

    Parameters
    ----------
    manifests : dict of str to (str or pathlib.Path)
        The CSV file of each split, with the columns duration (seconds) and wav.

    Returns
    -------
    dict
        ``synthetic``, whether a split is from a generated corpus; ``hours``, those of each split.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "train.csv"
    >>> write_manifest(path, [{"wav": "/data/a.flac", "duration": "1800"}], ["wav", "duration"])
    >>> describe({"train": path})
    {'synthetic': False, 'hours': {'train': 0.5}}
    """
    synthetic, hours = False, {}
    for split, manifest in manifests.items():
        rows = read_manifest(manifest)
        hours[split] = round(sum(float(row["duration"]) for row in rows) / 3600, 3)
        # By the recording itself: a link to a generated corpus does not make it recorded speech.
        for row in rows[:1]:
            synthetic |= any((parent / _GENERATED).is_file() for parent in Path(row["wav"]).resolve().parents)
    return {"synthetic": synthetic, "hours": hours}


class BadRecords:
    """The records of one split that a manifest leaves out, and why.

    Parameters
    ----------
    split : str
        Name of the split; the report is ``<split>.skipped.csv``.
    manifest_folder : str or pathlib.Path
        Folder of the report and of the manifest.
    max_bad_fraction : float
        Largest tolerated fraction of the split's records, 0 to 1.

    Examples
    --------
    >>> import tempfile
    >>> bad = BadRecords("dev", tempfile.mkdtemp(), max_bad_fraction=0.1)
    >>> bad.add("spk-1", "/data/spk-1.flac", "empty recording")
    >>> bad.close(total=100)
    >>> bad.report.read_text().splitlines()
    ['ID,file,reason', 'spk-1,/data/spk-1.flac,empty recording']
    """

    def __init__(self, split, manifest_folder, max_bad_fraction=0.01):
        if not 0 <= max_bad_fraction <= 1:
            raise InputError(f"max_bad_fraction: {max_bad_fraction} is not between 0 and 1")
        self.split = split
        self.report = Path(manifest_folder) / f"{split}.skipped.csv"
        self.max_bad_fraction = max_bad_fraction
        self.records = []

    def add(self, record_id, file, reason):
        """Note one record: its ID, the file at fault and the reason in a few words."""
        entry = {"ID": record_id, "file": file, "reason": reason}
        self.records.append({key: printable(str(value)) for key, value in entry.items()})

    def close(self, total):
        """Write the report, and check the fraction of bad records among `total`.

        Without bad records there is no report, and an earlier report is removed.

        Raises
        ------
        InputError
            If the fraction exceeds `max_bad_fraction`, or if no good record is left.
        """
        if not self.records:
            self.report.unlink(missing_ok=True)
            return
        write_manifest(self.report, self.records, ["ID", "file", "reason"])
        count = len(self.records)
        summary = f"{self.split}: {count} of {total} recordings are unusable, see {self.report}"
        if count < total and count <= self.max_bad_fraction * total:
            logger.warning("%s", summary)
            return
        first = "; ".join(f"{r['ID']}: {r['reason']}" for r in self.records[:_SHOWN])
        more = "; ..." if count > _SHOWN else ""
        raise InputError(
            f"{summary} ({first}{more}); repair them, or raise the key max_bad_fraction"
            f" (now {self.max_bad_fraction}) to go on without them"
        )
