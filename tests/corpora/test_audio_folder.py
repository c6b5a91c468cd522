"""Folders of audio without transcripts: what is found, left out, cut and set apart."""

import csv
import os

import numpy as np
import pytest
import soundfile

from summarymixing.corpora import audio_folder
from summarymixing.corpora.audio import read_audio
from summarymixing.corpora.audio_folder import prepare
from summarymixing.corpora.manifest import read_manifest
from summarymixing.data.unlabelled import unlabelled_dataset
from summarymixing.utils.errors import InputError


def add(path, seconds=1.0, seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).standard_normal(round(seconds * 16000)) * 0.1
    soundfile.write(path, noise, 16000, **options)
    return path


@pytest.fixture
def corpus(tmp_path):
    """Twelve speakers with a chapter or two in train-clean, one in dev-clean; 1 to 12 s a speaker."""
    root = tmp_path / "corpus"
    for speaker in range(12):
        add(root / f"train-clean/{speaker:02d}/7/a.flac", 1 + speaker, speaker)
    add(root / "train-clean/03/8/a.flac", 2.0, 20)
    add(root / "dev-clean/50/1/a.flac", 2.0, 21)
    return root


def read(root, **options):
    made = prepare(root, root.parent / "manifests", progress=False, **options)
    assert list(made) == ["train", "valid"]
    return tuple(read_manifest(path) for path in made.values())


def ids(rows):
    return [row["ID"] for row in rows]


def test_a_folder_validates_and_is_not_trained_on(corpus):
    train, valid = read(corpus, valid_split="dev-clean")
    assert ids(valid) == ["dev-clean/50/1/a.flac"]
    assert len(train) == 13 and not any(name.startswith("dev-clean") for name in ids(train))
    row = next(row for row in train if row["ID"] == "train-clean/03/8/a.flac")
    assert row == {
        "ID": "train-clean/03/8/a.flac",
        "duration": "2.000000",
        "wav": str(corpus / "train-clean/03/8/a.flac"),
        "start": "0.000000",
        "spk_id": "train-clean/03",
    }


def test_a_share_of_the_speakers_validates_and_is_the_same_elsewhere(corpus, tmp_path):
    train, valid = read(corpus, train_splits=["train-clean"], valid_share=0.2)
    ours, theirs = ({row["spk_id"] for row in rows} for rows in (train, valid))
    assert not ours & theirs and len(ours | theirs) == 12
    share = sum(float(row["duration"]) for row in valid) / 80
    assert 0.2 <= share < 0.2 + 12 / 80  # the last speaker taken may go beyond
    moved = tmp_path / "elsewhere/data"
    moved.parent.mkdir()
    os.rename(corpus, moved)
    assert ids(read(moved, train_splits=["train-clean"], valid_share=0.2)[1]) == ids(valid)


def test_without_folders_a_share_of_the_recordings_validates(tmp_path):
    root = tmp_path / "clips"
    for number in range(20):
        add(root / f"{number}.wav", 1, number)
    train, valid = read(root, valid_share=0.25)
    assert len(valid) == 5 and sorted(ids(train) + ids(valid)) == sorted(f"{number}.wav" for number in range(20))
    assert train[0]["spk_id"] == train[0]["ID"]


def test_a_share_of_next_to_nothing_is_one_speaker(corpus):
    _, valid = read(corpus, train_splits=["train-clean"], valid_share=1e-9)
    assert len({row["spk_id"] for row in valid}) == 1


@pytest.mark.parametrize("suffix", ["flac", "wav", "ogg"])
def test_pieces_of_a_long_recording_are_its_samples(tmp_path, suffix):
    path, other = add(tmp_path / f"corpus/a/long.{suffix}", 10.0), add(tmp_path / "corpus/b/short.wav", 3.0)
    train, valid = read(tmp_path / "corpus", train_splits=["a"], valid_split="b", max_seconds=4.0, min_seconds=2.0)
    assert ids(train) == [f"a/long.{suffix}@{start:.2f}" for start in (0, 10 / 3, 20 / 3)]
    assert ids(valid) == ["b/short.wav"] and valid[0]["wav"] == str(other)
    pieces = unlabelled_dataset(tmp_path / "manifests/train.csv")
    joined = np.concatenate([piece["sig"] for piece in pieces])
    # 53,333 or 53,334 samples: where a piece begins is rounded, so is its length.
    assert abs(len(joined) - 160000) <= 2
    for piece, row in zip(pieces, train, strict=True):
        first = round(float(row["start"]) * 16000)
        np.testing.assert_array_equal(piece["sig"], read_audio(path)[first : first + len(piece["sig"])])


def test_a_piece_at_another_rate_has_its_length(tmp_path):
    path = add(tmp_path / "a.wav", 3.0)
    assert len(read_audio(path, 8000, start=1.0, seconds=1.5)) == 12000
    assert len(read_audio(path, 16000, start=2.0, seconds=1.5)) == 16000  # no more is there
    with pytest.raises(InputError, match="empty recording"):
        read_audio(path, start=3.0)


def test_short_recordings_are_left_out_and_named(corpus):
    train, _ = read(corpus, valid_split="dev-clean", min_seconds=2.0)
    assert len(train) == 12 and "train-clean/00/7/a.flac" not in ids(train)
    (left_out,) = read_manifest(corpus.parent / "manifests/train.left_out.csv")
    assert left_out["ID"] == "train-clean/00/7/a.flac" and "min_seconds 2.0" in left_out["reason"]
    read(corpus, valid_split="dev-clean")
    assert not (corpus.parent / "manifests/train.left_out.csv").exists()


def test_unusable_recordings_are_left_out_counted_and_named(corpus):
    (corpus / "train-clean/00/7/a.flac").write_bytes(b"not audio")
    add(corpus / "train-clean/01/7/notes.txt.wav", 0.001)
    soundfile.write(corpus / "train-clean/02/7/silence.wav", np.zeros(16000), 16000)
    (corpus / "train-clean/02/7/notes.txt").write_text("no recording")
    (corpus / "train-clean/02/7/._a.flac").write_bytes(b"of macOS")
    with pytest.raises(InputError, match="recordings: 3 of 16 recordings are unusable.*max_bad_fraction"):
        read(corpus, valid_split="dev-clean")
    train, _ = read(corpus, valid_split="dev-clean", max_bad_fraction=0.5)
    assert len(train) == 12
    skipped = read_manifest(corpus.parent / "manifests/recordings.skipped.csv")
    assert sorted(row["ID"].rpartition("/")[2] for row in skipped) == ["a.flac", "notes.txt.wav", "silence.wav"]


def test_lengths_are_measured_once(corpus, tmp_path, monkeypatch):
    shared = tmp_path / "lengths"
    first = read(corpus, valid_split="dev-clean", recordings_folder=shared)
    monkeypatch.setattr(audio_folder, "inspect_audio", None)
    again = prepare(corpus, tmp_path / "other run", valid_split="dev-clean", recordings_folder=shared, max_seconds=4)
    assert len(read_manifest(again["train"])) > len(first[0])
    with open(shared / "recordings.csv", newline="") as file:
        assert next(csv.reader(file)) == ["ID", "duration", "wav"]


def test_links_are_followed_but_not_in_circles(corpus, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/speech").symlink_to(corpus)
    (corpus / "train-clean/00/loop").symlink_to(corpus)
    train, _ = read(tmp_path / "data", valid_split="speech/dev-clean")
    assert len(train) == 13


def test_folders_that_look_like_test_sets_are_named(corpus, caplog):
    read(corpus)
    assert "holds the folders dev-clean" in caplog.text
    caplog.clear()
    read(corpus, train_splits=["train-clean"])
    assert "test sets" not in caplog.text


@pytest.mark.parametrize(
    "options, message",
    [
        ({"train_splits": "train-clean"}, "expected a list of folders"),
        ({"train_splits": ["train"]}, "no folder 'train'; folders there: dev-clean, train-clean; .* key train_splits"),
        ({"valid_split": "dev"}, "no folder 'dev'.* key valid_split"),
        ({"train_splits": ["dev-clean"], "valid_split": "dev-clean"}, "nothing is left to train on"),
        ({"train_splits": ["dev-clean", "dev-clean/50"]}, "holds no recordings .* that another folder"),
        ({"valid_split": "dev-clean", "min_seconds": 5, "max_seconds": 11}, "none is left"),
        ({"min_seconds": 9, "max_seconds": 12}, "min_seconds may be at most half"),
        ({"valid_share": 0.0}, "valid_share 0.0: must lie between"),
        ({"valid_share": 1e9}, "valid_share"),
    ],
)
def test_a_mistake_names_the_key_and_the_cure(corpus, options, message):
    with pytest.raises(InputError, match=message):
        read(corpus, **options)


def test_a_missing_folder_names_the_key(tmp_path):
    with pytest.raises(InputError, match="no such folder; set the key data_folder"):
        read(tmp_path / "nowhere")
