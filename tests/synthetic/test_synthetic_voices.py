"""The synthesiser, the sentences and the acoustics, each against facts of its own."""

import ctypes
import re
import subprocess
import sys
import tempfile
import time

import espeakng_loader
import numpy as np
import pytest

from summarymixing.synthetic import acoustics, grammar, voices
from summarymixing.utils.errors import InputError

SPLITS = ["train-clean-100", "dev-clean", "test-clean", "test-other"]
TEXT = "the old farmer walked slowly across the field , while seven horses watched"


@pytest.mark.slow
def test_speech_depends_neither_on_time_nor_on_what_was_spoken_before():
    cast = [speaker for split in SPLITS for speaker in voices.speakers(split)[::5]]
    first = [voices.speak(TEXT, s.voice, s.rate, s.pitch, s.pitch_range)[0] for s in cast]
    voices.speak("something else", "en-gb-x-rp+f2", 300, 90, 10)
    ctypes.CDLL(None).rand()
    # espeak-ng seeds itself with the time in seconds.
    time.sleep(1.1)
    second = [voices.speak(TEXT, s.voice, s.rate, s.pitch, s.pitch_range)[0] for s in cast[::-1]]
    for speaker, a, b in zip(cast, first, second[::-1], strict=True):
        np.testing.assert_array_equal(a, b, err_msg=speaker.voice)


def test_every_voice_speaks_and_none_clips():
    for speaker in (s for split in SPLITS for s in voices.speakers(split)):
        samples, rate = voices.speak("seven horses", speaker.voice)
        assert 0.4 < len(samples) / rate < 2.5, speaker
        assert np.abs(samples / 32768).max() > 0.02, speaker
        assert np.mean(np.abs(samples.astype(int)) >= 32767) < 1e-3, speaker


def test_rate_and_pitch_reach_the_synthesiser():
    slow, fast = (voices.speak(TEXT, "en-us+m1", rate)[0] for rate in (120, 240))
    assert len(slow) > 1.6 * len(fast)
    low, high = (voices.speak(TEXT, "en-us+m1", pitch=pitch)[0] for pitch in (20, 80))
    assert not np.array_equal(low, high)


def test_unknown_voice_is_named():
    with pytest.raises(InputError, match="atlantean"):
        voices.speak("hello", "en-atlantean")


def test_a_process_that_shares_espeak_with_all_its_libraries_is_refused():
    # In a process of its own, since such a library stays.
    code = (
        "import ctypes, espeakng_loader\n"
        "from summarymixing.synthetic import voices\n"
        "library = ctypes.CDLL(espeakng_loader.get_library_path(), mode=ctypes.RTLD_GLOBAL)\n"
        "voices.speak('hello', 'en-us+f2')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and "InputError: this process has already loaded an espeak-ng" in run.stderr


def test_a_temporary_folder_that_cannot_be_used_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(InputError, match="missing.*TMPDIR"):
        voices.speak("hello", "en-us+f2")


def test_speaking_leaves_no_temporary_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    voices.speak("hello", "en-us+f2")
    assert list(tmp_path.iterdir()) == []


def test_casts_are_large_and_disjoint():
    train = voices.speakers("train-clean-100")
    assert len(train) >= 36
    everyone = [speaker.id for split in SPLITS for speaker in voices.speakers(split)]
    assert len(set(everyone)) == len(everyone)
    for split in SPLITS[1:]:
        variants = {s.voice.split("+")[1] for s in voices.speakers(split)}
        assert variants.isdisjoint({s.voice.split("+")[1] for s in train})
    dev, test = ({s.voice for s in voices.speakers(x)} for x in ("dev-clean", "test-clean"))
    assert dev.isdisjoint(test)


def test_sentences_are_plain_words_of_the_vocabulary():
    words, rng = set(grammar.vocabulary()), np.random.default_rng(0)
    assert 400 <= len(words) <= 700
    drawn = [grammar.sentence(rng, 20) for _ in range(3000)]
    for text in drawn:
        transcript = grammar.normalise(text)
        assert re.fullmatch(r"[A-Z']+( [A-Z']+)*", transcript)
        assert set(transcript.lower().split()) <= words
    assert len(set(drawn)) == len(drawn)
    spoken = {word for text in drawn for word in text.split()}
    assert len(words - spoken) < 0.02 * len(words)


def test_sentence_length_follows_the_request():
    rng = np.random.default_rng(0)
    for wanted in (8, 20, 35):
        lengths = [len(grammar.normalise(grammar.sentence(rng, wanted)).split()) for _ in range(300)]
        assert abs(np.mean(lengths) - wanted) < 2


def test_articles_fit_the_following_word():
    rng = np.random.default_rng(0)
    text = " ".join(grammar.sentence(rng, 30) for _ in range(2000))
    assert not re.search(r"\ba [aeio]|\ban [^aeiou]|\ban use|\ba u(?!se)", text)
    assert re.search(r"\ban (apple|orange|old|empty|ugly)", text)


def test_splits_share_out_the_sentences():
    rng = np.random.default_rng(0)
    drawn = [grammar.sentence(rng, 15) for _ in range(1000)]
    owners = [[split for split in SPLITS if grammar.belongs_to(text, split)] for text in drawn]
    assert all(len(owner) == 1 for owner in owners)
    assert {owner[0] for owner in owners} == set(SPLITS)
    # Punctuation is not in the transcript, so it must not tell sentences apart.
    for text, owner in zip(drawn, owners, strict=True):
        assert grammar.belongs_to(text.replace(" ,", ""), owner[0])


def test_no_two_words_sound_alike():
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0)
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p

    def sound(word):
        text = ctypes.c_char_p(word.encode())
        phonemes = library.espeak_TextToPhonemes(ctypes.byref(text), 1, 2).decode()
        return re.sub("[ˈˌː]", "", phonemes)

    assert library.espeak_SetVoiceByName(b"en-us") == 0
    assert sound("night") == sound("knight")
    for accent in ("en-us", "en", "en-gb-x-rp"):
        assert library.espeak_SetVoiceByName(accent.encode()) == 0
        words = {}
        for word in grammar.vocabulary():
            words.setdefault(sound(word), []).append(word)
        assert [same for same in words.values() if len(same) > 1] == []


@pytest.mark.parametrize("snr_db", [-5.0, 5.0, 30.0])
def test_noise_has_the_snr_asked_for(snr_db):
    rng = np.random.default_rng(0)
    speech = np.sin(np.arange(16000) * 0.1) * 0.3
    mixed = acoustics.add_noise(speech, acoustics.coloured_noise(rng, 16000, 1.0), snr_db)
    measured = 10 * np.log10(np.sum(speech**2) / np.sum((mixed - speech) ** 2))
    assert measured == pytest.approx(snr_db, abs=1e-6)


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_noise_has_the_slope_asked_for(slope):
    noise = acoustics.coloured_noise(np.random.default_rng(0), 1 << 18, slope)
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = [power[2**k : 2 ** (k + 1)].mean() for k in range(12, 17)]
    falls = -np.diff(np.log2(octaves))
    np.testing.assert_allclose(falls, slope, atol=0.15)


def test_reverberation_keeps_the_direct_sound_and_dies_away():
    impulse = np.zeros(16000)
    impulse[1000] = 1.0
    heard = acoustics.reverberate(impulse, np.random.default_rng(0), 16000, 0.2, -12.0)
    np.testing.assert_allclose(heard[:1000], 0, atol=1e-12)
    assert heard[1000] == pytest.approx(1.0)
    assert 10 * np.log10(np.sum(heard[1001:] ** 2)) == pytest.approx(-12.0, abs=0.01)
    first, last = np.sum(heard[1001:1200] ** 2), np.sum(heard[4000:4199] ** 2)
    # 3000 samples are 0.1875 s of a decay of 60 dB in 0.2 s.
    assert 10 * np.log10(first / last) == pytest.approx(56.2, abs=3)
