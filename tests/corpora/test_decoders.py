"""Files of every kind, as strangers' programs write them: all that can be decoded is read, at its true length."""

import io
import subprocess
import sys

import av
import numpy as np
import pytest
import soundfile
import torch

from summarymixing.corpora.audio import inspect_audio, read_audio
from summarymixing.utils.errors import InputError

SECONDS = 5


def sweep(rate=16000, seconds=SECONDS):
    """A tone that rises and dies away: no piece of it is like another."""
    time = np.arange(round(seconds * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * (200 + 50 * time) * time) * (1 - time / seconds / 2)


def agree(path, seconds, tolerance=0.03):
    """Preparation and training see the same samples, of the true length."""
    found = inspect_audio(path)
    signal = read_audio(path)
    assert found == pytest.approx(seconds, abs=tolerance)
    assert abs(len(signal) - 16000 * found) <= 1
    assert torch.equal(signal, read_audio(path))
    return signal.numpy()


def encode(path, codec, rate=16000, samples=None, container=None, options=None, metadata=None, video=False):
    """Write a file with FFmpeg; to an object that cannot seek it is as written to a pipe."""
    samples = sweep(rate) if samples is None else samples
    with av.open(path, "w", format=container, options=options or {}) as output:
        output.metadata.update(metadata or {})
        picture = output.add_stream("mpeg4", 25, width=64, height=64, pix_fmt="yuv420p") if video else None
        stream = output.add_stream(codec, rate, layout="mono")
        stream.bit_rate = 64000
        for number in range(SECONDS * 25 if video else 0):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number, np.uint8), "rgb24")
            output.mux(picture.encode(frame))
        target = av.AudioResampler(stream.format, "mono", rate, stream.frame_size or 1024)
        whole = av.AudioFrame.from_ndarray(samples.astype(np.float32)[None], "fltp", "mono")
        whole.sample_rate = rate
        for part in (whole, None):
            for frame in target.resample(part):
                output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


class Pipe(io.RawIOBase):
    """Takes bytes and cannot go back."""

    def __init__(self, file):
        self.file = file

    def writable(self):
        return True

    def write(self, data):
        return self.file.write(data)


def piped(path, codec, container, **options):
    with open(path, "wb") as file:
        encode(Pipe(file), codec, container=container, **options)
    return path


EXACT = [
    *(("WAV", kind) for kind in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")),
    *(("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_24"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24")),
    *(("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16"), ("NIST", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")),
    *(("AIFF", "FLOAT"), ("AU", "ULAW"), ("MP3", "MPEG_LAYER_III"), ("VOC", "PCM_16"), ("IRCAM", "PCM_16")),
]


@pytest.mark.parametrize("container, kind", EXACT)
def test_what_soundfile_writes(tmp_path, container, kind):
    path = tmp_path / "audio.anything"
    soundfile.write(path, sweep(), 16000, format=container, subtype=kind)
    tolerance = {"VORBIS": 0.1, "OPUS": 0.1, "MPEG_LAYER_III": 0.1, "PCM_U8": 0.01, "ULAW": 0.03, "ALAW": 0.03}
    signal = agree(path, SECONDS, {"VOC": 0.005, "OGG": 0.03}.get(container, 1e-9))
    middle = slice(1000, -1000)  # lossy codecs are worse at the ends
    np.testing.assert_allclose(signal[:79000][middle], sweep()[:79000][middle], atol=tolerance.get(kind, 1e-3))


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize(
    "name, codec",
    [
        *(("a.mp3", "libmp3lame"), ("a.opus", "libopus"), ("a.m4a", "aac"), ("a.mp4", "aac")),
        *(("a.webm", "libopus"), ("a.m4a", "alac"), ("a.mka", "libmp3lame"), ("a.wv", "wavpack")),
    ],
)
def test_what_ffmpeg_writes(tmp_path, name, codec, rate):
    if codec == "libopus" and rate == 44100:
        rate = 24000
    signal = agree(encode(str(tmp_path / name), codec, rate), SECONDS)
    near = np.abs(np.correlate(sweep()[20000:30000], signal[19500:30500], "valid"))
    assert abs(int(near.argmax()) - len(near) // 2) < 480  # the sound lies where it was


def test_wma(tmp_path):
    agree(encode(str(tmp_path / "a.wma"), "wmav2", 48000), SECONDS)


@pytest.mark.parametrize("container, codec", [("mp4", "mpeg4"), ("matroska", "mpeg4")])
def test_the_sound_of_a_video(tmp_path, container, codec):
    agree(encode(str(tmp_path / "film"), "aac", 48000, container=container, video=True), SECONDS)


@pytest.mark.parametrize("rate", [16000, 48000])
def test_mp3_without_a_length(tmp_path, rate):
    """Neither a pipe nor a variable bit rate leaves a file whose header tells how long it is."""
    agree(piped(tmp_path / "pipe.mp3", "libmp3lame", "mp3", rate=rate), SECONDS)
    quiet_then_loud = np.concatenate([sweep(rate, 3) * 1e-3, np.random.default_rng(0).uniform(-0.5, 0.5, 9 * rate)])
    agree(encode(str(tmp_path / "vbr.mp3"), "libmp3lame", rate, quiet_then_loud, options={"write_xing": "0"}), 12)


def test_joined_files(tmp_path):
    for name, codec in (("a.mp3", "libmp3lame"), ("a.opus", "libopus")):
        half = encode(str(tmp_path / name), codec, 48000, sweep(48000, 2.5))
        joined = tmp_path / f"joined {name}"
        joined.write_bytes(2 * open(half, "rb").read())
        agree(joined, SECONDS, 0.05 if codec == "libmp3lame" else 0.03)


def test_joined_files_of_two_rates(tmp_path):
    """MP3 changes its rate where it likes; FFmpeg does not follow Vorbis there, which must not be silent."""
    for kind in ("mp3", "ogg"):
        for rate in (16000, 48000):
            soundfile.write(tmp_path / f"{rate}.{kind}", sweep(rate, 2), rate)
        parts = [(tmp_path / f"{rate}.{kind}").read_bytes() for rate in (16000, 48000)]
        (tmp_path / f"joined.{kind}").write_bytes(b"".join(parts))
    agree(tmp_path / "joined.mp3", 4, 0.05)
    with pytest.raises(InputError, match="joined.ogg: unreadable"):
        inspect_audio(tmp_path / "joined.ogg")


def test_tags_that_are_no_utf8(tmp_path):
    path = encode(str(tmp_path / "a.mp3"), "libmp3lame", metadata={"title": "Elan"}, options={"id3v2_version": "3"})
    data = open(path, "rb").read().replace("Elan".encode("utf-16-le"), b"\xff\xd8\xff\xd8\xff\xd8\xff\xd8")
    (tmp_path / "tagged.mp3").write_bytes(data.replace(b"Elan", b"\xe9lan"))
    agree(tmp_path / "tagged.mp3", SECONDS)


def test_flac_of_a_pipe_states_no_length(tmp_path):
    signal = agree(piped(tmp_path / "pipe.flac", "flac", "flac"), SECONDS, 0)
    np.testing.assert_allclose(signal, sweep(), atol=1e-3)


def test_wav_of_a_pipe_states_a_length_of_zero(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, sweep(), 16000)
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = bytes(4)
    path.write_bytes(data)
    agree(path, SECONDS, 0)


@pytest.mark.parametrize("subtype, rate", [("GSM610", 8000), ("IMA_ADPCM", 16000), ("MS_ADPCM", 16000)])
def test_coded_wav(tmp_path, subtype, rate):
    """They end with a whole block, which the last samples do not fill."""
    path = tmp_path / "a.wav"
    soundfile.write(path, sweep(rate), rate, subtype=subtype)
    block = {"GSM610": 320 / 8000}.get(subtype, 2048 / 16000)
    assert SECONDS <= inspect_audio(path) <= SECONDS + block
    agree(path, SECONDS, block)


def test_names_are_bytes(tmp_path):
    for name in (b"caf\xe9.flac", b"http:a.flac", b"%03d.flac"):
        path = bytes(tmp_path) + b"/" + name
        path = path.decode("utf-8", "surrogateescape")
        with open(path, "wb") as file:
            soundfile.write(file, sweep(), 16000, format="MP3" if b"%" in name else "FLAC")
        agree(path, SECONDS)


def test_damage_in_the_middle_of_a_lossy_file_costs_no_more_than_itself(tmp_path):
    data = bytearray(open(encode(str(tmp_path / "a.mp3"), "libmp3lame"), "rb").read())
    data[len(data) // 2 : len(data) // 2 + 200] = np.random.default_rng(0).bytes(200)
    (tmp_path / "a.mp3").write_bytes(data)
    agree(tmp_path / "a.mp3", SECONDS, 0.2)


def test_a_lossy_file_that_was_cut_is_read_to_there(tmp_path):
    data = open(encode(str(tmp_path / "a.mp3"), "libmp3lame"), "rb").read()
    (tmp_path / "a.mp3").write_bytes(data[: len(data) // 2])
    agree(tmp_path / "a.mp3", SECONDS / 2, 0.1)


def cut(container):
    def build(path):
        soundfile.write(path, sweep(), 16000, format=container)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 2 // 3])

    return build


def damaged_flac(path):
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 80000), 16000, format="FLAC")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 500] = bytes(500)
    path.write_bytes(data)


DEFECTS = {
    **{f"cut {kind}": (cut(kind), "truncated") for kind in ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "FLAC")},
    "damaged FLAC": (damaged_flac, "truncated"),
    "text": (lambda path: path.write_text("this is no recording\n" * 500), "unreadable"),
    "bytes": (lambda path: path.write_bytes(np.random.default_rng(0).bytes(50000)), "unreadable"),
    "playlist": (lambda path: path.write_text("#EXTM3U\n#EXTINF:5,\n/etc/passwd\n#EXT-X-ENDLIST\n"), "unreadable"),
    "picture": (lambda path: encode_picture(path), "no audio"),
}


def encode_picture(path):
    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", 25, width=64, height=64, pix_fmt="yuv420p")
        output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        output.mux(stream.encode(None))


@pytest.mark.parametrize("check", [read_audio, inspect_audio])
@pytest.mark.parametrize("name", ["a.wav", "a.mp3"])
@pytest.mark.parametrize("defect", DEFECTS)
def test_what_cannot_be_used_is_named(tmp_path, check, name, defect):
    build, reason = DEFECTS[defect]
    build(tmp_path / name)
    with pytest.raises(InputError) as caught:
        check(tmp_path / name)
    message = str(caught.value)
    assert str(tmp_path / name) in message and reason in message and len(message.splitlines()) == 1


@pytest.mark.parametrize("value", [0.0, 0.25])
@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "opus"])
def test_digital_silence_is_no_recording_but_is_read(tmp_path, kind, value):
    if value and kind in ("mp3", "opus"):
        value = 0.0  # they pass no constant
    path = tmp_path / f"a.{kind}"
    soundfile.write(
        path, np.full(48000, value), 48000, **({"format": "OGG", "subtype": "OPUS"} if kind == "opus" else {})
    )
    with pytest.raises(InputError, match="digital silence"):
        inspect_audio(path)
    assert inspect_audio(path, allow_silence=True) == pytest.approx(1, abs=0.03)
    assert len(read_audio(path)) == pytest.approx(16000, abs=500)


def test_channels_that_cancel_are_silence_and_one_quiet_bit_is_none(tmp_path):
    signal = sweep()
    soundfile.write(tmp_path / "a.wav", np.stack([signal, -signal], 1), 16000, subtype="FLOAT")
    with pytest.raises(InputError, match="digital silence"):
        inspect_audio(tmp_path / "a.wav")
    soundfile.write(tmp_path / "b.wav", (np.arange(16000) % 2).astype(np.int16), 16000)
    assert inspect_audio(tmp_path / "b.wav") == 1


@pytest.mark.parametrize("rate", [7350, 11025, 11127, 22254, 44099, 96000, 192000])
def test_any_rate(tmp_path, rate):
    path = tmp_path / "a.wav"
    soundfile.write(path, sweep(rate), rate, subtype="FLOAT")
    signal = agree(path, SECONDS, 1e-9)
    np.testing.assert_allclose(signal[500:-500], sweep()[500:-500], atol=2e-3)


@pytest.mark.slow
def test_memory_of_odd_rates_and_long_files(tmp_path):
    """A tenth of a second at 11,127 Hz, and preparation of an hour: both in a process whose memory is counted."""
    soundfile.write(tmp_path / "odd.wav", sweep(11127, 0.1), 11127)
    with soundfile.SoundFile(tmp_path / "hour.flac", "w", 16000, 2) as file:
        for _ in range(60):
            file.write(np.random.default_rng(0).integers(-9, 9, (60 * 16000, 2), dtype=np.int16))
    program = (
        "import resource, sys; from summarymixing.corpora.audio import *\n"
        "size = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "before = size(); read_audio(sys.argv[1]); print(inspect_audio(sys.argv[2]), size() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "odd.wav", tmp_path / "hour.flac"], capture_output=True, text=True
    )
    seconds, megabytes = done.stdout.split()
    assert float(seconds) == 3600 and int(megabytes) < 50
