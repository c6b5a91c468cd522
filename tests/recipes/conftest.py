"""The recipe test lists, a little synthetic speech in the layout of each dataset, and recipes called small.

The CSV files beside this one are SpeechBrain's recipe test lists, a row an experiment: ``test_debug_flags`` make it
train in seconds, ``test_debug_checks`` say what its run folder must hold. Data and output folder are the tests' own.
"""

import functools
import json
import os
import runpy
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from summarymixing.corpora.manifest import read_manifest
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.experiment.yaml_files import resolve_yaml
from summarymixing.experiment.yaml_tree import comparable
from summarymixing.synthetic import make_common_voice, make_librispeech, make_slurp, make_speech_commands

ROOT = Path(__file__).parents[2]


ROWS = [row for file in sorted(Path(__file__).parent.glob("*.csv")) for row in read_manifest(file)]
#: The first experiment of each LibriSpeech recipe that reads transcripts and needs no other run.
RECIPES = {
    row["Script_file"]: row
    for row in reversed(ROWS)
    if row["Dataset"] == "LibriSpeech" and not row["Task"].startswith("SSL")
}


def pytest_generate_tests(metafunc):
    """A test that takes an ``experiment`` is run for each row of the lists, one of a ``recipe`` for each recipe."""
    for name, rows in (("experiment", ROWS), ("recipe", list(RECIPES.values()))):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, rows, ids=[row["Hparam_file"] for row in rows])


@pytest.fixture(scope="session")
def experiments():
    """All rows of the lists."""
    return ROWS


@pytest.fixture(scope="session")
def settings_of():
    """The keys of a listed YAML file with its bases, as `comparable` gives them; each file is merged once."""
    return functools.cache(lambda yaml: comparable(resolve_yaml(ROOT / yaml)))


QUIET = {"workers": 1, "progress": False}


def _librispeech(folder):
    return make_librispeech(folder, 2, seed=3, dev_minutes=0.3, test_minutes=0.5, **QUIET)


def _common_voice(folder):
    for locale in ("fr", "nl"):
        made = make_common_voice(
            folder / "made" / locale, locale, 1, seed=3, dev_minutes=0.2, test_minutes=0.3, **QUIET
        )
        (folder / locale).symlink_to(made / locale)
    return folder


def _slurp(folder):
    return make_slurp(folder, 1.5, seed=3, dev_minutes=0.2, test_minutes=0.3, **QUIET)


def _speech_commands(folder):
    return make_speech_commands(folder, 10, seed=3, **QUIET)


#: Makes the data of a column Dataset.
CORPORA = {
    "quickstart": _librispeech,
    "LibriSpeech": _librispeech,
    "CommonVoice": _common_voice,
    "SLURP": _slurp,
    "GoogleSpeechCommands": _speech_commands,
}


@pytest.fixture(scope="session")
def corpora(tmp_path_factory):
    """A minute or two of training speech in the layout of a dataset, made when it is first asked for."""

    @functools.cache
    def made(make):
        return make(tmp_path_factory.mktemp("corpora") / "synthetic")

    return lambda dataset: made(CORPORA[dataset])


@pytest.fixture(scope="session")
def corpus(corpora):
    """Two minutes of training speech in LibriSpeech's layout."""
    return corpora("LibriSpeech")


#: A finished run of a very small encoder, for the recipes that start from one.
_RUN = """
sample_rate: 16000
model: !new:summarymixing.lobes.CTCModel
  encoder: !new:summarymixing.lobes.SpeechEncoder
    features: !new:summarymixing.lobes.LogMel {n_mels: 20}
    normalize: !new:summarymixing.lobes.UtteranceNormalization
    front_end: !new:summarymixing.lobes.LatentExtractor
      {input_size: 20, channels: 8, kernel_sizes: [3, 3], strides: [2, 1]}
    encoder: !new:summarymixing.lobes.ConformerEncoder {num_layers: 2, d_model: 16, d_ffn: 16, kernel_size: 5}
  vocab_size: 4
modules: {model: !ref <model>}
"""


def keys_of_an_encoder(yaml):
    """The keys by which a listed YAML file takes its encoder from another run."""
    text = resolve_yaml(ROOT / yaml)
    keys = {"pretrained_encoder": "encoder_folder.encoder_node", "upstream": "upstreams.upstream_node"}
    return [key for key, function in keys.items() if function in text]


@pytest.fixture(scope="session")
def encoder_run(tmp_path_factory):
    """The folder of a finished run, as far as an encoder is taken from it; its weights are random."""
    run = RunFolder(tmp_path_factory.mktemp("pretrained") / "run")
    run.write_text(_RUN)
    torch.save(run.build("model")["model"].state_dict(), run.model)
    return run.path


@pytest.fixture(scope="session")
def command_line(corpora, encoder_run):
    """The command line of a listed YAML file: the sizes of its row, its data, then settings of the test."""

    def of(yaml, **settings):
        (row,) = [row for row in ROWS if row["Hparam_file"] == yaml]
        settings = {"data_folder": settings.get("data_folder") or corpora(row["Dataset"]), **settings}
        settings = {**dict.fromkeys(keys_of_an_encoder(yaml), encoder_run), **settings}
        more = [f"--{key}={value}" for key, value in settings.items()]
        return [str(ROOT / yaml), *shlex.split(row["test_debug_flags"]), *more]

    return of


@pytest.fixture(scope="session")
def python():
    """Run Python on the arguments, in a process of its own."""

    def call(*arguments, cwd=ROOT, **options):
        # One thread: sums in another order would differ in the last bits.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, **options)

    return call


@pytest.fixture(scope="session")
def train(python, command_line):
    """Train a listed YAML file, in a process of its own; returns the finished process."""

    def call(yaml, output_folder, prelude="", check=True, **settings):
        words = command_line(yaml, output_folder=output_folder, **settings)
        (script,) = {ROOT / row["Script_file"] for row in ROWS if row["Hparam_file"] == yaml}
        code = f"import sys, runpy; {prelude}\nrunpy.run_path({str(script)!r}, run_name='__main__')"
        # In the recipe's own folder, as its README has it, nothing is found by chance.
        done = python("-c", code, *words, cwd=script.parent, text=True)
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return call


#: Ends the process after a step of an epoch, as a machine does that loses its power.
KILL = """
import os, signal
from summarymixing.training.task import Task
def on_fit_batch_end(self, *arguments):
    if (self.epoch, self.step) == {}:
        os.kill(os.getpid(), signal.SIGKILL)
Task.on_fit_batch_end = on_fit_batch_end
"""


@pytest.fixture(scope="session")
def train_killed(train):
    """Train a listed YAML file, kill it in epoch 2 behind a step, and start it again by the same command."""

    def call(yaml, folder, step, **settings):
        settings = {"number_of_epochs": 2, "ckpt_interval_minutes": 0, "ckpt_interval_steps": 2, **settings}
        killed = train(yaml, folder, prelude=KILL.format((2, step)), check=False, **settings)
        assert killed.returncode == -signal.SIGKILL
        run = json.loads((folder / "run.json").read_text())
        assert not run["finished"] and len(run["epochs"]) == 1
        train(yaml, folder, **settings)
        assert "Going into epoch 1" not in (folder / "log.txt").read_text().split("Going into epoch 2", 1)[1]

    return call


@pytest.fixture(scope="session")
def same_epochs():
    """Assert that two run folders have recorded the same epochs, but for the seconds."""

    def check(one, other):
        ours, theirs = (json.loads((folder / "run.json").read_text())["epochs"] for folder in (one, other))
        for mine, yours in zip(ours, theirs, strict=True):
            assert {**yours, "seconds": 0} == pytest.approx({**mine, "seconds": 0}, rel=1e-6)

    return check


@pytest.fixture
def refused(monkeypatch, capsys):
    """Call a program in this process, which takes seconds less than in its own; returns its one line of error."""

    def call(script, *arguments):
        monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        assert ended.value.code == 2
        *before, line = capsys.readouterr().err.splitlines()
        assert line.startswith("error:") and not any(other.startswith("error:") for other in before)
        return line

    return call


@pytest.fixture(scope="session")
def finished_run(train, tmp_path_factory):
    """The run folder of the quickstart's conformer_summarymixing."""
    folder = tmp_path_factory.mktemp("runs") / "conformer_summarymixing"
    train("hparams/conformer_summarymixing.yaml", folder, number_of_epochs=2)
    return folder
