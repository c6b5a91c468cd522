"""Finished runs in folders: their records, data and command-line options."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from summarymixing.experiment.key_lists import neutral_keys
from summarymixing.experiment.record import RunRecord
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.utils.errors import InputError


@dataclass
class FinishedRun:
    """A finished run, described by its record.

    Attributes
    ----------
    folder : pathlib.Path
        The folder with ``run.json``, and perhaps ``streaming.json``.
    record : dict
        What ``run.json`` holds.
    streaming : list of dict
        The results in ``streaming.json``, as tools/evaluate_streaming.py writes them.
    """

    folder: Path
    record: dict
    streaming: list[dict] = field(default_factory=list)

    @property
    def experiment(self) -> str | None:
        """Name of the experiment; None if the record is older than that key."""
        return self.record.get("experiment")

    @property
    def options(self) -> dict[str, str]:
        """Options of the last start that make the run a different experiment.

        These are all options except those that its YAML file lists as neutral and SpeechBrain's neutral ones. A record
        without the key ``neutral``, from an earlier version, leaves out only the latter.
        """
        words = self.record["command"][-1][2:] if self.record["command"] else []
        neutral = self.record.get("neutral", neutral_keys(""))
        return {key: value for key, value in parse_options(words).items() if key not in neutral}

    def given(self, option: str) -> bool:
        """Whether the last start had this option with another value than null."""
        words = self.record["command"][-1][2:] if self.record["command"] else []
        return parse_options(words).get(option, "null") not in ("", "null", "~")

    def number(self, *keys: str) -> float | None:
        """Look up a number in the record by nested keys; None if there is none."""
        value = self.record
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return self._checked(value, RunFolder(self.folder).record, keys)

    def streaming_number(self, split: str, chunk_ms: float | None, left_context_size: int | None) -> float | None:
        """Look up a word error rate in the streaming table; None means full context, as in the table."""
        for row in self.streaming:
            left = row.get("left_context_size", row.get("left_chunks"))  # its name in older tables
            if (row.get("split"), row.get("chunk_ms"), left) == (split, chunk_ms, left_context_size):
                return self._checked(row.get("wer"), RunFolder(self.folder).streaming, ("results", "wer"))
        return None

    def utterances(self) -> dict[str, int | None]:
        """Number of utterances of each test set; None if its results disagree."""
        counts: dict[str, set] = {split: {row.get("utterances")} for split, row in self.record["metrics"].items()}
        for row in self.streaming:
            counts.setdefault(row.get("split"), set()).add(row.get("utterances"))
        return {split: next(iter(found)) if len(found) == 1 else None for split, found in counts.items()}

    def _checked(self, value, file: Path, keys) -> float | None:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise InputError(
                f"{file}: key {'.'.join(keys)}: {value!r} is not a number; "
                "make the file again, or move the run folder away"
            )
        return value


def parse_options(words: list[str]) -> dict[str, str]:
    """Parse ``--key value ...`` and ``--key=value``, as a train.py does.

    Blanks are removed, so that two spellings of a mapping are equal.

    Parameters
    ----------
    words : list of str
        Words of the command line.

    Returns
    -------
    dict of str to str
        Value by key; an empty text for a key without a value.

    Examples
    --------
    >>> parse_options(["--mixer", "{nhead: 4}", "--seed=7", "--debug"])
    {'mixer': '{nhead:4}', 'seed': '7', 'debug': ''}
    """
    options: dict[str, str] = {}
    key = None
    for word in words:
        if word.startswith("--"):
            key, _, word = word[2:].partition("=")
            options[key] = ""
        if key is not None:
            options[key] += "".join(word.split())
    return options


def find_runs(folders) -> list[FinishedRun]:
    """Read the finished runs in and below folders, which are not changed.

    Parameters
    ----------
    folders : iterable of str or pathlib.Path
        Run folders, or folders of them.

    Returns
    -------
    list of FinishedRun
        Without duplicates, sorted by path within each folder.

    Raises
    ------
    InputError
        If a folder holds no run, or a record or streaming table cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> RunRecord.open(folder, argv=["train.py", "tiny.yaml"], seed=1).finish()
    >>> [run.record["seed"] for run in find_runs([folder])]
    [1]
    """
    runs = {}
    for folder in map(Path, folders):
        found = RunFolder.find(folder)
        if not found:
            name = RunFolder(folder).record.name
            raise InputError(f"{folder}: there is no {name} in or below this folder; name folders that hold runs")
        for run in found:
            record = RunRecord.read(run).data
            if record.get("finished") is not None:
                runs[run.path.resolve()] = FinishedRun(run.path, record, _read_streaming(run))
    return list(runs.values())


def _read_streaming(run: RunFolder) -> list[dict]:
    path = run.streaming
    again = f"make it again: python tools/evaluate_streaming.py {run}"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot read this streaming table: {error}; {again}") from error
    results = data.get("results") if isinstance(data, dict) else None
    if not isinstance(results, list) or not all(isinstance(row, dict) for row in results):
        raise InputError(f"{path}: key results: not a list of mappings; {again}")
    return results
