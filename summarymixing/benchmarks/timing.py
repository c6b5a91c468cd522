"""Time many callables in turns, so that other work of the machine affects all of them equally."""

from __future__ import annotations

import math
import random
import time

import numpy as np
import torch

from summarymixing.benchmarks.memory import failure

#: Shortest duration of a visit in seconds.
VISIT_SECONDS = 0.02


def cpu_seconds(call, repetitions: int, clock=time.perf_counter) -> float:
    """Seconds of one call, a mean over repetitions, by a clock whose seconds grow.

    Examples
    --------
    >>> cpu_seconds(lambda: None, 10) < 1
    True
    """
    begun = clock()
    for _ in range(repetitions):
        call()
    return (clock() - begun) / repetitions


def cuda_seconds(call, repetitions: int) -> float:
    """Seconds of one call by CUDA events, between which the device does nothing else."""
    begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begun.record()
    for _ in range(repetitions):
        call()
    ended.record()
    torch.cuda.synchronize()
    return begun.elapsed_time(ended) / 1000 / repetitions


def time_in_turns(
    calls: dict,
    seed: int = 0,
    rounds: tuple[int, int] = (3, 50),
    budget_seconds: float = 240.0,
    visit_seconds: float = VISIT_SECONDS,
    stopwatch=cpu_seconds,
    clock=time.monotonic,
    progress=None,
    expected=None,
) -> dict:
    """Visit every callable once a round, in an order that changes from round to round.

    A visit repeats the callable until it lasts `visit_seconds`. Time is shared equally: a slow callable is left out of
    later rounds, so that fast ones get more visits.

    Parameters
    ----------
    calls : dict
        Callables without arguments, by any key.
    seed : int
        Of the orders.
    rounds : tuple of int
        Fewest and most rounds.
    budget_seconds : float
        Time for all callables together, beyond the fewest rounds.
    stopwatch : callable
        ``stopwatch(call, repetitions)`` gives the seconds of one call.
    clock : callable
        Seconds, growing.
    progress : callable, optional
        Called with (rounds done, most rounds) after each.
    expected : dict, optional
        Expected seconds of callables. One that needs a second or more is not tried before the first round.

    Returns
    -------
    dict
        For each key ``{"repetitions": int, "seconds": [one a round]}``, or ``{"oom": reason}``, or
        ``{"error": reason}`` for a callable that failed.

    Examples
    --------
    >>> times = time_in_turns({"a": lambda: None}, rounds=(3, 3))
    >>> len(times["a"]["seconds"])
    3
    """
    results = {}
    for key, call in calls.items():
        known = (expected or {}).get(key) or 0.0
        # One-time costs of the first call are small compared with a second.
        long = {"repetitions": 1, "seconds": []}
        results[key] = long if known >= 1.0 else _first_visits(call, stopwatch, visit_seconds)
    alive = [key for key, result in results.items() if "seconds" in result]
    order = random.Random(seed)
    fewest, most = rounds
    share, spent = budget_seconds / max(1, len(calls)), dict.fromkeys(alive, 0.0)
    for done in range(most):
        if done >= fewest:
            alive = [key for key in alive if spent[key] * (done + 1) / done <= share]
        if not alive:
            break
        order.shuffle(alive)
        for key in tuple(alive):
            begun = clock()
            try:
                results[key]["seconds"].append(stopwatch(calls[key], results[key]["repetitions"]))
            except Exception as error:  # the other callables are still measured
                results[key] = failure(error)
                alive.remove(key)
            spent[key] += clock() - begun
        if progress is not None:
            progress(done + 1, most)
    return results


def _first_visits(call, stopwatch, visit_seconds):
    """Warm a callable up, and find how often a visit must repeat it."""
    try:
        seconds = stopwatch(call, 1)
        if seconds < 10 * visit_seconds:  # the first call pays for what later ones find
            seconds = stopwatch(call, 3)
    except Exception as error:  # whatever it is, the others are measured
        return failure(error)
    return {"repetitions": max(1, math.ceil(visit_seconds / max(seconds, 1e-9))), "seconds": []}


def quantiles(values) -> dict:
    """Median, 10 % and 90 % quantile.

    Examples
    --------
    >>> quantiles([1.0, 2.0, 6.0])
    {'median': 2.0, 'q10': 1.2, 'q90': 5.2}
    """
    low, middle, high = (float(value) for value in np.quantile(values, [0.1, 0.5, 0.9]))
    return {"median": middle, "q10": low, "q90": high}
