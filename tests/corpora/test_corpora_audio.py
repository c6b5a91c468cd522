"""Reading audio: what can be converted is, what cannot is named."""

import numpy as np
import pytest
import soundfile
import torch

from summarymixing.corpora.audio import inspect_audio, read_audio
from summarymixing.utils.errors import InputError


def tone(seconds, rate, hertz=440.0):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def write(path, samples, rate=16000, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def test_samples_are_what_was_written(tmp_path):
    samples = (np.random.default_rng(0).standard_normal(5000) * 0.1).astype(np.float32)
    signal = read_audio(write(tmp_path / "a.wav", samples, subtype="FLOAT"))
    assert signal.dtype == torch.float32 and signal.shape == (5000,)
    np.testing.assert_array_equal(signal.numpy(), samples)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_other_rates_are_resampled(tmp_path, rate, suffix):
    path = write(tmp_path / f"a.{suffix}", tone(1.0, rate), rate)
    assert inspect_audio(path) == pytest.approx(1.0)
    signal = read_audio(path).numpy()
    assert len(signal) == 16000
    middle = slice(1000, -1000)
    np.testing.assert_allclose(signal[middle], tone(1.0, 16000)[middle], atol=0.01)


def test_channels_are_averaged(tmp_path):
    left, right = tone(0.5, 16000), tone(0.5, 16000, 700.0)
    path = write(tmp_path / "a.wav", np.stack([left, right], axis=1), subtype="FLOAT")
    assert inspect_audio(path) == pytest.approx(0.5)
    np.testing.assert_allclose(read_audio(path).numpy(), (left + right) / 2, atol=1e-6)


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
def test_lossy_formats_are_read(tmp_path, suffix):
    path = write(tmp_path / f"a.{suffix}", tone(1.0, 16000))
    assert inspect_audio(path) == pytest.approx(len(read_audio(path)) / 16000)


def missing(folder):
    return folder / "missing.flac"


def a_folder(folder):
    return folder


def not_audio(folder):
    path = folder / "text.flac"
    path.write_text("this is no recording")
    return path


def zero_bytes(folder):
    path = folder / "zero.wav"
    path.touch()
    return path


def no_samples(folder):
    return write(folder / "none.wav", np.zeros(0))


def with_value(value, position, subtype):
    def build(folder):
        samples = tone(3.0, 16000)
        samples[position] = value
        return write(folder / "bad.wav", samples, subtype=subtype)

    return build


def cut(suffix, keep, **options):
    def build(folder):
        noise = np.random.default_rng(0).standard_normal(48000) * 0.1
        path = write(folder / f"cut.{suffix}", noise, **options)
        content = path.read_bytes()
        path.write_bytes(content[: int(keep * len(content))])
        return path

    return build


DEFECTS = {
    "missing": (missing, "no such audio file"),
    "folder": (a_folder, "cannot be opened"),
    "not audio": (not_audio, "unreadable"),
    "zero bytes": (zero_bytes, "unreadable"),
    "no samples": (no_samples, "empty"),
    "NaN at the start": (with_value(np.nan, 0, "FLOAT"), "NaN"),
    "NaN in the middle": (with_value(np.nan, 20000, "DOUBLE"), "NaN"),
    "infinity": (with_value(-np.inf, 47999, "FLOAT"), "infinite"),
    "half a FLAC": (cut("flac", 0.5), "truncated"),
    "FLAC without its end": (cut("flac", 0.99), "truncated"),
}


@pytest.mark.parametrize("check", [read_audio, inspect_audio])
@pytest.mark.parametrize("defect", DEFECTS)
def test_defects_are_named_with_the_file(tmp_path, check, defect):
    build, reason = DEFECTS[defect]
    path = build(tmp_path)
    with pytest.raises(InputError) as caught:
        check(path)
    assert str(path) in str(caught.value) and reason in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("build", [cut("wav", 0.5), cut("wav", 0.9, subtype="FLOAT")])
def test_truncated_wav_is_found_when_inspected(tmp_path, build):
    path = build(tmp_path)
    with pytest.raises(InputError, match=r"cut\.wav.*truncated"):
        inspect_audio(path)


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF])
def test_wav_written_to_a_pipe_is_no_truncated_wav(tmp_path, length):
    path = write(tmp_path / "pipe.wav", tone(1.0, 16000))
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = length.to_bytes(4, "little")
    path.write_bytes(content)
    assert inspect_audio(path) == pytest.approx(1.0)


def test_shorter_than_a_frame_is_refused(tmp_path):
    short = write(tmp_path / "short.wav", tone(0.02, 16000))
    with pytest.raises(InputError, match=r"short\.wav.*0\.025"):
        inspect_audio(short)
    assert inspect_audio(short, minimum_seconds=0.01) == pytest.approx(0.02)
    assert inspect_audio(write(tmp_path / "frame.wav", tone(0.025, 16000))) == pytest.approx(0.025)
