"""Speech Commands manifests: splits by the lists, unknown words and silence by the protocol, what is left out."""

import math
import re
from collections import Counter

import numpy as np
import pytest
import soundfile

from summarymixing.corpora.manifest import read_manifest
from summarymixing.corpora.speech_commands import COMMANDS, WORDS, prepare
from summarymixing.utils.errors import InputError

RATE = 4000  # Hz: small files, and not the rate of the models
NOISE_SECONDS = {"hum": 20, "rain": 12}
SPLITS = ("train", "valid", "test")


def add(root, name, seconds=0.5):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(0).standard_normal(round(seconds * RATE)) * 0.1, RATE)
    return path


def write_list(root, name, entries):
    (root / name).write_text("".join(f"{entry}\n" for entry in entries))


def make(root, version=2):
    """Five speakers a word: d is in the validation list, e in the testing list."""
    for word in WORDS[version]:
        for speaker in "abcde":
            add(root, f"{word}/{speaker}_nohash_0.wav", 0.02 * WORDS[version].index(word) + 0.1)
    for noise, seconds in NOISE_SECONDS.items():
        add(root, f"_background_noise_/{noise}.wav", seconds)
    (root / "_background_noise_/README.md").write_text("about the noises")
    write_list(root, "validation_list.txt", [f"{word}/d_nohash_0.wav" for word in WORDS[version]])
    write_list(root, "testing_list.txt", [f"{word}/e_nohash_0.wav" for word in WORDS[version]])
    return root


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    return make(tmp_path_factory.mktemp("whole") / "v2")


@pytest.fixture
def data(tmp_path):
    return make(tmp_path / "v2")


def run(data, folder, splits=SPLITS, **options):
    manifests = prepare(data, folder, list(splits), progress=False, **options)
    return {split: read_manifest(path) for split, path in manifests.items()}


def skipped(folder, split):
    return {row["ID"]: (row["file"], row["reason"]) for row in read_manifest(folder / f"{split}.skipped.csv")}


def test_all_words_are_classes_and_lists_make_the_splits(whole, tmp_path):
    tables = run(whole, tmp_path, classes=35, max_bad_fraction=0)
    for split, speakers in (("train", "abc"), ("valid", "d"), ("test", "e")):
        expected = sorted((f"{word}/{speaker}_nohash_0", word) for word in WORDS[2] for speaker in speakers)
        assert [(row["ID"], row["command"]) for row in tables[split]] == expected
        for row in tables[split]:
            assert row["wrd"] == row["command"] and row["spk_id"] == row["ID"].split("/")[1][0]
            assert row["wav"] == str(whole / f"{row['ID']}.wav") and (row["start"], row["gain"]) == ("0", "1")
            assert float(row["duration"]) == soundfile.info(row["wav"]).duration
    assert [len(WORDS[version]) for version in (1, 2)] == [30, 35]


def test_the_twelve_classes_follow_the_protocol(whole, tmp_path):
    tables = run(whole, tmp_path)
    for split, speakers in (("train", 3), ("valid", 1), ("test", 1)):
        counts = Counter(row["command"] for row in tables[split])
        share = math.ceil(10 * speakers * 0.1)
        assert counts == {**dict.fromkeys(COMMANDS, speakers), "unknown": share, "silence": share}
        for row in tables[split]:
            if row["command"] == "unknown":
                assert row["wrd"] in set(WORDS[2]) - set(COMMANDS) and row["ID"].startswith(row["wrd"] + "/")


def many_commands(data, count=100):
    """More recordings of commands, and so more silence and unknown words."""
    lists = {"d": [], "e": []}
    for speaker in ("a", "d", "e"):
        for number in range(1, count // 10):
            for word in COMMANDS:
                lists.setdefault(speaker, []).append(add(data, f"{word}/{speaker}_nohash_{number}.wav", 0.05))
    for speaker, name in (("d", "validation_list.txt"), ("e", "testing_list.txt")):
        with open(data / name, "a") as file:
            file.writelines(f"{path.relative_to(data)}\n" for path in lists[speaker])
    return data


def test_silence_of_a_split_is_cut_from_its_own_part_of_the_noise(data, tmp_path):
    tables = run(many_commands(data), tmp_path / "m")
    parts = {"train": (0, 0.8), "valid": (0.8, 0.9), "test": (0.9, 1)}
    for split, (first, last) in parts.items():
        pieces = [row for row in tables[split] if row["command"] == "silence"]
        assert len(pieces) == (12 if split == "train" else 10)
        assert len({row["wav"] for row in pieces}) == 2 and len({row["start"] for row in pieces}) > 5
        for row in pieces:
            seconds = NOISE_SECONDS[row["wav"].split("/")[-1].removesuffix(".wav")]
            start, length = float(row["start"]), float(row["duration"])
            assert length == 1 and 0 <= float(row["gain"]) <= 1
            assert first * seconds - 1e-5 <= start and start + length <= last * seconds + 1e-5


def test_the_seed_draws_the_training_set_alone(data, tmp_path):
    many_commands(data)
    tables = {seed: run(data, tmp_path / f"{seed}", seed=seed) for seed in (0, 1)}
    again = run(data, tmp_path / "again", seed=1)
    assert again == tables[1]
    assert tables[0]["train"] != tables[1]["train"]
    for split in ("valid", "test"):
        assert tables[0][split] == tables[1][split]


def test_a_manifest_is_made_once(data, tmp_path):
    run(data, tmp_path / "m")
    manifest = tmp_path / "m" / "test.csv"
    before = manifest.stat().st_mtime_ns
    run(data, tmp_path / "m", seed=5)
    assert manifest.stat().st_mtime_ns == before
    run(data, tmp_path / "m", classes=35)
    assert manifest.stat().st_mtime_ns > before and len(read_manifest(manifest)) == 35


def test_version_1(tmp_path):
    data = make(tmp_path / "v1", version=1)
    tables = run(data, tmp_path / "m", version=1, classes=30)
    assert len({row["command"] for row in tables["train"]}) == 30
    with pytest.raises(InputError, match=r"lacks 5 of the 35 word folders of version 2 \(backward"):
        run(data, tmp_path / "n")
    add(data, "visual/a_nohash_0.wav")
    with pytest.raises(InputError, match="'visual', a word of version 2; set the key version"):
        run(data, tmp_path / "n", version=1)


def test_bad_recordings_are_counted_and_named(data, tmp_path):
    (data / "yes/e_nohash_0.wav").write_bytes(b"no audio")
    (data / "no/e_nohash_0.wav").unlink()
    soundfile.write(data / "up/a_nohash_0.wav", np.zeros(0), RATE)
    add(data, "up/noname.wav")
    add(data, "plans/a_nohash_0.wav")
    with open(data / "testing_list.txt", "a") as file:
        file.write("banana/a_nohash_0.wav\n")
    tables = run(data, tmp_path / "m", max_bad_fraction=0.5)
    test, train = skipped(tmp_path / "m", "test"), skipped(tmp_path / "m", "train")
    assert {name: reason.split(",")[0].split(" (")[0] for name, (_, reason) in test.items()} == {
        "yes/e_nohash_0": "unreadable or truncated audio",
        "no/e_nohash_0": "no such audio file",
        "banana/a_nohash_0": "banana is no word of version 2",
    }
    assert {name: reason for name, (_, reason) in train.items()} == {
        "up/a_nohash_0": "empty recording",
        "up/noname": "not named <speaker>_nohash_<n>.wav",
        "plans": "no word of version 2, the folder is ignored",
    }
    assert test["yes/e_nohash_0"][0] == str(data / "yes/e_nohash_0.wav")
    assert not {"yes/e_nohash_0", "no/e_nohash_0"} & {row["ID"] for row in tables["test"]}
    with pytest.raises(InputError, match="3 of .* recordings are unusable.*max_bad_fraction"):
        run(data, tmp_path / "n", ["test"])


def test_noise_that_is_too_short_or_broken_is_left_out(data, tmp_path):
    (data / "_background_noise_/rain.wav").write_bytes(b"no audio")
    add(data, "_background_noise_/click.wav", 9)  # a tenth of it is less than a second
    tables = run(data, tmp_path / "m", ["test"], max_bad_fraction=0.5)
    assert {row["wav"].split("/")[-1] for row in tables["test"] if row["command"] == "silence"} == {"hum.wav"}
    assert set(skipped(tmp_path / "m", "test")) == {"_background_noise_/rain", "_background_noise_/click"}
    (data / "_background_noise_/hum.wav").unlink()
    with pytest.raises(InputError, match="_background_noise_: holds no .wav of at least 10 s"):
        run(data, tmp_path / "n", ["test"], max_bad_fraction=0.5)
    assert len(run(data, tmp_path / "n", ["test"], classes=35)["test"]) == 35


MISTAKES = {
    "no list": (lambda data: (data / "testing_list.txt").unlink(), {}, "testing_list.txt: the list of a split cannot"),
    "empty list": (lambda data: (data / "testing_list.txt").write_text("\n"), {}, "testing_list.txt: lists no"),
    "lists that share": (
        lambda data: (data / "testing_list.txt").write_text("yes/d_nohash_0.wav\n"),
        {},
        "yes/d_nohash_0.wav is in both validation_list.txt and testing_list.txt",
    ),
    "one class": (lambda data: None, {"classes": 11}, "classes=11, version=2: .* classes to 12 or to all words"),
    "30 of version 2": (lambda data: None, {"classes": 30}, "classes=30"),
    "version 3": (lambda data: None, {"version": 3}, "version=3"),
    "unknown split": (lambda data: None, {"splits": ["dev"]}, "must be a list of train, valid, test and test-archive"),
    "a text": (lambda data: None, {"splits": "test"}, "must be a list"),
    "no archive": (lambda data: None, {"splits": ["test-archive"]}, "test_archive=None: the split test-archive needs"),
    "no commands": (
        lambda data: (data / "testing_list.txt").write_text("bed/e_nohash_0.wav\n"),
        {},
        "the split 'test' holds no recording",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name, data, tmp_path):
    spoil, options, message = MISTAKES[name]
    spoil(data)
    with pytest.raises(InputError, match=message):
        prepare(data, tmp_path / "m", **{"splits": ["train", "test"], "progress": False, **options})


def test_no_such_folder(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder; set the key data_folder"):
        prepare(tmp_path / "nowhere", tmp_path, ["train"])


def test_the_published_archive_is_a_split(whole, tmp_path):
    archive = tmp_path / "archive"
    for word in COMMANDS:
        add(archive, f"{word}/a1_nohash_0.wav")
    add(archive, "_unknown_/bed_b2_nohash_0.wav")
    add(archive, "_silence_/piece.wav", 1)
    options = {"splits": ["test-archive"], "test_archive": archive}
    table = run(whole, tmp_path / "m", **options)["test-archive"]
    labels = {row["ID"]: (row["command"], row["spk_id"], row["wrd"]) for row in table}
    assert labels.pop("_unknown_/bed_b2_nohash_0") == ("unknown", "b2", "")
    assert labels.pop("_silence_/piece") == ("silence", "", "")
    assert labels == {f"{word}/a1_nohash_0": (word, "a1", word) for word in COMMANDS}
    with pytest.raises(InputError, match="classes=35: the split test-archive has 12"):
        run(whole, tmp_path / "m", classes=35, **options)
    for path in (archive / "_silence_").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=re.escape("archive: has no recordings in _silence_; correct the key")):
        run(whole, tmp_path / "m", **options)


def test_what_other_systems_leave_is_no_recording_and_no_part_of_a_list(data, tmp_path):
    """The attributes that macOS writes beside files, a byte-order mark, and line ends of Windows."""
    for path in list(data.glob("*/*.wav")):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7" + bytes(100))
    for name in ("validation_list.txt", "testing_list.txt"):
        content = (data / name).read_bytes()
        (data / name).write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
    tables = run(data, tmp_path, max_bad_fraction=0)
    assert not any("._" in row["wav"] for table in tables.values() for row in table)
    assert len([row for row in tables["test"] if row["command"] not in ("unknown", "silence")]) == len(COMMANDS)
