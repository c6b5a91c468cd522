"""Time and memory of runs' models against the length of the input: side by side, on one machine."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from summarymixing.benchmarks.memory import STEADY_MALLOC, forget_peak, resident_peak
from summarymixing.experiment.record import CUDA_MEMORY, PROCESS_MEMORY
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.utils.errors import InputError, command_line

#: Seconds of input that are measured unless others are asked for.
LENGTHS = (10.0, 30.0, 60.0)
#: Seconds of audio in a batch, whatever the length of its rows.
BATCH_SECONDS = 60.0
#: Fewest and most timed visits of every cell, a cell being one model at one length.
ROUNDS = (3, 20)
#: Seconds of timing that a cell may cost, once it has had the fewest visits.
SECONDS_A_CELL = 2.5


def load_model(run_folder: str | Path) -> tuple[torch.nn.Module, int]:
    """Build the untrained model of a run and nothing else of its YAML file.

    A checkpointer or a logger, were it built, would make folders where the run once was.

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
    """Rows of a batch whose rows last so many seconds: `BATCH_SECONDS` in all, or the longest of `lengths`.

    Examples
    --------
    >>> [rows_of(seconds, LENGTHS) for seconds in LENGTHS]
    [6, 2, 1]
    """
    return int(max(BATCH_SECONDS, *lengths) // seconds)


def random_audio(rows: int, seconds: float, sample_rate: int, device: str = "cpu") -> torch.Tensor:
    """White noise, (rows, seconds * sample_rate), the same at every call.

    Examples
    --------
    >>> random_audio(2, 0.5, 16000).shape
    torch.Size([2, 8000])
    """
    generator = torch.Generator().manual_seed(0)
    return (0.1 * torch.randn(rows, round(seconds * sample_rate), generator=generator)).to(device)


def forward(model: torch.nn.Module, wavs: torch.Tensor) -> None:
    """One pass as in decoding: evaluation mode, no gradients."""
    model.eval()
    with torch.no_grad():
        model(wavs)


def forward_backward(model: torch.nn.Module, wavs: torch.Tensor) -> None:
    """One pass as in training, with the mean of the output for a loss; leaves no gradients behind.

    Models of speech give frame counts behind their output; a classifier's output is a dictionary, a target each.
    """
    model.train()
    output = model(wavs)
    output = output[0] if isinstance(output, tuple) else output
    scores = output.values() if isinstance(output, dict) else [output]
    sum(score.mean() for score in scores).backward()
    model.zero_grad(set_to_none=True)


#: What is timed, by the name that tables give it.
STEPS = {"forward": forward, "forward+backward": forward_backward}


def measure_times(models, inputs, clock=time.perf_counter, rounds=ROUNDS, seconds_a_cell=SECONDS_A_CELL) -> list:
    """Time models in turns, so that whatever else the machine does strikes all of them alike.

    In each round every input length visits every model, and the model that goes first changes from round to round.
    Each cell is visited once untimed before. Rounds go on until the time is spent.

    Parameters
    ----------
    models : list of torch.nn.Module
        R models.
    inputs : list of list of torch.Tensor
        ``inputs[r][n]`` is the batch (B, samples) of length n for model r.
    clock : callable
        Seconds, growing.
    rounds : tuple of int
        Fewest and most rounds.
    seconds_a_cell : float
        Time for all rounds, divided by the R * N cells.

    Returns
    -------
    list of list of dict
        ``result[r][n]["forward"]`` and ``["forward+backward"]``: seconds, one number a round.

    Examples
    --------
    >>> model, wavs = torch.nn.Linear(100, 2), torch.rand(1, 100)
    >>> [[cell]] = measure_times([model], [[wavs]], rounds=(3, 3))
    >>> {kind: len(times) for kind, times in cell.items()}
    {'forward': 3, 'forward+backward': 3}
    """
    times = [[{kind: [] for kind in STEPS} for _ in row] for row in inputs]
    for length in range(len(inputs[0])):
        for row, model in enumerate(models):
            forward_backward(model, inputs[row][length])
    fewest, most = rounds
    budget = seconds_a_cell * len(models) * len(inputs[0])
    started = clock()
    for done in range(most):
        if done >= fewest and (clock() - started) * (done + 1) / done > budget:
            break
        first = done % len(models)
        for length in range(len(inputs[0])):
            for row in [*range(first, len(models)), *range(first)]:
                for kind, step in STEPS.items():
                    wavs = inputs[row][length]
                    _wait_for(wavs)
                    begun = clock()
                    step(models[row], wavs)
                    _wait_for(wavs)
                    times[row][length][kind].append(clock() - begun)
    return times


def measure_memory(run_folder: str | Path, seconds: float, rows: int, device: str) -> int:
    """Bytes by which the memory of a fresh process grows in one `forward_backward`, the loaded model not counted.

    Raises
    ------
    InputError
        If that process fails, for example for lack of memory.
    """
    command = [sys.executable, "-m", "summarymixing.benchmarks.speed", str(run_folder), str(seconds), str(rows), device]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **STEADY_MALLOC})
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1]
        raise InputError(
            f"{run_folder}: forward+backward of {rows} x {seconds:g} s in a process of its own failed: "
            f"{reason.removeprefix('error: ')}; try shorter inputs with --seconds, or --no-speed"
        )
    return int(done.stdout.strip().splitlines()[-1])


def measure(run_folders, lengths=LENGTHS, device: str | None = None) -> dict:
    """Measure time and memory of the models of runs at several input lengths.

    Parameters
    ----------
    run_folders : list of str or pathlib.Path
        Run folders; they are only read. Ratios are to the first.
    lengths : sequence of float
        Seconds of input.
    device : str, optional
        ``"cpu"`` or ``"cuda"``; by default CUDA where there is one.

    Returns
    -------
    dict
        ``device``, ``threads``, ``rounds``, ``memory_kind`` and ``cells``: one a run and length, with ``run`` (its
        index), ``seconds``, ``rows``, ``forward`` and ``forward+backward`` (each ``median``, ``quartiles``, ``ratio``,
        ``all``, in seconds) and ``memory`` (``bytes``, ``ratio``).

    Raises
    ------
    InputError
        For a length that is not positive, and what `load_model` and `measure_memory` raise.
    """
    for seconds in lengths:
        if not 0 < seconds < math.inf:
            raise InputError(f"--seconds {seconds:g}: an input lasts longer than 0 s")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: PyTorch finds no CUDA device here; use --device cpu")
    loaded = [load_model(folder) for folder in run_folders]
    rows = [rows_of(seconds, lengths) for seconds in lengths]
    # Memory first: a length that does not fit ends only the process that tried it.
    memory = [[measure_memory(f, s, n, device) for s, n in zip(lengths, rows, strict=True)] for f in run_folders]
    models = [model.to(device) for model, _ in loaded]
    inputs = [[random_audio(n, s, rate, device) for s, n in zip(lengths, rows, strict=True)] for _, rate in loaded]
    times = measure_times(models, inputs)
    cells = []
    for length, seconds in enumerate(lengths):
        for run in range(len(models)):
            cell = {"run": run, "seconds": seconds, "rows": rows[length]}
            for kind in STEPS:
                cell[kind] = _summary(times[run][length][kind], times[0][length][kind])
            used, first = memory[run][length], memory[0][length]
            cells.append({**cell, "memory": {"bytes": used, "ratio": used / first if first else None}})
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "threads": torch.get_num_threads(),
        "rounds": len(times[0][0]["forward"]),
        "memory_kind": CUDA_MEMORY if device == "cuda" else PROCESS_MEMORY,
        "cells": cells,
    }


def _summary(times: list[float], first: list[float]) -> dict:
    median = statistics.median(times)
    quartiles = [float(value) for value in np.percentile(times, [25, 75])]
    return {"median": median, "quartiles": quartiles, "ratio": median / statistics.median(first), "all": times}


def _wait_for(wavs: torch.Tensor) -> None:
    if wavs.is_cuda:
        torch.cuda.synchronize(wavs.device)


@command_line
def _memory_main(run_folder: str, seconds: str, rows: str, device: str) -> None:
    model, sample_rate = load_model(run_folder)
    model = model.to(device)
    cuda = device == "cuda"
    if not cuda:
        forget_peak()  # that of the imports
    baseline = torch.cuda.memory_allocated() if cuda else resident_peak()
    forward_backward(model, random_audio(int(rows), float(seconds), sample_rate, device))
    print((torch.cuda.max_memory_allocated() if cuda else resident_peak()) - baseline)


if __name__ == "__main__":
    _memory_main(*sys.argv[1:])
