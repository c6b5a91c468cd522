"""Measure the memory of one call in a separate process; running out of memory is a result."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import time
from pathlib import Path

import torch

from summarymixing.experiment.record import peak_memory

#: glibc keeps freed blocks below this size for later, more or fewer of them from run to run: a fifth of the result.
STEADY_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536"}
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc")


def resident_peak() -> int:
    """Peak resident bytes of this process.

    Examples
    --------
    >>> resident_peak() > 1_000_000
    True
    """
    # getrusage would do, but on Linux a new process inherits its parent's peak there.
    return _status("VmHWM:") or peak_memory()[1]


def resident_now() -> int:
    """Resident bytes of this process now, or their peak where the system does not tell.

    Examples
    --------
    >>> 0 < resident_now() <= resident_peak()
    True
    """
    return _status("VmRSS:") or resident_peak()


def forget_peak() -> None:
    """Reset `resident_peak`, if the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def available_bytes() -> int:
    """Bytes of memory that new processes can have now.

    Examples
    --------
    >>> available_bytes() > 1_000_000
    True
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on a GPU or not.

    Examples
    --------
    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("shapes differ"))
    (True, False)
    """
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)


def failure(error: BaseException) -> dict:
    """``{"oom": reason}`` if memory ran out, else ``{"error": reason}``, in one line.

    Examples
    --------
    >>> failure(ValueError("no"))
    {'error': 'ValueError: no'}
    """
    reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    return {"oom" if is_out_of_memory(error) else "error": reason}


def growth_of(prepare, *arguments) -> dict:
    """Call ``prepare(*arguments)`` and then its result, and measure by how much the latter raised the memory peak.

    Parameters
    ----------
    prepare : callable
        Builds model and input and returns a callable without arguments.

    Returns
    -------
    dict
        ``baseline_bytes`` (resident before the call), ``peak_bytes`` and ``growth_bytes``, their difference;
        ``call_seconds``, what this first call took.

    Examples
    --------
    >>> found = growth_of(lambda size: lambda: torch.ones(size), 10_000_000)
    >>> found["growth_bytes"] == found["peak_bytes"] - found["baseline_bytes"]
    True
    """
    call = prepare(*arguments)
    forget_peak()
    baseline, begun = resident_now(), time.perf_counter()
    call()
    seconds, peak = time.perf_counter() - begun, resident_peak()
    sizes = {"baseline_bytes": baseline, "peak_bytes": peak, "growth_bytes": peak - baseline}
    return {**sizes, "call_seconds": seconds}


def in_fresh_process(function, *arguments, limit_bytes: int | None = None, threads: int = 1, preload=()) -> dict:
    """Run ``function(*arguments)`` in a new process that has only imported modules, with a limit on its memory.

    Such a process is forked from a server that imports once; neither has any memory of this process.

    Parameters
    ----------
    function : callable
        Importable by its name; returns a dict.
    limit_bytes : int, optional
        Of data (``RLIMIT_DATA``); beyond it allocations fail.
    threads : int
        PyTorch's threads there.
    preload : sequence of str
        Modules that the server imports.

    Returns
    -------
    dict
        What the function returned; or ``{"oom": reason}`` if memory ran out or the process was killed; or
        ``{"error": reason}`` if it raised anything else.

    Examples
    --------
    >>> in_fresh_process(dict, threads=1)
    {}
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *preload])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sender, function, arguments, limit_bytes, threads))
    with _environment(STEADY_MALLOC):  # read when the server starts
        process.start()
    sender.close()
    try:
        result = receiver.recv()
    except EOFError:
        result = None
    process.join()
    if result is None and process.exitcode < 0:
        return {"oom": f"the process was killed by {signal.Signals(-process.exitcode).name}"}
    return {"error": f"the process ended with status {process.exitcode}"} if result is None else result


def _serve(sender, function, arguments, limit_bytes, threads):
    torch.set_num_threads(threads)
    if limit_bytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    try:
        result = function(*arguments)
    except Exception as error:  # the benchmark continues with the other cells
        result = failure(error)
    sender.send(result)


@contextlib.contextmanager
def _environment(changes):
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _status(field: str) -> int | None:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return None
