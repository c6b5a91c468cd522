"""A YAML file says which of its keys may change on resume, and which make it no other experiment."""

import pytest
import speechbrain

from summarymixing.experiment import RunRecord, resolve_yaml
from summarymixing.experiment.key_lists import neutral_keys, resumable_keys
from summarymixing.experiment.run_options import NEUTRAL, RESUMABLE, RUN_OPTIONS
from summarymixing.experiment.yaml_tree import key_nodes
from summarymixing.utils.errors import InputError


def trained(experiment):
    (experiment.run_folder / "save" / "CKPT+1").mkdir(parents=True)


def test_a_key_of_ones_own_may_be_made_resumable(yaml_file):
    yaml_file.edit("width: 3", "width: 3\nbeam: 4")
    trained(yaml_file.load())
    assert "another value of beam;" in yaml_file.refused("--beam", "8")
    yaml_file.edit("  length: [", "  tests: [beam]\n  length: [")  # which is itself no other run
    assert yaml_file.load("--beam", "8").hparams["beam"] == 8


def test_a_run_from_before_these_lists_resumes(yaml_file):
    folder = yaml_file.load().run_folder
    (folder / "save" / "CKPT+1").mkdir(parents=True)
    record = folder / "hyperparams.yaml"
    record.write_text(record.read_text().partition("__resumable:")[0])
    assert yaml_file.load("--number_of_epochs", "9").run_folder == folder


def test_a_variant_adds_a_list_of_its_own(yaml_file, tmp_path):
    variant = tmp_path / "v.yaml"
    variant.write_text(
        "base: !applyref:summarymixing.variant_of [tiny.yaml]\n__resumable: {tests: [lr]}\n__neutral: {run: [seed]}\n"
    )
    text = resolve_yaml(variant)
    assert {"lr", "number_of_epochs", "device", "output_folder"} <= resumable_keys(text)
    assert {"seed", "device", "output_folder"} <= neutral_keys(text)
    assert "seed" not in resumable_keys(text) and "lr" not in neutral_keys(text)


@pytest.mark.parametrize(
    ("lists", "reason"),
    [
        (
            "{length: [number_of_epoch]}",
            "lists 'number_of_epoch', which is not a key of this file (did you mean 'number_of",
        ),
        *(
            (value, "must hold lists of keys under names")
            for value in ("[lr]", "lr", "{a: lr}", "{a: [1]}", "!new:A {}")
        ),
    ],
)
def test_lists_that_say_nothing_are_refused(yaml_file, lists, reason):
    yaml_file.edit("__resumable:\n  length: [number_of_epochs]", f"__resumable: {lists}")
    message = yaml_file.refused()
    assert message.startswith(f"{yaml_file}: key '__resumable' ") and reason in message
    text = "lr: 1\n" + f"__neutral: {lists}\n"
    with pytest.raises(InputError, match="some.yaml: key '__neutral' "):
        neutral_keys(text, "some.yaml")


def test_a_record_tells_which_options_make_it_no_other_experiment(yaml_file):
    yaml_file.edit("__resumable:", "__neutral:\n  run: [seed]\n__resumable:")
    experiment = yaml_file.load()
    neutral = RunRecord.open(experiment.run_folder, argv=["train.py"]).data["neutral"]
    assert {"seed", "output_folder", "device"} <= set(neutral) and "lr" not in neutral
    RunRecord.open(experiment.run_folder / "no_experiment", argv=["train.py"])


def test_run_options_are_those_of_speechbrain():
    known = set(speechbrain.utils.run_opts.RunOptions().as_dict())
    assert RESUMABLE | NEUTRAL <= RUN_OPTIONS <= known


def test_every_base_lists_its_keys(experiment_files):
    """A variant has the lists of its base."""
    bases = [file for file in experiment_files if "bookkeeping.yaml" in file.read_text()]
    variants = [file for file in experiment_files if file not in bases]
    assert len(bases) > 8 and not any("__resumable" in file.read_text() for file in variants)
    for file in bases:
        text = resolve_yaml(file)
        resumable, neutral = resumable_keys(text, str(file)), neutral_keys(text, str(file))
        assert {"number_of_epochs", "test_splits", "num_workers"} & key_nodes(text).keys() <= resumable
        assert {"data_folder", "seed", "num_workers"} & key_nodes(text).keys() <= neutral
        learnt = {"model", "encoder", "mixer", "lr", "optimizer", "d_model", "num_layers", "vocab_size", "augment"}
        assert not learnt & (resumable | neutral) and "seed" not in resumable
