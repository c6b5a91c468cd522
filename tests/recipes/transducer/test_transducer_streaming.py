"""A transducer run transcribes: offline, chunk-masked and as a stream, the same in any batch."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from speechbrain.inference.ASR import EncoderDecoderASR
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing.corpora.audio import read_audio
from summarymixing.inference import Transcriber
from summarymixing.utils.errors import InputError

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "recipes" / "LibriSpeech" / "ASR" / "transducer"
BASE = "conformer_transducer"
EXPERIMENTS = sorted(path.stem for path in (RECIPE / "hparams").glob("*.yaml"))


def offline(transcriber, samples, chunk_ms, left_context_size):
    """Greedy text of the chunk-masked encoder output, frame counts and all from the utterance itself."""
    chunks = DynChunkTrainConfig(int(chunk_ms / 40), left_context_size)
    with torch.no_grad():
        output = transcriber.model(samples[None], None, chunks)
    return transcriber.tokenizer.decode_ids(transcriber.decoder(output)[0][0])


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS[1:])
@pytest.mark.parametrize("chunk_ms, left_context_size", [(40, 3), (320, 0), (640, 2), (640, None), (1280, None)])
def test_a_stream_equals_chunk_masked_offline_decoding(talkative_of, name, files, chunk_ms, left_context_size):
    transcriber = talkative_of(name)
    samples = read_audio(files[0])[:70001]  # no whole number of chunks, frames or hops
    stream = transcriber.stream(chunk_ms, left_context_size)
    texts = [stream.feed(block) for block in samples.split(1777)]
    texts.append(stream.feed(samples[:0], final=True))
    assert texts[-1] == offline(transcriber, samples, chunk_ms, left_context_size)
    assert texts[-1] == transcriber.transcribe([samples], chunk_ms, left_context_size)[0]
    assert stream.frames == transcriber.model.frame_counts(torch.tensor(70001))
    # What has been said stays said, and something is.
    assert all(later.startswith(earlier.strip()) for earlier, later in zip(texts, texts[1:], strict=False))
    assert len(texts[-1]) > 20


def test_other_chunks_give_other_texts(transcriber, files):
    """Or the equalities above would show nothing."""
    settings = [(None, None), (320, 0), (320, None), (1280, 2)]
    assert len({transcriber.transcribe(files[:1], *pair)[0] for pair in settings}) == len(settings)


@pytest.mark.slow
@pytest.mark.parametrize("chunk_ms", [None, 320])
def test_the_transcript_does_not_depend_on_the_batch(transcriber, corpus, chunk_ms):
    files = sorted((corpus / "test-clean").rglob("*.flac")) + sorted((corpus / "test-other").rglob("*.flac"))
    together = transcriber.transcribe(files, chunk_ms, 2)
    assert together == [transcriber.transcribe([file], chunk_ms, 2)[0] for file in files]
    assert len(set(together)) == len(files) > 6 and all(len(text) > 20 for text in together)


def test_speechbrain_loads_the_run_folder(run, transcriber, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asr = EncoderDecoderASR.from_hparams(str(run), savedir=str(tmp_path / "saved"))
    waves = [read_audio(file) for file in files[:3]]
    counts = torch.tensor([len(wave) for wave in waves])
    batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    texts, _ = asr.transcribe_batch(batch, counts / counts.max())
    assert texts == transcriber.transcribe(files[:3])


def test_a_run_whose_model_is_modules_encoder_still_transcribes(run, transcriber, files, tmp_path, monkeypatch):
    """As in runs from before modules.model; through SpeechBrain's interface too."""
    old = tmp_path / "old"
    shutil.copytree(run, old)
    before, after = (old / "hyperparams.yaml").read_text().split("modules:\n")
    after = after[re.search(r"^\S", after, re.M).start() :]  # the next top-level key
    lines = "modules:\n  encoder: !ref <model>\n  decoder: !ref <decoder>\n"
    (old / "hyperparams.yaml").write_text(before + lines + after)
    expected = transcriber.transcribe(files[:3])
    assert Transcriber(old).transcribe(files[:3]) == expected
    monkeypatch.chdir(tmp_path)
    asr = EncoderDecoderASR.from_hparams(str(old), savedir=str(tmp_path / "saved"))
    waves = [read_audio(file) for file in files[:3]]
    counts = torch.tensor([len(wave) for wave in waves])
    batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    assert asr.transcribe_batch(batch, counts / counts.max())[0] == expected


def test_an_encoder_decoder_run_transcribes_and_refuses_to_stream(run, files):
    """Whatever stands as modules.decoder decodes: decoder(encoder_out, wav_lens), SpeechBrain's convention."""
    transcriber, seen = Transcriber(run), []

    def decoder(encoded, lengths):
        seen.append((encoded.shape[0], lengths.shape))
        return [[5, 6]] * len(encoded), None, None, None

    transcriber.decoder = decoder
    assert transcriber.transcribe(files[:2]) == [transcriber.tokenizer.decode_ids([5, 6])] * 2
    assert seen == [(2, (2,))]
    for call in (transcriber.stream, lambda: transcriber.transcribe(files[:1], 640)):
        with pytest.raises(InputError, match="encoder-decoder run cannot stream"):
            call()


def test_a_mixer_that_cannot_stream_says_so(talkative, files):
    folder = talkative(BASE, mixer="!name:summarymixing.mixers.Fastformer {nhead: 4}")
    transcriber = Transcriber(folder)
    assert len(transcriber.transcribe(files[:1])) == 1
    with pytest.raises(InputError, match="Fastformer cannot stream"):
        transcriber.stream()
    with pytest.raises(InputError, match=f"{folder}: Fastformer"):
        transcriber.transcribe(files[:1], 640)
