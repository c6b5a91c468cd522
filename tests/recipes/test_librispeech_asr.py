"""The LibriSpeech encoder-decoder and CTC recipes, each YAML file end to end, small, on synthetic speech."""

import functools
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML
from speechbrain.inference.ASR import EncoderASR, EncoderDecoderASR
from speechbrain.lobes.models.transformer.TransformerLM import TransformerLM

from summarymixing.corpora.audio import read_audio
from summarymixing.errors import InputError
from summarymixing.fetching import fetch_file
from summarymixing.inference import Transcriber
from summarymixing.tasks.scoring import read_transcripts
from summarymixing.tasks.tokenizer import fetch_tokenizer
from summarymixing.yaml_files import resolve_yaml

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes/LibriSpeech/ASR"
#: Paper-scale sizes made small; everything else is the recipe's.
SMALL = {
    "train_splits": "[train-clean-100]",
    "test_splits": "[test-clean]",
    "d_model": 32,
    "d_ffn": 64,
    "nhead": 4,
    "num_layers": 2,
    "kernel_size": 5,
    "channels": "[8, 8]",
    "tokenizer_type": "bpe",
    "vocab_size": 60,
    "max_batch_length": 20,
    "number_of_epochs": 1,
    "warmup_steps": 10,
    "avg_checkpoints": 1,
    "num_workers": 0,
    "test_beam_size": 2,
}
SMALL_DECODER = {"num_decoder_layers": 1, "max_decode_ratio": 0.2, "valid_search_interval": 1}
SMALL_ENCODER = {
    "branchformer": {"csgu_linear_units": 64},
    "contextnet": {"contextnet_alpha": 0.0625, "contextnet_channels": 32},
}
LM = functools.partial(TransformerLM, d_model=8, nhead=2, num_encoder_layers=1, d_ffn=16)
SMALL_LM = "{d_model: 8, nhead: 2, num_encoder_layers: 1, d_ffn: 16}"


def names(recipe):
    return sorted(path.stem for path in (RECIPES / recipe / "hparams").glob("*.yaml"))


def record(folder):
    return json.loads((folder / "run.json").read_text())


@pytest.fixture(scope="module")
def train(corpus):
    """Call a recipe's train.py in its folder, in a process of its own; returns the finished process."""

    def call(recipe, yaml_name, output_folder, prelude="", check=True, **settings):
        keys = {**SMALL, "data_folder": corpus, "output_folder": output_folder}
        if recipe == "transformer":
            keys.update(SMALL_DECODER)
        keys.update(SMALL_ENCODER.get(yaml_name.split("_")[0], {}))
        words = [f"hparams/{yaml_name}.yaml"]
        for key, value in {**keys, **settings}.items():
            words += [f"--{key}", str(value)]
        script = f"import sys, runpy; {prelude}\nrunpy.run_path('train.py', run_name='__main__')"
        done = subprocess.run(
            [sys.executable, "-c", script, *words],
            cwd=RECIPES / recipe,
            # One thread: sums in another order would differ in the last bits.
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def failure(*arguments, **settings):
        done = call(*arguments, check=False, **settings)
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
        return line

    call.failure = failure
    return call


@pytest.fixture(scope="module")
def run(train, tmp_path_factory):
    """A finished run of the encoder-decoder with SummaryMixing."""
    folder = tmp_path_factory.mktemp("runs") / "conformer_summarymixing"
    train("transformer", "conformer_summarymixing", folder)
    return folder


def assert_complete(folder, corpus, tests):
    """A run holds what a run holds, and transcribes as it was scored."""
    result = record(folder)
    assert result["finished"] and len(result["epochs"]) == 1 and set(result["metrics"]) == tests
    assert {"train_loss", "valid_loss", "wer", "cer", "seconds"} <= set(result["epochs"][0])
    for name in tests:
        assert 0 < result["metrics"][name]["wer"] < 500 and result["metrics"][name]["utterances"] > 0
        assert (folder / f"wer_{name}.txt").stat().st_size
    assert "train_loss" in (folder / "train_log.txt").read_text()
    scored = {row["ID"]: row["hypothesis"] for row in read_transcripts(folder, "test-clean")}
    files = sorted((corpus / "test-clean").rglob("*.flac"))[:3]
    assert Transcriber(folder).transcribe(files) == [scored[file.stem] for file in files]


@pytest.mark.slow
@pytest.mark.parametrize("name", names("transformer"))
def test_every_encoder_decoder_runs_end_to_end(train, corpus, tmp_path, name):
    train("transformer", name, tmp_path)
    assert_complete(tmp_path, corpus, {"test-clean", "test-clean_greedy"})


@pytest.mark.slow
@pytest.mark.parametrize("name", names("CTC"))
def test_every_ctc_recogniser_runs_end_to_end(train, corpus, tmp_path, name):
    train("CTC", name, tmp_path)
    assert_complete(tmp_path, corpus, {"test-clean", "test-clean_beam2"})


@pytest.mark.slow
def test_speechbrain_loads_the_run_folders(run, train, corpus, tmp_path, monkeypatch):
    train("CTC", "conformer", tmp_path / "ctc", test_beam_size=1)
    monkeypatch.chdir(tmp_path)
    files = sorted((corpus / "test-clean").rglob("*.flac"))[:3]
    waves = [read_audio(file) for file in files]
    counts = torch.tensor([len(wave) for wave in waves])
    batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    for interface, folder in ((EncoderDecoderASR, run), (EncoderASR, tmp_path / "ctc")):
        asr = interface.from_hparams(str(folder), savedir=str(tmp_path / f"saved_{interface.__name__}"))
        texts, _ = asr.transcribe_batch(batch, counts / counts.max())
        scored = {row["ID"]: row["hypothesis"] for row in read_transcripts(folder, "test-clean")}
        assert texts == [scored[file.stem] for file in files]


@pytest.mark.slow
def test_killed_in_mid_epoch_and_started_again_it_ends_the_same(train, tmp_path):
    kill = """
import os, signal
from summarymixing.tasks.seq2seq import Seq2Seq
def on_fit_batch_end(self, *arguments):
    if (self.epoch, self.step) == (2, 5):
        os.kill(os.getpid(), signal.SIGKILL)
Seq2Seq.on_fit_batch_end = on_fit_batch_end
"""
    settings = {"number_of_epochs": 2, "avg_checkpoints": 2, "ckpt_interval_minutes": 0, "ckpt_interval_steps": 2}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train("transformer", "conformer", whole, **settings)
    done = train("transformer", "conformer", killed, prelude=kill, check=False, **settings)
    assert done.returncode == -signal.SIGKILL and len(record(killed)["epochs"]) == 1
    train("transformer", "conformer", killed, **settings)
    assert "Going into epoch 1" not in (killed / "log.txt").read_text().split("Going into epoch 2", 1)[1]
    for one, other in zip(record(whole)["epochs"], record(killed)["epochs"], strict=True):
        one.pop("seconds"), other.pop("seconds")
        assert other == pytest.approx(one, rel=1e-6)
    assert read_transcripts(killed, "test-clean") == read_transcripts(whole, "test-clean")
    assert record(killed)["checkpoints_averaged"] == [2, 1]


@pytest.mark.slow
def test_bf16_by_one_key(train, tmp_path):
    train("transformer", "conformer", tmp_path, precision="bf16")
    assert record(tmp_path)["epochs"][0]["train_loss"] > 0


@pytest.mark.slow
def test_a_language_model_from_a_folder(run, train, tmp_path):
    """Train on its tokens; decode an older run with one that was trained on that run's tokens."""
    folder = tmp_path / "lm"
    folder.mkdir()
    torch.save(LM(vocab=60).state_dict(), folder / "lm.ckpt")
    line = train.failure("transformer", "conformer", tmp_path / "a", language_model=folder, lm_model=SMALL_LM)
    assert f"{folder}: holds no tokenizer.ckpt" in line and "tokenizer_source" in line

    (folder / "tokenizer.ckpt").write_bytes((run / "tokenizer.ckpt").read_bytes())
    with_lm = tmp_path / "with_lm"
    train("transformer", "conformer", with_lm, language_model=folder, lm_model=SMALL_LM)
    assert (with_lm / "tokenizer.ckpt").read_bytes() == (run / "tokenizer.ckpt").read_bytes()
    # Decoded again without it, nothing is trained again.
    before = record(with_lm)
    train("transformer", "conformer", with_lm, lm_model=SMALL_LM)
    after = record(with_lm)
    assert after["epochs"] == before["epochs"] and len(after["command"]) == 2

    torch.save(LM(vocab=50).state_dict(), folder / "lm.ckpt")
    line = train.failure("transformer", "conformer", tmp_path / "b", language_model=folder, lm_model=SMALL_LM)
    assert "has 50 tokens" in line and "vocab_size=60" in line


@pytest.mark.slow
def test_bad_sources_are_one_line_each(run, train, tmp_path):
    line = train.failure("transformer", "conformer", tmp_path / "a", language_model="nobody/no-such-model")
    assert "nobody/no-such-model" in line and "language_model" in line and "download" in line
    line = train.failure("transformer", "conformer", tmp_path / "b", language_model=tmp_path / "nowhere")
    assert "nowhere: no such folder; correct the key language_model" in line
    line = train.failure("CTC", "conformer", tmp_path / "c", ngram_lm=tmp_path / "no.arpa")
    assert "no.arpa: no such file; correct the key ngram_lm" in line
    line = train.failure("CTC", "conformer", tmp_path / "d", data_folder=tmp_path / "nowhere")
    assert "nowhere" in line and "data_folder" in line


def test_a_tokenizer_that_does_not_fit_is_named(run, tmp_path):
    fetch_tokenizer(run, tmp_path / "tokenizer.ckpt", 60, 1, 2)
    assert (tmp_path / "tokenizer.ckpt").read_bytes() == (run / "tokenizer.ckpt").read_bytes()
    with pytest.raises(InputError, match="tokenizer.ckpt: this tokenizer has 60 pieces and the key vocab_size=5000"):
        fetch_tokenizer(run, tmp_path / "tokenizer.ckpt", 5000, 1, 2)
    with pytest.raises(InputError, match="key bos_index=3, but this tokenizer has it at 1"):
        fetch_tokenizer(run, tmp_path / "tokenizer.ckpt", 60, 3, 2)
    (tmp_path / "tokenizer.ckpt").write_bytes(b"another")
    with pytest.raises(InputError, match="was trained with other tokens.*tokenizer_source"):
        fetch_tokenizer(run, tmp_path / "tokenizer.ckpt", 60, 1, 2)


def test_a_hub_name_without_network_is_one_line(monkeypatch):
    def unreachable(**kwargs):
        raise ConnectionError("no route to\nthe hub")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    with pytest.raises(
        InputError, match="^nobody/model: key language_model: .*cannot be had from.*no route to the hub"
    ):
        fetch_file("nobody/model", "lm.ckpt", "language_model")


@pytest.mark.parametrize("recipe", ["transformer", "CTC"])
def test_every_variant_is_short_and_every_key_is_used(recipe):
    yaml = YAML(typ="rt")
    code = (RECIPES / recipe / "train.py").read_text()
    code += "".join(path.read_text() for path in (ROOT / "summarymixing").rglob("*.py"))
    # SpeechBrain reads these by itself.
    brain = {"precision", "grad_accumulation_factor", "max_grad_norm", "skip_nonfinite_grads", "ckpt_interval_minutes"}
    inference = {"modules", "decoding_function", "pretrainer", "__set_seed"}
    for name in names(recipe):
        own = (RECIPES / recipe / "hparams" / f"{name}.yaml").read_text()
        if name not in ("conformer", "branchformer"):
            assert len(yaml.load(own)) <= 6 and re.search(r"^base: (conformer|branchformer)\.yaml$", own, re.M), name
        text = resolve_yaml(RECIPES / recipe / "hparams" / f"{name}.yaml")
        for key in yaml.load(text):
            used = f"<{key}>" in text or f'"{key}"' in code or f"hparams.{key}" in code
            # Another encoder or front end leaves sizes of the base unused.
            sizes = {"kernel_size", "channels", "num_layers"} if name in ("contextnet", "transformer_mhsa") else set()
            assert used or key in brain | inference | sizes, f"{name}: nothing uses the key {key}"
