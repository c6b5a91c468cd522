"""Numbers that follow another key, through the command line."""

import pytest

from summarymixing.experiment import load_experiment
from summarymixing.utils.errors import InputError

YAML = """\
output_folder: {folder}/runs/<locale>
locale: fr
published:
  fr: {{number_of_epochs: 120, lr: 0.0008}}
  nl: {{number_of_epochs: 100, lr: 0.0005}}
number_of_epochs: !apply:summarymixing.experiment.choice.choose [!ref <published>, !ref <locale>, number_of_epochs]
lr: !apply:summarymixing.experiment.choice.choose [!ref <published>, !ref <locale>, lr]
optimizer: !name:torch.optim.SGD
  lr: !ref <lr>
"""


@pytest.fixture
def load(tmp_path):
    """Load an experiment whose numbers depend on its locale; returns its number of epochs and its learning rate."""
    (tmp_path / "tiny.yaml").write_text(YAML.format(folder=tmp_path).replace("output_folder: ", "output_folder: !ref "))

    def call(*words):
        hparams = load_experiment([str(tmp_path / "tiny.yaml"), *words]).hparams
        assert hparams["optimizer"].keywords["lr"] == hparams["lr"]
        return hparams["number_of_epochs"], hparams["lr"]

    return call


def test_a_choice_brings_its_numbers(load):
    assert load() == (120, 0.0008)
    assert load("--locale=nl") == (100, 0.0005)


def test_each_number_is_still_a_key(load):
    assert load("--locale=nl", "--lr=0.1") == (100, 0.1)
    assert load("--locale=nl", "--lr=0.1", "--number_of_epochs", "101") == (101, 0.1)  # the run goes on
    assert load("--published", "{fr: {lr: 0.2}}") == (120, 0.2)
    with pytest.raises(InputError, match="--number_of_epochs 0: this key takes a whole number from 1 on"):
        load("--number_of_epochs=0")


def test_a_choice_without_numbers_says_what_to_add(load):
    with pytest.raises(InputError) as caught:
        load("--locale=cy")
    message = str(caught.value)
    assert "\n" not in message and "tiny.yaml: key 'number_of_epochs'" in message
    assert "there are settings for fr, nl, but none for 'cy'" in message
    words = message[message.index("--") :].split()
    assert load("--locale=cy", *words) == (120, 0.0008)


def test_an_option_is_picked_by_name(tmp_path):
    yaml = tmp_path / "tiny.yaml"
    yaml.write_text(
        "output_folder: !PLACEHOLDER\nreduction: sum\nreductions:\n"
        "  sum: !name:math.fsum\n  product: !name:math.prod\n"
        "made: !apply:summarymixing.experiment.choice.option [!ref <reductions>, !ref <reduction>, reduction]\n"
    )

    def pick(*words):
        return load_experiment([str(yaml), f"--output_folder={tmp_path}/{len(words)}", *words]).hparams["made"]([2, 3])

    assert pick() == 5 and pick("--reduction=product") == 6
    with pytest.raises(InputError) as caught:
        pick("--reduction=mean", "--device=cpu")
    assert "key reduction: 'mean' is not one of sum, product; give one of them" in str(caught.value)
