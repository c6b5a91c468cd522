"""tools/transcribe.py from standard input, tools/evaluate_streaming.py, and what they say to bad input."""

import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import soundfile
import torch

from summarymixing.corpora.audio import read_audio, resampled
from summarymixing.metrics.wer import score
from summarymixing.reports.streaming_table import read_utterances

ROOT = Path(__file__).parents[3]


@pytest.fixture
def tool(python):
    """Call a tool in a process of its own."""

    def call(name, *arguments, **options):
        done = python(f"tools/{name}.py", *arguments, **options)
        assert b"Traceback" not in done.stderr, done.stderr
        return done

    return call


def pcm(file):
    """A recording as a microphone gives it, and as the same floats that the tool makes of it."""
    samples = (read_audio(file) * 32768).round().clamp(-32768, 32767).short()
    return samples.numpy().astype("<i2").tobytes(), samples.float() / 32768


@pytest.mark.slow
def test_standard_input_streams(run, tool, transcriber, files):
    data, samples = pcm(files[0])
    done = tool(
        "transcribe", run, "-", "--stream", "--stats", "--chunk-ms", "320", "--left-context-size", "2", input=data
    )
    lines = done.stdout.decode().splitlines()
    text = transcriber.transcribe([samples], 320, 2)[0]
    assert done.returncode == 0 and lines[-1] == f"{len(samples) / 16000:7.2f} s  {text}"
    assert len(lines) >= len(samples) // 5120
    (stats,) = [line for line in done.stderr.decode().splitlines() if line.startswith("stats:")]
    assert "latency median" in stats and "95 %" in stats and "real-time factor" in stats
    whole = tool("transcribe", run, "-", input=data)
    assert whole.stdout.decode() == transcriber.transcribe([samples])[0] + "\n"


@pytest.mark.slow
def test_standard_input_has_a_rate_of_its_own(run, talkative, tool, transcriber, files):
    """It is 16 kHz unless stated otherwise, whatever the run's rate is; as a file of the same samples reads."""
    data, _ = pcm(files[0])
    low = talkative("conformer_transducer_summarymixing_fast", sample_rate=8000)
    with soundfile.SoundFile(files[0]) as file:
        seconds = file.frames / 16000
    whole = tool("transcribe", low, files[0]).stdout
    assert tool("transcribe", low, "-", input=data).stdout == whole
    of_file, of_pipe = (
        tool("transcribe", low, *audio, "--stream", input=data).stdout.decode().splitlines()
        for audio in ([files[0]], ["-"])
    )
    # The resampler of the pipe keeps a few ms back, so that partial results come with later samples, but for the last.
    assert [line.split(" s  ")[1] for line in of_pipe] == [line.split(" s  ")[1] for line in of_file]
    assert of_pipe[-1] == of_file[-1] and of_file[-1].startswith(f"{seconds:7.2f} s")
    slow = (read_audio(files[0], 8000) * 32768).round().clamp(-32768, 32767).short()
    done = tool("transcribe", run, "-", "--sample-rate", "8000", input=slow.numpy().astype("<i2").tobytes())
    blocks = resampled([slow.numpy().astype("float32") / 32768], 8000, 16000)
    samples = torch.from_numpy(numpy.concatenate(list(blocks)))
    assert done.stdout.decode() == transcriber.transcribe([samples])[0] + "\n"


@pytest.mark.slow
def test_silence_has_a_transcript(run, tool, tmp_path):
    soundfile.write(tmp_path / "silence.wav", numpy.zeros(32000), 16000)
    for options in ([], ["--stream"]):
        done = tool("transcribe", run, tmp_path / "silence.wav", *options)
        assert done.returncode == 0 and done.stdout


def test_less_than_a_sample_is_no_recording(run, refused):
    assert "empty recording" in refused("transcribe", run, "-", "--sample-rate", "48000", data=b"\0\0")


@pytest.mark.slow
def test_ctrl_c_at_a_microphone_ends_the_transcript(run, transcriber, files):
    """It reaches both ends of the pipe; the text of what was said until then must not be lost."""
    data, samples = pcm(files[0])
    half = len(samples) // 2
    command = [sys.executable, "tools/transcribe.py", str(run), "-", "--stream"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(data[: 2 * half])
    process.stdin.flush()
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate()
    text = transcriber.transcribe([samples[:half]], 640)[0]
    assert process.returncode == 0 and first
    assert rest.decode().splitlines()[-1].endswith(f"s  {text}")


@pytest.fixture
def refused(refused, monkeypatch):
    """Call a tool with something on its standard input; returns its one line of error."""

    def call(name, *arguments, data=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        handler = signal.getsignal(signal.SIGINT)
        try:
            return refused(f"tools/{name}.py", *arguments)
        finally:
            signal.signal(signal.SIGINT, handler)

    return call


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "standard input: no audio came"),
        (b"\0" * 6401, "6401 bytes, an odd number"),
        (b"RIFF" + b"\0" * 6000, "a header, not raw PCM"),
    ],
)
@pytest.mark.parametrize("stream", [["--stream"], []])
def test_bad_standard_input(run, refused, data, reason, stream):
    assert reason in refused("transcribe", run, "-", *stream, data=data)


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["nowhere.wav"], "nowhere.wav: no such audio file"),
        (["nowhere.wav", "--stream"], "nowhere.wav: no such audio file"),
        (["x.wav", "--stream", "--chunk-ms", "330"], "chunk_ms=330 must be a multiple of 40 ms"),
        (["x.wav", "--stream", "--chunk-ms", "nan"], "chunk_ms=nan must be a multiple of 40 ms"),
        (["x.wav", "--stream", "--left-context-size", "-1"], "left_context_size=-1"),
        (["x.wav", "--sample-rate", "8000"], "--sample-rate is for standard input"),
        (["-", "--sample-rate", "0"], "--sample-rate 0: must be a rate in hertz"),
        (["x.wav", "--stats"], "add --stream"),
    ],
)
def test_bad_arguments(run, refused, arguments, reason):
    assert reason in refused("transcribe", run, *arguments)


def test_bad_evaluation(run, refused, tmp_path):
    for arguments, reason in (
        (["--manifest", tmp_path / "nowhere.csv"], "nowhere.csv: no such manifest"),
        (["--chunk-ms", "330"], "chunk_ms=330 must be a multiple"),
        (["--batch-size", "0"], "--batch-size 0"),
    ):
        assert reason in refused("evaluate_streaming", run, *arguments)


def test_no_finished_run(refused, tmp_path):
    assert "hyperparams.yaml: missing" in refused("transcribe", tmp_path, "-")
    assert "hyperparams.yaml: missing" in refused("evaluate_streaming", tmp_path)


@pytest.mark.slow
def test_evaluation_over_chunks_and_left_contexts(tool, run, transcriber, tmp_path):
    output = tmp_path / "table"
    arguments = [
        "--chunk-ms",
        "320",
        "640",
        "full",
        "--left-context-size",
        "2",
        "inf",
        "--output",
        output,
        "--batch-size",
        "3",
    ]
    done = tool("evaluate_streaming", run, *arguments)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "table.json").read_text())
    assert {"command", "commit", "versions", "machine", "results"} <= set(record)
    found = {(r["split"], r["chunk_ms"], r["left_context_size"]): r["wer"] for r in record["results"]}
    assert len(found) == 2 * (2 * 2 + 1)
    rows = read_utterances(run / "manifests" / "test-other.csv")
    texts = transcriber.transcribe([row["wav"] for row in rows], 640, 2)
    pairs = [{"reference": row["wrd"], "hypothesis": text} for row, text in zip(rows, texts, strict=True)]
    assert found["test-other", 640.0, 2] == pytest.approx(score(pairs)["wer"])
    table = (tmp_path / "table.md").read_text()
    assert table == done.stdout.decode() and "| chunk   | left context 2   | left context inf   |" in table
    assert f"| full | | {found['test-clean', None, None]:.2f} |" in " ".join(table.split())


@pytest.mark.slow
def test_evaluation_of_a_ctc_run(tool, finished_run, tmp_path):
    arguments = ["--chunk-ms", "320", "full", "--left-context-size", "inf", "--output", tmp_path / "table"]
    done = tool("evaluate_streaming", finished_run, *arguments)
    assert done.returncode == 0 and (tmp_path / "table.md").is_file()
    full = json.loads((tmp_path / "table.json").read_text())["results"][1]
    recorded = json.loads((finished_run / "run.json").read_text())["metrics"]["test-clean"]
    assert full["chunk_ms"] is None and full["wer"] == pytest.approx(recorded["wer"])
