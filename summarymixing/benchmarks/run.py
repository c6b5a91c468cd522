"""Run a suite: tests (if given), then memory and time, then the record from which files are made."""

from __future__ import annotations

import dataclasses
import os
from datetime import UTC, datetime

import torch

from summarymixing.benchmarks.measure import Options, measure_cells
from summarymixing.benchmarks.streaming import StreamCell, measure_stream
from summarymixing.benchmarks.suite import Suite, mixer_label
from summarymixing.reports.provenance import provenance
from summarymixing.utils.errors import InputError


def check_device(suite: Suite) -> None:
    """Refuse a suite for a device that does not exist.

    Raises
    ------
    InputError
        If cells are for CUDA and PyTorch finds none.
    """
    if any(getattr(cell, "device", "cpu") == "cuda" for cell in suite.cells) and not torch.cuda.is_available():
        raise InputError(f"{suite.name}: PyTorch finds no CUDA device; measure on the CPU, or on another machine")


def run_suite(suite: Suite, options: Options, command: list[str], progress, check=None) -> dict:
    """Run the tests of a suite's mixers, measure its cells, make its tables.

    Parameters
    ----------
    suite : Suite
        What to measure.
    options : summarymixing.benchmarks.measure.Options
        How.
    command : list of str
        The command line, for the record.
    progress : callable
        Called with (what, done, total).
    check : callable, optional
        ``check(name)`` runs the tests of a mixer and returns a dict with ``tests``, ``passed`` and ``summary``.

    Returns
    -------
    dict
        Plain data: ``suite``, ``title``, ``command``, ``commit``, ``dirty``, ``versions``, ``machine``,
        ``settings``, ``tests`` (by mixer, empty if none were run), ``cells`` and ``tables``. A ratio of a mixer whose
        tests fail is in none of them.
    """
    check_device(suite)
    torch.set_num_threads(options.threads)
    record = {
        "suite": suite.name,
        "title": suite.title,
        "started": _now(),
        **provenance(command),
        "load_average_at_start": os.getloadavg()[0],
        "settings": dataclasses.asdict(options),
    }
    names = list(dict.fromkeys(cell.mixer for cell in suite.cells))
    tests = {}
    for number, name in enumerate(names if check else []):
        progress(f"tests of {name}", number, len(names))
        tests[name] = check(name)
    failing = {name for name, found in tests.items() if not found["passed"]}
    if suite.cells and isinstance(suite.cells[0], StreamCell):
        cells, tables = _streams(suite, options, failing, progress)
    else:
        results = measure_cells(suite.cells, options, progress)
        cells = [{**_describe(cell), **found} for cell, found in results.items()]
        tables = [table.evaluate(results, failing) for table in suite.tables]
    return {**record, "finished": _now(), "tests": tests, "cells": cells, "tables": tables}


def _describe(cell):
    return {"label": mixer_label(cell), **dataclasses.asdict(cell), "seconds_of_audio": cell.seconds_of_audio}


def _streams(suite, options, failing, progress):
    cells, total = [], sum(cell.count for cell in suite.cells)
    done = 0

    def advance(chunks):
        nonlocal done
        done += chunks
        progress("chunks", min(done, total), total)

    time = {"title": "time of a chunk", "at_least": 0.95, "at_most": 1.05, "numbers": []}
    state = {"title": "bytes of the state: end / start", "at_least": 1.0, "at_most": 1.0, "numbers": []}
    for cell in suite.cells:
        found = measure_stream(cell, options.seed, progress=advance)
        row = mixer_label(cell) + (f", {cell.layers}-layer encoder" if cell.level == "encoder" else "")
        cells.append({"label": row, **dataclasses.asdict(cell), **found})
        block = f"{found['block']:,}"
        for table, column, over, under in (
            (time, f"last {block} / first {block}", found["last"], found["first"]),
            (time, f"last {block} / a new stream in turns", found["last"], found["new_stream"]),
            (state, f"{cell.hours:g} h", found["state_bytes_end"], found["state_bytes_start"]),
        ):
            number = {"row": row, "column": column}
            if cell.mixer in failing:
                number["withheld"] = "tests fail"
            else:
                value = over / under if under else 1.0
                number.update(value=value, kept=table["at_least"] <= value <= table["at_most"])
            table["numbers"].append(number)
    return cells, [time, state]


def _now():
    return datetime.now(UTC).isoformat(timespec="seconds")
