"""What the layouts share: a corpus appears whole, and work is handed out in order."""

import json
import os

import numpy as np
import pytest
import soundfile

from summarymixing.synthetic import corpus
from summarymixing.utils.errors import InputError

SETTINGS = {"layout": "one file", "minutes": 2.0, "seed": 0}


def write(root):
    (root / "a.txt").write_text("a")


def half_a_minute(task):
    return 30.0, (task, os.getpid())


def test_the_settings_are_kept_and_a_complete_corpus_is_not_written_again(tmp_path):
    root = corpus.build(tmp_path / "c", SETTINGS, write)
    assert json.loads((root / "corpus.json").read_text()) == SETTINGS
    assert corpus.build(root, SETTINGS, lambda _: pytest.fail("written again")) == root
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_other_settings_or_files_are_refused_and_left_alone(tmp_path, hashes):
    root = corpus.build(tmp_path / "c", SETTINGS, write)
    with pytest.raises(InputError, match=r"minutes=2.0 \(asked for: 3.0\)"):
        corpus.build(root, SETTINGS | {"minutes": 3.0}, write)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="mine exists and is not a generated corpus"):
        corpus.build(tmp_path / "mine", SETTINGS, write)
    assert set(hashes(tmp_path)) == {"c/a.txt", "c/corpus.json", "mine/thesis.txt"}


def test_nothing_is_left_of_a_failure(tmp_path):
    def fail(root):
        write(root)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        corpus.build(tmp_path / "c", SETTINGS, fail)
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_that_another_process_finished_first_is_taken(tmp_path):
    def overtaken(root):
        write(root)
        corpus.build(tmp_path / "c", SETTINGS, write)

    assert corpus.build(tmp_path / "c", SETTINGS, overtaken) == tmp_path / "c"
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_impossible_durations_and_seeds_are_refused(tmp_path, minutes):
    with pytest.raises(InputError, match="dev: .* must be positive"):
        corpus.check_minutes({"train": 1.0, "dev": minutes})
    with pytest.raises(InputError, match="seed: -1"):
        corpus.build(tmp_path / "c", {"seed": -1}, write)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order_until_they_last_long_enough(workers):
    with corpus.Studio(workers, minutes=2, progress=False) as studio:
        endless = list(studio.make(half_a_minute, iter(range(10**9)), seconds=100))
        finite = list(studio.make(half_a_minute, range(1200)))
    # Three half minutes are less than 100 s, four are not.
    assert [task for task, _ in endless] == [0, 1, 2, 3]
    assert [task for task, _ in finite] == list(range(1200))
    assert (os.getpid() in {process for _, process in finite}) == (workers == 1)


@pytest.mark.parametrize(("container", "rate"), [("FLAC", 16000), ("WAV", 16000), ("MP3", 32000), ("MP3", 48000)])
def test_encoded_sound_comes_back(container, rate, tmp_path):
    samples = (8000 * np.sin(np.arange(2 * rate + 7) * 2 * np.pi * 440 / rate)).astype(np.int16)
    path = tmp_path / f"sine.{container.lower()}"
    path.write_bytes(corpus.encode(samples, rate, container))
    decoded, found = soundfile.read(path, dtype="int16")
    assert found == rate and decoded.shape == samples.shape
    # An mp3 is not the same wave, and its edges ring, but a shift by one sample would leave an error of 0.06.
    error = (decoded.astype(float) - samples)[2000:-2000]
    level = np.sqrt(np.mean(error**2) / np.mean(samples[2000:-2000].astype(float) ** 2))
    assert level == 0 if container != "MP3" else level < 0.02
