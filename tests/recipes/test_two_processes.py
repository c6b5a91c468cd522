"""Training and testing by torchrun, with two processes on a CPU: who reads and writes what, killing, resuming."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from summarymixing.corpora.manifest import read_manifest
from summarymixing.experiment import load as experiments_module
from summarymixing.utils.errors import InputError

ROOT = Path(__file__).parents[2]
QUICKSTART = "hparams/conformer_summarymixing.yaml"
STOCHASTIC = "hparams/conformer_mhsa_stochastic.yaml"
TRANSFORMER = "recipes/LibriSpeech/ASR/transformer/hparams/conformer_summarymixing.yaml"
TRANSDUCER = "recipes/LibriSpeech/ASR/transducer/hparams/conformer_transducer_summarymixing_fast.yaml"
#: Batches of a test set are more than processes, and no multiple of them.
SETTINGS = {"device": "cpu", "max_batch_length": 14, "eval_batch_size": 2, "grad_accumulation_factor": 1}
FURTHER = {
    QUICKSTART: {"number_of_epochs": 2},
    STOCHASTIC: {"test_splits": "[test-clean]"},
    TRANSFORMER: {"valid_split": "test-clean", "test_splits": "[test-clean]"},
    TRANSDUCER: {"valid_split": "test-clean", "test_splits": "[test-clean]"},
}
#: Runs a program, and notes in $NOTES what each process reads, computes and writes.
WITNESS = """
import json, os, runpy, signal, sys, time
from summarymixing.training.task import Task
from summarymixing.tasks.seq2seq import Seq2Seq
from summarymixing.utils.on_demand import OnDemand

program = sys.argv.pop(1)
(folder,) = [word.partition("=")[2] for word in sys.argv if word.startswith("--output_folder=")]
notes = open(os.path.join(os.environ["NOTES"], os.environ.get("RANK", "0")), "a", buffering=1)
victim = json.loads(os.environ.get("VICTIM", "null"))

def note(**what):
    print(json.dumps(what), file=notes)

def on_fit_batch_end(self, batch, outputs, loss, should_step):
    chosen = [part.chosen for part in self.hparams.model.modules() if isinstance(part, OnDemand)]
    what = {"ids": batch.id, "longest": float(max(batch.duration)), "loss": float(loss), "chosen": chosen}
    note(did="train", epoch=self.epoch, **what)
    if [int(os.environ["RANK"]), self.epoch, self.step] == victim:
        note(did="die", time=time.time())
        os.kill(os.getpid(), signal.SIGKILL)

def evaluate_batch(self, batch, stage, original=Task.evaluate_batch):
    loss = original(self, batch, stage)
    note(did=stage.name.lower(), ids=batch.id, loss=float(loss))
    return loss

def valid_metrics(self, original=Seq2Seq.valid_metrics):
    note(did="count", right=self.right, tokens=self.tokens)
    return original(self)

def audit(event, arguments):
    if event == "open" and str(arguments[0]).startswith(folder) and set(str(arguments[1])) & set("wax+"):
        note(did="write", file=str(arguments[0]))

Task.on_fit_batch_end, Task.evaluate_batch, Seq2Seq.valid_metrics = on_fit_batch_end, evaluate_batch, valid_metrics
sys.addaudithook(audit)
runpy.run_path(program, run_name="__main__")
"""


@pytest.fixture(scope="module")
def launch(command_line, experiments, tmp_path_factory):
    """Train a listed YAML file with one or two processes; returns the finished process with what these noted."""
    witness = tmp_path_factory.mktemp("witness") / "witness.py"
    witness.write_text(WITNESS)
    scripts = {row["Hparam_file"]: ROOT / row["Script_file"] for row in experiments}

    def call(yaml, processes, folder, victim=None, check=True, **settings):
        words = command_line(yaml, output_folder=folder, **{**SETTINGS, **FURTHER[yaml], **settings})
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        notes = tmp_path_factory.mktemp("notes")
        running = subprocess.Popen(
            [sys.executable, *(torchrun if processes > 1 else []), witness, scripts[yaml], *words],
            cwd=ROOT,
            # One thread: sums in another order would differ in the last bits.
            env={**os.environ, "OMP_NUM_THREADS": "1", "NOTES": str(notes), "VICTIM": json.dumps(victim)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            running.stdout_text, running.stderr_text = running.communicate(timeout=150)
        finally:
            running.terminate()  # on a timeout torchrun ends its processes, as killing it would not
        assert not check or running.returncode == 0, running.stderr_text
        lines = [(notes / str(rank)).read_text().splitlines() for rank in range(processes)]
        running.notes = [[json.loads(line) for line in part] for part in lines]
        return running

    return call


def did(notes, what):
    return [note for note in notes if note["did"] == what]


def record(folder):
    return json.loads((folder / "run.json").read_text())


def mean(notes):
    return sum(note["loss"] for note in notes) / len(notes)


def utterances(corpus, split):
    return sorted(str(path.relative_to(corpus).with_suffix("")) for path in (corpus / split).rglob("*.flac"))


@pytest.fixture(scope="module")
def pair(launch, tmp_path_factory):
    """The quickstart, trained and tested by two processes: its run folder, and what they noted."""
    folder = tmp_path_factory.mktemp("runs") / "pair"
    return folder, launch(QUICKSTART, 2, folder).notes


def talkative(folder):
    """Large random weights in the checkpoints of a run that has learnt little but silence: they say something."""
    generator = torch.Generator().manual_seed(0)
    for file in folder.glob("save/*/model.ckpt"):
        state = torch.load(file)
        for key, value in state.items():
            parts = (
                "speech_encoder.encoder.",
                "speech_encoder.front_end.",
                "speech_encoder.input_proj.",
                "encoder_proj.",
                "output.",
            )
            if key.startswith(parts) and value.dim() > 1:
                state[key] = 3 * torch.randn(value.shape, generator=generator) * value[0].numel() ** -0.5
        torch.save(state, file)


# Without processes


def test_each_process_gets_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    options = experiments_module._process_options
    assert options({"device": "cuda"}) == {"device": "cuda:1", "distributed_backend": "nccl"}
    assert options({"device": "cpu"}) == {"device": "cpu", "distributed_backend": "gloo"}
    assert options({"device": "cuda", "distributed_backend": "mpi"})["distributed_backend"] == "mpi"
    monkeypatch.setattr(experiments_module, "infer_device", lambda: "cuda:1")
    assert options({}) == {"device": "cuda:1", "distributed_backend": "nccl"}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match="process 2 on this machine, which has 1 GPU"):
        options({})


# Whole runs


@pytest.mark.slow
def test_every_utterance_is_read_once_an_epoch(pair, corpus):
    folder, notes = pair
    wanted = utterances(corpus, "train-clean-100")
    for epoch in (1, 2):
        steps = [[note for note in did(part, "train") if note["epoch"] == epoch] for part in notes]
        assert len(steps[0]) == len(steps[1]) > 2
        assert sorted(name for part in steps for note in part for name in note["ids"]) == wanted
    for part in notes:  # short to long in the first epoch
        longest = [note["longest"] for note in did(part, "train") if note["epoch"] == 1]
        assert longest == sorted(longest)
    both = utterances(corpus, "test-clean") + utterances(corpus, "test-other")
    assert sorted(name for part in notes for note in did(part, "test") for name in note["ids"]) == sorted(both)
    valid = sorted(name for part in notes for note in did(part, "valid") for name in note["ids"])
    assert valid == sorted(2 * utterances(corpus, "dev-clean"))


@pytest.mark.slow
def test_losses_are_those_of_both_processes(pair, corpus):
    folder, notes = pair
    run = record(folder)
    for epoch in run["epochs"]:
        both = [note for part in notes for note in did(part, "train") if note["epoch"] == epoch["epoch"]]
        assert epoch["train_loss"] == pytest.approx(mean(both), rel=1e-9)
    valid = [did(part, "valid") for part in notes]
    assert len(valid[0]) != len(valid[1]), "a mean of means would pass"
    halves = [note for part in valid for note in part[: len(part) // 2]]
    assert run["epochs"][0]["valid_loss"] == pytest.approx(mean(halves), rel=1e-9)
    clean = set(utterances(corpus, "test-clean"))
    tests = [note for part in notes for note in did(part, "test") if clean.issuperset(note["ids"])]
    assert run["metrics"]["test-clean"]["loss"] == pytest.approx(mean(tests), rel=1e-9)


@pytest.mark.slow
def test_both_processes_draw_the_same_costs(launch, tmp_path):
    steps = [[note["chosen"] for note in did(part, "train")] for part in launch(STOCHASTIC, 2, tmp_path / "run").notes]
    assert steps[0] == steps[1] and len({str(step) for step in steps[0]}) > 2
    for squeezed, *layers in steps[0]:
        assert squeezed["squeeze"] in (1, 2, 3, 4) and all(layer == layers[0] for layer in layers)


@pytest.mark.slow
def test_only_the_main_process_writes(pair):
    folder, notes = pair
    assert did(notes[0], "write") and not did(notes[1], "write")
    names = {path.name for path in folder.iterdir()}
    promised = {"hyperparams.yaml", "log.txt", "run.json", "train_log.txt", "tokenizer.ckpt", "model.ckpt"}
    assert promised | {"wer_test-clean.txt", "transcripts_test-other.csv"} <= names
    assert not list(folder.rglob("*.tmp")) and len(list(folder.glob("save/*"))) == 1
    run = record(folder)
    assert run["finished"] and run["processes"] == 2 and len(run["epochs"]) == 2 and len(run["command"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("what", [QUICKSTART, TRANSFORMER, TRANSDUCER], ids=["ctc", "seq2seq", "transducer"])
def test_two_processes_score_a_checkpoint_as_one_does(launch, pair, tmp_path, what):
    both, one = tmp_path / "both", tmp_path / "one"
    if what is QUICKSTART:
        shutil.copytree(pair[0], both)
    else:
        notes = launch(what, 2, both).notes
    if what is TRANSFORMER:  # whose decoder is talkative from the start
        counts = [did(part, "count")[0] for part in notes]
        right, tokens = (sum(part[key] for part in counts) for key in ("right", "tokens"))
        assert record(both)["epochs"][0]["accuracy"] == pytest.approx(100 * right / tokens)
        shutil.copytree(both, one)
    else:
        talkative(both)
        shutil.copytree(both, one)
        launch(what, 2, both)
    for file in [*one.glob("transcripts_*"), *one.glob("wer_*")]:
        file.unlink()
    launch(what, 1, one)
    assert record(one)["processes"] == 2  # that trained
    splits = sorted(record(one)["metrics"])
    assert len(splits) == 2
    for split in splits:
        mine, theirs = record(both)["metrics"][split], record(one)["metrics"][split]
        for key in ("wer", "cer", "utterances", "words"):
            assert mine[key] == theirs[key]
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-9)
        for name in (f"transcripts_{split}.csv", f"wer_{split}.txt"):
            assert (both / name).read_bytes() == (one / name).read_bytes()
        said = [row["hypothesis"] for row in read_manifest(one / f"transcripts_{split}.csv")]
        assert len(set(said)) > 3 and all(said), "nothing was said that could differ"


@pytest.mark.slow
def test_one_process_killed_ends_both_and_the_run_resumes(launch, pair, tmp_path):
    folder = tmp_path / "killed"
    often = {"ckpt_interval_minutes": 0, "ckpt_interval_steps": 2}
    killed = launch(QUICKSTART, 2, folder, victim=[1, 2, 3], check=False, **often)
    assert killed.returncode and "SIGKILL" in killed.stderr_text
    assert time.time() - did(killed.notes[1], "die")[0]["time"] < 60
    assert not record(folder)["finished"] and len(record(folder)["epochs"]) == 1

    alone = launch(QUICKSTART, 1, folder, check=False, **often)
    assert alone.returncode == 2 and "trained by 2 process(es), not by 1" in alone.stderr_text

    # As if the main process had been killed while it wrote one more checkpoint.
    last = max(folder.glob("save/*"), key=lambda path: YAML(typ="safe").load(path / "CKPT.yaml")["unixtime"])
    broken = shutil.copytree(last, folder / "save/CKPT+broken")
    (broken / "CKPT.yaml").write_text(f"unixtime: {time.time()}\nend-of-epoch: false\n")
    (broken / "optimizer.ckpt").write_bytes((last / "optimizer.ckpt").read_bytes()[:-100])

    resumed = launch(QUICKSTART, 2, folder, **often)
    assert "Going into epoch 1" not in (folder / "log.txt").read_text().split("Going into epoch 2", 1)[1]
    done = {rank: len(did(part, "train")) for rank, part in enumerate(resumed.notes)}
    whole, notes = pair
    steps = len([note for note in did(notes[0], "train") if note["epoch"] == 2])
    assert done == {0: steps - 2, 1: steps - 2}, "it began at another step than its checkpoint's"
    for one, other in zip(record(whole)["epochs"], record(folder)["epochs"], strict=True):
        one.pop("seconds"), other.pop("seconds")
        assert other == pytest.approx(one, rel=1e-9)
    for split in ("test-clean", "test-other"):
        assert read_manifest(folder / f"transcripts_{split}.csv") == read_manifest(whole / f"transcripts_{split}.csv")
        assert record(folder)["metrics"][split]["loss"] == pytest.approx(record(whole)["metrics"][split]["loss"])


@pytest.mark.slow
def test_an_error_of_the_main_process_ends_both(launch, tmp_path):
    started = time.time()
    done = launch(QUICKSTART, 2, tmp_path / "run", check=False, data_folder=tmp_path / "nowhere")
    assert done.returncode and time.time() - started < 60
    (line,) = [line for line in done.stderr_text.splitlines() if line.startswith("error:")]
    assert "nowhere" in line and "data_folder" in line
