"""Keys that are null until the data say what they are: objects, record, resume."""

import pytest
from hyperpyyaml import load_hyperpyyaml

from summarymixing.experiment import load_experiment


@pytest.fixture
def sized_by_text(yaml_file):
    yaml_file.edit("width: 3\n", "width: 3\nvocab_size: null\n")
    yaml_file.edit("  out_features: 2\n", "  out_features: !ref <vocab_size>\n")
    return yaml_file


def record(experiment):
    return (experiment.run_folder / "hyperparams.yaml").read_text()


def test_the_data_size_the_model_and_the_record(sized_by_text):
    experiment = sized_by_text.load("--width", "4")
    assert experiment.hparams["vocab_size"] is None
    experiment.settle(vocab_size=31)
    assert experiment.hparams["linear"].weight.shape == (31, 4)
    assert load_hyperpyyaml(record(experiment))["linear"].weight.shape == (31, 4)


def test_a_mistake_in_another_key_shows_before_the_data_are_read(sized_by_text):
    assert "linear" in sized_by_text.refused("--width", "-3")


def test_a_run_that_trains_keeps_its_size(sized_by_text):
    experiment = sized_by_text.load()
    experiment.settle(vocab_size=31)
    assert sized_by_text.load().hparams["vocab_size"] is None  # nothing is trained yet: the text may change
    experiment.settle(vocab_size=31)
    (experiment.run_folder / "save" / "CKPT+1").mkdir(parents=True)
    again = sized_by_text.load()
    assert again.hparams["vocab_size"] == 31 and again.hparams["linear"].out_features == 31
    assert "vocab_size: 31" in record(again)
    assert "another value of vocab_size" in sized_by_text.refused("--vocab_size", "30")


def test_a_number_may_be_given_or_taken_back(sized_by_text):
    assert sized_by_text.load("--vocab_size", "30").hparams["linear"].out_features == 30
    sized_by_text.edit("vocab_size: null", "vocab_size: 12")
    assert load_experiment([str(sized_by_text), "--vocab_size", "null"]).hparams["vocab_size"] is None
