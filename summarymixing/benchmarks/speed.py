"""Time and memory of runs' models against the length of the input: a suite of the benchmark."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from summarymixing.benchmarks.cells import STEPS
from summarymixing.benchmarks.comparisons import Ratio
from summarymixing.benchmarks.measure import Options, measure_cells
from summarymixing.benchmarks.products import random_tensor
from summarymixing.experiment.record import CUDA_MEMORY, PROCESS_MEMORY
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.utils.errors import InputError

#: Default lengths of the input in seconds.
LENGTHS = (10.0, 30.0, 60.0)
#: Seconds of audio in a batch, for every length of its rows.
BATCH_SECONDS = 60.0
#: Fewest and most timed visits of every cell.
ROUNDS = (3, 20)
#: Seconds of timing per model and length, in addition to the fewest visits.
SECONDS_A_CELL = 2.5
FORWARD, BACKWARD = STEPS
#: Seconds of the input of a first trial, after which one-time allocations of libraries are done.
FIRST_SECONDS = 1.0


@dataclass(frozen=True)
class RunCell:
    """The model of a run at one input length.

    Attributes
    ----------
    folder : str
        The run folder.
    seconds : float
        Length of each utterance.
    rows : int
        Utterances in the batch.
    step : str
        "forward" as in decoding: evaluation mode, no gradients; "forward+backward" as in training, with the mean of
        the output for a loss.
    device : str
        "cpu" or "cuda".
    """

    folder: str
    seconds: float
    rows: int
    step: str
    device: str = "cpu"
    compiled = False

    @property
    def memory_in_process(self) -> bool:
        """Whether its memory is measured: that of training alone."""
        return self.step == BACKWARD


class RunWorkbench:
    """Builds models of runs and their inputs; cells share them where they can.

    Parameters
    ----------
    seed : int
        Of the inputs, white noise.
    """

    def __init__(self, seed: int = 0):
        self.seed = seed
        self._model = functools.cache(self._load)

    def _load(self, folder, device):
        model, sample_rate = load_model(folder)
        return model.to(device), sample_rate

    def prepare(self, cell: RunCell):
        """Return the callable that is timed for a cell; it takes no arguments and leaves no gradients."""
        model, sample_rate = self._model(cell.folder, cell.device)
        samples = round(cell.seconds * sample_rate)
        wavs = 0.1 * random_tensor((cell.rows, samples), torch.float32, cell.device, self.seed)
        step = forward_backward if cell.step == BACKWARD else forward
        step(model, wavs[:1, : round(FIRST_SECONDS * sample_rate)])
        return functools.partial(step, model, wavs)


def load_model(run_folder: str | Path) -> tuple[torch.nn.Module, int]:
    """Build the untrained model of a run and nothing else of its YAML file.

    A checkpointer or a logger is not built, because it would create folders at the old path of the run.

    Parameters
    ----------
    run_folder : str or pathlib.Path
        Holds ``hyperparams.yaml`` with the keys ``model`` and ``sample_rate`` (Hz). Is only read.

    Returns
    -------
    torch.nn.Module
        ``model(wavs)`` takes (B, samples).
    int
        The sample rate.

    Raises
    ------
    InputError
        For a file that cannot be read or lacks a key, and a model that cannot be built.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> text = "sample_rate: 8000\\nwidth: 4\\nmodel: !new:torch.nn.Linear [!ref <width>, 2]\\n"
    >>> _ = (folder / "hyperparams.yaml").write_text(text)
    >>> load_model(folder)
    (Linear(in_features=4, out_features=2, bias=True), 8000)
    """
    run = RunFolder(run_folder)
    settings = run.settings()
    for key in ("sample_rate", "model"):
        if key not in settings:
            raise InputError(
                f"{run.hyperparams}: no key '{key}', so speed cannot be measured; turn it off with --no-speed"
            )
    built = run.build("model", "sample_rate")
    return built["model"], built["sample_rate"]


def rows_of(seconds: float, lengths) -> int:
    """Number of rows of a batch with `BATCH_SECONDS` of audio, or with the longest of `lengths`, if that is longer.

    Examples
    --------
    >>> [rows_of(seconds, LENGTHS) for seconds in LENGTHS]
    [6, 2, 1]
    """
    return int(max(BATCH_SECONDS, *lengths) // seconds)


def forward(model: torch.nn.Module, wavs: torch.Tensor) -> None:
    """One pass as in decoding: evaluation mode, no gradients."""
    model.eval()
    with torch.no_grad():
        model(wavs)


def forward_backward(model: torch.nn.Module, wavs: torch.Tensor) -> None:
    """One pass as in training, with the mean of the output as the loss; leaves no gradients.

    Speech models return frame counts after their output; a classifier's output is a dictionary with one entry per
    target.
    """
    model.train()
    output = model(wavs)
    output = output[0] if isinstance(output, tuple) else output
    scores = output.values() if isinstance(output, dict) else [output]
    sum(score.mean() for score in scores).backward()
    model.zero_grad(set_to_none=True)


def measure(run_folders, lengths=LENGTHS, device: str | None = None) -> dict:
    """Measure time and memory of the models of runs at several input lengths.

    Parameters
    ----------
    run_folders : list of str or pathlib.Path
        Run folders; they are only read. Ratios are to the first.
    lengths : sequence of float
        Seconds of input.
    device : str, optional
        ``"cpu"`` or ``"cuda"``; by default CUDA if there is one.

    Returns
    -------
    dict
        ``device``, ``threads``, ``rounds`` (the most that a cell was visited in), ``memory_kind`` and ``cells``: one a
        run and length, with ``run`` (its index), ``seconds``, ``rows``, ``forward`` and ``forward+backward`` (each
        ``median``, ``quartiles``, ``ratio``, ``all``, in seconds) and ``memory`` of forward+backward (``bytes``,
        ``ratio``). What ran out of memory is None, and so is a ratio to it.

    Raises
    ------
    InputError
        For a length that is not positive, a model that cannot be built, and one that fails for anything but memory.
    """
    for seconds in lengths:
        if not 0 < seconds < math.inf:
            raise InputError(f"--seconds {seconds:g}: must be more than 0")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: PyTorch finds no CUDA device; use --device cpu")
    folders = [str(folder) for folder in run_folders]
    for folder in folders:
        load_model(folder)  # or an error, before anything is measured
    grid = [
        (run, RunCell(folder, seconds, rows_of(seconds, lengths), FORWARD, device))
        for seconds in lengths
        for run, folder in enumerate(folders)
    ]
    options = Options(torch.get_num_threads(), rounds=ROUNDS, budget_seconds=SECONDS_A_CELL * len(grid))
    cells = [replace(cell, step=step) for _, cell in grid for step in STEPS]
    results = measure_cells(cells, options, workbench=RunWorkbench)
    for cell, found in results.items():
        if found["reason"] is not None and not found["oom"]:
            raise InputError(
                f"{cell.folder}: {cell.step} of {cell.rows} x {cell.seconds:g} s failed: {found['reason']}; try other "
                "lengths with --seconds, or --no-speed"
            )
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "threads": options.threads,
        "rounds": max((found["seconds"]["visits"] for found in results.values() if found["seconds"]), default=0),
        "memory_kind": CUDA_MEMORY if device == "cuda" else PROCESS_MEMORY,
        "cells": [{"run": run, **_numbers(results, cell, folders[0])} for run, cell in grid],
    }


def _numbers(results: dict, cell: RunCell, first: str) -> dict:
    """The measurements of a run at one length, with ratios to the first run."""
    numbers = {"seconds": cell.seconds, "rows": cell.rows, **dict.fromkeys(STEPS), "memory": None}
    for step in STEPS:
        cell = replace(cell, step=step)
        other = replace(cell, folder=first)
        times, memory = (results[cell][quantity] for quantity in ("seconds", "memory"))
        ratio = {
            quantity: Ratio("", "", cell, (other,), quantity).value(results)["value"]
            for quantity in ("seconds", "memory")
            if results[cell][quantity] and results[other][quantity]
        }
        if times:
            quartiles = [float(value) for value in np.percentile(times["all"], [25, 75])]
            found = {"median": times["median"], "quartiles": quartiles, "ratio": ratio.get("seconds")}
            numbers[step] = {**found, "all": times["all"]}
        if memory and cell.step == BACKWARD:
            numbers["memory"] = {"bytes": memory["growth_bytes"], "ratio": ratio.get("memory")}
    return numbers
