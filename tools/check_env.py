"""Check this installation, and say what is wrong and how to correct it.

    python tools/check_env.py

It needs only the standard library, so that it also runs in a broken installation. The exit status is
1 if something must be corrected.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import sys
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"
OLDEST_PYTHON, FIRST_UNTESTED_PYTHON = (3, 11), (3, 13)
FIRST_SPEECHBRAIN = (1, 1, 2)
_PAIR = ("torch", "torchaudio")


@dataclass
class Finding:
    """One line of the report: ``status`` is "ok", "note" (works, but know it) or "wrong"."""

    status: str
    text: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.status:5}  {self.text}" + (f"  ->  {self.cure}" if self.cure else "")


def read_pins(path: Path) -> dict[str, str]:
    """Return the versions pinned in a requirements file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = (re.match(r"([\w.-]+)==([\w.+!-]+)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def installed_versions(names) -> dict[str, str]:
    """Return the versions of those named packages that are installed."""
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def check_python(version: tuple[int, int]) -> Finding:
    """Check the running Python's (major, minor) version."""
    name = "Python {}.{}".format(*version)
    if OLDEST_PYTHON <= version < FIRST_UNTESTED_PYTHON:
        return Finding("ok", name)
    why = "too old" if version < OLDEST_PYTHON else "newer than what was tested"
    return Finding("wrong", f"{name} is {why}", "rm -rf .venv && make install PYTHON=/path/to/python3.11")


def check_packages(pins: dict[str, str], installed: dict[str, str]) -> list[Finding]:
    """Check that every pinned package is there, in its pinned version."""
    findings = []
    for name, pin in pins.items():
        # torch and torchaudio must fit together, so one command installs both.
        names = _PAIR if name in _PAIR else (name,)
        cure = "pip install " + " ".join(f"{n}=={pins[n]}" for n in names if n in pins)
        version = installed.get(name)
        if version is None:
            findings.append(Finding("wrong", f"{name} is not installed", cure))
        elif _release(version) != _release(pin):
            text = f"{name} {version} is installed, {pin} was tested"
            findings.append(Finding("wrong", text, cure))
        else:
            findings.append(Finding("ok", f"{name} {version}"))
    return findings


def check_torch_pair(
    pins: dict[str, str], installed: dict[str, str], import_error: str | None = None
) -> Finding | None:
    """Check that torch and torchaudio belong together.

    Parameters
    ----------
    pins, installed : dict of str to str
        Package versions.
    import_error : str, optional
        What ``import torchaudio`` said, if it failed.
    """
    if any(name not in installed for name in _PAIR):
        return None
    torch, torchaudio = (installed[name] for name in _PAIR)
    packages = " ".join(f"{name}=={pins[name]}" for name in _PAIR)
    cure = f"pip install --force-reinstall {packages}"
    both = f"torch {torch} and torchaudio {torchaudio}"
    if _release(torch)[:2] != _release(torchaudio)[:2]:
        return Finding("wrong", f"{both} are of different versions, torchaudio cannot load", cure)
    if _is_cpu_only(torch) and not _is_cpu_only(torchaudio):
        return Finding("wrong", f"{both}: torchaudio's extension cannot load with a CPU-only torch", cure)
    if import_error:
        return Finding("wrong", f"{both}: torchaudio does not load: {import_error}", cure)
    return Finding("ok", f"{both} load together")


def check_speechbrain(version: str | None, pin: str) -> Finding | None:
    """Check for the SpeechBrain versions that give wrong results without an error."""
    if version is None or _release(version) >= FIRST_SPEECHBRAIN:
        return None
    return Finding(
        "wrong",
        f"speechbrain {version} drops the utterances' lengths at inference, so that padding changes the transcripts",
        f"pip install speechbrain=={pin}",
    )


def check_loads(what: str, load, cure: str) -> Finding:
    """Check that `load()` works; it returns a few words on what it found, or raises."""
    try:
        return Finding("ok", f"{what}: {load()}")
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return Finding("wrong", f"{what} does not load: {reason}", cure)


def check_cuda(torch) -> Finding:
    """Say whether `torch`, the module, sees a GPU; training works without one, slowly."""
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Finding("ok", f"CUDA {torch.version.cuda}: {', '.join(names)}")
    if torch.version.cuda is None:
        return Finding("note", "this torch is built without CUDA; everything runs on the CPU")
    return Finding("note", "no GPU seen; everything runs on the CPU (driver: see nvidia-smi)")


def import_error(name: str) -> str | None:
    """Try to import a module and return what went wrong, on one line."""
    try:
        importlib.import_module(name)
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    return None


def report(pins: dict[str, str], installed: dict[str, str]) -> list[Finding]:
    """Run every check on this installation."""
    findings = [check_python(sys.version_info[:2]), *check_packages(pins, installed)]
    failure = import_error("torchaudio") if "torchaudio" in installed else None
    findings += [check_torch_pair(pins, installed, failure)]
    findings += [check_speechbrain(installed.get("speechbrain"), pins["speechbrain"])]
    if "espeakng-loader" in installed:
        cure = f"pip install --force-reinstall espeakng-loader=={pins['espeakng-loader']}"
        findings.append(check_loads("espeak-ng, which speaks the built-in corpus", _espeak, cure))
    if "soundfile" in installed:
        cure = f"pip install --force-reinstall soundfile=={pins['soundfile']}"
        findings.append(check_loads("libsndfile, which reads audio", _sndfile, cure))
    if "torch" in installed:
        failure = import_error("torch")
        if failure:
            cure = "pip install --force-reinstall " + " ".join(f"{n}=={pins[n]}" for n in _PAIR)
            findings.append(Finding("wrong", f"torch does not load: {failure}", cure))
        else:
            findings.append(check_cuda(importlib.import_module("torch")))
    return [finding for finding in findings if finding]


def main() -> int:
    """Print the report and return the exit status."""
    pins = read_pins(REQUIREMENTS)
    findings = report(pins, installed_versions(pins))
    print(*findings, sep="\n")
    wrong = sum(finding.status == "wrong" for finding in findings)
    print(f"{wrong} thing(s) to correct" if wrong else "this installation is as tested")
    return 1 if wrong else 0


def _espeak() -> str:
    import ctypes

    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Info.restype = ctypes.c_char_p
    voices = Path(espeakng_loader.get_data_path()) / "voices"
    if not voices.is_dir():
        raise FileNotFoundError("the library is there, its voices are not")
    return "version " + library.espeak_Info(None).decode()


def _sndfile() -> str:
    import soundfile

    if "FLAC" not in soundfile.available_formats():
        raise RuntimeError("this libsndfile cannot read FLAC")
    return f"version {soundfile.__libsndfile_version__}"


def _release(version: str) -> tuple[int, ...]:
    """Return the numbers of a version without its local label: "2.11.0+cpu" -> (2, 11, 0)."""
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0]))


def _is_cpu_only(version: str) -> bool:
    return version.endswith("+cpu")


if __name__ == "__main__":
    sys.exit(main())
