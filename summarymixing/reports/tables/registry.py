"""The published result tables: their numbers, and the columns of this project that are shown beside them.

The numbers are in the CSV files in ``published/``, one file per table, with the source of each row.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from summarymixing.experiment.record import CUDA_MEMORY
from summarymixing.experiment.yaml_tree import suggestion
from summarymixing.reports.tables.runs import FinishedRun
from summarymixing.utils.errors import InputError

PUBLISHED = Path(__file__).parent / "published"


@dataclass(frozen=True)
class OwnColumn:
    """A column of this project's numbers, placed after the published column that it belongs to.

    Attributes
    ----------
    behind : str
        The published column.
    measure : callable
        Takes a `FinishedRun` and the published row, and returns a number or None.
    digits : int
        Decimals that are shown.
    experiment : str, optional
        Name of the runs' experiment; by default that in the row's column ``YAML``.
    heading : str, optional
        By default ``<behind>, this project``.
    """

    behind: str
    measure: Callable[[FinishedRun, dict], float | None]
    digits: int = 2
    experiment: str | None = None
    heading: str | None = None


@dataclass(frozen=True)
class Table:
    """A published table, and which runs count for it.

    Attributes
    ----------
    title : str
        Title of the table.
    ours : tuple of OwnColumn
        The columns of this project.
    task : str, optional
        Class name of the runs' task, because recipes share names of experiments.
    librispeech : bool
        Whether runs must be trained and tested on LibriSpeech 960 h.
    needs : tuple of str
        Options that a run must have been given.
    note : str
        A note for the reader.
    """

    title: str
    ours: tuple[OwnColumn, ...] = ()
    task: str | None = None
    librispeech: bool = False
    needs: tuple[str, ...] = ()
    note: str = ""

    @property
    def keys(self) -> set[str]:
        """Columns that the file must have."""
        return {"source", *(ours.behind for ours in self.ours)} | (
            {"YAML"} if any(ours.experiment is None for ours in self.ours) else set()
        )


def _wer(split: str) -> OwnColumn:
    return OwnColumn(split, lambda run, row: run.number("metrics", split, "wer"))


def _gpu_hours(run, row):
    # Only a record of GPU memory shows that the GPU was used.
    processes = run.number("processes")
    if run.record.get("peak_memory_kind") != CUDA_MEMORY or processes is None or not run.record["epochs"]:
        return None
    return processes * sum(epoch["seconds"] for epoch in run.record["epochs"]) / 3600


def _gigabytes(run, row):
    used = run.number("peak_memory_bytes") if run.record.get("peak_memory_kind") == CUDA_MEMORY else None
    return None if used is None else used / 1e9


def _millions(*parts: str) -> Callable:
    def measure(run, row):
        counts = (run.number("parameters", part) for part in parts or [row["part"]])
        count = next((count for count in counts if count is not None), None)
        return None if count is None else count / 1e6

    return measure


def _streaming_wer(run, row):
    chunk, left = (None if row[key] == "full" else float(row[key].split()[0]) for key in ("chunk", "left context"))
    return run.streaming_number("test-clean", chunk, left)


TABLES = {
    "librispeech_encoder_decoder": Table(
        "LibriSpeech 960 h, CTC/attention encoder-decoder with language model: word error rate in %",
        (
            *(_wer(split) for split in ("dev-clean", "test-clean", "test-other")),
            OwnColumn("GPU h", _gpu_hours, digits=0),
            OwnColumn("GB", _gigabytes, digits=1),
        ),
        task="Seq2Seq",
        librispeech=True,
        needs=("language_model",),
        note="GPU hours are those of training epochs, on the GPU of the run; GB is the peak of a process.",
    ),
    "librispeech_parameters": Table(
        "LibriSpeech encoder-decoder: millions of parameters, of the encoder and of the whole model",
        # Older records call the whole model `encoder`.
        (
            OwnColumn("encoder (M)", _millions(), digits=1),
            OwnColumn("whole (M)", _millions("model", "encoder"), digits=1),
        ),
        task="Seq2Seq",
    ),
    "librispeech_streaming": Table(
        "LibriSpeech 960 h, streaming transducer: greedy word error rate on test-clean in %",
        tuple(
            OwnColumn(
                "self-attention",
                _streaming_wer,
                experiment=f"conformer_transducer_{name}",
                heading=f"{heading}, this project",
            )
            for name, heading in {
                "summarymixing_fast": "SummaryMixing-fast",
                "mhsa": "self-attention, rotary positions",
                "mhsa_relpos": "self-attention, relative positions",
            }.items()
        ),
        task="Transducer",
        librispeech=True,
        note="The numbers of this project are from tools/evaluate_streaming.py.",
    ),
    "mp3s": Table("Self-supervised encoders, frozen, MP3S probes: Welsh WER and SLURP accuracy in %"),
    "swapped_layers": Table(
        "Mixers swapped into frozen encoders, by the layers that are swapped or tuned: word error rate in %"
    ),
    "swapped_models": Table(
        "The last two layers swapped, against the frozen encoder: word or character error rate in %"
    ),
    "length_scaling": Table("Branchformer encoder-decoder: training memory and time against the length of utterances"),
}


def read_published(name: str, folder: Path = PUBLISHED) -> list[dict[str, str]]:
    """Read the published numbers of a table as text: 2.0 keeps its digits, an unknown number is empty.

    Parameters
    ----------
    name : str
        Name of the table.
    folder : pathlib.Path
        Folder of ``<name>.csv``.

    Returns
    -------
    list of dict of str to str
        One dict per row.

    Raises
    ------
    InputError
        If the name is unknown, or the file is missing, lacks a column or has a row of another length.

    Examples
    --------
    >>> read_published("librispeech_streaming")[0]["self-attention"]
    '2.72'
    """
    if name not in TABLES:
        raise InputError(f"{name}: there is no such table{suggestion(name, TABLES)}; choose from {', '.join(TABLES)}")
    path = folder / f"{name}.csv"
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file, strict=True)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot read these published numbers: {error}; restore the file") from error
    missing = sorted(TABLES[name].keys - set(header))
    if missing:
        raise InputError(f"{path}: no column {missing[0]!r}; add it, or restore the file")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise InputError(f"{path}: row {number} has {len(row)} cells, the header {len(header)}; make them equal")
    return [dict(zip(header, row, strict=True)) for row in rows]
