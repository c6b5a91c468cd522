"""Tests of tools/check_env.py, fed with made-up installations."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "check_env.py"
PINS = {"torch": "2.11.0", "torchaudio": "2.11.0", "speechbrain": "1.1.2"}


@pytest.fixture(scope="module")
def check_env():
    spec = importlib.util.spec_from_file_location("check_env", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_env"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["check_env"]


def test_this_installation_is_as_tested(check_env):
    pins = check_env.read_pins(check_env.REQUIREMENTS)
    findings = check_env.report(pins, check_env.installed_versions(pins))
    assert [str(f) for f in findings if f.status == "wrong"] == []
    text = "\n".join(map(str, findings))
    for word in ("espeak-ng", "libsndfile", "torch 2.11.0 and torchaudio 2.11.0", "Python 3."):
        assert word in text


def test_runs_and_fails_with_the_standard_library_alone():
    command = [sys.executable, "-I", "-S", str(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == ""
    pins = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line]
    for pin in pins:
        assert f"{pin.partition('==')[0]} is not installed" in done.stdout
        assert pin in done.stdout
    assert f"{len(pins)} thing(s) to correct" in done.stdout


def test_pins_are_read_from_the_requirements_file(check_env, tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("# a comment\ntorch==2.11.0\n\nespeakng-loader==0.2.4  # voices\nnumpy\n")
    assert check_env.read_pins(path) == {"torch": "2.11.0", "espeakng-loader": "0.2.4"}


@pytest.mark.parametrize(
    ("version", "status", "word"),
    [
        ((3, 10), "wrong", "too old"),
        ((3, 11), "ok", "Python 3.11"),
        ((3, 12), "ok", "Python 3.12"),
        ((3, 13), "wrong", "newer than what was tested"),
    ],
)
def test_python(check_env, version, status, word):
    finding = check_env.check_python(version)
    assert finding.status == status
    assert word in finding.text
    assert bool(finding.cure) == (status == "wrong")


def test_missing_and_other_versions(check_env):
    installed = {"torch": "2.11.0", "speechbrain": "1.0.3"}
    torch, torchaudio, speechbrain = check_env.check_packages(PINS, installed)
    assert torch.status == "ok"
    assert str(torchaudio) == ("wrong  torchaudio is not installed  ->  pip install torch==2.11.0 torchaudio==2.11.0")
    assert speechbrain.status == "wrong"
    assert speechbrain.text == "speechbrain 1.0.3 is installed, 1.1.2 was tested"
    assert speechbrain.cure == "pip install speechbrain==1.1.2"


def test_local_label_is_no_other_version(check_env):
    installed = {"torch": "2.11.0+cu130", "torchaudio": "2.11.0+cu130", "speechbrain": "1.1.2"}
    findings = check_env.check_packages(PINS, installed)
    assert [finding.status for finding in findings] == ["ok"] * 3
    assert check_env.check_torch_pair(PINS, installed).status == "ok"


@pytest.mark.parametrize(
    ("torch", "torchaudio", "error", "word"),
    [
        ("2.12.0", "2.11.0", "OSError: undefined symbol", "of different versions"),
        ("2.11.0+cpu", "2.11.0", None, "CPU-only torch"),
        ("2.11.0", "2.11.0", "OSError: libcudart.so", "does not load: OSError: libcudart.so"),
    ],
)
def test_torch_and_torchaudio_that_do_not_fit(check_env, torch, torchaudio, error, word):
    installed = {"torch": torch, "torchaudio": torchaudio}
    finding = check_env.check_torch_pair(PINS, installed, error)
    assert finding.status == "wrong"
    assert word in finding.text
    assert finding.cure == "pip install --force-reinstall torch==2.11.0 torchaudio==2.11.0"


def test_cpu_only_pair_is_fine(check_env):
    installed = {"torch": "2.11.0+cpu", "torchaudio": "2.11.0+cpu"}
    assert check_env.check_torch_pair(PINS, installed).status == "ok"


def test_half_a_pair_is_reported_once(check_env):
    assert check_env.check_torch_pair(PINS, {"torch": "2.11.0"}) is None


@pytest.mark.parametrize(
    ("version", "bad"),
    [("1.0.3", True), ("1.1.1", True), ("1.1.2", False), ("1.2.0", False), (None, False)],
)
def test_speechbrain_that_drops_lengths(check_env, version, bad):
    finding = check_env.check_speechbrain(version, "1.1.2")
    assert (finding is not None) == bad
    if bad:
        assert "drops the utterances' lengths" in finding.text
        assert finding.cure == "pip install speechbrain==1.1.2"


def test_library_that_does_not_load(check_env):
    def load():
        raise OSError("no\nsuch file")

    finding = check_env.check_loads("espeak-ng", load, "pip install it")
    assert str(finding) == "wrong  espeak-ng does not load: OSError: no such file  ->  pip install it"
    assert check_env.check_loads("espeak-ng", lambda: "version 2", "").text == "espeak-ng: version 2"


@pytest.mark.parametrize(
    ("available", "built", "status", "word"),
    [
        (True, "13.0", "ok", "CUDA 13.0: A GPU"),
        (False, "13.0", "note", "no GPU seen"),
        (False, None, "note", "built without CUDA"),
    ],
)
def test_cuda(check_env, available, built, status, word):
    cuda = SimpleNamespace(is_available=lambda: available, device_count=lambda: 1, get_device_name=lambda i: "A GPU")
    torch = SimpleNamespace(cuda=cuda, version=SimpleNamespace(cuda=built))
    finding = check_env.check_cuda(torch)
    assert finding.status == status
    assert word in finding.text
    assert finding.cure == ""


def test_import_that_fails_is_one_line(check_env):
    assert check_env.import_error("json") is None
    assert check_env.import_error("no_such_module").startswith("ModuleNotFoundError: No module")
