"""The LibriSpeech encoder-decoder and CTC recipes: resumed, in bf16, with a language model, through SpeechBrain."""

import functools
import json

import pytest
import torch
from speechbrain.inference.ASR import EncoderASR, EncoderDecoderASR
from speechbrain.lobes.models.transformer.TransformerLM import TransformerLM

from summarymixing.corpora.audio import read_audio
from summarymixing.corpora.manifest import read_manifest

TRANSFORMER = "recipes/LibriSpeech/ASR/transformer/hparams/conformer.yaml"
CTC = "recipes/LibriSpeech/ASR/CTC/hparams/conformer.yaml"
LM = functools.partial(TransformerLM, d_model=8, nhead=2, num_encoder_layers=1, d_ffn=16)
SMALL_LM = "{d_model: 8, nhead: 2, num_encoder_layers: 1, d_ffn: 16}"


def record(folder):
    return json.loads((folder / "run.json").read_text())


@pytest.fixture(scope="module")
def run(train, tmp_path_factory):
    """A finished run of the encoder-decoder."""
    folder = tmp_path_factory.mktemp("runs") / "conformer"
    train(TRANSFORMER, folder)
    return folder


@pytest.mark.slow
def test_speechbrain_loads_the_run_folders(run, train, corpus, tmp_path, monkeypatch):
    train(CTC, tmp_path / "ctc", test_beam_size=1)
    monkeypatch.chdir(tmp_path)
    files = sorted((corpus / "test-clean").rglob("*.flac"))[:3]
    waves = [read_audio(file) for file in files]
    counts = torch.tensor([len(wave) for wave in waves])
    batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    for interface, folder in ((EncoderDecoderASR, run), (EncoderASR, tmp_path / "ctc")):
        asr = interface.from_hparams(str(folder), savedir=str(tmp_path / f"saved_{interface.__name__}"))
        texts, _ = asr.transcribe_batch(batch, counts / counts.max())
        scored = {row["ID"]: row["hypothesis"] for row in read_manifest(folder / "transcripts_test-clean.csv")}
        assert texts == [scored[str(file.relative_to(corpus).with_suffix(""))] for file in files]


@pytest.mark.slow
def test_killed_in_mid_epoch_and_started_again_it_ends_the_same(train, train_killed, same_epochs, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(TRANSFORMER, whole, number_of_epochs=2, avg_checkpoints=2)
    train_killed(TRANSFORMER, killed, step=5, avg_checkpoints=2)
    same_epochs(whole, killed)
    assert read_manifest(killed / "transcripts_test-clean.csv") == read_manifest(whole / "transcripts_test-clean.csv")
    assert record(killed)["checkpoints_averaged"] == [2, 1]


@pytest.mark.slow
def test_bf16_by_one_key(train, tmp_path):
    train(TRANSFORMER, tmp_path, precision="bf16")
    assert record(tmp_path)["epochs"][0]["train_loss"] > 0


@pytest.mark.slow
def test_a_language_model_from_a_folder(run, train, tmp_path):
    """Train on its tokens, then decode without it."""
    folder = tmp_path / "lm"
    folder.mkdir()
    torch.save(LM(vocab=60).state_dict(), folder / "lm.ckpt")
    (folder / "tokenizer.ckpt").write_bytes((run / "tokenizer.ckpt").read_bytes())
    with_lm = tmp_path / "with_lm"
    train(TRANSFORMER, with_lm, language_model=folder, lm_model=SMALL_LM)
    assert (with_lm / "tokenizer.ckpt").read_bytes() == (run / "tokenizer.ckpt").read_bytes()
    # Decoded again without it, nothing is trained again.
    before = record(with_lm)
    train(TRANSFORMER, with_lm)
    after = record(with_lm)
    assert after["epochs"] == before["epochs"] and len(after["command"]) == 2
