"""Reading and checking audio files, with errors that name the file."""

import itertools

import numpy
import soxr
import torch

from summarymixing.corpora.decoders import decode
from summarymixing.utils.errors import InputError

# Samples within one step of 16 bits hold no sound; a lossy encoder turns zeros into such samples.
_SILENCE = 2.0**-15


def read_audio(path, sample_rate=16000, start=0.0, seconds=None):
    """Read a recording, or a piece of it, as one channel at `sample_rate`.

    It reads every format that soundfile or FFmpeg reads (WAV, FLAC, MP3, Ogg, Opus, M4A, WebM, ...), at any sample rate
    and with any number of channels: the channels are averaged, then the signal is resampled.

    Parameters
    ----------
    path : str or pathlib.Path
        The audio file.
    sample_rate : int
        Sample rate of the result in Hz.
    start : float
        Seconds into the recording at which the piece begins.
    seconds : float, optional
        Length of the piece, which ends with the recording at the latest; by default all that is left.

    Returns
    -------
    torch.Tensor
        Shape (samples,), float32, full scale at -1 and 1.

    Raises
    ------
    InputError
        If the file is missing, unreadable, truncated, empty, or holds NaN or infinity.

    Examples
    --------
    >>> import soundfile, tempfile
    >>> path = tempfile.mkdtemp() + "/stereo.wav"
    >>> soundfile.write(path, torch.zeros(8000, 2).numpy(), 8000)
    >>> read_audio(path).shape
    torch.Size([16000])
    """
    blocks = []
    for rate, piece in itertools.groupby(_first(seconds, _mono(path, start)), key=lambda block: block[0]):
        blocks += resampled((block for _, block in piece), rate, sample_rate)
    signal = numpy.concatenate(blocks) if blocks else numpy.zeros(0, numpy.float32)
    if len(signal) == 0:
        raise InputError(f"{path}: empty recording")
    return torch.from_numpy(signal)


def resampled(blocks, rate, sample_rate):
    """Resample a signal that comes in blocks; memory does not grow with the ratio of the rates.

    Parameters
    ----------
    blocks : iterable of numpy.ndarray
        Each (samples,), float32.
    rate, sample_rate : int
        Sample rate of the blocks, and that of the result, in Hz.

    Yields
    ------
    numpy.ndarray
        Blocks of (samples,), float32; their total length is that of the signal times `sample_rate` / `rate`, rounded.

    Examples
    --------
    >>> sum(len(block) for block in resampled([numpy.zeros(11127, numpy.float32)] * 2, 11127, 16000))
    32000
    """
    if rate == sample_rate:
        yield from blocks
        return
    resampler = soxr.ResampleStream(rate, sample_rate, 1)
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(numpy.zeros(0, numpy.float32), last=True)


def inspect_audio(path, minimum_seconds=0.025, allow_silence=False):
    """Check that a recording can be used, and measure its length.

    It is decoded to its end in blocks, because headers can be wrong: the length is that of the result of `read_audio`.
    Any sample rate and number of channels are allowed, because `read_audio` converts them.

    Parameters
    ----------
    path : str or pathlib.Path
        The audio file.
    minimum_seconds : float
        Shorter recordings are refused; the default is one analysis frame.
    allow_silence : bool
        Whether a recording without any sound is allowed.

    Returns
    -------
    float
        Duration in seconds.

    Raises
    ------
    InputError
        If the file is missing, unreadable, truncated, empty or too short, holds NaN or infinity, or digital silence:
        samples that are all equal, within one step of 16 bits.

    Examples
    --------
    >>> import soundfile, tempfile
    >>> path = tempfile.mkdtemp() + "/speech.flac"
    >>> soundfile.write(path, torch.rand(24000).numpy(), 16000)
    >>> inspect_audio(path)
    1.5
    """
    seconds, low, high = 0.0, numpy.inf, -numpy.inf
    for rate, piece in itertools.groupby(_mono(path), key=lambda block: block[0]):
        samples = 0
        for _, block in piece:
            samples += len(block)
            low, high = min(low, block.min()), max(high, block.max())
        seconds += samples / rate
    if seconds == 0:
        raise InputError(f"{path}: empty recording")
    if seconds < minimum_seconds:
        raise InputError(f"{path}: lasts {seconds:.4f} s, less than {minimum_seconds} s")
    if not allow_silence and high - low < _SILENCE:
        raise InputError(f"{path}: digital silence, all samples are equal")
    return seconds


def _first(seconds, blocks):
    """Yield the blocks of the first seconds; the rest is not decoded."""
    if seconds is None:
        yield from blocks
        return
    for rate, block in blocks:
        wanted = round(seconds * rate)
        if wanted <= 0:
            return
        yield rate, block[:wanted]
        seconds -= len(block) / rate


def _mono(path, start=0.0):
    """Yield (rate, samples) of one channel; never an empty block."""
    for rate, block in decode(path, start):
        if len(block) == 0:
            continue
        mono = numpy.ascontiguousarray(block[:, 0]) if block.shape[1] == 1 else block.mean(axis=1)
        if not numpy.isfinite(mono).all():
            raise InputError(f"{path}: holds NaN or infinite samples")
        yield rate, mono
