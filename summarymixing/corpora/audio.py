"""Reading and checking audio files, with errors that name the file."""

import contextlib
import re

import soundfile
import torch
from torchaudio.functional import resample

from summarymixing.errors import InputError

# The only encodings in which a file can state NaN or infinity.
_FLOATING = {"FLOAT", "DOUBLE"}
_BLOCK = 1 << 20
_TAIL_SECONDS = 0.2
# A WAV written to a pipe states this length or more, because its writer could not go back.
_UNKNOWN_LENGTH = 0x7FFF0000


def read_audio(path, sample_rate=16000):
    """Read a recording as one channel at `sample_rate`.

    Every format that soundfile reads will do (WAV, FLAC, OGG, MP3, ...), at any sampling rate
    and with any number of channels: the channels are averaged, then the signal is resampled.

    Parameters
    ----------
    path : str or pathlib.Path
        The audio file.
    sample_rate : int
        Wanted sampling rate in hertz.

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
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/stereo.wav"
    >>> soundfile.write(path, torch.zeros(8000, 2).numpy(), 8000)
    >>> read_audio(path).shape
    torch.Size([16000])
    """
    with _open(path) as file:
        samples = file.read(dtype="float32", always_2d=True)
        if len(samples) == 0:
            raise InputError(f"{path}: empty recording")
        if len(samples) < file.frames:
            raise InputError(f"{path}: truncated, {len(samples)} samples of {file.frames}")
        file_rate = file.samplerate
    signal = torch.from_numpy(samples).mean(dim=1)
    if not torch.isfinite(signal).all():
        raise InputError(f"{path}: holds NaN or infinite samples")
    return resample(signal, file_rate, sample_rate)


def inspect_audio(path, minimum_seconds=0.025):
    """Check that a recording can be used, and measure it, without decoding all of it.

    The header and the last fifth of a second are read, so that a truncated file is noticed;
    files of floating-point samples are read whole, because they can hold NaN or infinity. A
    sampling rate or a number of channels that `read_audio` converts is no error.

    Parameters
    ----------
    path : str or pathlib.Path
        The audio file.
    minimum_seconds : float
        Shorter recordings are refused; the default is one analysis frame.

    Returns
    -------
    float
        Duration in seconds.

    Raises
    ------
    InputError
        If the file is missing, unreadable, truncated, empty or too short, or holds NaN or
        infinity.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/speech.flac"
    >>> soundfile.write(path, torch.zeros(24000).numpy(), 16000)
    >>> inspect_audio(path)
    1.5
    """
    with _open(path) as file:
        if file.frames == 0:
            raise InputError(f"{path}: empty recording")
        _check_wav_length(path, file)
        seconds = file.frames / file.samplerate
        if seconds < minimum_seconds:
            raise InputError(f"{path}: lasts {seconds:.4f} s, less than {minimum_seconds} s")
        whole = file.subtype in _FLOATING
        tail = min(file.frames, round(_TAIL_SECONDS * file.samplerate))
        left = file.frames if whole else tail
        file.seek(file.frames - left)
        while left > 0:
            block = torch.from_numpy(file.read(min(left, _BLOCK), dtype="float32"))
            if len(block) == 0:
                raise InputError(f"{path}: truncated, its last {left} samples are missing")
            if not torch.isfinite(block).all():
                raise InputError(f"{path}: holds NaN or infinite samples")
            left -= len(block)
    return seconds


@contextlib.contextmanager
def _open(path):
    """Open an audio file; any failure of soundfile, then or while reading, names the file."""
    try:
        # Opened here, because libsndfile calls every failure to open "System error".
        with open(path, "rb") as binary, soundfile.SoundFile(binary) as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path}: no such audio file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from None
    except soundfile.SoundFileError as error:
        reason = str(error).split(": ")[-1].strip() or "damaged"
        raise InputError(f"{path}: unreadable or truncated audio ({reason})") from None


def _check_wav_length(path, file):
    """Refuse a WAV whose header states more data than it holds.

    libsndfile shortens such a file and mentions it in its log only; the transcript would then be
    longer than the speech.
    """
    mismatch = re.search(r"^data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if mismatch and int(mismatch[2]) < int(mismatch[1]) < _UNKNOWN_LENGTH:
        raise InputError(f"{path}: truncated, {mismatch[2]} of {mismatch[1]} bytes of audio")
