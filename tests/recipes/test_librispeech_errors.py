"""Bad data and bad sources: LibriSpeech recipes end in one line that names file and cure, or count and go on."""

import functools
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from speechbrain.lobes.models.transformer.TransformerLM import TransformerLM

from summarymixing.corpora.manifest import read_manifest
from summarymixing.data.tokenizer import fetch_tokenizer, train_tokenizer
from summarymixing.training.task import Task
from summarymixing.utils.errors import InputError

ROOT = Path(__file__).parents[2]
TRANSFORMER = "recipes/LibriSpeech/ASR/transformer/hparams/conformer.yaml"
CTC = "recipes/LibriSpeech/ASR/CTC/hparams/conformer.yaml"
LM = functools.partial(TransformerLM, d_model=8, nhead=2, num_encoder_layers=1, d_ffn=16)
SMALL_LM = "{d_model: 8, nhead: 2, num_encoder_layers: 1, d_ffn: 16}"


@pytest.fixture
def error(refused, command_line, experiments, tmp_path):
    """Start a listed experiment, in a fresh run folder; returns its one line of error."""

    def call(yaml, **settings):
        (script,) = {row["Script_file"] for row in experiments if row["Hparam_file"] == yaml}
        return refused(script, *command_line(yaml, **{"output_folder": tempfile.mkdtemp(dir=tmp_path), **settings}))

    return call


def identity(file, folder):
    return str(file.relative_to(folder).with_suffix(""))


@pytest.fixture(scope="module")
def spoiled(corpus, tmp_path_factory):
    """A corpus without the transcript of one utterance and with a broken FLAC; and what is to be said of both."""
    folder = tmp_path_factory.mktemp("spoiled") / "corpus"
    shutil.copytree(corpus, folder)
    silent, broken, *_ = sorted((folder / "train-clean-100").rglob("*.flac"))
    (transcripts,) = silent.parent.glob("*.trans.txt")
    lines = transcripts.read_text().splitlines(keepends=True)
    transcripts.write_text("".join(line for line in lines if line.split()[0] != silent.stem))
    broken.write_bytes(b"not a FLAC file")
    return folder, {silent: "no transcript", broken: "unreadable"}


@pytest.mark.slow
def test_bad_recordings_stop_a_run(recipe, error, spoiled):
    folder, reasons = spoiled
    line = error(recipe["Hparam_file"], data_folder=folder)
    assert "2 of" in line and "train-clean-100.skipped.csv" in line and "raise the key max_bad_fraction" in line
    assert all(f"{file.stem}: {reason}" in line for file, reason in reasons.items())


@pytest.mark.slow
def test_bad_recordings_are_counted_where_they_are_tolerated(recipe, error, spoiled, tmp_path, monkeypatch):
    folder, reasons = spoiled
    trained = []

    def train(self, train_set, *others):
        trained.extend(train_set.data_ids)
        raise InputError("far enough")

    monkeypatch.setattr(Task, "train", train)
    line = error(recipe["Hparam_file"], data_folder=folder, max_bad_fraction=0.5, output_folder=tmp_path)
    assert line == "error: far enough"
    rows = read_manifest(tmp_path / "manifests/train-clean-100.skipped.csv")
    assert [(row["ID"], row["file"]) for row in rows] == [(identity(file, folder), str(file)) for file in reasons]
    assert all(reason in row["reason"] for row, reason in zip(rows, reasons.values(), strict=True))
    everything = {identity(file, folder) for file in (folder / "train-clean-100").rglob("*.flac")}
    assert set(trained) == everything - {identity(file, folder) for file in reasons} != set()


@pytest.mark.slow
def test_missing_data(recipe, error, refused, corpus, tmp_path):
    yaml = recipe["Hparam_file"]
    line = error(yaml, valid_split="dev-nowhere")
    assert f"{corpus} has no split folder 'dev-nowhere'" in line and "dev-clean" in line and "data_folder" in line
    line = error(yaml, data_folder=tmp_path / "nowhere")
    assert f"{tmp_path / 'nowhere'}: no such folder; set the key data_folder" in line
    line = refused(recipe["Script_file"], ROOT / yaml, "--output_folder", tmp_path / "none")
    assert "key 'data_folder' has no value yet; give it with --data_folder" in line


@pytest.fixture
def no_network(monkeypatch):
    def unreachable(**kwargs):
        raise ConnectionError("no route to\nthe hub")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)


@pytest.mark.slow
def test_a_hub_name_without_network(recipe, error, no_network):
    line = error(recipe["Hparam_file"], tokenizer_source="nobody/no-such-model")
    assert "nobody/no-such-model: key tokenizer_source: no such folder, and tokenizer.ckpt cannot be downloaded" in line
    assert "download that model on a machine with a network and set tokenizer_source to its folder, or to null" in line
    assert "no route to the hub" in line


def test_a_language_model_of_the_hub_without_network(error, no_network):
    line = error(TRANSFORMER, language_model="nobody/no-such-model")
    assert "nobody/no-such-model: key language_model: no such folder, and lm.ckpt cannot be downloaded" in line
    assert "set language_model to its folder, or to null" in line


@pytest.mark.slow
def test_a_language_model_that_is_not_there(error, tmp_path):
    line = error(TRANSFORMER, language_model=tmp_path / "nowhere")
    assert "nowhere: no such folder; correct the key language_model" in line
    line = error(CTC, ngram_lm=tmp_path / "no.arpa")
    assert "no.arpa: no such file; correct the key ngram_lm" in line


@pytest.fixture(scope="module")
def texts(corpus, tmp_path_factory):
    """A manifest to train tokenizers on."""
    lines = [line for file in sorted(corpus.rglob("*.trans.txt")) for line in file.read_text().splitlines()]
    manifest = tmp_path_factory.mktemp("texts") / "train.csv"
    manifest.write_text("ID,wrd\n" + "".join(f"{line.replace(' ', ',', 1)}\n" for line in lines))
    return manifest


@pytest.mark.slow
def test_a_language_model_of_other_tokens(error, texts, tmp_path):
    folder = tmp_path / "lm"
    folder.mkdir()
    lm = {"language_model": folder, "lm_model": SMALL_LM}
    torch.save(LM(vocab=60).state_dict(), folder / "lm.ckpt")
    line = error(TRANSFORMER, **lm)
    assert f"{folder}: holds no tokenizer.ckpt" in line and "tokenizer_source" in line

    train_tokenizer(texts, folder / "tokenizer.ckpt", 50, "bpe", bos_index=1, eos_index=2)
    line = error(TRANSFORMER, **lm)
    assert f"{folder / 'tokenizer.ckpt'}: this tokenizer has 50 pieces, but the key is vocab_size=60" in line

    train_tokenizer(texts, folder / "tokenizer.ckpt", 60, "bpe", bos_index=1, eos_index=2)
    torch.save(LM(vocab=50).state_dict(), folder / "lm.ckpt")
    line = error(TRANSFORMER, **lm)
    assert f"{folder / 'lm.ckpt'}: key language_model: this language model has 50 tokens" in line
    assert "vocab_size=60" in line and "tokenizer_source" in line

    (folder / "lm.ckpt").write_bytes(b"no weights")
    assert "lm.ckpt: key language_model: not the weights" in error(TRANSFORMER, **lm)


def test_a_tokenizer_that_does_not_fit_is_named(texts, tmp_path):
    source, mine = tmp_path / "source", tmp_path / "run" / "tokenizer.ckpt"
    source.mkdir(), mine.parent.mkdir()
    train_tokenizer(texts, source / "tokenizer.ckpt", 60, "bpe", bos_index=1, eos_index=2)
    fetch_tokenizer(source, mine, 60, 1, 2)
    assert mine.read_bytes() == (source / "tokenizer.ckpt").read_bytes()
    with pytest.raises(InputError, match="this tokenizer has 60 pieces, but the key is vocab_size=5000"):
        fetch_tokenizer(source, mine, 5000, 1, 2)
    with pytest.raises(InputError, match="key bos_index=3, but 1 in this tokenizer"):
        fetch_tokenizer(source, mine, 60, 3, 2)
    mine.write_bytes(b"another")
    (mine.parent / "save/CKPT+2026-01-01+00-00-00+00").mkdir(parents=True)  # with which it has trained
    with pytest.raises(InputError, match="was trained with other tokens.*tokenizer_source"):
        fetch_tokenizer(source, mine, 60, 1, 2)
