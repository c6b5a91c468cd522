"""Decode audio files to blocks of samples: with soundfile where it is exact and fast, otherwise with FFmpeg (PyAV)."""

import re

import av
import numpy
import soundfile

from summarymixing.utils.errors import InputError

# First bytes of the formats that soundfile reads exactly: WAV, RF64, W64, FLAC, AIFF, AU, CAF, NIST Sphere.
_SOUNDFILE_STARTS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"FORM", b".snd", b"caff", b"NIST")
# In these formats every sample is a number in the file, so that the length is exact.
_EXACT = re.compile("PCM_.*|FLOAT|DOUBLE|ULAW|ALAW")
_BLOCK = 1 << 16
# A header written to a pipe states this length or more, because its writer could not go back.
_UNKNOWN_LENGTH = 0x7FFF0000
# libsndfile's number of samples for a FLAC file that states none.
_UNKNOWN_FRAMES = 2**62
# libsndfile's log line for a header that states more samples than there are: stated, found.
_TRUNCATED = (
    re.compile(r"^ *(?:data|SSND|Data Size) *: (?P<stated>\d+) \(should be (?P<found>\d+)\)", re.MULTILINE),
    re.compile(r"^riff : (?P<stated>\d+) \(should be (?P<found>\d+)\)", re.MULTILINE),  # W64
    re.compile(r"frame count (?P<found>\d+) does not match value from 'ds64' chunk of (?P<stated>\d+)"),
)
# Samples of silence that encoder and decoder add before the sound, used if the file does not state them.
_DELAY = {"mp3": 1105, "mp3float": 1105, "mp2": 481, "mp2float": 481, "aac": 1024}
# A frame whose side information is empty, then a name; a tag (ID3) may come first.
_MP3_HEADER = re.compile(rb"\xff[\xe2-\xff]..\0{9,32}(?:Xing|Info)", re.DOTALL)
# One damaged packet in this many is left out, as every player does; with more, the recording is unusable.
_PACKETS_A_DAMAGED_ONE = 10


def decode(path, start=0.0):
    """Decode a recording to its end, one block after the other.

    Parameters
    ----------
    path : str or pathlib.Path
        An audio file, or a video with a sound track (the first one is taken).
    start : float
        Seconds to leave out at the beginning. In formats such as WAV and FLAC they are skipped, in others decoded.

    Yields
    ------
    rate : int
        Sample rate in Hz; it may change where files were joined.
    block : numpy.ndarray
        Shape (samples, channels), float32, full scale at -1 and 1.

    Raises
    ------
    InputError
        If the file is missing, is not audio or is certainly truncated, or if more than a tenth of its packets are
        damaged. In lossy formats, whose stated length is an estimate, all that can be decoded is used.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/stereo.wav"
    >>> soundfile.write(path, numpy.zeros((8000, 2)), 8000)
    >>> [(rate, block.shape) for rate, block in decode(path)]
    [(8000, (8000, 2))]
    """
    try:
        with open(path, "rb", buffering=0) as file:
            # The descriptor, not the name: names need not be UTF-8, and reading from Python would hold its lock.
            sound = _open_soundfile(file)
            if sound:
                with sound:
                    yield from _soundfile_blocks(path, sound, start)
            else:
                file.seek(0)
                yield from _behind(start, _ffmpeg_blocks(path, file))
    except FileNotFoundError as error:
        # Several errors of FFmpeg are also of this kind.
        reason = (
            f"unreadable or truncated audio ({error.strerror})"
            if isinstance(error, av.FFmpegError)
            else "no such audio file"
        )
        raise InputError(f"{path}: {reason}") from None
    except av.FFmpegError as error:
        raise InputError(f"{path}: unreadable or truncated audio ({error.strerror})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from None
    except soundfile.SoundFileError as error:
        reason = str(error).split(": ")[-1].strip() or "damaged"
        raise InputError(f"{path}: unreadable or truncated audio ({reason})") from None


def _open_soundfile(file):
    """Open the file with soundfile; None if FFmpeg should read it."""
    if not file.read(4).startswith(_SOUNDFILE_STARTS):
        return None
    file.seek(0)
    try:
        sound = soundfile.SoundFile(file.fileno(), closefd=False)
    except soundfile.SoundFileError:
        return None
    if 0 < sound.frames < _UNKNOWN_FRAMES and _EXACT.fullmatch(sound.subtype):
        return sound
    sound.close()
    return None


def _soundfile_blocks(path, sound, start):
    for pattern in _TRUNCATED:
        length = pattern.search(sound.extra_info)
        if length and int(length["found"]) < int(length["stated"]) < _UNKNOWN_LENGTH:
            raise InputError(f"{path}: truncated, its header states {length['stated']}, there are {length['found']}")
    first = min(round(start * sound.samplerate), sound.frames)
    if first:
        sound.seek(first)
    left = sound.frames - first
    while left > 0:
        block = sound.read(min(left, _BLOCK), dtype="float32", always_2d=True)
        if len(block) == 0:
            raise InputError(f"{path}: truncated, its last {left} samples are missing")
        left -= len(block)
        yield sound.samplerate, block


def _behind(start, blocks):
    """Drop the first seconds."""
    for rate, block in blocks:
        skip = min(round(start * rate), len(block))
        start -= skip / rate
        if skip < len(block):
            yield rate, block[skip:]


def _ffmpeg_blocks(path, file):
    # No other protocol: a playlist must not make FFmpeg open what it names.
    options = {"fd": str(file.fileno()), "protocol_whitelist": "fd"}
    with av.open("fd:", options=options, metadata_errors="ignore") as container:
        if not container.streams.audio:
            raise InputError(f"{path}: unreadable, it holds no audio")
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise InputError(f"{path}: unreadable, nothing decodes this kind of audio")
        stream.codec_context.thread_count = 1
        yield from _without_delay(_frames(path, container, stream), _unstated_delay(container, stream))


def _frames(path, container, stream):
    """Decoded frames as (rate, block, whether a joined file begins), the last one as long as its container says."""
    packets = damaged = 0
    for packet in container.demux(stream):
        joined = packets > 0 and _is_mp3_header(packet, stream)
        packets += packet.size > 0
        if joined:
            yield 0, None, True
            continue
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            damaged += 1
            continue
        for frame in frames:
            yield frame.sample_rate, _samples(frame)[: _stated_samples(container, packet, frame)], False
    if damaged * _PACKETS_A_DAMAGED_ONE > packets + _PACKETS_A_DAMAGED_ONE:
        raise InputError(f"{path}: unreadable or truncated audio ({damaged} of {packets} packets are damaged)")


def _is_mp3_header(packet, stream):
    """Whether this MP3 frame is the first one of a file, which describes the file and holds no sound."""
    return stream.codec_context.name in ("mp3", "mp3float") and _MP3_HEADER.search(bytes(packet)) is not None


def _stated_samples(container, packet, frame):
    """Samples of a frame that the file calls sound: MP4 states how much of the last one is padding."""
    if not container.format.name.startswith("mov") or not packet.duration or not packet.time_base:
        return frame.samples
    return round(packet.duration * packet.time_base * frame.sample_rate)


def _unstated_delay(container, stream):
    """Samples of encoder delay, if the file does not say them: FFmpeg removes those that it says."""
    stated = False
    if container.format.name in ("mp3", "matroska,webm"):
        stated = (stream.start_time or 0) > 0
    elif container.format.name.startswith("mov"):  # time stamps below 0 are for the decoder alone
        stated = any(entry.timestamp < 0 for entry in stream.index_entries[:1])
    return 0 if stated else _DELAY.get(stream.codec_context.name, 0)


def _without_delay(frames, delay):
    """Drop the first samples, again where another file was joined."""
    skip = delay
    for rate, block, joined in frames:
        if joined:
            skip = _DELAY["mp3"]
            continue
        yield rate, block[skip:]
        skip = max(0, skip - len(block))


def _samples(frame):
    """A frame's samples (n, channels), float32, full scale at 1."""
    samples = frame.to_ndarray()
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)
    if samples.dtype.kind == "f":
        return samples.astype(numpy.float32)
    scale = 2.0 ** (8 * samples.dtype.itemsize - 1)
    offset = scale if samples.dtype.kind == "u" else 0
    return ((samples - offset) / scale).astype(numpy.float32)
