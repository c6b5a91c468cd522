"""Speech synthesis with espeak-ng through ctypes, and the speakers.

The library and its voices come from the `espeakng-loader` package; nothing is installed on the
system.
"""

import _ctypes
import ctypes
import functools
import shutil
import tempfile
from dataclasses import dataclass

import numpy as np
from scipy.signal import resample_poly

from summarymixing.utils.errors import InputError

# Values of espeak-ng's speak_lib.h.
_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

# Fewer accents would be fewer voices to learn from, and more errors on unseen ones.
_ACCENTS = ["en-us", "en", "en-gb-x-rp"]
# Variants that keep every English sound apart; whispering, croaking, echoing and robotic ones are
# left out. A variant serves one split only, so that test voices are new voices, except that
# the two test splits share theirs: test-other differs in noise and speed.
_VARIANTS = {
    "train": "m1 m2 m3 m5 m6 m7 f1 f2 linda steph Michael robert adam".split(),
    "dev": "m4 f5".split(),
    "test": "m8 f3 f4 benjamin".split(),
}


@dataclass(frozen=True)
class Speaker:
    """One invented speaker.

    Attributes
    ----------
    id : int
        The speaker number in the corpus.
    sex : str
        ``"F"`` or ``"M"``, as in SPEAKERS.TXT.
    voice : str
        espeak-ng voice, accent and variant: ``"en-us+f2"``.
    rate : float
        Usual speed in espeak-ng's words per minute.
    pitch, pitch_range : float
        Usual pitch and liveliness, 0 to 100 with 50 the variant's own.
    """

    id: int
    sex: str
    voice: str
    rate: float
    pitch: float
    pitch_range: float


def speakers(split):
    """Return the speakers of a split; no voice is shared between training and dev or test.

    Examples
    --------
    >>> len(speakers("train-clean-100"))
    39
    >>> train = {speaker.voice for speaker in speakers("train-clean-100")}
    >>> any(speaker.voice in train for speaker in speakers("test-clean"))
    False
    """
    first_id, part = {
        "train-clean-100": (1001, "train"),
        "dev-clean": (2001, "dev"),
        "test-clean": (3001, "test"),
        "test-other": (4001, "test"),
    }[split]
    return _invent(part, _ACCENTS, first_id, personas=1)


@functools.cache
def cast(part, accents, first_id, personas=1):
    """Invent speakers for one part of a corpus.

    Parameters
    ----------
    part : str
        ``"train"``, ``"dev"`` or ``"test"``: no two of them share a variant.
    accents : tuple of str
        espeak-ng voices without variant, of any language.
    first_id : int
        Number of the first speaker; a number always gives the same rate and pitch.
    personas : int
        Speakers for each accent and variant, who differ in rate and pitch.

    Returns
    -------
    list of Speaker
        All combinations, in an order that mixes them and is always the same: a corpus too small for
        all of them has the first.

    Examples
    --------
    >>> sorted(speaker.voice for speaker in cast("dev", ("fr",), 1))
    ['fr+f5', 'fr+m4']
    """
    speakers = _invent(part, accents, first_id, personas)
    return [speakers[i] for i in np.random.default_rng(first_id).permutation(len(speakers))]


def _invent(part, accents, first_id, personas):
    speakers = []
    voices = [(variant, accent) for variant in _VARIANTS[part] for accent in accents]
    for i, (variant, accent) in enumerate(voices * personas):
        # Seeded by the number alone: speaker 1001 is the same person in every corpus.
        rng = np.random.default_rng(first_id + i)
        female = variant[0] == "f" or variant in ("linda", "steph")
        speakers.append(
            Speaker(
                id=first_id + i,
                sex="F" if female else "M",
                voice=f"{accent}+{variant}",
                rate=rng.uniform(115, 150),
                pitch=rng.uniform(35, 65),
                pitch_range=rng.uniform(30, 70),
            )
        )
    return speakers


def _load_afresh(path):
    """Load espeak-ng with its static variables at their initial values.

    Loading `path` itself is not enough: while anything else in the process uses the library, dlclose does
    not unload it, and its variables stay. A copy under a new name is always loaded again.
    """
    if hasattr(ctypes.CDLL(None), "espeak_Initialize"):
        # The copy would call into that other library, and has been seen never to return.
        raise InputError(
            "this process has already loaded an espeak-ng for all its libraries (RTLD_GLOBAL or LD_PRELOAD):"
            " make synthetic speech in another process"
        )
    try:
        with open(path, "rb") as original, tempfile.NamedTemporaryFile(suffix=".so") as copy:
            shutil.copyfileobj(original, copy)
            copy.flush()
            # Once loaded the library no longer needs the file, which is removed here.
            return ctypes.CDLL(copy.name)
    except OSError as error:
        raise InputError(
            f"espeak-ng cannot be loaded from a temporary copy of {path} ({error}):"
            " TMPDIR must name a folder with 1 MB free and not mounted noexec"
        ) from None


def say(text, speaker, rng, rate, sample_rate, pitch_spread=8):
    """Synthesise `text` with a speaker, each time with another pitch and pitch range.

    Parameters
    ----------
    text : str
        Plain words and punctuation.
    speaker : Speaker
        Who speaks.
    rng : numpy.random.Generator
        Draws pitch and liveliness, in this order.
    rate : float
        Speed in espeak-ng's words per minute.
    sample_rate : int
        Of the result, in hertz.
    pitch_spread : float
        By how much the pitch may differ from the speaker's usual one.

    Returns
    -------
    numpy.ndarray
        Shape (samples,), in [-1, 1] except for small overshoots from resampling.

    Examples
    --------
    >>> speech = say("good morning", speakers("dev-clean")[0], np.random.default_rng(0), 130, 16000)
    >>> 0.4 < len(speech) / 16000 < 2
    True
    """
    pitch = speaker.pitch + rng.uniform(-pitch_spread, pitch_spread)
    samples, native_rate = speak(text, speaker.voice, rate, pitch, speaker.pitch_range + rng.uniform(-15, 15))
    return resample_poly(samples / 32768.0, sample_rate, native_rate)


def speak(text, voice, rate=165, pitch=50, pitch_range=50):
    """Synthesise `text`; the same arguments always give the same samples.

    Do not call this from two threads at once: espeak-ng sets the locale of the process.

    Parameters
    ----------
    text : str
        Plain words and punctuation.
    voice : str
        espeak-ng voice and variant, such as ``"en-us+f2"``.
    rate : float
        Speed in espeak-ng's words per minute, 80 to 450.
    pitch, pitch_range : float
        0 to 100, 50 being the voice's own.

    Returns
    -------
    samples : numpy.ndarray
        Shape (samples,), int16.
    sample_rate : int
        In hertz; 22050 for the voices used here.

    Raises
    ------
    InputError
        If espeakng-loader is not installed, its library cannot be copied and loaded, its data
        cannot be read, or the voice is unknown.

    Examples
    --------
    >>> samples, rate = speak("good morning", "en-us+f2")
    >>> 0.4 < len(samples) / rate < 2
    True
    """
    try:
        import espeakng_loader
    except ImportError:
        raise InputError("synthetic speech needs the package espeakng-loader: pip install espeakng-loader") from None

    # The phase of the pitch flutter, among others, is a static variable that no call resets: the
    # same text would sound different the second time. Loading takes about 1 ms.
    library = _load_afresh(espeakng_loader.get_library_path())
    pieces = []

    @_CALLBACK
    def collect(wave, count, events):
        if wave and count > 0:
            pieces.append(ctypes.string_at(wave, 2 * count))
        return 0

    try:
        data_path = espeakng_loader.get_data_path()
        sample_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, data_path.encode(), 0)
        if sample_rate <= 0:
            raise InputError(
                f"espeak-ng cannot read its voice data in {data_path}: reinstall espeakng-loader"
                " (a path longer than 160 characters fails too)"
            )
        library.espeak_SetSynthCallback(collect)
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise InputError(f"espeak-ng has no voice {voice!r}")
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
            library.espeak_SetParameter(parameter, round(value), 0)
        # Breath noise comes from a generator that Initialize seeds with the time of day.
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        data = text.encode() + b"\0"
        library.espeak_Synth(data, len(data), 0, 1, 0, _CHARS_UTF8, None, None)
        library.espeak_Synchronize()
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)
    return np.frombuffer(b"".join(pieces), dtype=np.int16), sample_rate
