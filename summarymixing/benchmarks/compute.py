"""What recognisers of several costs take at each setting: multiply-accumulates and time."""

from __future__ import annotations

import itertools

from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from summarymixing.benchmarks.timing import cpu_seconds, cuda_seconds, quantiles, time_in_turns
from summarymixing.utils.errors import InputError


def settings_grid(choices: dict, wanted: dict | None = None) -> list[dict]:
    """Every combination of what a model offers.

    Parameters
    ----------
    choices : dict of str to tuple of int
        From `summarymixing.utils.on_demand.offered`.
    wanted : dict of str to (list of int or None), optional
        Leaves out all other numbers of a name.

    Returns
    -------
    list of dict
        Settings; one empty setting for a model that offers nothing.

    Raises
    ------
    InputError
        If the model offers none of the wanted numbers of a name.

    Examples
    --------
    >>> settings_grid({"key_pool": (1, 2), "squeeze": (1, 2, 4)}, {"squeeze": [4, 8], "query_pool": [2]})
    [{'key_pool': 1, 'squeeze': 4}, {'key_pool': 2, 'squeeze': 4}]
    >>> settings_grid({})
    [{}]
    """
    kept = []
    for name, numbers in choices.items():
        chosen = (wanted or {}).get(name)
        kept.append([number for number in numbers if chosen is None or number in chosen])
        if not kept[-1]:
            offers = ", ".join(map(str, numbers))
            raise InputError(f"--{name.replace('_', '-')} {' '.join(map(str, chosen))}: a run offers {name} {offers}")
    return [dict(zip(choices, numbers, strict=True)) for numbers in itertools.product(*kept)]


def multiply_accumulates(call) -> int:
    """Multiply-accumulates of the matrix products and convolutions that a call computes.

    Examples
    --------
    >>> import torch
    >>> layer, x = torch.nn.Linear(8, 4), torch.rand(10, 8)
    >>> multiply_accumulates(lambda: layer(x))
    320
    """
    # The counter does not know PyTorch's fused attention on a CPU; the plain one takes the same products.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() // 2


def measure(calls: dict, audio_seconds: float, rounds: int = 5, cuda: bool = False, progress=None) -> dict:
    """Cost of callables that work on the same audio.

    Parameters
    ----------
    calls : dict
        Callables without arguments, by any key. They are timed in turns.
    audio_seconds : float
        Of the audio.
    rounds : int
        Times that each is timed.
    cuda : bool
        Whether they compute on a GPU.
    progress : callable, optional
        Called with (rounds done, rounds) after each.

    Returns
    -------
    dict
        For each key ``macs`` of a second of audio, ``seconds`` (median and quantiles of a call), ``rtf``.

    Raises
    ------
    InputError
        If one of them fails.

    Examples
    --------
    >>> import torch
    >>> layer, x = torch.nn.Linear(8, 4), torch.rand(10, 8)
    >>> measure({"layer": lambda: layer(x)}, audio_seconds=2.0, rounds=3)["layer"]["macs"]
    160.0
    """
    stopwatch = cuda_seconds if cuda else cpu_seconds
    timed = time_in_turns(calls, rounds=(rounds, rounds), visit_seconds=0.0, stopwatch=stopwatch, progress=progress)
    results = {}
    for key, call in calls.items():
        if "seconds" not in timed[key]:
            raise InputError(f"{key}: {timed[key].get('oom') or timed[key].get('error')}")
        seconds = quantiles(timed[key]["seconds"])
        macs = multiply_accumulates(call) / audio_seconds
        results[key] = {"macs": macs, "seconds": seconds, "rtf": seconds["median"] / audio_seconds}
    return results
