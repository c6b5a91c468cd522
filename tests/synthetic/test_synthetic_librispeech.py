"""The generated corpus as it lies on disk."""

import ctypes
import hashlib
import multiprocessing
import re
import subprocess
import sys
from pathlib import Path

import espeakng_loader
import numpy as np
import pytest
import soundfile

from summarymixing.synthetic import librispeech, make_librispeech
from summarymixing.utils.errors import InputError

SPLITS = ["train-clean-100", "dev-clean", "test-clean", "test-other"]
TOOL = Path(__file__).parents[2] / "tools" / "make_corpus.py"


def make(folder, minutes=3, seed=0, workers=1):
    return make_librispeech(folder, minutes, seed, dev_minutes=1, test_minutes=3, workers=workers, progress=False)


def hashes(root):
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def transcripts(root, split):
    lines = [line for path in sorted((root / split).glob("*/*/*.trans.txt")) for line in path.read_text().splitlines()]
    return dict(line.split(" ", 1) for line in lines)


def digests(tasks):
    return {task: hashlib.sha256(librispeech.make_utterance(*task)[0]).hexdigest() for task in tasks}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make(tmp_path_factory.mktemp("synthetic") / "corpus")


@pytest.mark.slow
def test_same_bytes_for_one_and_two_workers(corpus, tmp_path):
    other = make(tmp_path / "elsewhere", workers=2)
    assert hashes(other) == hashes(corpus)


@pytest.mark.slow
def test_an_utterance_depends_on_nothing_that_the_process_did_before():
    # Each index below the size of its cast is a voice: these strides reach most variants and every accent.
    ranges = (range(0, 39, 4), range(0, 6, 2), range(0, 12, 3), range(0, 12, 3))
    tasks = [(split, index, 3) for split, indices in zip(SPLITS, ranges, strict=True) for index in indices]
    orders = [tasks, tasks[::-1], sorted(tasks, key=lambda task: hashlib.sha256(repr(task).encode()).digest())]
    # A fresh process for each order.
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        fresh = pool.map_async(digests, orders, chunksize=1)
        # Another user of the library, who never lets go of it, has spoken with settings of their own.
        library = ctypes.CDLL(espeakng_loader.get_library_path())
        library.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0)
        library.espeak_SetVoiceByName(b"en-gb-x-rp+f2")
        library.espeak_SetParameter(1, 300, 0)
        library.espeak_Synth(b"something else", 15, 0, 1, 0, 1, None, None)
        here = [digests(order) for order in orders]
        fresh = fresh.get(timeout=120)
    for found in here[1:] + fresh:
        assert found == here[0]


@pytest.mark.slow
def test_another_seed_gives_another_corpus(corpus, tmp_path):
    other = make_librispeech(tmp_path / "c", 0.2, 1, dev_minutes=0.1, test_minutes=0.1, workers=1, progress=False)
    assert set(transcripts(other, "train-clean-100").values()).isdisjoint(
        transcripts(corpus, "train-clean-100").values()
    )


@pytest.mark.parametrize("split", SPLITS)
def test_layout_is_librispeech(corpus, split):
    words = transcripts(corpus, split)
    audio = {path.stem: path for path in (corpus / split).rglob("*.flac")}
    assert audio.keys() == words.keys() and audio
    for name, path in audio.items():
        speaker, chapter, number = re.fullmatch(r"(\d+)-(\d+)-(\d{4})", name).groups()
        assert path == corpus / split / speaker / chapter / f"{name}.flac"
        assert (path.parent / f"{speaker}-{chapter}.trans.txt").is_file()
        assert re.fullmatch(r"[A-Z']+( [A-Z']+)*", words[name])
        header = soundfile.info(path)
        assert (header.samplerate, header.channels, header.subtype) == (16000, 1, "PCM_16")
        assert 2 <= header.duration <= 16


def test_splits_last_as_long_as_asked(corpus):
    for split, minutes in zip(SPLITS, (3, 1, 3, 3), strict=True):
        durations = [soundfile.info(p).duration for p in (corpus / split).rglob("*.flac")]
        # The last utterance passes the target, and without it the target is not reached.
        assert minutes * 60 <= sum(durations) < minutes * 60 + max(durations)
    durations = [soundfile.info(p).duration for p in corpus.rglob("*.flac")]
    assert 6.5 < np.mean(durations) < 9.5 and np.std(durations) > 2


def test_sentences_and_voices_of_the_tests_are_unseen(corpus):
    seen = {}
    for split in SPLITS:
        for sentence in set(transcripts(corpus, split).values()):
            assert seen.setdefault(sentence, split) == split
    voices = {split: set() for split in SPLITS}
    for line in (corpus / "SPEAKERS.TXT").read_text().splitlines():
        if not line.startswith(";"):
            speaker, sex, split, minutes, name = (field.strip() for field in line.split("|"))
            voices[split].add(re.search(r"\S+\+\S+", name)[0])
            assert sex in "FM" and (corpus / split / speaker).is_dir()
            files = (corpus / split / speaker).rglob("*.flac")
            spoken = sum(soundfile.info(path).duration for path in files)
            assert float(minutes) == pytest.approx(spoken / 60, abs=0.006)
    assert all(voices.values())
    for split in SPLITS[1:]:
        assert voices[split].isdisjoint(voices["train-clean-100"])


def test_the_corpus_says_that_it_is_synthetic(corpus):
    readme = (corpus / "README.TXT").read_text()
    assert "SYNTHETIC" in readme and "--minutes 3" in readme and "--seed 0" in readme
    assert "SYNTHETIC" in (corpus / "SPEAKERS.TXT").read_text()


def test_test_other_is_noisy_and_fast(corpus):
    def snr_db(path):
        samples, rate = soundfile.read(path)
        # Every recording begins with at least 0.1 s of background noise.
        noise = np.mean(samples[: int(0.1 * rate)] ** 2)
        return 10 * np.log10(np.mean(samples**2) / noise - 1)

    def words_per_second(split):
        seconds = sum(soundfile.info(p).duration for p in (corpus / split).rglob("*.flac"))
        return sum(len(t.split()) for t in transcripts(corpus, split).values()) / seconds

    other = [snr_db(path) for path in (corpus / "test-other").rglob("*.flac")]
    clean = [snr_db(path) for path in (corpus / "test-clean").rglob("*.flac")]
    assert 5 < np.median(other) < 15 and np.mean((np.array(other) > 2) & (np.array(other) < 18)) > 0.9
    assert np.median(clean) > 22
    assert words_per_second("test-other") > 1.1 * words_per_second("test-clean")


def test_no_recording_holds_digital_silence_or_clips(corpus):
    for path in corpus.rglob("*.flac"):
        samples, _ = soundfile.read(path, dtype="int16")
        frames = samples[: len(samples) // 400 * 400].reshape(-1, 400)
        assert np.all(frames.any(axis=1)), path
        assert np.abs(samples.astype(int)).max() < 32767, path


def test_a_complete_corpus_is_reused(corpus):
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    assert make(corpus) == corpus
    assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*")} == before


def test_other_settings_are_refused_and_nothing_is_lost(corpus):
    before = hashes(corpus)
    with pytest.raises(InputError, match=r"seed=0 \(asked for: 5\)"):
        make(corpus, seed=5)
    assert hashes(corpus) == before


def test_foreign_files_are_never_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        make(tmp_path)
    assert hashes(tmp_path).keys() == {"thesis.txt"}


def test_an_interrupted_generation_leaves_nothing(tmp_path, monkeypatch):
    original = librispeech.make_utterance

    def interrupted(split, index, seed):
        if split == "test-clean":
            raise KeyboardInterrupt
        return original(split, index, seed)

    monkeypatch.setattr(librispeech, "make_utterance", interrupted)
    folder = tmp_path / "corpus"
    with pytest.raises(KeyboardInterrupt):
        make_librispeech(folder, 0.1, dev_minutes=0.1, test_minutes=0.1, workers=1, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled(tmp_path):
    made = make_librispeech(tmp_path, 0.05, dev_minutes=0.05, test_minutes=0.05, workers=1, progress=False)
    assert made == tmp_path and (tmp_path / "train-clean-100").is_dir()


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_impossible_durations_are_refused(tmp_path, minutes):
    with pytest.raises(InputError, match="train-clean-100"):
        make_librispeech(tmp_path / "c", minutes)


@pytest.mark.slow
def test_the_tool_makes_a_corpus_and_reports_errors_in_one_line(tmp_path):
    command = [sys.executable, TOOL, "librispeech", tmp_path / "c", "--minutes", "0.1"]
    command += ["--dev-minutes", "0.1", "--test-minutes", "0.1", "--workers", "1"]
    good = subprocess.run([*command, "--seed", "3"], capture_output=True, text=True)
    assert good.returncode == 0 and str(tmp_path / "c") in good.stdout
    bad = subprocess.run([*command, "--seed", "4"], capture_output=True, text=True)
    assert bad.returncode == 2
    assert bad.stderr.startswith("error: ") and len(bad.stderr.splitlines()) == 1
