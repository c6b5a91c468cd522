"""A tiny experiment in a YAML file, to be loaded, edited and refused."""

import logging
import os
from pathlib import Path

import pytest

from summarymixing.experiment import load_experiment
from summarymixing.utils.errors import InputError

YAML = """\
# A tiny experiment
seed: 1234  # any integer
__set_seed: !apply:summarymixing.utils.seeds.seed_everything [!ref <seed>]
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
__resumable:
  length: [number_of_epochs]
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


class YamlFile(type(Path())):
    """The path of an experiment's YAML file."""

    def load(self, *words):
        """Load it, with these words of the command line."""
        return load_experiment([str(self), *words])

    def refused(self, *words):
        """Return the message with which the command line is refused; it is one line."""
        with pytest.raises(InputError) as caught:
            self.load(*words)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def edit(self, old, new):
        """Replace a part of the file."""
        text = self.read_text()
        assert old in text
        self.write_text(text.replace(old, new))


@pytest.fixture
def yaml_file(tmp_path):
    path = YamlFile(tmp_path / "tiny.yaml")
    path.write_text(YAML.format(folder=tmp_path / "runs"))
    return path


@pytest.fixture(scope="session")
def experiment_files():
    """Every YAML file of an experiment in the repository."""
    root = Path(__file__).resolve().parents[2]
    return [*root.glob("hparams/*.yaml"), *root.glob("recipes/**/hparams/*.yaml")]
