"""A finished run transcribes: in any batch, as a stream, through SpeechBrain, from the command line."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import soundfile
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.inference.ASR import EncoderASR
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing.corpora.audio import read_audio
from summarymixing.corpora.manifest import read_manifest
from summarymixing.decoding.ctc import ctc_greedy_tokens
from summarymixing.inference import Transcriber
from summarymixing.utils.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def talkative_run(finished_run, tmp_path_factory):
    """The finished run with untrained weights: a few seconds of training only teach it to keep silent."""
    folder = tmp_path_factory.mktemp("talkative") / "run"
    shutil.copytree(finished_run, folder)
    with open(folder / "hyperparams.yaml") as file:
        model = load_hyperpyyaml(file, {"output_folder": str(folder)})["model"]
    state = model.state_dict()
    trained = torch.load(folder / "model.ckpt")
    state.update({key: value for key, value in trained.items() if "normalize" in key})
    state["output.weight"] *= 10
    torch.save(state, folder / "model.ckpt")
    return folder


@pytest.fixture(scope="module")
def transcriber(talkative_run):
    return Transcriber(talkative_run)


@pytest.fixture(scope="module")
def files(corpus):
    return sorted((corpus / "test-clean").rglob("*.flac"))[:16]


@pytest.mark.slow
def test_a_run_transcribes_as_it_was_scored(finished_run, files, corpus):
    scored = {row["ID"]: row["hypothesis"] for row in read_manifest(finished_run / "transcripts_test-clean.csv")}
    assert Transcriber(finished_run).transcribe(files) == [
        scored[str(file.relative_to(corpus).with_suffix(""))] for file in files
    ]


@pytest.mark.slow
def test_the_transcript_does_not_depend_on_the_batch(transcriber, corpus):
    files = sorted((corpus / "test-clean").rglob("*.flac"))
    texts = {}
    for size in (1, 4, 16):
        batches = [files[start : start + size] for start in range(0, len(files), size)]
        texts[size] = [text for batch in batches for text in transcriber.transcribe(batch)]
    assert texts[1] == texts[4] == texts[16]
    assert len(set(texts[1])) == len(files) and all(len(text) > 20 for text in texts[1])


@pytest.mark.parametrize("left_context_size", [0, 2, None])
def test_a_stream_equals_chunk_masked_offline_decoding(transcriber, files, left_context_size):
    samples = read_audio(files[0])
    stream = transcriber.stream(320, left_context_size)
    texts = [stream.feed(block) for block in samples.split(1000)]
    texts.append(stream.feed(samples[:0], final=True))
    with torch.no_grad():
        output = transcriber.model(samples[None], None, DynChunkTrainConfig(8, left_context_size))
    (tokens,) = ctc_greedy_tokens(output)
    assert texts[-1] == transcriber.tokenizer.decode_ids(tokens)
    # What has been said stays said.
    assert all(later.startswith(earlier.strip()) for earlier, later in zip(texts, texts[1:], strict=False))


def test_speechbrain_loads_the_run_folder(talkative_run, transcriber, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asr = EncoderASR.from_hparams(str(talkative_run), savedir=str(tmp_path / "saved"))
    waves = [read_audio(file) for file in files[:3]]
    counts = torch.tensor([len(wave) for wave in waves])
    batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    texts, _ = asr.transcribe_batch(batch, counts / counts.max())
    assert texts == transcriber.transcribe(files[:3])


def test_a_run_whose_model_is_modules_encoder_still_transcribes(talkative_run, transcriber, files, tmp_path):
    """As in runs from before modules.model; through SpeechBrain's interface too."""
    old = tmp_path / "old"
    shutil.copytree(talkative_run, old)
    before_modules, after = (old / "hyperparams.yaml").read_text().split("modules:\n")
    after = after[re.search(r"^\S", after, re.M).start() :]  # the next top-level key
    (old / "hyperparams.yaml").write_text(f"{before_modules}modules:\n  encoder: !ref <model>\n{after}")
    expected = transcriber.transcribe(files[:3])
    assert Transcriber(old).transcribe(files[:3]) == expected
    asr = EncoderASR.from_hparams(str(old), savedir=str(tmp_path / "saved"))
    waves = [read_audio(file) for file in files[:3]]
    counts = torch.tensor([len(wave) for wave in waves])
    batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    assert asr.transcribe_batch(batch, counts / counts.max())[0] == expected


def test_any_rate_and_channels(transcriber, files, tmp_path):
    samples = read_audio(files[0]).numpy()
    soundfile.write(tmp_path / "stereo.wav", numpy.stack([samples, samples], 1), 16000, subtype="FLOAT")
    assert transcriber.transcribe([tmp_path / "stereo.wav"]) == transcriber.transcribe([files[0]])
    soundfile.write(tmp_path / "fast.wav", numpy.repeat(samples, 3), 48000)
    assert len(transcriber.transcribe([tmp_path / "fast.wav"])) == 1


def test_it_says_what_is_wrong(transcriber, finished_run, tmp_path):
    with pytest.raises(InputError, match="chunk_ms=650 must be a multiple of 40 ms"):
        transcriber.stream(650)
    with pytest.raises(InputError, match="nowhere.wav"):
        transcriber.transcribe([tmp_path / "nowhere.wav"])
    unfinished = tmp_path / "run"
    unfinished.mkdir()
    shutil.copy(finished_run / "hyperparams.yaml", unfinished)
    with pytest.raises(InputError, match="model.ckpt: missing.*no finished run"):
        Transcriber(unfinished)
    shutil.copytree(finished_run, tmp_path / "other")
    torch.save({"output.bias": torch.zeros(1)}, tmp_path / "other" / "model.ckpt")
    with pytest.raises(InputError, match="model.ckpt: does not fit"):
        Transcriber(tmp_path / "other")


@pytest.mark.slow
def test_the_tool_prints_every_transcript_that_it_can(talkative_run, transcriber, files, tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    arguments = [talkative_run, files[0], tmp_path / "empty.wav", files[1]]

    def tool(*more):
        command = [sys.executable, "tools/transcribe.py", *map(str, arguments), *more]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    done = tool()
    assert done.returncode == 2 and "empty.wav" in done.stderr and "Traceback" not in done.stderr
    for file, text in zip(files[:2], transcriber.transcribe(files[:2]), strict=True):
        assert f"{file}\t{text}\n" in done.stdout
    streamed = tool("--stream", "--chunk-ms", "640").stdout
    stream = transcriber.stream(640)
    final = stream.feed(read_audio(files[0]), final=True)
    assert any(line.endswith(f"s  {final}") for line in streamed.splitlines())
