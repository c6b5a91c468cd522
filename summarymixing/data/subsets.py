"""Training subsets: some minutes of a corpus, the same clips for every model that is trained on them."""

import hashlib
from itertools import accumulate

from summarymixing.corpora.manifest import read_manifest, write_manifest
from summarymixing.utils.errors import InputError


def drawing_order(rows, seed=0):
    """Sort clips in the order in which they are drawn: in every beginning of it, speakers have about equal time.

    A smaller subset is the beginning of a larger one, and is therefore contained in it. The order depends only on the
    seed and the names of the clips: it is the same on every machine and for every order of the manifest.

    Clips without a speaker, such as the silence among spoken commands, are spread over the others in proportion to
    their share of the corpus.

    Parameters
    ----------
    rows : list of dict
        With ``ID``, ``duration`` (seconds, may be text) and ``spk_id``, which may be empty or missing.
    seed : int
        Chooses the order.

    Returns
    -------
    list of dict
        The same rows.

    Examples
    --------
    >>> rows = [{"ID": f"{speaker}{number}", "duration": 2, "spk_id": speaker} for speaker in "ab" for number in "123"]
    >>> [row["spk_id"] for row in drawing_order(rows[1:])]  # "a" has two clips, "b" three
    ['b', 'a', 'b', 'a', 'b']
    """
    shuffled = sorted(rows, key=lambda row: hashlib.sha256(f"{seed}:{row['ID']}".encode()).digest())
    spoken, nobody = {}, [row for row in shuffled if not row.get("spk_id")]
    for row in shuffled:
        if row.get("spk_id"):
            spoken.setdefault(row["spk_id"], []).append(row)
    # The next clip is always one of the speaker with the least time so far; ties are broken by the shuffled order.
    turns = {row["ID"]: before for own in spoken.values() for row, before in zip(own, _before(own), strict=True)}
    known = sorted((row for row in shuffled if row["ID"] in turns), key=lambda row: turns[row["ID"]])
    shares = {}
    for part in (known, nobody):
        total = sum(map(_microseconds, part))
        shares.update({row["ID"]: before / total for row, before in zip(part, _before(part), strict=True)})
    return sorted([*known, *nobody], key=lambda row: shares[row["ID"]])


def draw_minutes(manifest, subset, minutes, seed=0):
    """Write a manifest of some minutes of another one.

    Parameters
    ----------
    manifest : str or pathlib.Path
        CSV with the columns ID and duration, and spk_id where speakers are known.
    subset : str or pathlib.Path
        The CSV file to write: rows of `manifest`, in its order.
    minutes : float
        The subset has at most this many minutes, and less than one clip fewer.
    seed : int
        Chooses the clips.

    Returns
    -------
    dict
        The subset's description for the record of a run: ``minutes`` and ``seed`` as given, ``utterances``,
        ``seconds``, ``speakers`` (None if they are not known) and ``sha256`` of the sorted IDs, one per line.

    Raises
    ------
    InputError
        If the manifest has fewer minutes, or its first clip is longer than them.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> rows = [{"ID": f"clip{number}", "duration": "25.0", "spk_id": str(number % 2)} for number in range(10)]
    >>> write_manifest(folder / "train.csv", rows, ["ID", "duration", "spk_id"])
    >>> drawn = draw_minutes(folder / "train.csv", folder / "train_2min.csv", minutes=2)
    >>> drawn["utterances"], drawn["seconds"], drawn["speakers"]
    (4, 100.0, 2)
    """
    rows, limit = read_manifest(manifest), round(minutes * 60e6)
    there = sum(map(_microseconds, rows))
    if there < limit:
        raise InputError(
            f"{manifest}: holds {there / 60e6:.4g} minutes, less than train_minutes={minutes:g}; lower that key, or "
            "set it to null to train on everything"
        )
    order = drawing_order(rows, seed)
    chosen = {row["ID"] for row, end in zip(order, accumulate(map(_microseconds, order)), strict=True) if end <= limit}
    if not chosen:
        raise InputError(f"{manifest}: the first clip drawn is longer than train_minutes={minutes:g}; raise that key")
    drawn = [row for row in rows if row["ID"] in chosen]
    write_manifest(subset, drawn, list(rows[0]))
    return {
        "minutes": minutes,
        "seed": seed,
        "utterances": len(drawn),
        "seconds": sum(map(_microseconds, drawn)) / 1e6,
        "speakers": len({row["spk_id"] for row in drawn if row.get("spk_id")}) or None,
        "sha256": hashlib.sha256("".join(f"{name}\n" for name in sorted(chosen)).encode()).hexdigest(),
    }


def _microseconds(row):
    """Duration of a row as a whole number of microseconds: sums of them are exact in any order."""
    return round(float(row["duration"]) * 1e6)


def _before(rows):
    """Total time of the rows before each row, in microseconds."""
    return list(accumulate(map(_microseconds, rows), initial=0))[:-1]
