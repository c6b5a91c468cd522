"""The generated SLURP corpus as it lies on disk, and what its commands mean."""

import json
import re
from collections import Counter

import numpy as np
import pytest
import soundfile

from summarymixing.synthetic import commands, grammar, make_slurp, slurp
from summarymixing.utils.errors import InputError

FILES = ["train", "devel", "test", "train_synthetic"]
SCENARIOS = """alarm audio calendar cooking datetime email general iot lists music news play qa recommendation social
    takeaway transport weather""".split()


def make(folder, minutes=1.0, seed=2, workers=1):
    return make_slurp(folder, minutes, seed, dev_minutes=0.4, test_minutes=0.4, workers=workers, progress=False)


def read(root, name):
    return [json.loads(line) for line in (root / "dataset" / "slurp" / f"{name}.jsonl").read_text().splitlines()]


def parse(annotation):
    """Words and entities of "wake me up at [time : five am]", in a way of its own: character by character."""
    words, entities, kind, start = [], [], None, 0
    for token in re.findall(r"\[\w+ :|\]|[^\s\[\]]+", annotation):
        if token.startswith("["):
            kind, start = token[1:-2], len(words)
        elif token == "]":
            entities.append({"span": list(range(start, len(words))), "type": kind})
        else:
            words.append(token)
    return words, entities


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make(tmp_path_factory.mktemp("synthetic") / "corpus")


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    return [commands.command(rng) for _ in range(8000)]


def test_parse_reads_the_example_of_slurp():
    words, entities = parse("wake me up at [time : five am] [date : this week]")
    assert words == "wake me up at five am this week".split()
    assert entities == [{"span": [4, 5], "type": "time"}, {"span": [6, 7], "type": "date"}]


def test_annotation_agrees_with_tokens_and_entities(drawn, root):
    for entry in drawn + [entry for name in FILES for entry in read(root, name)]:
        words, entities = parse(entry["sentence_annotation"])
        assert " ".join(words) == entry["sentence"] and entities == entry["entities"]
        assert [token["surface"] for token in entry["tokens"]] == words
        assert [token["id"] for token in entry["tokens"]] == list(range(len(words)))
        for token in entry["tokens"]:
            assert set(token) == {"surface", "id", "lemma", "pos"} and token["lemma"] and token["pos"].isascii()
        assert entry["intent"] == f"{entry['scenario']}_{entry['action']}"
        assert re.fullmatch(r"[a-z']+( [a-z']+)*", entry["sentence"]), entry["sentence"]


def test_all_scenarios_with_several_actions_come_unevenly(drawn):
    actions = {}
    for entry in drawn:
        actions.setdefault(entry["scenario"], set()).add(entry["action"])
    assert sorted(actions) == SCENARIOS
    assert sum(len(found) >= 2 for found in actions.values()) >= 14
    intents = Counter(entry["intent"] for entry in drawn)
    assert len(intents) > 50
    (_, most), (_, least) = intents.most_common()[0], intents.most_common()[-1]
    assert most > 15 * least and most < 0.1 * len(drawn)
    types = Counter(entity["type"] for entry in drawn for entity in entry["entities"])
    assert {"time", "date", "place_name", "person", "artist_name", "device_type", "food_type"} <= set(types)
    assert len(types) > 35 and max(types.values()) > 20 * min(types.values())
    assert 0.6 < len({entry["sentence"] for entry in drawn}) / len(drawn)
    counts = Counter(len(entry["entities"]) for entry in drawn)
    assert counts[0] and counts[1] and counts[2] and counts[3]


def test_every_filler_and_phrase_is_used(drawn):
    used = {kind for entry in drawn for kind in re.findall(r"\[(\w+) :", entry["sentence_annotation"])}
    slots = {slot for ways in commands.COMMANDS.values() for slot in re.findall(r"\[(\w+)\]", ways)}
    assert slots | {"date", "timeofday"} == set(commands.ENTITIES)
    # The two extra lists only choose other fillers of "time" and "date".
    assert used == slots - {"time_span", "day"}
    assert not any(word.isupper() for entry in drawn for word in entry["sentence"].split())


def test_lines_have_the_fields_of_slurp(root):
    ids = []
    for name in FILES:
        for entry in read(root, name):
            assert list(entry) == [
                *("slurp_id", "sentence", "sentence_annotation", "intent", "action", "tokens", "scenario"),
                *("recordings", "entities"),
            ]
            ids.append(entry["slurp_id"])
            for recording in entry["recordings"]:
                if name == "train_synthetic":
                    assert list(recording) == ["file"]
                else:
                    assert list(recording) == ["file", "wer", "ent_wer", "status"]
                    assert recording["wer"] == 0 and recording["status"] == "correct"
                    assert (recording["ent_wer"] is None) == (entry["entities"] == [])
    assert len(set(ids)) == len(ids)


def test_every_recording_is_on_disk_and_no_other(root):
    for folder, names in (("slurp_real", FILES[:3]), ("slurp_synth", FILES[3:])):
        listed = [r["file"] for name in names for entry in read(root, name) for r in entry["recordings"]]
        assert len(set(listed)) == len(listed)
        assert set(listed) == {path.name for path in (root / "audio" / folder).iterdir()}
        for file in listed:
            assert re.fullmatch(r"audio-\d{10}(-headset)?\.flac", file)
            header = soundfile.info(root / "audio" / folder / file)
            assert (header.samplerate, header.channels, header.subtype) == (16000, 1, "PCM_16")
            assert 0.5 < header.duration < 12
    recordings = [len(entry["recordings"]) for entry in read(root, "train")]
    assert min(recordings) == 1 and max(recordings) >= 3


def test_files_last_as_long_as_asked(root):
    for name, minutes in zip(FILES, (1.0, 0.4, 0.4, 0.25), strict=True):
        folder = root / "audio" / ("slurp_synth" if name == "train_synthetic" else "slurp_real")
        durations = [
            sum(soundfile.info(folder / recording["file"]).duration for recording in entry["recordings"])
            for entry in read(root, name)
        ]
        assert 60 * minutes <= sum(durations) < 60 * minutes + durations[-1]


def test_far_microphones_hear_more_noise(root):
    def snr_db(name):
        samples, rate = soundfile.read(root / "audio" / "slurp_real" / name)
        # Every recording begins with at least 0.1 s of background noise.
        noise = np.mean(samples[: int(0.1 * rate)] ** 2)
        return 10 * np.log10(np.mean(samples**2) / noise - 1)

    files = [r["file"] for name in FILES[:3] for entry in read(root, name) for r in entry["recordings"]]
    near = [snr_db(file) for file in files if "headset" in file]
    far = [snr_db(file) for file in files if "headset" not in file]
    assert min(len(near), len(far)) > 5
    assert np.median(near) > np.median(far) + 8
    assert any(file.replace(".flac", "-headset.flac") in files for file in files)


def test_sentences_and_voices_of_the_tests_are_unseen(root):
    sentences = {name: {entry["sentence"] for entry in read(root, name)} for name in FILES}
    training = sentences["train"] | sentences["train_synthetic"]
    assert training.isdisjoint(sentences["devel"] | sentences["test"])
    assert sentences["devel"].isdisjoint(sentences["test"])
    # So small a corpus would hardly repeat a sentence by chance: the rule must hold for each one.
    for name in FILES:
        split = name if name in ("devel", "test") else "train"
        assert all(grammar.belongs_to(sentence, split) for sentence in sentences[name])
    metadata = json.loads((root / "dataset" / "slurp" / "metadata.json").read_text())
    users = {}
    for name in FILES[:3]:
        for entry in read(root, name):
            spoken = metadata[str(entry["slurp_id"])]["recordings"]
            assert spoken.keys() == {recording["file"] for recording in entry["recordings"]}
            users.setdefault(name, set()).update(recording["usrid"] for recording in spoken.values())
    assert all(re.fullmatch(r"[FM]E-\d{3}", user) for found in users.values() for user in found)
    assert users["train"].isdisjoint(users["devel"] | users["test"]) and users["devel"].isdisjoint(users["test"])
    variants = {name: {speaker.voice.split("+")[1] for speaker in slurp.speakers(name)} for name in FILES}
    assert variants["devel"].isdisjoint(variants["test"])
    assert (variants["train"] | variants["train_synthetic"]).isdisjoint(variants["devel"] | variants["test"])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_with_one_and_two_workers(root, tmp_path, hashes):
    assert hashes(make(tmp_path / "two", workers=2)) == hashes(root)
    other = make(tmp_path / "other", minutes=0.3, seed=3)
    assert read(other, "train")[0]["sentence"] != read(root, "train")[0]["sentence"]


def test_the_corpus_says_that_it_is_synthetic(root):
    readme = (root / "README.md").read_text()
    assert "SYNTHETIC" in readme and "--minutes 1.0 --seed 2" in readme


@pytest.mark.parametrize(
    ("options", "message"), [({"minutes": 0}, "train: 0"), ({"test_minutes": -1}, "test: -1"), ({"seed": -1}, "seed")]
)
def test_impossible_wishes_are_refused(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        make_slurp(**({"folder": tmp_path / "c", "minutes": 1} | options))
    assert list(tmp_path.iterdir()) == []
