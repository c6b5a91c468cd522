"""Recording conditions of synthetic speech: room, level and background noise."""

import numpy as np
from scipy.signal import fftconvolve


def between_silences(speech, rng, sample_rate, longest):
    """Put 0.1 to `longest` seconds of silence before speech and after it.

    Examples
    --------
    >>> 80 <= len(between_silences(np.ones(40), np.random.default_rng(0), 400, 0.2)) - 40 < 160
    True
    """
    return np.pad(speech, (rng.uniform(0.1, longest, size=2) * sample_rate).astype(int))


def coloured_noise(rng, samples, slope):
    """Draw Gaussian noise whose power falls with frequency as ``1 / f ** slope``.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the noise.
    samples : int
        Length of the noise.
    slope : float
        0 is white, 1 pink, 2 brown.

    Returns
    -------
    numpy.ndarray
        Shape (samples,), mean power 1.

    Examples
    --------
    >>> noise = coloured_noise(np.random.default_rng(0), 16000, slope=1.0)
    >>> noise.shape, round(float(np.mean(noise**2)), 6)
    ((16000,), 1.0)
    """
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.fft.rfftfreq(samples)
    # Below 50 Hz (at 16 kHz) a steep slope would put all the power at inaudible frequencies.
    spectrum *= np.maximum(frequency, 50 / 16000) ** (-slope / 2)
    noise = np.fft.irfft(spectrum, samples)
    return noise / np.sqrt(np.mean(noise**2))


def add_noise(speech, noise, snr_db):
    """Add `noise` scaled so that speech power over noise power is `snr_db` decibels.

    Both powers are means over the whole signal.

    Examples
    --------
    >>> speech, noise = np.array([1.0, -1.0]), np.array([5.0, 5.0])
    >>> add_noise(speech, noise, 20.0).round(6).tolist()
    [1.1, -0.9]
    """
    ratio = np.mean(speech**2) / np.mean(noise**2)
    return speech + noise * np.sqrt(ratio / 10 ** (snr_db / 10))


def reverberate(speech, rng, sample_rate, decay_seconds, level_db):
    """Add the reverberation of a room: the speech convolved with decaying noise.

    Parameters
    ----------
    speech : numpy.ndarray
        Shape (samples,).
    rng : numpy.random.Generator
        Source of the room.
    sample_rate : int
        In hertz.
    decay_seconds : float
        Time in which the echo falls by 60 dB.
    level_db : float
        Power of the echo relative to the direct sound, in decibels; negative is weaker.

    Returns
    -------
    numpy.ndarray
        Shape (samples,): the tail beyond the last sample is cut, and the direct sound stays where
        it was.

    Examples
    --------
    >>> impulse = np.eye(1, 8000)[0]
    >>> room = reverberate(impulse, np.random.default_rng(0), 16000, 0.2, -10.0)
    >>> room.shape, float(room[0].round(6)), round(float(np.sum(room[1:] ** 2)), 3)
    ((8000,), 1.0, 0.1)
    """
    time = np.arange(1, round(decay_seconds * sample_rate)) / sample_rate
    echo = rng.standard_normal(len(time)) * 10 ** (-3 * time / decay_seconds)
    echo *= np.sqrt(10 ** (level_db / 10) / np.sum(echo**2))
    return fftconvolve(speech, np.concatenate([[1.0], echo]))[: len(speech)]


def record(speech, rng, sample_rate, snr_db, echo=None, level_db=(-30.0, -20.0)):
    """Turn clean speech into a recording with a room, background noise and a level, drawn by `rng`.

    Every recording gets some noise: digital silence would be -100 dB in a log filterbank.

    Parameters
    ----------
    speech : numpy.ndarray
        Shape (samples,).
    rng : numpy.random.Generator
        Source of the room, the noise and the level.
    sample_rate : int
        In hertz.
    snr_db : (float, float)
        Range of the power of speech over that of noise, in decibels.
    echo : ((float, float), (float, float)), optional
        Ranges of `reverberate`'s `decay_seconds` and `level_db`; none without it.
    level_db : (float, float)
        Range of the mean power, in decibels of full scale; less where it would clip.

    Returns
    -------
    numpy.ndarray
        Shape (samples,), int16.

    Examples
    --------
    >>> recording = record(np.ones(160), np.random.default_rng(0), 16000, snr_db=(20, 30))
    >>> recording.dtype.name, recording.shape
    ('int16', (160,))
    """
    if echo is not None:
        decay_seconds, echo_db = echo
        speech = reverberate(speech, rng, sample_rate, rng.uniform(*decay_seconds), rng.uniform(*echo_db))
    noise = coloured_noise(rng, len(speech), slope=rng.uniform(0.0, 1.5))
    recording = add_noise(speech, noise, rng.uniform(*snr_db))
    level = 10 ** (rng.uniform(*level_db) / 20) / np.sqrt(np.mean(recording**2))
    recording *= min(level, 0.99 / np.max(np.abs(recording)))
    return np.round(recording * 32767).astype(np.int16)
