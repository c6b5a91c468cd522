"""Measure memory and time of cells: first the memory of each cell alone, then the time of all cells in turns."""

from __future__ import annotations

import dataclasses
import gc

import torch

from summarymixing.benchmarks.cells import Workbench
from summarymixing.benchmarks.memory import available_bytes, failure, growth_of, in_fresh_process, resident_now
from summarymixing.benchmarks.timing import cpu_seconds, cuda_seconds, quantiles, time_in_turns
from summarymixing.experiment.record import CUDA_MEMORY, PROCESS_MEMORY
from summarymixing.utils.allocator import keep_freed_memory, return_freed_memory


@dataclasses.dataclass(frozen=True)
class Options:
    """How cells are measured.

    Attributes
    ----------
    threads : int
        PyTorch's threads.
    seed : int
        Of weights, inputs and the order of visits.
    rounds : tuple of int
        Fewest and most timed visits of every cell.
    budget_seconds : float
        Time for all visits of a suite together, in addition to the fewest visits.
    memory_limit_bytes : int, optional
        A cell that needs more is out of memory; by default three quarters of the free memory at the start.
    """

    threads: int = 2
    seed: int = 0
    rounds: tuple[int, int] = (3, 50)
    budget_seconds: float = 240.0
    memory_limit_bytes: int | None = None


def measure_cells(cells, options: Options, progress=lambda what, done, total: None, workbench=Workbench) -> dict:
    """Measure cells on one device.

    A cell that runs out of memory is not timed.

    Parameters
    ----------
    cells : iterable of Cell or RunCell
        Hashable, with ``device``, ``compiled`` and ``memory_in_process``. A cell that is named twice is measured once.
    options : Options
        How.
    progress : callable
        Called with ("memory" or "time", done, total).
    workbench : type
        ``workbench(seed).prepare(cell)`` gives what is measured for a cell, a callable without arguments.

    Returns
    -------
    dict
        For each cell a dict: ``seconds`` (``median``, ``q10``, ``q90``, ``visits``, ``repetitions``, ``all``) or
        None; ``memory`` (``baseline_bytes``, ``peak_bytes``, ``growth_bytes``, ``kind``) or None; ``oom`` (bool);
        ``reason``, a line for a cell that ran out of memory or failed, else None.

    Examples
    --------
    >>> from summarymixing.benchmarks.cells import Cell
    >>> cell = Cell("identity", frames=10, d_model=4)
    >>> found = measure_cells([cell], Options(threads=1, rounds=(3, 3)))[cell]
    >>> found["seconds"]["visits"], found["oom"], found["memory"]["growth_bytes"] >= 0
    (3, False, True)
    """
    cells = list(dict.fromkeys(cells))
    torch.set_num_threads(options.threads)
    limit = options.memory_limit_bytes or available_bytes() * 3 // 4
    bench = workbench(options.seed)
    results, calls, expected = {}, {}, {}
    for done, cell in enumerate(cells):
        progress("memory", done, len(cells))
        if cell.device == "cuda":
            found, call = _cuda_memory(bench, cell)
        else:
            found, call = _process_memory(workbench, cell, options, limit), None
        reason = found.get("oom") or found.get("error")
        expected[cell] = found.pop("call_seconds", None)
        memory = found if "growth_bytes" in found else None
        results[cell] = {"seconds": None, "memory": memory, "oom": "oom" in found, "reason": reason}
        if call is not None:
            calls[cell] = call
    progress("memory", len(cells), len(cells))
    keep_freed_memory()  # as in training, for floors and for all mixers
    for cell, result in results.items():
        if result["reason"] is None and cell not in calls:
            try:
                call = bench.prepare(cell)
                if cell.compiled:
                    call()  # here, and again at its first visit, because a later cell may cause a new compilation
                calls[cell] = call
            except Exception as error:  # the other cells are still measured
                _fail(result, failure(error))
    stopwatch = cuda_seconds if any(cell.device == "cuda" for cell in cells) else _roomy(calls, results, limit)
    times = time_in_turns(
        calls,
        options.seed,
        options.rounds,
        options.budget_seconds,
        stopwatch=stopwatch,
        progress=lambda done, total: progress("time", done, total),
        expected=expected,
    )
    for cell, found in times.items():
        if "seconds" in found:
            spread = quantiles(found["seconds"])
            visits = {"visits": len(found["seconds"]), "repetitions": found["repetitions"], "all": found["seconds"]}
            results[cell]["seconds"] = {**spread, **visits}
        else:
            _fail(results[cell], found)
    return results


def _roomy(calls: dict, results: dict, limit: int):
    """A stopwatch that first returns kept memory to the system if a call would not find enough.

    If that is not enough, it raises MemoryError; otherwise the system would kill this process, and all results with it.
    """
    needed = {call: (results[cell]["memory"] or {"growth_bytes": 0})["growth_bytes"] for cell, call in calls.items()}

    def seconds(call, repetitions):
        if resident_now() + needed[call] > limit:
            return_freed_memory()
            if needed[call] > available_bytes():
                raise MemoryError(f"it needs {needed[call] / 1e9:.1f} GB beside what the other cells hold")
        return cpu_seconds(call, repetitions)

    return seconds


def _fail(result: dict, found: dict) -> None:
    result.update(oom="oom" in found, reason=found.get("oom") or found.get("error"))


def _process_memory(workbench, cell, options: Options, limit: int) -> dict:
    if not cell.memory_in_process:
        return {}
    # With the plots, because each process imports the program that started it.
    preload = (workbench.__module__, "summarymixing.benchmarks.plots")
    found = in_fresh_process(
        growth_of,
        _prepare,
        workbench,
        cell,
        options.seed,
        limit_bytes=limit,
        threads=options.threads,
        preload=preload,
    )
    return {**found, "kind": PROCESS_MEMORY} if "growth_bytes" in found else found


def _prepare(workbench, cell, seed: int):
    return workbench(seed).prepare(cell)


def _cuda_memory(bench, cell) -> tuple[dict, object]:
    """Peak of the CUDA allocator in this process, where cells share only weights and inputs."""
    try:
        call = bench.prepare(cell)
        if cell.compiled:
            call()
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        baseline = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        peak = torch.cuda.max_memory_allocated()
    except Exception as error:  # the other cells are still measured
        found, call = failure(error), None
    else:
        found = {
            "baseline_bytes": baseline,
            "peak_bytes": peak,
            "growth_bytes": peak - baseline,
            "kind": CUDA_MEMORY,
        }
    if call is None:
        gc.collect()  # the traceback held what the cell allocated
        torch.cuda.empty_cache()
    return found, call
