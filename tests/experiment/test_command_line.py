"""Loading an experiment: what the command line may say, and what it gets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import speechbrain
import torch
from hyperpyyaml import load_hyperpyyaml

from summarymixing.experiment import load_experiment
from summarymixing.utils.errors import InputError, command_line
from summarymixing.utils.seeds import step_seed

ROOT = Path(__file__).resolve().parents[2]


def test_experiment_has_name_folder_and_objects(yaml_file, tmp_path):
    experiment = yaml_file.load("--seed", "3", "--device", "cpu")
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
    first = yaml_file.load().hparams["linear"].weight
    torch.rand(5)
    assert torch.equal(first, yaml_file.load(*words).hparams["linear"].weight)
    other = ["--seed", "9", "--output_folder", str(tmp_path / "c")]
    assert not torch.equal(first, yaml_file.load(*other).hparams["linear"].weight)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--lr", "1e-3"], 0.001),
        (["--lr=0.5"], 0.5),
        (["--lr", "-1"], -1),
        (["--lr", "!ref <width>"], 3),
        (["--lr", "null"], None),
    ],
)
def test_override_values(yaml_file, words, value):
    assert yaml_file.load(*words).hparams["lr"] == value


def test_overrides_reach_references(yaml_file):
    assert yaml_file.load("--width", "6").hparams["linear"].in_features == 6


def test_mapping_override_replaces_a_part_and_keeps_the_rest(yaml_file):
    sgd = yaml_file.load("--opt_class", "{momentum: 0.5}").hparams["opt_class"]
    assert sgd.keywords == {"lr": 0.1, "momentum": 0.5}


def test_tagged_override_replaces_the_tag_and_all_arguments(yaml_file):
    adam = yaml_file.load("--opt_class", "!name:torch.optim.Adam {lr: 0.2}").hparams["opt_class"]
    assert adam.func is torch.optim.Adam
    assert adam.keywords == {"lr": 0.2}


def test_key_that_begins_like_a_run_option_is_still_a_key(yaml_file):
    # argparse would take --debug_b for --debug_batches.
    yaml_file.edit("width: 3", "width: 3\ndebug_b: 1")
    experiment = yaml_file.load("--debug_b", "4")
    assert experiment.hparams["debug_b"] == 4
    assert experiment.run_opts == {}


# Run options


def test_defaults_of_run_options_do_not_undo_the_yaml(yaml_file):
    experiment = yaml_file.load("--device", "cpu", "--noprogressbar")
    assert experiment.run_opts == {"device": "cpu", "noprogressbar": True}
    brain = speechbrain.Brain(hparams=experiment.hparams, run_opts=experiment.run_opts)
    assert brain.grad_accumulation_factor == 2
    assert brain.max_grad_norm == 0.5
    assert brain.optimizer_step_limit == 7
    assert brain.precision == "fp32"


def test_typed_run_option_wins_and_is_recorded(yaml_file):
    experiment = yaml_file.load("--device=cpu", "--precision", "bf16", "--max_grad_norm", "1")
    brain = speechbrain.Brain(hparams=experiment.hparams, run_opts=experiment.run_opts)
    assert (brain.precision, brain.max_grad_norm) == ("bf16", 1.0)
    assert brain.grad_accumulation_factor == 2
    record = load_hyperpyyaml((experiment.run_folder / "hyperparams.yaml").read_text())
    assert (record["precision"], record["max_grad_norm"]) == ("bf16", 1.0)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--skip_nonfinite_grads"], True),
        (["--skip_nonfinite_grads", "no"], False),
        (["--skip_nonfinite_grads=on"], True),
    ],
)
def test_a_flag_of_speechbrain_takes_a_truth_value(yaml_file, words, value):
    yaml_file.edit("precision: fp32", "precision: fp32\nskip_nonfinite_grads: true")
    experiment = yaml_file.load(*words, "--device", "cpu")
    brain = speechbrain.Brain(hparams=experiment.hparams, run_opts=experiment.run_opts)
    assert experiment.hparams["skip_nonfinite_grads"] is brain.skip_nonfinite_grads is value


def test_run_option_with_several_values(yaml_file):
    experiment = yaml_file.load("--jit_module_keys", "a", "b", "--seed", "2")
    assert experiment.run_opts == {"jit_module_keys": ["a", "b"]}


# Refused


@pytest.mark.parametrize("argv", [[], ["--seed", "3"]])
def test_missing_yaml_argument(argv):
    with pytest.raises(InputError, match="first argument must be the YAML file"):
        load_experiment(argv)


def test_missing_yaml_file(yaml_file, tmp_path):
    message = type(yaml_file)(tmp_path / "absent.yaml").refused()
    assert message == f"{tmp_path / 'absent.yaml'}: there is no such YAML file"


def test_unknown_override_names_file_and_closest_key(yaml_file):
    message = yaml_file.refused("--sede", "3")
    assert str(yaml_file) in message
    assert "--sede is neither a top-level key of this file nor a run option" in message
    assert "did you mean 'seed'?" in message


def test_unknown_override_suggests_run_options(yaml_file):
    assert "did you mean 'device'?" in yaml_file.refused("--devise", "cpu")


def test_abbreviated_run_option_is_refused(yaml_file):
    # argparse takes --dev for --device, and SpeechBrain then ignores it.
    assert "--dev is neither" in yaml_file.refused("--dev", "cpu")


@pytest.mark.parametrize("word", ["opt_class[lr]", "opt_class.lr"])
def test_nested_override_shows_the_mapping_form(yaml_file, word):
    message = yaml_file.refused(f"--{word}", "3")
    assert f"{yaml_file}: --{word}" in message
    assert '--opt_class "{lr: value}"' in message


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--lr"], "--lr: needs a value"),
        (["--lr="], "--lr: needs a value"),
        (["--lr", "[1"], "--lr: '[1' is not a number"),
        (["--lr", "{a: 1}"], "--lr: '{a: 1}' is not a number"),
        (["--opt_class", "{lr: 1"], "--opt_class: the value '{lr: 1' is not valid YAML"),
        (["--opt_class", "adam"], "--opt_class: 'adam' does not suit this key, which holds an object"),
        (["stray"], "argument 'stray' follows no --key"),
        (["--debug", "True", "1"], "bad run option: there is a value too many in: 1"),
        (["--debug", "maybe"], "bad run option: --debug maybe: give one of true, yes, on, false, no, off"),
        (["--precision", "fp8"], "bad run option: argument --precision: invalid choice: 'fp8'"),
        (["--max_grad_norm", "much"], "bad run option: argument --max_grad_norm"),
        (["--device"], "bad run option: argument --device"),
    ],
)
def test_bad_values(yaml_file, words, reason):
    assert reason in yaml_file.refused(*words)


@pytest.mark.parametrize("seed", [0, 2**32 - 1, 2**32, 20240601, 2**62 + 1, 2**63 - 1, 2**63])
def test_any_seed_up_to_2_to_the_63_works(yaml_file, tmp_path, seed):
    weights = {}
    for name, words in {"a": [seed], "b": [seed], "c": [(seed + 2**32) % (2**63 + 1)]}.items():
        loaded = yaml_file.load("--seed", str(words[0]), "--output_folder", str(tmp_path / f"{name}"))
        weights[name] = loaded.hparams["linear"].weight
    assert torch.equal(weights["a"], weights["b"]) and not torch.equal(weights["a"], weights["c"])
    # Every step of every process has a seed of its own that PyTorch takes.
    seeds = [step_seed(seed, epoch, batch) for epoch in (1, 2) for batch in range(1, 7)]
    assert len(set(seeds)) == len(seeds)
    for number in seeds:
        torch.Generator().manual_seed(number)


@pytest.mark.parametrize(
    ("words", "takes"),
    [
        (["--seed", "-1"], "a whole number from 0 to 9223372036854775808"),
        (["--seed", str(2**63 + 1)], "a whole number from 0 to 9223372036854775808"),
        (["--seed", "1.5"], "a whole number from 0 to"),
        (["--seed", "null"], "a whole number from 0 to"),
        (["--number_of_epochs", "0"], "a whole number from 1 on"),
        (["--number_of_epochs", "-1"], "a whole number from 1 on"),
        (["--number_of_epochs", "2.5"], "a whole number from 1 on"),
        (["--grad_accumulation_factor", "0"], "a whole number from 1 on"),
        (["--num_workers", "-1"], "a whole number from 0 on"),
        (["--eval_batch_size", "0"], "a whole number from 1 on"),
        (["--max_batch_length", "0"], "a number above 0"),
        (["--max_batch_ex", "0"], "a whole number from 1 on, or null"),
        (["--max_bad_fraction", "1.5"], "a number from 0 to 1"),
        (["--ckpt_interval_minutes", "-2"], "a whole number from 0 on"),
        (["--debug_batches", "0"], "a whole number from 1 on"),
        (["--train_splits", "[]"], "at least one name"),
    ],
)
def test_a_value_out_of_bounds_names_the_key_and_what_it_takes(yaml_file, words, takes):
    yaml_file.edit(
        "width: 3",
        "width: 3\nnum_workers: 0\neval_batch_size: 8\nmax_batch_length: 20\nmax_batch_ex: null\n"
        "max_bad_fraction: 0.01\ntrain_splits: [a]",
    )
    message = yaml_file.refused(*words)
    assert message.startswith(f"{yaml_file}: {' '.join(words)}: this key takes {takes}")


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "cpu:x"])
def test_a_device_that_is_not_there_is_refused(yaml_file, device):
    message = yaml_file.refused("--device", device)
    assert message.startswith(f"--device {device}: PyTorch cannot use this device; take another, such as --device cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the GPU that the test wants missing")
def test_cuda_without_a_gpu_is_refused(yaml_file):
    assert "--device cuda: PyTorch cannot use this device" in yaml_file.refused("--device", "cuda")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_program_whose_reader_leaves_ends_without_a_word(tmp_path, stream):
    program = tmp_path / "talk.py"
    program.write_text(
        "import sys\nfrom summarymixing.utils.errors import command_line\n@command_line\ndef main():\n"
        f"    for number in range(100000):\n        print(number, file=sys.{stream})\nmain()\n"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, str(program)], env={**os.environ, "PYTHONPATH": str(ROOT)}, **pipes)
    getattr(process, stream).readline()
    getattr(process, stream).close()
    other = process.stderr if stream == "stdout" else process.stdout
    assert other.read() == b""
    assert process.wait(60) == 141
    other.close()


def test_command_line_shows_the_error_without_traceback(yaml_file, capsys):
    with pytest.raises(SystemExit) as caught:
        command_line(load_experiment)([str(yaml_file), "--sede", "3"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {yaml_file}: --sede")
