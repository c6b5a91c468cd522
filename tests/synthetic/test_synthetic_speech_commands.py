"""The generated Speech Commands corpus as it lies on disk."""

import re

import numpy as np
import pytest
import soundfile

from summarymixing.synthetic import make_speech_commands, speech_commands
from summarymixing.utils.errors import InputError

# As in the paper on the data set (Warden, 2018).
V1 = """bed bird cat dog down eight five four go happy house left marvin nine no off on one right seven sheila six stop
    three tree two up wow yes zero""".split()
V2 = sorted([*V1, "backward", "forward", "follow", "learn", "visual"])
NOISES = ["doing_the_dishes", "dude_miaowing", "exercise_bike", "pink_noise", "running_tap", "white_noise"]


def make(folder, per_word=10, seed=0, workers=1, **options):
    return make_speech_commands(folder, per_word, seed, workers=workers, progress=False, **options)


def words(root):
    return sorted(path.name for path in root.iterdir() if path.is_dir() and path.name[0] != "_")


def listed(root, name):
    return (root / f"{name}_list.txt").read_text().splitlines()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make(tmp_path_factory.mktemp("synthetic") / "corpus")


@pytest.mark.slow
def test_words_are_those_of_the_version(root, tmp_path):
    assert len(V1) == 30 and words(root) == V2
    assert words(make(tmp_path / "one", version=1)) == V1


def test_recordings_are_16_khz_wav_of_about_a_second(root):
    lengths = []
    for word in V2:
        files = list((root / word).iterdir())
        assert len(files) == 10
        for path in files:
            assert re.fullmatch(r"[0-9a-f]{8}_nohash_\d\.wav", path.name)
            header = soundfile.info(path)
            assert (header.format, header.subtype, header.samplerate, header.channels) == ("WAV", "PCM_16", 16000, 1)
            lengths.append(header.frames)
    assert max(lengths) == 16000 and min(lengths) >= 0.7 * 16000
    short = np.mean(np.array(lengths) < 16000)
    assert 0.04 < short < 0.2


@pytest.mark.slow
def test_lists_name_a_tenth_of_every_word_each_and_share_no_speaker(root):
    everything = {f"{word}/{path.name}" for word in V2 for path in (root / word).iterdir()}
    parts = {"validation": set(listed(root, "validation")), "testing": set(listed(root, "testing"))}
    for part in parts.values():
        assert part < everything and sorted(file.split("/")[0] for file in part) == V2
    parts["training"] = everything - parts["validation"] - parts["testing"]
    speakers = {part: {re.split("[/_]", file)[1] for file in files} for part, files in parts.items()}
    assert speakers["validation"].isdisjoint(speakers["testing"] | speakers["training"])
    assert speakers["testing"].isdisjoint(speakers["training"])
    assert len(speakers["training"]) == 8


def test_speakers_are_many_and_their_voices_are_in_one_part_only():
    variants, people = {}, {}
    for index in range(6000):
        speaker, take = speech_commands.speaker_of(index)
        part = {0: "validation", 1: "testing"}.get(index % 10, "training")
        variants.setdefault(part, set()).add(speaker.voice.split("+")[1])
        # The takes of a speaker are counted from 0 without a gap.
        assert take == len(people.setdefault(speaker.id, []))
        people[speaker.id].append(take)
    assert len(people) > 400
    assert variants["training"].isdisjoint(variants["validation"] | variants["testing"])
    assert variants["validation"].isdisjoint(variants["testing"])
    # The first few are not all of one kind.
    first = [speech_commands.speaker_of(index)[0].voice.split("+")[1] for index in range(2, 10)]
    assert len(set(first)) > 4


def test_recordings_of_a_word_differ_in_level_noise_and_place():
    takes = [speech_commands.make_word("seven", index, seed=1).astype(float) for index in range(60)]
    levels = [20 * np.log10(np.sqrt(np.mean(take**2)) / 32768) for take in takes]
    assert np.std(levels) > 4 and min(levels) > -45
    power = [np.convolve(take**2, np.ones(1600), "valid") for take in takes]
    assert np.std([np.argmax(loud) / 16000 for loud in power]) > 0.08
    contrasts = [10 * np.log10(loud.max() / loud.min()) for loud in power]
    assert min(contrasts) < 12 and max(contrasts) > 30
    assert max(np.abs(take).max() for take in takes) < 32767


def test_background_noises_last_a_minute_and_have_their_colours(root):
    folder = root / "_background_noise_"
    assert sorted(path.stem for path in folder.glob("*.wav")) == NOISES and (folder / "README.md").is_file()
    falls = {}
    for name in NOISES:
        samples, rate = soundfile.read(folder / f"{name}.wav")
        assert rate == 16000 and len(samples) == 60 * rate and 0.15 < np.abs(samples).max() < 0.25
        power = np.abs(np.fft.rfft(samples)) ** 2
        octave = len(power) // 8
        falls[name] = np.log2(power[octave // 2 : octave].mean() / power[octave : 2 * octave].mean())
    assert falls["white_noise"] == pytest.approx(0, abs=0.1) and falls["pink_noise"] == pytest.approx(1, abs=0.1)
    assert falls["exercise_bike"] > falls["pink_noise"] > falls["doing_the_dishes"] > falls["white_noise"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_with_one_and_two_workers(root, tmp_path, hashes):
    assert hashes(make(tmp_path / "two", workers=2)) == hashes(root)
    assert not np.array_equal(speech_commands.make_word("yes", 1, 0), speech_commands.make_word("yes", 1, 1))


@pytest.mark.slow
def test_more_recordings_of_a_word_begin_with_the_same_ones(root, tmp_path, hashes):
    more = hashes(make(tmp_path / "more", per_word=12, version=1))
    fewer = {name: found for name, found in hashes(root).items() if name.split("/")[0] in V1}
    assert fewer.items() <= more.items()


def test_the_corpus_says_that_it_is_synthetic(root):
    readme = (root / "README.md").read_text()
    assert "SYNTHETIC" in readme and "--version 2 --per-word 10 --seed 0" in readme
    assert "ynthetic" in (root / "LICENSE").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"version": 3}, "version: 3"), ({"per_word": 9}, "per_word: 9"), ({"seed": -1}, "seed: -1")],
)
def test_impossible_wishes_are_refused(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        make_speech_commands(**({"folder": tmp_path / "c", "per_word": 10} | options))
    assert list(tmp_path.iterdir()) == []
