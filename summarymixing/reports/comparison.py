"""Compare finished runs: error rates or accuracies with bootstrap intervals, cost, and differing settings."""

from __future__ import annotations

import re
import shlex
import statistics
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from summarymixing.experiment.key_lists import LABELS
from summarymixing.experiment.record import RunRecord, without_home
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.metrics.measures import CONFIDENCE, RESAMPLES, SEED, Measure, interval, read_test, resampled
from summarymixing.reports.provenance import provenance
from summarymixing.utils.errors import InputError

_COPIED = ("seed", "command", "commit", "dirty", "machine", "versions", "peak_memory_bytes", "peak_memory_kind")
_CIRCUMSTANCES = {
    "machine": "machines: their seconds and memory do not compare",
    "peak_memory_kind": "kinds of memory: their peaks do not compare",
    "commit": "commits: their code may differ",
    "versions": "versions of packages: see the record of each",
}


@dataclass
class Run:
    """A finished run, as `read_run` found it.

    Attributes
    ----------
    folder : pathlib.Path
        The run folder.
    record : dict
        What its ``run.json`` holds.
    settings : dict
        Top-level keys of its ``hyperparams.yaml``, as `summarymixing.experiment.yaml_tree.comparable` gives them.
    references : dict
        For each test set the reference of each utterance by ID, sorted by ID.
    measures : dict
        For each test set its measures by name; their utterances are in the same order.
    """

    folder: Path
    record: dict
    settings: dict
    references: dict[str, dict[str, str]] = field(default_factory=dict)
    measures: dict[str, dict[str, Measure]] = field(default_factory=dict)

    @property
    def experiment(self) -> str:
        """Name of the experiment."""
        return str(self.settings.get("experiment", (None, self.folder.name))[1])

    @property
    def synthetic(self) -> bool:
        """Whether its speech is synthetic."""
        return self.record["data"]["synthetic"]


def read_run(folder: str | Path) -> Run:
    """Read a finished run from its folder, which is not changed.

    Parameters
    ----------
    folder : str or pathlib.Path
        The run folder.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        If the folder is missing, holds no finished run, or lacks results or settings.
    """
    files = RunFolder(folder)
    run = Run(files.path, RunRecord.read(files).data, {})
    if run.record.get("finished") is None or not run.record["metrics"]:
        raise _do_again(
            run, "this run is not finished" if run.record.get("finished") is None else "it has no metrics of a test set"
        )
    if "data" not in run.record:
        raise _do_again(run, f"{files.record.name} does not describe its data")
    run.settings = files.settings()
    for split, metrics in run.record["metrics"].items():
        try:
            run.references[split], run.measures[split] = read_test(files.path, split, metrics)
        except ValueError as error:
            raise _do_again(run, str(error)) from error
    return run


def compare(runs: list[Run], command: list[str]) -> dict:
    """Compare runs with the first run.

    Parameters
    ----------
    runs : list of Run
        From `read_run`, at least one.
    command : list of str
        The command line, for the record.

    Returns
    -------
    dict
        For JSON: ``runs``, ``synthetic``, ``notes``, ``bootstrap``, and the ``command``, ``commit``, ``dirty``,
        ``machine`` and ``versions`` of this comparison. ``runs`` has one dict per run; its ``splits`` have
        ``utterances`` and ``measures``. A measure has its ``value`` and ``interval`` in percent, and the ``difference``
        to the first run in percentage points with its ``difference_interval``.

    Raises
    ------
    InputError
        If the runs were not tested on the same utterances.
    """
    runs = _with_common_ids(runs)
    _refuse_other_tests(runs)
    results = []
    for run, label in zip(runs, _labels(runs), strict=True):
        seconds = [epoch["seconds"] for epoch in run.record["epochs"]]
        results.append(
            {"label": label, "experiment": run.experiment, "folder": without_home(str(run.folder))}
            | {key: run.record.get(key) for key in _COPIED}
            | {
                "parameters": run.record["parameters"].get("total"),
                "seconds_per_epoch": statistics.median(seconds) if seconds else None,
                "real_time_factor": _real_time_factor(run.record["metrics"].values()),
                "splits": {},
            }
        )
    for split, references in runs[0].references.items():
        for result in results:
            result["splits"][split] = {"utterances": len(references), "measures": {}}
        for name in runs[0].measures[split]:
            measures = [run.measures[split][name] for run in runs]
            values = resampled(measures)
            for column, (measure, result) in enumerate(zip(measures, results, strict=True)):
                result["splits"][split]["measures"][name] = {
                    "title": measure.title,
                    "total": float(measure.wholes.sum()),
                    "unit": measure.unit,
                    "compared": measure.compared,
                    "baseline": measure.baseline,
                    "value": measure.value,
                    "interval": interval(values[:, column]),
                    "difference": measure.value - measures[0].value,
                    "difference_interval": interval(values[:, column] - values[:, 0]),
                }
    return {
        "synthetic": any(run.synthetic for run in runs),
        "runs": results,
        "notes": _notes(runs),
        "bootstrap": {"resamples": RESAMPLES, "confidence": CONFIDENCE, "seed": SEED},
        **provenance(command),
    }


def _real_time_factor(metrics) -> float | None:
    """Seconds of testing per second of audio, over all test sets."""
    if any(not split.get("rtf") or not split.get("audio_seconds") for split in metrics):
        return None
    audio = sum(split["audio_seconds"] for split in metrics)
    return sum(split["rtf"] * split["audio_seconds"] for split in metrics) / audio


def _do_again(run: Run, problem: str) -> InputError:
    # A run is resumed by its own command, which also repeats the tests if nothing is left to train.
    again = shlex.join(["python", *run.record["command"][-1]]) if run.record["command"] else "python train.py"
    return InputError(f"{run.folder}: {problem}; start it again: {again}")


def _with_common_ids(runs: list[Run]) -> list[Run]:
    """Identify utterances by file name if older runs have names and newer ones paths, and the names are unique."""
    runs = [replace(run, references=dict(run.references), measures=dict(run.measures)) for run in runs]
    for split in runs[0].references:
        found = [run.references.get(split, {}) for run in runs]
        for part in ("name", "stem"):
            names = [{_last_part(key, part): key for key in references} for references in found]
            same = all(name.keys() == names[0].keys() for name in names)
            unique = all(len(name) == len(references) for name, references in zip(names, found, strict=True))
            if all(references.keys() == found[0].keys() for references in found) or not (same and unique):
                continue
            for run, name in zip(runs, names, strict=True):
                _rename(run, split, name)
            break
    return runs


def _last_part(record_id: str, part: str) -> str:
    return getattr(PurePosixPath(record_id), part) if "/" in record_id else record_id


def _rename(run: Run, split: str, names: dict[str, str]) -> None:
    """Give the utterances of a test set new IDs, from {new: old}, and sort them by these."""
    rows = {record_id: row for row, record_id in enumerate(run.references[split])}
    order = [rows[names[name]] for name in sorted(names)]
    run.references[split] = {name: run.references[split][names[name]] for name in sorted(names)}
    run.measures[split] = {
        key: replace(measure, parts=measure.parts[order], wholes=measure.wholes[order])
        for key, measure in run.measures[split].items()
    }


def _refuse_other_tests(runs: list[Run]) -> None:
    first = runs[0]
    for run in runs[1:]:
        for split in {**first.references, **run.references}:
            for one, other in ((run, first), (first, run)):
                if split not in one.references:
                    raise InputError(
                        f"{one.folder}: has no metrics of {split}, but {other.folder} has; "
                        "train both with the same test_splits, or leave one out"
                    )
            expected, found = first.references[split], run.references[split]
            differing = sorted(key for key in {*expected, *found} if expected.get(key) != found.get(key))
            if differing:
                raise InputError(
                    f"{run.folder}: its {split} differs from that of {first.folder} in {len(differing)} utterances, "
                    f"such as {differing[0]}; compare runs that were tested on the same data"
                )


def _labels(runs: list[Run]) -> list[str]:
    """Names of experiments, with the seed and then the folder added where names are equal."""
    labels = names = [run.experiment for run in runs]
    for more in ([f"seed {run.record.get('seed')}" for run in runs], [str(run.folder) for run in runs]):
        longer = [f"{name} ({word})" for name, word in zip(names, more, strict=True)]
        labels = [b if labels.count(a) > 1 else a for a, b in zip(labels, longer, strict=True)]
    return labels


def _notes(runs: list[Run]) -> list[str]:
    """Notes for the reader of the numbers, one line each."""
    notes = []
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    differing = [key for key in keys if any(run.settings.get(key) != runs[0].settings.get(key) for run in runs)]
    differing = [key for key in differing if key not in LABELS and not _of_mixer(key, runs)]
    if differing:
        notes.append(f"besides the mixer they differ in: {', '.join(differing)}")
    for label, run in zip(_labels(runs), runs, strict=True):
        if any(word.split("=")[0].startswith("--debug") for words in run.record["command"] for word in words):
            notes.append(f"{label} was run with --debug: its numbers are those of a few batches")
    for key, warning in _CIRCUMSTANCES.items():
        if any(run.record.get(key) != runs[0].record.get(key) for run in runs):
            notes.append(f"they were made with different {warning}")
    return notes


def _of_mixer(key: str, runs: list[Run]) -> bool:
    """Whether a key is the mixer or a part of it, which means that only the key ``mixer`` refers to it."""
    refers = re.compile(rf"<{re.escape(key)}[>\[.]")
    users = {user for run in runs for user, value in run.settings.items() if refers.search(repr(value))}
    return key == "mixer" or users == {"mixer"}
