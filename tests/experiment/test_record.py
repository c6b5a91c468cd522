"""Tests of summarymixing.experiment.record."""

import json
import os
import platform
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import summarymixing
from summarymixing.experiment import record as run_record
from summarymixing.experiment.record import RunRecord, count_parameters
from summarymixing.utils.errors import InputError


def stored(folder):
    return json.loads((folder / "run.json").read_text())


def test_new_record_says_what_ran_and_where(tmp_path):
    folder = tmp_path / "new" / "run"
    RunRecord.open(folder, argv=["train.py", "a.yaml", "--seed", "3"], seed=3)
    data = stored(folder)
    assert data["command"] == [["train.py", "a.yaml", "--seed", "3"]]
    assert data["seed"] == 3
    assert set(data["versions"]) == {*("python", "summarymixing", "torch", "torchaudio", "speechbrain", "hyperpyyaml")}
    assert data["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert data["versions"]["summarymixing"] == summarymixing.__version__
    assert set(data["machine"]) == {"cpu", "cores", "threads", "memory_bytes", "gpus", "os"}
    assert data["machine"]["threads"] == torch.get_num_threads()
    assert data["machine"]["memory_bytes"] > 2**28
    assert data["started"].endswith("+00:00") and data["finished"] is None
    assert data["epochs"] == [] and data["metrics"] == {} and data["parameters"] == {}


def test_machine_has_neither_host_nor_user_name(tmp_path):
    RunRecord.open(tmp_path, argv=[str(Path.home() / "train.py"), f"--x={Path.home()}/data"])
    data = stored(tmp_path)
    assert data["command"] == [["~/train.py", "--x=~/data"]]
    assert str(Path.home()) + os.sep not in json.dumps(data)
    assert (platform.node() or "no name") not in json.dumps(data["machine"])


def test_resumed_run_keeps_its_past_and_adds_its_command(tmp_path):
    first = RunRecord.open(tmp_path, argv=["train.py"], seed=1)
    first.epoch(1, 2.0, train_loss=3.0)
    first.finish()
    started = stored(tmp_path)["started"]
    again = RunRecord.open(tmp_path, argv=["train.py", "--number_of_epochs", "9"])
    assert again.data["command"] == [["train.py"], ["train.py", "--number_of_epochs", "9"]]
    assert again.data["seed"] == 1
    assert again.data["started"] == started and again.data["finished"] is None
    assert again.data["epochs"] == [{"epoch": 1, "seconds": 2.0, "train_loss": 3.0}]


def test_opening_to_read_changes_nothing(tmp_path):
    RunRecord.open(tmp_path, argv=["train.py"], seed=1).finish()
    before = (tmp_path / "run.json").read_bytes()
    assert RunRecord.open(tmp_path).data["command"] == [["train.py"]]
    assert (tmp_path / "run.json").read_bytes() == before


def test_epoch_done_again_replaces_its_entry(tmp_path):
    record = RunRecord.open(tmp_path)
    for number, loss in ((1, 5.0), (2, 4.0), (3, 3.0), (2, 4.5)):
        record.epoch(number, seconds=1, train_loss=loss, valid_wer=50)
    assert [(e["epoch"], e["train_loss"]) for e in stored(tmp_path)["epochs"]] == [
        (1, 5.0),
        (2, 4.5),
        (3, 3.0),
    ]
    assert stored(tmp_path)["epochs"][0]["valid_wer"] == 50


def test_metrics_are_kept_by_split(tmp_path):
    record = RunRecord.open(tmp_path)
    record.metrics("test-clean", wer=10.0, cer=4.0)
    record.metrics("test-other", wer=20.0)
    record.metrics("test-clean", wer=9.0)
    assert stored(tmp_path)["metrics"] == {
        "test-clean": {"wer": 9.0, "cer": 4.0},
        "test-other": {"wer": 20.0},
    }


def test_finish_records_the_time(tmp_path):
    record = RunRecord.open(tmp_path)
    record.finish()
    data = stored(tmp_path)
    assert data["finished"] >= data["started"]


def test_tensors_become_numbers_and_nan_becomes_null(tmp_path):
    record = RunRecord.open(tmp_path)
    record.metrics("test", a=torch.tensor(2.0), b=np.float32(0.5), c=np.int64(3), d=float("nan"))
    record.set("more", [float("inf"), (1, torch.tensor(4)), Path("x/y")])
    assert stored(tmp_path)["metrics"]["test"] == {"a": 2.0, "b": 0.5, "c": 3, "d": None}
    assert stored(tmp_path)["more"] == [None, [1, 4], "x/y"]


def test_parameters_count_shared_ones_once():
    shared = torch.nn.Linear(3, 2)
    modules = torch.nn.ModuleDict({"encoder": shared, "decoder": torch.nn.Sequential(shared)})
    assert count_parameters(modules) == {"total": 8, "encoder": 8, "decoder": 8}


def test_peak_memory_is_of_the_process_and_never_falls(tmp_path, monkeypatch):
    monkeypatch.setattr(run_record, "peak_memory", lambda: (run_record.PROCESS_MEMORY, 100))
    record = RunRecord.open(tmp_path)
    monkeypatch.setattr(run_record, "peak_memory", lambda: (run_record.PROCESS_MEMORY, 70))
    record.save()
    assert stored(tmp_path)["peak_memory_bytes"] == 100
    assert stored(tmp_path)["peak_memory_kind"] == "resident memory of the process"


def test_peak_memory_of_the_gpu_replaces_the_processs_and_survives_a_resume(tmp_path, monkeypatch):
    record = RunRecord.open(tmp_path)
    monkeypatch.setattr(run_record, "peak_memory", lambda: (run_record.CUDA_MEMORY, 50))
    record.save()
    monkeypatch.setattr(run_record, "peak_memory", lambda: (run_record.PROCESS_MEMORY, 900))
    RunRecord.open(tmp_path, argv=["train.py"])
    data = stored(tmp_path)
    assert (data["peak_memory_bytes"], data["peak_memory_kind"]) == (50, run_record.CUDA_MEMORY)


def test_measured_peak_is_in_bytes():
    kind, before = run_record.peak_memory()
    block = bytearray(300_000_000)
    after = run_record.peak_memory()[1]
    del block
    assert kind == run_record.PROCESS_MEMORY or torch.cuda.is_available()
    assert before > 50_000_000
    assert after >= before


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", '{"command": {}}', "\x00"])
def test_unreadable_record_is_named(tmp_path, text):
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        RunRecord.open(tmp_path, argv=["train.py"])
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert path.read_text() == text


def test_only_the_main_process_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(run_record, "if_main_process", lambda: False)
    RunRecord.open(tmp_path, argv=["train.py"]).metrics("test", wer=1.0)
    assert list(tmp_path.iterdir()) == []


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    record = RunRecord.open(tmp_path)
    before = (tmp_path / "run.json").read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        record.metrics("test", wer=1.0)
    assert (tmp_path / "run.json").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git checkout that the package seems to lie in."""
    package = tmp_path / "project" / "summarymixing"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(summarymixing, "__file__", str(package / "__init__.py"))
    return package.parent


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_commit_and_dirty_flag(checkout):
    git(checkout, "init")
    git(checkout, "add", ".")
    git(checkout, "commit", "-m", "first")
    head = git(checkout, "rev-parse", "HEAD")
    assert run_record.git_state() == (head, False)
    (checkout / "summarymixing" / "__init__.py").write_text("x = 1\n")
    assert run_record.git_state() == (head, True)


def test_no_commit_outside_git(checkout, tmp_path):
    assert run_record.git_state() == (None, None)
    RunRecord.open(tmp_path / "run", argv=["train.py"])
    assert stored(tmp_path / "run")["commit"] is None
    assert stored(tmp_path / "run")["dirty"] is None


def test_checkout_of_another_project_is_not_ours(checkout):
    git(checkout.parent, "init")
    assert run_record.git_state() == (None, None)


def test_no_git_program(checkout, monkeypatch):
    git(checkout, "init")
    monkeypatch.setenv("PATH", "")
    assert run_record.git_state() == (None, None)
