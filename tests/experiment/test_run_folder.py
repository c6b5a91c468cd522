"""The run folder: what is recorded, when a run resumes, and when another is refused."""

import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from summarymixing.experiment import load_experiment


def train_a_little(experiment):
    """Leave behind what makes a folder a run: a checkpoint."""
    (experiment.run_folder / "save" / "CKPT+2026-01-01+00-00-00+00").mkdir(parents=True)
    return experiment.run_folder


def test_hyperparams_yaml_gives_the_same_hparams(yaml_file):
    experiment = yaml_file.load("--lr", "0.25", "--width", "4")
    text = (experiment.run_folder / "hyperparams.yaml").read_text()
    assert "# any integer" in text
    again = load_hyperpyyaml(text)
    assert set(again) == set(experiment.hparams)
    for key in ("seed", "lr", "width", "output_folder", "experiment", "number_of_epochs"):
        assert again[key] == experiment.hparams[key]
    assert torch.equal(again["linear"].weight, experiment.hparams["linear"].weight)
    assert again["opt_class"].keywords == {"lr": 0.25, "momentum": 0.9}


def test_recorded_file_is_itself_an_experiment(yaml_file):
    experiment = yaml_file.load("--lr", "0.25")
    record = experiment.run_folder / "hyperparams.yaml"
    before = record.read_text()
    again = load_experiment([str(record)])
    assert record.read_text() == before
    assert (again.name, again.run_folder) == ("tiny", experiment.run_folder)
    assert again.hparams["lr"] == 0.25


def test_run_folder_has_a_log_and_no_leftovers(yaml_file):
    folder = yaml_file.load().run_folder
    logging.getLogger("a test").info("hello")
    assert "hello" in (folder / "log.txt").read_text()
    assert sorted(p.name for p in folder.iterdir()) == ["hyperparams.yaml", "log.txt"]


def test_same_command_and_longer_training_resume(yaml_file):
    train_a_little(yaml_file.load())
    yaml_file.load()
    experiment = yaml_file.load("--number_of_epochs", "9", "--optimizer_step_limit", "70")
    assert "number_of_epochs: 9" in (experiment.run_folder / "hyperparams.yaml").read_text()


def test_comments_and_spelling_of_numbers_do_not_stop_a_resume(yaml_file):
    train_a_little(yaml_file.load())
    yaml_file.edit("lr: 0.1", "# ten percent\nlr: 1.0e-1")
    assert yaml_file.load().hparams["lr"] == 0.1


def test_moved_run_folder_resumes(yaml_file, tmp_path):
    train_a_little(yaml_file.load()).rename(tmp_path / "moved")
    assert yaml_file.load("--output_folder", str(tmp_path / "moved")).name == "tiny"


def test_other_model_in_the_same_folder_is_refused(yaml_file):
    record = train_a_little(yaml_file.load()) / "hyperparams.yaml"
    before = record.read_text()
    message = yaml_file.refused("--width", "8", "--lr", "0.3", "--number_of_epochs", "9")
    assert str(record) in message
    # The keys that refer to them (linear, opt_class) are not listed, nor is the training length.
    assert "another value of lr, width;" in message
    assert "--output_folder" in message and "delete this folder" in message
    assert record.read_text() == before


def test_changed_tag_and_dropped_key_are_refused(yaml_file):
    train_a_little(yaml_file.load())
    yaml_file.edit("!name:torch.optim.SGD", "!name:torch.optim.RMSprop")
    yaml_file.edit("precision: fp32\n", "")
    assert "another value of opt_class, precision;" in yaml_file.refused()


def test_unreadable_record_is_named(yaml_file):
    record = yaml_file.load().run_folder / "hyperparams.yaml"
    record.write_text("a: [1\n")
    assert str(record) in yaml_file.refused()


def test_a_start_that_trained_nothing_makes_no_run(yaml_file):
    folder = yaml_file.load("--width", "4").run_folder
    # What the start made before its error, for settings that are now others.
    for name in ("run.json", "tokenizer.ckpt", "labels_command.txt"):
        (folder / name).write_text("of the failed start")
    (folder / "manifests").mkdir()
    (folder / "save").mkdir()
    assert yaml_file.load("--width", "5").run_folder == folder
    assert "width: 5" in (folder / "hyperparams.yaml").read_text()
    assert sorted(path.name for path in folder.iterdir()) == ["hyperparams.yaml", "log.txt", "manifests", "save"]


def test_checkpoints_elsewhere_and_a_finished_model_make_a_run(yaml_file, tmp_path):
    yaml_file.edit("lr: 0.1", f"lr: 0.1\nsave_folder: {tmp_path / 'elsewhere'}")
    folder = yaml_file.load().run_folder
    (tmp_path / "elsewhere" / "CKPT+1").mkdir(parents=True)
    message = yaml_file.refused("--save_folder", str(tmp_path / "third"))
    assert "another value of save_folder;" in message
    (tmp_path / "elsewhere" / "CKPT+1").rmdir()
    yaml_file.load("--width", "4")
    (folder / "model.ckpt").write_text("")
    assert "another value of width;" in yaml_file.refused()


def test_failed_build_records_nothing(yaml_file, tmp_path):
    yaml_file.refused("--width", "-3")
    assert not (tmp_path / "runs").exists()
    assert yaml_file.load().hparams["width"] == 3


def test_only_the_first_process_of_torchrun_writes(yaml_file, tmp_path, monkeypatch):
    for name, rank in (("RANK", "1"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, rank)
    folder = yaml_file.load("--device", "cpu").run_folder
    assert folder == tmp_path / "runs/tiny/1234" and not folder.exists()
    monkeypatch.setenv("RANK", "0")
    yaml_file.load("--device", "cpu", "--width", "4")
    (folder / "tokenizer.ckpt").write_text("of the failed start")
    monkeypatch.setenv("RANK", "1")
    yaml_file.load("--device", "cpu", "--width", "5")
    assert (folder / "tokenizer.ckpt").exists() and "width: 4" in (folder / "hyperparams.yaml").read_text()


def test_a_job_of_slurm_without_torchrun_writes(yaml_file, monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "3")
    assert (yaml_file.load().run_folder / "hyperparams.yaml").exists()


@pytest.mark.slow
def test_two_processes_outside_git_share_a_folder(yaml_file, tmp_path):
    """Two processes under torchrun's variables: one writes, both get the objects."""
    program = tmp_path / "load.py"
    program.write_text(
        "import json\nfrom summarymixing.experiment.load import load_experiment\n"
        "import torch.distributed as dist\n"
        "from speechbrain.utils.distributed import ddp_init_group\n"
        "e = load_experiment()\n"
        "assert not dist.is_initialized()\n"
        "ddp_init_group(e.run_opts)\n"
        "print('RESULT', json.dumps([e.hparams['width'], dist.get_world_size()]))\n"
        "dist.barrier()\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    environment = {
        **os.environ,
        "PYTHONPATH": root,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "WORLD_SIZE": "2",
    }
    command = [sys.executable, str(program), str(yaml_file), "--distributed_backend", "gloo"]
    running = [
        subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        result = next(line for line in out.splitlines() if line.startswith("RESULT"))
        assert json.loads(result.removeprefix("RESULT")) == [3, 2]
    assert (tmp_path / "runs/tiny/1234/hyperparams.yaml").exists()


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
