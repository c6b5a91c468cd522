"""SLURP manifests: what goes in, what is left out and how it is reported."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from summarymixing.corpora import slurp
from summarymixing.corpora.manifest import read_manifest
from summarymixing.corpora.semantic_frame import SemanticFrame
from summarymixing.corpora.slurp import prepare
from summarymixing.utils.errors import InputError

WAKE = "wake me up at five am this week"


def sentence(slurp_id, files, words=WAKE, entities=(((4, 5), "time"), ((6, 7), "date")), **changes):
    """A line of SLURP as its repository has it; a change to None removes the field."""
    line = {
        "slurp_id": slurp_id,
        "sentence": words,
        "sentence_annotation": "wake me up at [time : five am] [date : this week]",
        "intent": "alarm_set",
        "action": "set",
        "tokens": [{"surface": word, "id": i, "lemma": word, "pos": "NN"} for i, word in enumerate(words.split())],
        "scenario": "alarm",
        "recordings": [{"file": file, "wer": 0.0, "ent_wer": 0.0, "status": "correct"} for file in files],
        "entities": [{"span": list(span), "type": kind} for span, kind in entities],
        **changes,
    }
    return {key: value for key, value in line.items() if value is not None}


def write_lines(root, split, lines):
    path = root / "dataset" / "slurp" / f"{split}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"\n".join(lines) + b"\n")


def record(root, file, seconds=1.0, folder="audio/slurp_real"):
    path = root / folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(0).standard_normal(round(seconds * 16000)) * 0.1, 16000)
    return path


DEVEL = [
    sentence(4489, ["audio-11-headset.flac", "audio-11.flac", "audio--12.flac"]),
    # Two of SLURP's oddities: the intent without its scenario, and an entity twice.
    sentence(
        13804,
        ["audio-13-headset.flac"],
        "what is one american dollar in japanese yen",
        (((3, 4), "currency_name"), ((6, 7), "currency_name")),
        scenario="qa",
        action="currency",
        intent="currency",
    ),
    sentence(5, ["audio-14-headset.flac"], "turn it off", (), scenario="iot", action="wemo_off", intent="iot_wemo_off"),
]


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "slurp"
    write_lines(root, "devel", DEVEL)
    synthetic = sentence(70, []) | {"recordings": [{"file": "audio-synth-1.flac"}, {"file": "audio-synth-2.flac"}]}
    write_lines(root, "train_synthetic", [synthetic])
    for number, file in enumerate(
        ["audio-11-headset.flac", "audio-11.flac", "audio--12.flac", "audio-13-headset.flac", "audio-14-headset.flac"]
    ):
        record(root, file, 1 + number / 4)
    for file in ("audio-synth-1.flac", "audio-synth-2.flac"):
        record(root, file, folder="audio/slurp_synth")
    return root


def run(data, splits=("devel",), **options):
    return prepare(data, data.parent / "manifests", list(splits), progress=False, **options)


def test_rows_hold_the_corpus(data):
    table = read_manifest(run(data)["devel"])
    assert list(table[0]) == slurp.FIELDS
    assert [row["ID"] for row in table] == [
        "slurp_real/4489-audio-11-headset.flac",
        "slurp_real/4489-audio-11.flac",
        "slurp_real/4489-audio--12.flac",
        "slurp_real/13804-audio-13-headset.flac",
        "slurp_real/5-audio-14-headset.flac",
    ]
    first, currency, lamp = table[0], table[3], table[4]
    assert first == {
        "ID": "slurp_real/4489-audio-11-headset.flac",
        "duration": "1.000000",
        "wav": str(data / "audio/slurp_real/audio-11-headset.flac"),
        "spk_id": "unknown",
        "wrd": "alarm|set|time:five am|date:this week",
        "sentence": WAKE,
        "scenario": "alarm",
        "action": "set",
        "intent": "alarm_set",
        "entities": '[{"type": "time", "filler": "five am"}, {"type": "date", "filler": "this week"}]',
        "slurp_id": "4489",
        "file": "audio-11-headset.flac",
    }
    assert [float(row["duration"]) for row in table] == [1.0, 1.25, 1.5, 1.75, 2.0]
    assert currency["wrd"] == "qa|currency|currency_name:american dollar|currency_name:japanese yen"
    assert currency["intent"] == "qa_currency"
    assert (lamp["wrd"], lamp["intent"], lamp["entities"]) == ("iot|wemo_off", "iot_wemo_off", "[]")
    for row in table:
        frame = SemanticFrame.from_text(row["wrd"])
        assert (frame.scenario, frame.action, frame.intent) == (row["scenario"], row["action"], row["intent"])
        assert [{"type": kind, "filler": filler} for kind, filler in frame.entities] == json.loads(row["entities"])


def test_the_sentence_as_target(data):
    table = read_manifest(run(data, target="sentence")["devel"])
    assert table[0]["wrd"] == table[0]["sentence"] == WAKE


@pytest.mark.parametrize(
    ("microphones", "kept"),
    [
        ("headset", ["audio-11-headset", "audio-13-headset", "audio-14-headset"]),
        ("far-field", ["audio-11", "audio--12"]),
    ],
)
def test_microphones(data, microphones, kept):
    manifests = run(data, ["devel", "train_synthetic"], microphones=microphones)
    assert [Path(row["wav"]).stem for row in read_manifest(manifests["devel"])] == kept
    assert len(read_manifest(manifests["train_synthetic"])) == 2


def test_joined_splits_and_folders_without_audio(data):
    (data / "audio" / "slurp_real").rename(data / "slurp_real")
    table = read_manifest(run(data, ["devel+train_synthetic"])["devel+train_synthetic"])
    assert len(table) == 7
    assert [row["spk_id"] for row in table] == ["unknown"] * 5 + ["synthetic"] * 2
    assert table[0]["wav"].startswith(str(data / "slurp_real"))
    assert table[6]["wav"] == str(data / "audio/slurp_synth/audio-synth-2.flac")


def test_speakers_of_the_metadata(data):
    recordings = {"audio-11.flac": {"usrid": "FO-488", "recid": 1}, "audio--12.flac": {"status": "correct"}}
    file = data / "dataset/slurp/metadata.json"
    run(data)
    file.write_text(json.dumps({"4489": {"recordings": recordings}, "99": {"recordings": {}}}))
    speakers = {row["ID"]: row["spk_id"] for row in read_manifest(run(data)["devel"])}
    assert speakers.pop("slurp_real/4489-audio-11.flac") == "FO-488" and set(speakers.values()) == {"unknown"}
    file.write_text("[]")
    with pytest.raises(InputError, match="metadata.json: not SLURP's metadata.*remove it"):
        run(data)


GOOD = sentence(1, ["audio-11.flac"])
BAD_LINES = {
    "half a line": (json.dumps(GOOD)[:100].encode(), "not JSON"),
    "not UTF-8": (json.dumps(GOOD).encode().replace(b"week", b"w\xe9ek"), "not JSON"),
    "not an object": (b"[1, 2]", "not a JSON object"),
    "no scenario": (sentence(1, ["audio-11.flac"], scenario=None), "no field scenario"),
    "entities that are null": (
        sentence(1, ["audio-11.flac"]) | {"entities": None},
        "an entity, a token or a recording without its fields",
    ),
    "no such fields": (
        {"slurp_id": 1, "sentence": "x", "scenario": "a", "action": "b"},
        "no field entities, recordings",
    ),
    "empty sentence": (sentence(1, ["audio-11.flac"], " ", ()), "empty sentence"),
    "a number for a sentence": (sentence(1, ["audio-11.flac"]) | {"sentence": 3}, "no text"),
    "span behind the end": (
        sentence(1, ["audio-11.flac"], entities=[((7, 8), "date")]),
        "[7, 8] of an entity is outside",
    ),
    "negative span": (sentence(1, ["audio-11.flac"], entities=[((-1,), "date")]), "[-1] of an entity is outside"),
    "no tokens": (sentence(1, ["audio-11.flac"], tokens=None), "outside the sentence's 0 tokens"),
    "empty action": (sentence(1, ["audio-11.flac"], action=" "), "an empty label"),
    "entity without a type": (sentence(1, []) | {"entities": [{"span": [1]}]}, "without its fields"),
    "recording without a file": (sentence(1, []) | {"recordings": [{"wer": 0}]}, "without its fields"),
}


@pytest.mark.parametrize("defect", BAD_LINES)
def test_a_bad_line_is_left_out_and_reported(data, defect):
    line, reason = BAD_LINES[defect]
    write_lines(data, "devel", [DEVEL[0], b"", line, *DEVEL[1:]])
    manifest = run(data, max_bad_fraction=0.2)["devel"]
    assert len(read_manifest(manifest)) == 5
    (entry,) = read_manifest(manifest.parent / "devel.skipped.csv")
    assert entry["ID"] == "devel.jsonl:3" and entry["file"] == str(data / "dataset/slurp/devel.jsonl")
    assert reason in entry["reason"]
    # One in six exceeds the default of one in a hundred.
    with pytest.raises(InputError) as caught:
        run(data)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert all(part in message for part in ("1 of 6", "devel.jsonl:3", "max_bad_fraction", reason))


def test_what_slurps_own_tool_counts_is_kept(data):
    """It reads scenario, action, entities and tokens, in lower case, and of several lines of a recording the last."""
    odd = [
        (sentence(6, ["audio-11.flac"], "set an alarm", ()), "alarm|set"),
        (sentence(4489, ["audio-11.flac"], "Call Mum", (((1,), "person"),)), "alarm|set|person:mum"),
        (sentence(7, ["audio--12.flac"], "PLAY U2", (((1,), "a:b|c "), ((), "date"))), "alarm|set|a b c:u2"),
        (sentence(8, ["audio-14-headset.flac"], intent="music_query"), "alarm|set|time:five am|date:this week"),
    ]
    write_lines(data, "devel", [*DEVEL, *(line for line, _ in odd)])
    rows = read_manifest(run(data, max_bad_fraction=0)["devel"])
    assert {row["wav"].rpartition("/")[2]: row["wrd"] for row in rows} == {
        "audio-11-headset.flac": "alarm|set|time:five am|date:this week",
        "audio-13-headset.flac": "qa|currency|currency_name:american dollar|currency_name:japanese yen",
        "audio-11.flac": odd[1][1],
        "audio--12.flac": odd[2][1],
        "audio-14-headset.flac": odd[3][1],
    }
    assert len(rows) == 5
    assert [row["sentence"] for row in rows if row["wav"].endswith("audio-11.flac")] == ["Call Mum"]


BAD_RECORDINGS = {
    "missing": (lambda path: path.unlink(), "no such audio file"),
    "no bytes": (lambda path: path.write_bytes(b""), "unreadable"),
    "garbage": (lambda path: path.write_bytes(b"no audio"), "unreadable"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), "truncated"),
    "below a frame": (lambda path: soundfile.write(path, np.zeros(300), 16000), "less than 0.025 s"),
}


@pytest.mark.parametrize("defect", BAD_RECORDINGS)
def test_a_bad_recording_is_left_out_and_reported(data, defect):
    spoil, reason = BAD_RECORDINGS[defect]
    path = data / "audio/slurp_real/audio--12.flac"
    spoil(path)
    manifest = run(data, max_bad_fraction=0.2)["devel"]
    assert len(read_manifest(manifest)) == 4
    (entry,) = read_manifest(manifest.parent / "devel.skipped.csv")
    assert entry["ID"] == "slurp_real/4489-audio--12.flac" and entry["file"] == str(path) and reason in entry["reason"]
    record(data, "audio--12.flac")
    assert len(read_manifest(run(data)["devel"])) == 5 and not (manifest.parent / "devel.skipped.csv").exists()


def test_manifest_is_reused_until_something_changes(data):
    manifest = run(data)["devel"]
    changes = [
        lambda: record(data, "audio--12.flac", 2),
        lambda: write_lines(data, "devel", DEVEL[:2]),
        lambda: write_lines(data, "devel", DEVEL),
    ]
    for change in changes:
        os.utime(manifest, ns=(1, 1))
        assert run(data)["devel"].stat().st_mtime_ns == 1
        change()
        assert run(data)["devel"].stat().st_mtime_ns != 1
    for options in ({"target": "sentence"}, {"microphones": "headset"}):
        os.utime(manifest, ns=(1, 1))
        assert run(data, **options)["devel"].stat().st_mtime_ns != 1


def test_a_killed_preparation_goes_on(data, monkeypatch):
    inspected = []

    def inspect(path, seconds):
        inspected.append(path.name)
        if len(inspected) == 3:
            raise KeyboardInterrupt
        return 1.0

    monkeypatch.setattr(slurp, "inspect_audio", inspect)
    with pytest.raises(KeyboardInterrupt):
        run(data, workers=1)
    before = len(inspected)
    assert len(read_manifest(run(data, workers=1)["devel"])) == 5
    assert len(inspected) - before <= 3


def test_missing_folders_name_the_key(data, tmp_path):
    with pytest.raises(InputError, match="nowhere/dataset/slurp: no such folder; set the key data_folder"):
        prepare(tmp_path / "nowhere", tmp_path / "m", ["devel"])
    for file in (data / "audio/slurp_synth").iterdir():
        file.unlink()
    (data / "audio/slurp_synth").rmdir()
    with pytest.raises(
        InputError, match="slurp_synth: no such folder.*train_synthetic.*slurp_synth.tar.gz.*data_folder"
    ):
        run(data, ["train_synthetic"])
    assert run(data)  # the other split needs no such folder


@pytest.mark.parametrize("split", ["dev", "devel+dev", ""])
def test_missing_split_names_those_present(data, split):
    with pytest.raises(InputError) as caught:
        run(data, [split])
    message = str(caught.value)
    assert repr(split.split("+")[-1]) in message and "devel, train_synthetic" in message and "data_folder" in message


def test_bad_arguments_name_the_key(data):
    for options, message in [
        ({"target": "frames"}, "target: 'frames' is not one of semantics, sentence"),
        ({"microphones": "close"}, "microphones: 'close' is not one of all, headset, far-field"),
        ({"splits": ["devel+devel"]}, "names a split twice"),
    ]:
        with pytest.raises(InputError, match=message):
            run(data, **options)
    with pytest.raises(InputError, match="splits: expected a list"):
        prepare(data, data.parent / "m", "devel")


def test_no_recordings_for_these_microphones(data):
    write_lines(data, "devel", [sentence(1, ["audio-11.flac"])])
    with pytest.raises(InputError, match="holds no recordings for microphones=headset"):
        run(data, microphones="headset")


def test_recordings_of_one_name_keep_their_own_words(data):
    """In a folder below, in real and synthetic speech, and with another extension."""
    files = ["audio-1.flac", "near/audio-1.flac", "audio-1.wav"]
    lines = [sentence(1, []) | {"recordings": [{"file": file} for file in files]}]
    write_lines(data, "devel", lines)
    write_lines(data, "train_synthetic", [sentence(1, ["audio-1.flac"], "pay $5 and $amount", ())])
    (data / "audio/slurp_real/near").mkdir()
    for number, file in enumerate(files, start=1):
        record(data, file, number)
    record(data, "audio-1.flac", 4, folder="audio/slurp_synth")
    table = read_manifest(run(data, ["devel+train_synthetic"], max_bad_fraction=0)["devel+train_synthetic"])
    assert [row["file"] for row in table] == [*files, "audio-1.flac"]
    assert [(row["ID"], float(row["duration"]), row["sentence"]) for row in table] == [
        ("slurp_real/1-audio-1.flac", 1, WAKE),
        ("slurp_real/near/1-audio-1.flac", 2, WAKE),
        ("slurp_real/1-audio-1.wav", 3, WAKE),
        ("slurp_synth/1-audio-1.flac", 4, "pay $5 and $amount"),
    ]
