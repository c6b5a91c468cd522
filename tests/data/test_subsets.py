"""Some minutes of a training set: nested, reproducible, balanced over speakers, and recorded to the microsecond."""

import hashlib
import random
from fractions import Fraction
from types import SimpleNamespace

import pytest

from summarymixing.corpora.manifest import read_manifest, write_manifest
from summarymixing.data.subsets import draw_minutes, drawing_order
from summarymixing.data.transcripts import prepared_manifests
from summarymixing.experiment import RunRecord
from summarymixing.utils.errors import InputError

FIELDS = ["ID", "duration", "wav", "spk_id"]


def corpus(speakers, clips, seed=0):
    """Rows of a manifest: so many speakers, so many clips in all, of 1 to 9 s; the first speakers have the most."""
    draw = random.Random(seed)
    names = [f"s{min(draw.randrange(speakers), draw.randrange(speakers))}" for _ in range(clips)]
    return [
        {"ID": f"x/{number}", "duration": f"{draw.uniform(1, 9):.6f}", "wav": f"/x/{number}.wav", "spk_id": name}
        for number, name in enumerate(names)
    ]


@pytest.fixture
def draw(tmp_path):
    """Draw from rows; returns the IDs in the order of the file, and what is recorded."""

    def call(rows, minutes, seed=0):
        write_manifest(tmp_path / "train.csv", rows, FIELDS)
        drawn = draw_minutes(tmp_path / "train.csv", tmp_path / "part.csv", minutes, seed)
        return [row["ID"] for row in read_manifest(tmp_path / "part.csv")], drawn

    return call


def test_a_smaller_part_lies_within_a_larger_one(draw):
    rows = corpus(20, 500)
    parts = [set(draw(rows, minutes)[0]) for minutes in (1, 2, 10, 25.5)]
    assert all(small < large for small, large in zip(parts, parts[1:], strict=False))


def test_the_seed_alone_chooses_and_not_the_order_of_the_manifest(draw):
    rows = corpus(20, 500)
    first, drawn = draw(rows, 5)
    assert [row["ID"] for row in rows if row["ID"] in set(first)] == first  # the manifest's own order
    other, again = draw(random.Random(1).sample(rows, len(rows)), 5)
    assert set(other) == set(first) and other != first and again == drawn
    assert set(draw(rows, 5, seed=1)[0]) != set(first)


def test_what_is_recorded_is_what_the_file_holds(draw):
    rows = corpus(7, 300)
    names, drawn = draw(rows, 3, seed=5)
    chosen = [row for row in rows if row["ID"] in set(names)]
    seconds = sum(Fraction(row["duration"]) for row in chosen)  # exact
    assert drawn["seconds"] == float(seconds) and drawn["utterances"] == len(names)
    assert 180 - 9 < seconds <= 180
    assert drawn["speakers"] == len({row["spk_id"] for row in chosen}) == 7
    text = "\n".join(sorted(names)) + "\n"
    assert drawn["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert (drawn["minutes"], drawn["seed"]) == (3, 5)


def test_speakers_have_about_the_same_time_until_their_clips_are_used_up(draw):
    rows = corpus(10, 600)
    chosen = set(draw(rows, 8)[0])
    seconds, left = dict.fromkeys({row["spk_id"] for row in rows}, 0.0), set()
    for row in rows:
        if row["ID"] in chosen:
            seconds[row["spk_id"]] += float(row["duration"])
        else:
            left.add(row["spk_id"])
    for speaker, own in seconds.items():
        for other, time in seconds.items():
            # Who has clips left is behind nobody by more than the last clip of the other.
            assert speaker not in left or own >= time - 9, (speaker, other)
    assert len(left) < 10  # the rarest speakers have given all they have


def test_clips_without_a_speaker_keep_their_share():
    rows = corpus(40, 900)
    for row in rows[::10]:
        row["spk_id"] = ""
    part = drawing_order(rows)[:300]
    assert 25 <= sum(not row["spk_id"] for row in part) <= 35


def test_a_corpus_without_speakers(draw):
    rows = [{**row, "spk_id": ""} for row in corpus(1, 100)]
    names, drawn = draw(rows, 2)
    assert drawn["speakers"] is None and len(names) == drawn["utterances"] > 5
    without = [{key: value for key, value in row.items() if key != "spk_id"} for row in rows]
    assert [row["ID"] for row in drawing_order(without)] == [row["ID"] for row in drawing_order(rows)]


def test_all_of_a_corpus_and_more_than_all(draw):
    rows = [{"ID": str(n), "duration": "30.1", "wav": "", "spk_id": "a"} for n in range(4)]  # 120.4 s
    assert len(draw(rows, Fraction(1204, 600))[0]) == 4
    with pytest.raises(InputError, match="holds 2.007 minutes, less than train_minutes=3; lower that key"):
        draw(rows, 3)
    with pytest.raises(InputError, match=r"longer than train_minutes=0.5; raise that key"):
        draw(rows, 0.5)


@pytest.mark.parametrize("valid", ["dev", "train"])
def test_a_recipe_trains_on_the_part_and_validates_on_whole_splits(valid, tmp_path):
    rows = corpus(5, 100)

    def prepare(data_folder, folder, splits, max_bad_fraction):
        folder.mkdir(parents=True)
        for split in splits:
            write_manifest(folder / f"{split}.csv", rows, FIELDS)

    hparams = {
        "data_folder": "data",
        "train_splits": ["train"],
        "train_minutes": 2,
        "subset_seed": 0,
        "valid_split": valid,
        "test_splits": [valid, "test"],
        "max_bad_fraction": 0.0,
    }
    record = RunRecord.open(tmp_path)
    name, manifests = prepared_manifests(SimpleNamespace(hparams=hparams, run_folder=tmp_path), record, prepare)
    assert name == "train_2min" and set(manifests) == {name, valid, "test"}
    sizes = {split: len(read_manifest(manifest)) for split, manifest in manifests.items()}
    data = RunRecord.read(tmp_path).data["data"]
    assert sizes[valid] == sizes["test"] == 100
    assert data["train_subset"]["utterances"] == sizes[name] < 100
    assert data["hours"][name] == round(data["train_subset"]["seconds"] / 3600, 3)
