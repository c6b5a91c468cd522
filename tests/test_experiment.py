"""Tests of summarymixing.experiment: command line, building, run folder."""

import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import speechbrain
import torch
from hyperpyyaml import load_hyperpyyaml

from summarymixing.errors import InputError, command_line
from summarymixing.experiment import load_experiment

YAML = """\
# A tiny experiment
seed: 1234  # any integer
__set_seed: !apply:speechbrain.utils.seed_everything [!ref <seed>]
output_folder: !ref {folder}/<experiment>/<seed>
number_of_epochs: 5
lr: 0.1
width: 3
precision: fp32
grad_accumulation_factor: 2
max_grad_norm: 0.5
optimizer_step_limit: 7
linear: !new:torch.nn.Linear
  in_features: !ref <width>
  out_features: 2
opt_class: !name:torch.optim.SGD
  lr: !ref <lr>
  momentum: 0.9
epoch_counter: !new:speechbrain.utils.epoch_loop.EpochCounter
  limit: !ref <number_of_epochs>
"""


@pytest.fixture(autouse=True)
def restored_logging():
    """Take SpeechBrain's log handlers away again, which would keep tmp_path's files open."""
    root = logging.getLogger()
    handlers, level, seed = root.handlers[:], root.level, os.environ.get("SB_GLOBAL_SEED")
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:], root.level = handlers, level
    if seed is None:
        os.environ.pop("SB_GLOBAL_SEED", None)


@pytest.fixture
def yaml_file(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(YAML.format(folder=tmp_path / "runs"))
    return path


def load(yaml_file, *words):
    return load_experiment([str(yaml_file), *words])


def refused(yaml_file, *words):
    """Return the message with which the command line is refused; it is one line."""
    with pytest.raises(InputError) as caught:
        load(yaml_file, *words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edited(yaml_file, old, new):
    text = yaml_file.read_text()
    assert old in text
    yaml_file.write_text(text.replace(old, new))
    return yaml_file


# What is loaded


def test_experiment_has_name_folder_and_objects(yaml_file, tmp_path):
    experiment = load(yaml_file, "--seed", "3", "--device", "cpu")
    assert experiment.name == "tiny"
    assert experiment.yaml_file == yaml_file
    assert experiment.run_folder == tmp_path / "runs/tiny/3"
    assert experiment.run_folder.is_dir()
    assert experiment.hparams["seed"] == 3
    assert isinstance(experiment.hparams["linear"], torch.nn.Linear)
    assert experiment.run_opts == {"device": "cpu"}
    assert experiment.overrides == {"seed": 3}
    assert experiment.argv == [str(yaml_file), "--seed", "3", "--device", "cpu"]


def test_arguments_default_to_the_programs(yaml_file, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", str(yaml_file), "--seed=8"])
    assert load_experiment().hparams["seed"] == 8


def test_same_seed_gives_same_weights(yaml_file, tmp_path):
    words = ["--output_folder", str(tmp_path / "b")]
    first = load(yaml_file).hparams["linear"].weight
    torch.rand(5)
    assert torch.equal(first, load(yaml_file, *words).hparams["linear"].weight)
    other = ["--seed", "9", "--output_folder", str(tmp_path / "c")]
    assert not torch.equal(first, load(yaml_file, *other).hparams["linear"].weight)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--lr", "1e-3"], 0.001),
        (["--lr=0.5"], 0.5),
        (["--lr", "-1"], -1),
        (["--lr", "!ref <width>"], 3),
        (["--lr", "[1, 2]"], [1, 2]),
        (["--lr", "/data/a=b/c"], "/data/a=b/c"),
        (["--lr=x=y"], "x=y"),
        (["--lr="], None),
        (["--lr", "False"], False),
    ],
)
def test_override_values(yaml_file, words, value):
    assert load(yaml_file, *words).hparams["lr"] == value


def test_overrides_reach_references(yaml_file):
    assert load(yaml_file, "--width", "6").hparams["linear"].in_features == 6


def test_mapping_override_replaces_a_part_and_keeps_the_rest(yaml_file):
    sgd = load(yaml_file, "--opt_class", "{momentum: 0.5}").hparams["opt_class"]
    assert sgd.keywords == {"lr": 0.1, "momentum": 0.5}


def test_tagged_override_replaces_the_tag_and_all_arguments(yaml_file):
    adam = load(yaml_file, "--opt_class", "!name:torch.optim.Adam {lr: 0.2}").hparams["opt_class"]
    assert adam.func is torch.optim.Adam
    assert adam.keywords == {"lr": 0.2}


def test_key_that_begins_like_a_run_option_is_still_a_key(yaml_file):
    # argparse would take --debug_b for --debug_batches.
    edited(yaml_file, "width: 3", "width: 3\ndebug_b: 1")
    experiment = load(yaml_file, "--debug_b", "4")
    assert experiment.hparams["debug_b"] == 4
    assert experiment.run_opts == {}


# Run options


def test_defaults_of_run_options_do_not_undo_the_yaml(yaml_file):
    experiment = load(yaml_file, "--device", "cpu", "--noprogressbar")
    assert experiment.run_opts == {"device": "cpu", "noprogressbar": True}
    brain = speechbrain.Brain(hparams=experiment.hparams, run_opts=experiment.run_opts)
    assert brain.grad_accumulation_factor == 2
    assert brain.max_grad_norm == 0.5
    assert brain.optimizer_step_limit == 7
    assert brain.precision == "fp32"


def test_typed_run_option_wins_and_is_recorded(yaml_file):
    experiment = load(yaml_file, "--device=cpu", "--precision", "bf16", "--max_grad_norm", "1")
    brain = speechbrain.Brain(hparams=experiment.hparams, run_opts=experiment.run_opts)
    assert (brain.precision, brain.max_grad_norm) == ("bf16", 1.0)
    assert brain.grad_accumulation_factor == 2
    record = load_hyperpyyaml((experiment.run_folder / "hyperparams.yaml").read_text())
    assert (record["precision"], record["max_grad_norm"]) == ("bf16", 1.0)


def test_run_option_with_several_values(yaml_file):
    experiment = load(yaml_file, "--jit_module_keys", "a", "b", "--seed", "2")
    assert experiment.run_opts == {"jit_module_keys": ["a", "b"]}


# The run folder


def test_hyperparams_yaml_gives_the_same_hparams(yaml_file):
    experiment = load(yaml_file, "--lr", "0.25", "--width", "4")
    text = (experiment.run_folder / "hyperparams.yaml").read_text()
    assert "# any integer" in text
    again = load_hyperpyyaml(text)
    assert set(again) == set(experiment.hparams)
    for key in ("seed", "lr", "width", "output_folder", "experiment", "number_of_epochs"):
        assert again[key] == experiment.hparams[key]
    assert torch.equal(again["linear"].weight, experiment.hparams["linear"].weight)
    assert again["opt_class"].keywords == {"lr": 0.25, "momentum": 0.9}


def test_recorded_file_is_itself_an_experiment(yaml_file):
    experiment = load(yaml_file, "--lr", "0.25")
    record = experiment.run_folder / "hyperparams.yaml"
    before = record.read_text()
    again = load(record)
    assert record.read_text() == before
    assert (again.name, again.run_folder) == ("tiny", experiment.run_folder)
    assert again.hparams["lr"] == 0.25


def test_run_folder_has_a_log_and_no_leftovers(yaml_file):
    folder = load(yaml_file).run_folder
    logging.getLogger("a test").info("hello")
    assert "hello" in (folder / "log.txt").read_text()
    assert sorted(p.name for p in folder.iterdir()) == ["hyperparams.yaml", "log.txt"]


def test_same_command_and_longer_training_resume(yaml_file):
    load(yaml_file)
    load(yaml_file)
    experiment = load(yaml_file, "--number_of_epochs", "9", "--optimizer_step_limit", "70")
    assert "number_of_epochs: 9" in (experiment.run_folder / "hyperparams.yaml").read_text()


def test_comments_and_spelling_of_numbers_do_not_stop_a_resume(yaml_file):
    load(yaml_file)
    edited(yaml_file, "lr: 0.1", "# ten percent\nlr: 1.0e-1")
    assert load(yaml_file).hparams["lr"] == 0.1


def test_moved_run_folder_resumes(yaml_file, tmp_path):
    load(yaml_file).run_folder.rename(tmp_path / "moved")
    assert load(yaml_file, "--output_folder", str(tmp_path / "moved")).name == "tiny"


def test_other_model_in_the_same_folder_is_refused(yaml_file):
    record = load(yaml_file).run_folder / "hyperparams.yaml"
    before = record.read_text()
    message = refused(yaml_file, "--width", "8", "--lr", "0.3", "--number_of_epochs", "9")
    assert str(record) in message
    # The keys that refer to them (linear, opt_class) are not listed, nor is the training length.
    assert "another value of lr, width;" in message
    assert "--output_folder" in message and "delete this folder" in message
    assert record.read_text() == before


def test_changed_tag_and_dropped_key_are_refused(yaml_file):
    load(yaml_file)
    edited(yaml_file, "!name:torch.optim.SGD", "!name:torch.optim.RMSprop")
    edited(yaml_file, "precision: fp32\n", "")
    assert "another value of opt_class, precision;" in refused(yaml_file)


def test_unreadable_record_is_named(yaml_file):
    record = load(yaml_file).run_folder / "hyperparams.yaml"
    record.write_text("a: [1\n")
    assert str(record) in refused(yaml_file)


def test_failed_build_records_nothing(yaml_file, tmp_path):
    refused(yaml_file, "--width", "wide")
    assert not (tmp_path / "runs").exists()
    assert load(yaml_file).hparams["width"] == 3


# Bad command lines


@pytest.mark.parametrize("argv", [[], ["--seed", "3"]])
def test_missing_yaml_argument(argv):
    with pytest.raises(InputError, match="first argument must be the YAML file"):
        load_experiment(argv)


def test_missing_yaml_file(tmp_path):
    message = refused(tmp_path / "absent.yaml")
    assert message == f"{tmp_path / 'absent.yaml'}: there is no such YAML file"


def test_unknown_override_names_file_and_closest_key(yaml_file):
    message = refused(yaml_file, "--sede", "3")
    assert str(yaml_file) in message
    assert "--sede is neither a top-level key of this file nor a run option" in message
    assert "did you mean 'seed'?" in message


def test_unknown_override_suggests_run_options(yaml_file):
    assert "did you mean 'device'?" in refused(yaml_file, "--devise", "cpu")


def test_abbreviated_run_option_is_refused(yaml_file):
    # argparse takes --dev for --device, and SpeechBrain then ignores it.
    assert "--dev is neither" in refused(yaml_file, "--dev", "cpu")


@pytest.mark.parametrize("word", ["opt_class[lr]", "opt_class.lr"])
def test_nested_override_shows_the_mapping_form(yaml_file, word):
    message = refused(yaml_file, f"--{word}", "3")
    assert f"{yaml_file}: --{word}" in message
    assert '--opt_class "{lr: value}"' in message


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--lr"], "--lr needs a value"),
        (["--lr", "[1"], "--lr: the value '[1' is not valid YAML"),
        (["--lr", "{a: 1}"], "--lr: a mapping cannot replace a part of 'lr'"),
        (["stray"], "argument 'stray' belongs to no --key"),
        (["--debug", "True"], "bad run option: one value too many in: --debug True"),
        (["--precision", "fp8"], "bad run option: argument --precision: invalid choice: 'fp8'"),
        (["--max_grad_norm", "much"], "bad run option: argument --max_grad_norm"),
        (["--device"], "bad run option: argument --device"),
    ],
)
def test_bad_values(yaml_file, words, reason):
    assert reason in refused(yaml_file, *words)


# Files that cannot be built


def test_placeholder_names_key_and_option(yaml_file):
    edited(yaml_file, "width: 3", "width: 3\ndata_folder: !PLACEHOLDER")
    message = refused(yaml_file)
    assert message == (f"{yaml_file}: key 'data_folder' has no value yet; give it with --data_folder VALUE")
    assert load(yaml_file, "--data_folder", "here").hparams["data_folder"] == "here"


def test_unknown_argument_of_a_class(yaml_file):
    edited(yaml_file, "out_features: 2", "out_feature: 2")
    with pytest.raises(InputError) as caught:
        load(yaml_file)
    message = str(caught.value)
    assert f"{yaml_file}: key 'linear': torch.nn.Linear: TypeError: " in message
    assert "unexpected keyword argument 'out_feature' (did you mean 'out_features'?)" in message
    assert isinstance(caught.value.__cause__, TypeError)


def test_unknown_argument_deep_inside_names_the_argument(yaml_file):
    # A factory's bad argument shows only when the module that calls it is built.
    edited(
        yaml_file,
        "linear: !new:torch.nn.Linear\n  in_features: !ref <width>\n  out_features: 2\n",
        "factory: !name:torch.nn.Linear\n  nheads: 4\nblocks: !apply:functools.reduce [!ref <factory>, [3, 2]]\n",
    )
    message = refused(yaml_file)
    assert "key 'blocks'" in message
    assert "unexpected keyword argument 'nheads'" in message


def test_failing_key_is_found_below_others_and_inside_them(yaml_file):
    yaml_file.write_text(
        yaml_file.read_text()
        + "modules:\n  good: !new:torch.nn.Linear [2, 2]\n  bad: !new:torch.nn.Linear [2]\n"
        + "last: 1\n"
    )
    message = refused(yaml_file)
    assert f"{yaml_file}: key 'modules': torch.nn.Linear: TypeError" in message
    assert "out_features" in message


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("!new:torch.nn.Linaer", "key 'linear': torch.nn.Linaer: ImportError"),
        ("!name:torch.nn.Linaer", "key 'linear': torch.nn.Linaer: ImportError"),
        ("!apply:torch.nn.Linaer", "key 'linear': torch.nn.Linaer: ImportError"),
        ("!new:torch.nn.functional.relu", "key 'linear': torch.nn.functional.relu: ValueError"),
    ],
)
def test_misspelt_class(yaml_file, tag, reason):
    edited(yaml_file, "!new:torch.nn.Linear", tag)
    assert f"{yaml_file}: {reason}" in refused(yaml_file)


def test_misspelt_module(yaml_file):
    edited(yaml_file, "lr: 0.1", "lr: 0.1\ncode: !module:torch.nnn")
    assert f"{yaml_file}: key 'code': torch.nnn: ImportError" in refused(yaml_file)


def test_error_raised_by_a_class_keeps_its_cause(yaml_file):
    edited(yaml_file, "lr: 0.1", "lr: 0.1\nn: !apply:math.sqrt [-1]")
    with pytest.raises(InputError, match="key 'n': math.sqrt: ValueError") as caught:
        load(yaml_file)
    assert isinstance(caught.value.__cause__, ValueError)


def test_reference_to_nothing(yaml_file):
    edited(yaml_file, "in_features: !ref <width>", "in_features: !ref <wdith>")
    message = refused(yaml_file)
    assert str(yaml_file) in message and "wdith" in message


def test_missing_output_folder(yaml_file):
    edited(yaml_file, "output_folder:", "out_folder:")
    assert f"{yaml_file}: key 'output_folder'" in refused(yaml_file)


def test_output_folder_that_is_a_file(yaml_file, tmp_path):
    (tmp_path / "taken").write_text("")
    message = refused(yaml_file, "--output_folder", str(tmp_path / "taken"))
    assert "key 'output_folder'" in message and "is a file" in message


def test_include_is_refused(yaml_file):
    edited(yaml_file, "lr: 0.1", "lr: 0.1\nmore: !include:more.yaml")
    assert f"{yaml_file}: `!include:` is not supported" in refused(yaml_file)


def test_command_line_shows_the_error_without_traceback(yaml_file, capsys):
    with pytest.raises(SystemExit) as caught:
        command_line(load_experiment)([str(yaml_file), "--sede", "3"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {yaml_file}: --sede")


def test_two_processes_outside_git_share_a_folder(yaml_file, tmp_path):
    """Two processes under torchrun's variables: one writes, both get the objects."""
    program = tmp_path / "load.py"
    program.write_text(
        "import json\nfrom summarymixing.experiment import load_experiment\n"
        "import torch.distributed as dist\n"
        "e = load_experiment()\n"
        "print('RESULT', json.dumps([e.hparams['width'], dist.get_world_size()]))\n"
        "dist.barrier()\n"
    )
    root = str(Path(__file__).resolve().parents[1])
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
