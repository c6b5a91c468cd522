"""Loading a finished run writes nothing anywhere, and hears what the run was trained to hear."""

import shutil

import pytest
import soundfile
import torch

from summarymixing.experiment import load_experiment

#: Forbids every write from here on: what opens a file for writing, and what changes a folder.
WATCH = """
import os, sys
def watch(event, arguments):
    if event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.utime",
                 "shutil.copyfile", "shutil.move", "tempfile.mkstemp", "tempfile.mkdtemp"):
        raise SystemExit(f"loading wrote: {event} {arguments}")
    if event == "open" and arguments[0] != os.devnull:
        path, mode, flags = arguments
        if (mode and set(mode) & set("wax+")) or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise SystemExit(f"loading wrote: {path} {mode}")
sys.addaudithook(watch)
"""
SPEECHBRAIN = """
from speechbrain.inference.ASR import EncoderASR
{watch}
asr = EncoderASR.from_hparams({run!r})
print(asr.transcribe_file({audio!r}))
"""
OURS = """
from summarymixing.inference import Transcriber
{watch}
print(Transcriber({run!r}).transcribe([{audio!r}])[0])
"""
TOOL = """
import runpy, sys
import soundfile, torchaudio, summarymixing.reports.streaming_table
import summarymixing.inference, summarymixing.reports.comparison, speechbrain.inference
sys.argv = {words!r}
{watch}
runpy.run_path({words!r}[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def run(finished_run, tmp_path_factory):
    """A copy that nothing else touches."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    shutil.copytree(finished_run, folder)
    shutil.rmtree(folder / "save")
    return folder


@pytest.fixture
def untouched(run, tmp_path, python):
    """Run a program in an empty folder; neither this nor the run folder may change."""

    def call(code):
        before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
        done = python("-B", "-c", code, cwd=tmp_path, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
        assert not list(tmp_path.iterdir())
        return done.stdout

    return call


@pytest.fixture(scope="module")
def audio(corpus):
    return str(sorted((corpus / "test-clean").rglob("*.flac"))[0])


@pytest.mark.slow
@pytest.mark.parametrize("code", [SPEECHBRAIN, OURS], ids=["speechbrain", "ours"])
def test_loading_a_run_writes_nothing(run, untouched, audio, code):
    untouched(code.format(watch=WATCH, run=str(run), audio=audio))


def test_transcribing_with_the_tool_writes_nothing(run, untouched, audio, request):
    tool = str(request.config.rootpath / "tools/transcribe.py")
    untouched(TOOL.format(watch=WATCH, words=[tool, str(run), audio]))


def test_a_run_with_a_built_checkpointer_loads_without_it(run, untouched, audio):
    """As runs of earlier versions have it in their records."""
    record = run / "hyperparams.yaml"
    text = record.read_text()
    try:
        record.write_text(text.replace("checkpointer: !name:", "checkpointer: !new:"))
        untouched(OURS.format(watch=WATCH, run=str(run), audio=audio))
    finally:
        record.write_text(text)


def test_speechbrain_gives_an_8_khz_run_8_khz(command_line, tmp_path, audio):
    words = command_line("hparams/conformer_summarymixing.yaml", output_folder=tmp_path / "run", sample_rate=8000)
    normalizer = load_experiment(words).hparams["audio_normalizer"]
    samples, rate = soundfile.read(audio, dtype="float32")
    heard = normalizer(torch.from_numpy(samples)[:, None].repeat(1, 2), rate)
    assert abs(len(heard) - len(samples) / 2) <= 1
