"""Published tables with the results of runs: which runs count, and the table as Markdown and as CSV.

A run counts for a row if it is a finished run of the row's experiment, on the table's data, with no other options than
those of the row.
"""

from __future__ import annotations

import csv
import io
import shlex
import statistics
from dataclasses import dataclass
from pathlib import Path

from summarymixing.reports.tables.registry import PUBLISHED, TABLES, Table, read_published
from summarymixing.reports.tables.runs import FinishedRun, parse_options
from summarymixing.reports.text_tables import markdown_table

TRAINING_SET = "train-clean-100+train-clean-360+train-other-500"
TRAINING_HOURS = 960.9
#: Utterances of LibriSpeech's splits. A test set with fewer of them does not count.
UTTERANCES = {"dev-clean": 2703, "test-clean": 2620, "dev-other": 2864, "test-other": 2939}


@dataclass(frozen=True)
class Cell:
    """One number per seed; shown as their mean and, for two or more, the sample standard deviation.

    Examples
    --------
    >>> str(Cell((5.0, 5.2), digits=2)), str(Cell((5.0,), digits=1)), str(Cell((), digits=1))
    ('5.10 ± 0.14 (2 seeds)', '5.0 (1 seed)', '')
    """

    values: tuple[float, ...]
    digits: int

    def parts(self) -> tuple[str, str, str]:
        """Return mean, standard deviation and number of seeds as text, empty if there are none."""
        seeds = len(self.values)
        mean = f"{statistics.mean(self.values):.{self.digits}f}" if seeds else ""
        deviation = f"{statistics.stdev(self.values):.{self.digits}f}" if seeds > 1 else ""
        return mean, deviation, str(seeds or "")

    def __str__(self) -> str:
        mean, deviation, seeds = self.parts()
        spread = f" ± {deviation}" if deviation else ""
        return f"{mean}{spread} ({seeds} seed{'' if seeds == '1' else 's'})" if seeds else ""


def fill(name: str, runs: list[FinishedRun], folder: Path = PUBLISHED) -> tuple[list[str], list[list], list[str]]:
    """Put the numbers of runs beside published numbers.

    Parameters
    ----------
    name : str
        Name of the table.
    runs : list of FinishedRun
        From `summarymixing.reports.tables.runs.find_runs`.
    folder : pathlib.Path
        Folder of the published numbers.

    Returns
    -------
    header : list of str
        The columns.
    rows : list of list
        Their cells: the text of a published number, or a `Cell`.
    notes : list of str
        Runs of these experiments that do not count, and why.

    Examples
    --------
    >>> header, rows, notes = fill("librispeech_streaming", [])
    >>> header[2:4], str(rows[0][2]), str(rows[0][3])
    (['self-attention, published', 'SummaryMixing-fast, this project'], '2.72', '')
    """
    table, published = TABLES.get(name), read_published(name, folder)

    def row_key(ours, row):
        options = parse_options(shlex.split(row.get("options", ""))) if ours.experiment is None else {}
        return ours.experiment or row["YAML"], tuple(sorted(options.items()))

    wanted = {row_key(ours, row) for ours in table.ours for row in published}
    chosen, notes = _choose(table, wanted, runs)
    header, rows = [], [[] for _ in published]
    for column in published[0] if published else []:
        columns = [ours for ours in table.ours if ours.behind == column]
        header += [f"{column}, published" if columns else column]
        header += [ours.heading or f"{column}, this project" for ours in columns]
        for row, cells in zip(published, rows, strict=True):
            cells.append(row[column])
            for ours in columns:
                values = [ours.measure(run, row) for run in chosen.get(row_key(ours, row), [])]
                cells.append(Cell(tuple(value for value in values if value is not None), ours.digits))
    return header, rows, notes


def markdown(name: str, header: list[str], rows: list[list]) -> str:
    """Lay out the header and rows of `fill` as Markdown."""
    text = markdown_table([header, *([str(cell) for cell in row] for row in rows)])
    parts = [f"**{TABLES[name].title}**", text]
    if TABLES[name].ours:
        parts.append(f"This project: mean over seeds ± sample standard deviation. {TABLES[name].note}".strip())
    return "\n\n".join(parts) + "\n"


def comma_separated(name: str, header: list[str], rows: list[list]) -> str:
    """Lay out the result of `fill` as CSV; a column of this project becomes three: mean, deviation and seeds."""
    ours = {place for row in rows for place, cell in enumerate(row) if isinstance(cell, Cell)}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    wide = [
        [column, f"{column}: standard deviation", f"{column}: seeds"] if place in ours else [column]
        for place, column in enumerate(header)
    ]
    writer.writerow(sum(wide, []))
    for row in rows:
        writer.writerow(sum(([*cell.parts()] if isinstance(cell, Cell) else [cell] for cell in row), []))
    return out.getvalue()


def _choose(table: Table, wanted: set, runs: list[FinishedRun]) -> tuple[dict, list[str]]:
    """Choose the runs of each experiment that count, one per seed, and write notes on the others."""
    chosen: dict[tuple, dict] = {}
    notes = []
    for run in runs if table.ours else []:
        if run.experiment is None:
            notes.append(f"{run.folder}: left out: its record does not name the experiment; start the run again")
        if run.record.get("task") != table.task or run.experiment not in {experiment for experiment, _ in wanted}:
            continue
        key = run.experiment, tuple(sorted(run.options.items()))
        reason = _why_not(table, run)
        if reason is None and key not in wanted:
            reason = "made with " + " ".join(f"--{option} {value}".strip() for option, value in run.options.items())
        if reason is not None:
            notes.append(f"{run.folder}: left out: {reason}")
            continue
        seeds = chosen.setdefault(key, {})
        other = seeds.setdefault(run.record.get("seed"), run)
        if other is not run:
            # The same run is in two places, or a seed was trained twice. The run that ended later counts; of two
            # copies, the one with a streaming table.
            older, newer = sorted((other, run), key=lambda r: (r.record["finished"], bool(r.streaming)))
            seeds[run.record.get("seed")] = newer
            if older.record.get("started") != newer.record.get("started"):
                notes.append(f"{older.folder}: left out: {newer.folder} has the same seed and is newer")
    return {key: list(seeds.values()) for key, seeds in chosen.items()}, notes


def _why_not(table: Table, run: FinishedRun) -> str | None:
    """Return why a run does not count for a table; None if it does."""
    missing = [option for option in table.needs if not run.given(option)]
    if missing:
        return f"made without --{missing[0]}, unlike the published numbers"
    if not table.librispeech:
        return None
    data = run.record.get("data")
    if not isinstance(data, dict):
        return "its record does not describe its data; start the run again"
    if data.get("synthetic") is not False:
        return "it was trained or tested on synthetic speech"
    hours = (data.get("hours") or {}).get(TRAINING_SET)
    # Recordings that cannot be used are left out, at most max_bad_fraction of them: 1 %.
    if hours is None or abs(hours - TRAINING_HOURS) > 0.01 * TRAINING_HOURS:
        return f"it was not trained on the {TRAINING_HOURS} h of {TRAINING_SET}"
    for split, found in run.utterances().items():
        if found != UTTERANCES.get(split, found):
            return f"its {split} does not have LibriSpeech's {UTTERANCES[split]} utterances"
    return None
