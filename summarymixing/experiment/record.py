"""``run.json`` in a run folder: settings, machine and results of the run."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import torch
from speechbrain.utils.distributed import ddp_barrier, if_main_process, is_distributed_initialized

import summarymixing
from summarymixing.experiment.key_lists import neutral_keys
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.utils.errors import InputError
from summarymixing.utils.files import atomic_open

CUDA_MEMORY, PROCESS_MEMORY = "CUDA memory allocated", "resident memory of the process"
_PACKAGES = ("torch", "torchaudio", "speechbrain", "hyperpyyaml")
_SHAPE = {"command": list, "parameters": dict, "epochs": list, "metrics": dict}


class RunRecord:
    """The record of one run; every change is written immediately, so that a killed run keeps its record.

    Only the main process of a distributed run writes. Numbers that are not finite become null.

    Attributes
    ----------
    data : dict
        The content of the file: ``command`` (one list of words per start), ``commit`` and ``dirty``,
        ``seed``, ``versions``, ``machine``, ``neutral`` (options that do not change the experiment, see
        `summarymixing.experiment.key_lists`), ``experiment``, ``task`` (its class), ``data`` (whether
        synthetic, hours of each split), ``parameters``, ``epochs``, ``metrics``,
        ``peak_memory_bytes`` and ``peak_memory_kind`` (of the main process), ``processes`` (the
        number that trained), ``started``, ``finished``.
    path : pathlib.Path
        The file.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> record = RunRecord.open(folder, argv=["train.py", "tiny.yaml"], seed=1234)
    >>> record.epoch(1, seconds=2.5, train_loss=3.0, valid_wer=80.0)
    >>> record.metrics("test-clean", wer=75.0, cer=40.0)
    >>> RunRecord.open(folder).data["metrics"]
    {'test-clean': {'wer': 75.0, 'cer': 40.0}}
    """

    def __init__(self, path: Path, data: dict):
        self.path = path
        self.data = data

    @classmethod
    def read(cls, run_folder: str | Path | RunFolder) -> RunRecord:
        """Read the record of a run folder without writing anything.

        Parameters
        ----------
        run_folder : str, pathlib.Path or RunFolder
            The folder.

        Returns
        -------
        RunRecord

        Raises
        ------
        InputError
            If there is no record, or it cannot be read.
        """
        run = RunFolder(run_folder)
        run.require(run.record)
        return cls(run.record, _read(run.record))

    @classmethod
    def open(cls, run_folder: str | Path, argv: list[str] | None = None, seed: int | None = None) -> RunRecord:
        """Read the record of a run folder, or begin one.

        Parameters
        ----------
        run_folder : str or pathlib.Path
            The folder; created if it does not exist.
        argv : list of str, optional
            The command of this start, normally ``sys.argv``. It is added to the commands of earlier
            starts; versions, commit and machine become those of this start. Without it an existing
            record is only read.
        seed : int, optional
            The seed of the run.

        Returns
        -------
        RunRecord

        Raises
        ------
        InputError
            If the file cannot be read as a record.
        """
        path = RunFolder(run_folder).record
        data = _read(path)
        fresh = data is None
        record = cls(path, {key: kind() for key, kind in _SHAPE.items()} if fresh else data)
        if fresh:
            record.data.update(started=_now(), finished=None, seed=None)
        if fresh or argv is not None:
            commit, dirty = git_state()
            record.data.update(commit=commit, dirty=dirty, versions=versions(), machine=machine(), finished=None)
        if argv is not None:
            record.data["command"].append([without_home(word) for word in argv])
            hyperparams = RunFolder(run_folder).hyperparams
            text = RunFolder(run_folder).text() if hyperparams.is_file() else ""
            record.data["neutral"] = sorted(neutral_keys(text, str(hyperparams)))
        if seed is not None:
            record.data["seed"] = int(seed)
        if fresh or argv is not None or seed is not None:
            record.save()
        return record

    def epoch(self, number: int, seconds: float, **metrics) -> None:
        """Record an epoch; if it is repeated after resuming, the new entry replaces the old one."""
        entry = {"epoch": int(number), "seconds": float(seconds), **metrics}
        others = [old for old in self.data["epochs"] if old["epoch"] != number]
        self.data["epochs"] = sorted([*others, entry], key=lambda old: old["epoch"])
        self.save()

    def metrics(self, split: str, **values) -> None:
        """Record final metrics of a split, in addition to those recorded before."""
        self.data["metrics"].setdefault(split, {}).update(values)
        self.save()

    def set(self, key: str, value) -> None:
        """Record anything else under a top-level key."""
        self.data[key] = value
        self.save()

    def finish(self) -> None:
        """Record the end of the run; in a distributed run every process must call this last."""
        self.set("finished", _now())
        if is_distributed_initialized():
            ddp_barrier()
            torch.distributed.destroy_process_group()
            # Gloo's threads release their last tensors now. A process that ends at this moment aborts, and torchrun
            # kills the others; DistributedDataParallel prevents that the threads are joined (torch 2.11).
            time.sleep(0.5)

    def save(self) -> None:
        """Write the file, with the peak memory so far."""
        kind, peak = peak_memory()
        old_kind = self.data.get("peak_memory_kind")
        if kind == old_kind:
            peak = max(peak, self.data["peak_memory_bytes"])
        # A resumed run has not used its GPU yet at its first save; the earlier peak must stay.
        if old_kind != CUDA_MEMORY or kind == CUDA_MEMORY:
            self.data.update(peak_memory_bytes=peak, peak_memory_kind=kind)
        if if_main_process():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(_plain(self.data), indent=2, ensure_ascii=False, allow_nan=False)
            with atomic_open(self.path) as file:
                file.write(text + "\n")


def count_parameters(modules) -> dict[str, int]:
    """Count the parameters of top-level modules, for the key ``parameters`` of a record.

    Parameters
    ----------
    modules : mapping of str to torch.nn.Module
        For example ``brain.modules``. A parameter that two modules share counts once in the total.

    Returns
    -------
    dict of str to int
        ``total`` and the number of each module.

    Examples
    --------
    >>> count_parameters({"linear": torch.nn.Linear(3, 2)})
    {'total': 8, 'linear': 8}
    """
    shared = {id(p): p.numel() for module in modules.values() for p in module.parameters()}
    counts = {key: sum(p.numel() for p in m.parameters()) for key, m in modules.items()}
    return {"total": sum(shared.values()), **counts}


def git_state() -> tuple[str | None, bool | None]:
    """Return the commit of this project, and whether files differ from it; (None, None) outside its checkout.

    An installed copy of the package inside another project's checkout has no commit.
    """
    root = Path(summarymixing.__file__).resolve().parent.parent
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root:
        return None, None
    commit = _git(root, "rev-parse", "HEAD")
    return commit, None if commit is None else bool(_git(root, "status", "--porcelain"))


def versions() -> dict[str, str | None]:
    """Return the versions of Python, of this package and of the packages on which its numbers depend."""
    found = {"python": platform.python_version(), "summarymixing": summarymixing.__version__}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def machine() -> dict:
    """Describe the machine, without host name and user name."""
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "cpu": _cpu_model(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": [torch.cuda.get_device_name(index) for index in range(cuda)],
        "os": f"{platform.system()} {platform.release()}",
    }


def peak_memory() -> tuple[str, int]:
    """Return the kind of memory that is measured, and its peak: CUDA's allocator if in use, otherwise the process.

    Returns
    -------
    str
        `CUDA_MEMORY` or `PROCESS_MEMORY`.
    int
        Bytes.

    Examples
    --------
    >>> kind, peak = peak_memory()
    >>> peak > 1_000_000 or kind == CUDA_MEMORY
    True
    """
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        peaks = [torch.cuda.max_memory_allocated(i) for i in range(torch.cuda.device_count())]
        if max(peaks, default=0) > 0:
            return CUDA_MEMORY, max(peaks)
    unit = 1 if sys.platform == "darwin" else 1024
    return PROCESS_MEMORY, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _read(path: Path) -> dict | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot read this run record: {error}; move the file away to begin a new record"
        ) from error
    if not isinstance(data, dict) or any(not isinstance(data.get(key), kind) for key, kind in _SHAPE.items()):
        raise InputError(f"{path}: this is not a run record; move the file away to begin a new record")
    return data


def _plain(value):
    """Make a value JSON: tensors and NumPy scalars become numbers, NaN and infinity become null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return without_home(str(value))
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def without_home(word: str) -> str:
    home = str(Path.home())
    return word.replace(home + os.sep, "~" + os.sep) if home != os.sep else word


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
