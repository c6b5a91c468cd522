"""Common Voice manifests: old and new lists, what is left out for a defect, and what by choice."""

import functools
import io
import logging
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from summarymixing.corpora import commonvoice
from summarymixing.corpora.commonvoice import prepare
from summarymixing.corpora.manifest import read_manifest
from summarymixing.corpora.text_normalisation import Language
from summarymixing.utils.errors import InputError

#: The columns of releases before and from 17 on.
OLD = "client_id path sentence up_votes down_votes age gender accents locale segment".split()
NEW = (
    "client_id path sentence_id sentence sentence_domain up_votes down_votes age gender accents variant locale segment"
).split()


@functools.cache
def clip_of(seconds):
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).standard_normal(round(seconds * 48000)) * 0.1
    soundfile.write(buffer, noise, 48000, format="MP3")
    return buffer.getvalue()


def write_clip(path, seconds=1.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(clip_of(seconds))


def line(columns, path, sentence, locale="fr", speaker="abc"):
    values = {"client_id": speaker, "path": path, "sentence": sentence, "locale": locale, "up_votes": "2"}
    return "\t".join(values.get(column, "") for column in columns)


def write_list(path, lines, columns=NEW, end="\n"):
    path.write_bytes(end.join(["\t".join(columns), *lines, ""]).encode())


SENTENCES = ["Bonjour à tous.", "L’été arrive !", 'Il a dit "oui".', "C'est \"là", "Ça va", "Sœur Anne"]
WORDS = ["BONJOUR À TOUS", "L'ÉTÉ ARRIVE", "IL A DIT OUI", "C'EST LÀ", "ÇA VA", "SOEUR ANNE"]


def name(number):
    return f"common_voice_fr_{number}"


def clip_id(number):
    return f"clips/{name(number)}.mp3"


def make_tree(root, columns=NEW, suffix=".mp3", end="\n"):
    """Six clips of 1, 1.5, ... seconds in train.tsv, one of 12 s in dev.tsv; returns the folder of the release."""
    folder = root / "cv" / "fr"
    for number in range(6):
        write_clip(folder / "clips" / f"{name(number)}.mp3", 1 + number / 2)
    lines = [line(columns, name(n) + suffix, text, speaker=f"s{n % 2}") for n, text in enumerate(SENTENCES)]
    write_list(folder / "train.tsv", lines, columns, end)
    write_clip(folder / "clips" / f"{name(90)}.mp3", 12.0)
    write_list(folder / "dev.tsv", [line(columns, name(90) + suffix, "Une longue phrase")], columns, end)
    return folder.parent


@pytest.fixture
def data(tmp_path):
    return make_tree(tmp_path)


def run(data, splits=("train",), **options):
    return prepare(data, data.parent / "manifests", list(splits), workers=2, progress=False, **options)


def add(data, path, sentence, columns=NEW, split="train", **options):
    with open(data / "fr" / f"{split}.tsv", "ab") as file:
        file.write(line(columns, path, sentence, **options).encode() + b"\n")


@pytest.mark.parametrize("columns", [OLD, NEW, ["sentence", "path", "client_id"]], ids=["v11", "v17", "reordered"])
@pytest.mark.parametrize("suffix, end", [(".mp3", "\n"), ("", "\r\n")])
def test_rows_hold_the_corpus_whatever_the_columns(tmp_path, columns, suffix, end):
    data = make_tree(tmp_path, columns, suffix, end)
    table = read_manifest(run(data, max_bad_fraction=0)["train"])
    assert list(table[0]) == ["ID", "duration", "wav", "spk_id", "wrd"]
    assert [row["ID"] for row in table] == [clip_id(number) for number in range(6)]
    assert [row["wrd"] for row in table] == WORDS
    for number, row in enumerate(table):
        assert row["wav"] == str(data / "fr" / "clips" / f"{name(number)}.mp3")
        # An MP3 ends with a whole frame of 1152 samples, and the encoder puts a delay before it.
        assert float(row["duration"]) == pytest.approx(1 + number / 2, abs=0.06)
        assert row["spk_id"] == f"s{number % 2}"


def test_the_locales_own_folder_will_do(data):
    above, own = run(data)["train"].read_text(), prepare(data / "fr", data / "m", ["train"], progress=False)["train"]
    assert own.read_text() == above


def test_a_byte_order_mark_is_no_part_of_a_column(data):
    tsv = data / "fr" / "train.tsv"
    tsv.write_bytes(b"\xef\xbb\xbf" + tsv.read_bytes())
    assert len(read_manifest(run(data)["train"])) == 6


def test_another_language_by_its_locale(data):
    (data / "fr").rename(data / "cy")
    write_list(data / "cy" / "train.tsv", [line(NEW, name(0), "Mae’r tŷ", locale="cy")])
    (row,) = read_manifest(run(data, locale="cy")["train"])
    assert row["wrd"] == "MAE'R TŶ"


def test_joined_lists_make_one_manifest(data):
    manifests = run(data, ["train+dev"], train_splits=["train", "dev"], max_seconds=10)
    assert len(read_manifest(manifests["train+dev"])) == 6
    assert len(read_manifest(data.parent / "manifests" / "train+dev.left_out.csv")) == 1
    with pytest.raises(InputError, match="twice"):
        run(data, ["train+train"])


def unreadable(clip):
    clip.write_bytes(b"no MP3 at all")


def dangling_link(clip):
    clip.unlink()
    clip.symlink_to("nowhere.mp3")


CLIP_DEFECTS = {
    "zero bytes": (lambda clip: clip.write_bytes(b""), "zero-byte clip"),
    "missing": (Path.unlink, "no such clip"),
    "dangling link": (dangling_link, "no such clip"),
    "unreadable": (unreadable, "unreadable"),
    "a folder": (lambda clip: (clip.unlink(), clip.mkdir()), "cannot be opened"),
    "below a frame": (lambda clip: soundfile.write(clip, np.zeros(100), 8000, format="WAV"), "less than 0.025 s"),
}
SENTENCE_DEFECTS = {
    "": "empty sentence",
    "   ": "empty sentence",
    "« … ? »": "sentence without a word",
    "Le 14 juillet": "digits ('1')",
    "vingt %": "character outside the alphabet of fr ('%')",
    "Москва": "character outside the alphabet of fr ('М')",
    # 8 characters a second: 200 in a second and a half (and the MP3's last frame) are too many, 40 are not
    "mot " * 50: "sentence too long for its clip (199 characters in 1.5 s)",
}


@pytest.mark.parametrize("defect", CLIP_DEFECTS)
def test_a_bad_clip_is_left_out_and_reported(data, defect):
    spoil, reason = CLIP_DEFECTS[defect]
    clip = data / "fr" / "clips" / f"{name(2)}.mp3"
    spoil(clip)
    manifest = run(data, max_bad_fraction=0.2)["train"]
    assert [row["wrd"] for row in read_manifest(manifest)] == WORDS[:2] + WORDS[3:]
    (entry,) = read_manifest(manifest.parent / "train.skipped.csv")
    assert entry["ID"] == clip_id(2) and entry["file"] == str(clip)
    assert reason in entry["reason"] and str(clip) not in entry["reason"]


@pytest.mark.parametrize("sentence", SENTENCE_DEFECTS)
def test_a_bad_sentence_is_left_out_and_reported(data, sentence):
    tsv = data / "fr" / "train.tsv"
    lines = [line(NEW, name(n), sentence if n == 1 else text) for n, text in enumerate(SENTENCES)]
    write_list(tsv, lines)
    manifest = run(data, max_bad_fraction=0.2)["train"]
    assert [row["wrd"] for row in read_manifest(manifest)] == WORDS[:1] + WORDS[2:]
    (entry,) = read_manifest(manifest.parent / "train.skipped.csv")
    assert (entry["ID"], entry["reason"]) == (clip_id(1), SENTENCE_DEFECTS[sentence])
    with pytest.raises(InputError, match="1 of 6 recordings are unusable.*max_bad_fraction"):
        run(data)


def test_a_tree_with_every_defect_is_counted_and_the_rest_is_kept(data, caplog):
    """One list with all of them, each named by the clip or else by the line."""
    expected, clips = {}, data / "fr" / "clips"
    for number, (spoil, reason) in enumerate(CLIP_DEFECTS.values(), start=10):
        write_clip(clips / f"{name(number)}.mp3")
        spoil(clips / f"{name(number)}.mp3")
        add(data, f"{name(number)}.mp3", "Bonjour")
        expected[clip_id(number)] = reason
    for number, (sentence, reason) in enumerate(SENTENCE_DEFECTS.items(), start=30):
        write_clip(clips / f"{name(number)}.mp3", 1.5)
        add(data, f"{name(number)}.mp3", sentence)
        expected[clip_id(number)] = reason
    at = 8 + len(expected)  # the next line's number: a header and six good lines stand before the defects
    add(data, f"{name(0)}.mp3", SENTENCES[0])
    expected[f"train.tsv:{at}"] = f"clip listed twice ({clip_id(0)})"
    write_clip(clips / f"{name(50)}.mp3")
    add(data, name(50), "Une phrase")
    add(data, name(50), "Une autre")
    expected[clip_id(50)] = expected[f"train.tsv:{at + 2}"] = f"clip listed with several sentences ({clip_id(50)})"
    add(data, "", "Sans clip")
    expected[f"train.tsv:{at + 3}"] = "no clip named"
    add(data, name(5), "Une tabulation\tici")
    expected[f"train.tsv:{at + 4}"] = "line of 14 columns, the header has 13"
    add(data, name(51), "Buongiorno", locale="it")
    expected[clip_id(51)] = "clip of the locale it"

    manifest = run(data, max_bad_fraction=0.9)["train"]
    assert [row["wrd"] for row in read_manifest(manifest)] == WORDS
    report = {row["ID"]: row["reason"] for row in read_manifest(manifest.parent / "train.skipped.csv")}
    assert report.keys() == expected.keys()
    for record_id, reason in expected.items():
        assert reason in report[record_id], record_id
    assert f"{len(expected)} of {6 + len(expected)} recordings are unusable" in caplog.text


def test_a_very_long_sentence_is_kept_where_the_clip_is_as_long(data):
    """29 characters a second stay, 31 go; and the bound is an option."""
    write_clip(data / "fr" / "clips" / "long.mp3", 10.0)
    add(data, "long", "a" * 290)
    assert len(read_manifest(run(data)["train"])) == 7
    assert len(read_manifest(run(data, max_characters_per_second=28, max_bad_fraction=0.5)["train"])) == 6
    add(data, "long2", "b" * 310)
    write_clip(data / "fr" / "clips" / "long2.mp3", 10.0)
    assert len(read_manifest(run(data, max_bad_fraction=0.5)["train"])) == 7


def test_long_training_clips_are_left_out_by_choice(data, caplog):
    """They are named, and not bad; validation keeps its own."""
    caplog.set_level(logging.INFO)
    manifests = run(data, ["train", "dev"], max_seconds=2.8, max_bad_fraction=0)
    assert [row["wrd"] for row in read_manifest(manifests["train"])] == WORDS[:4]
    folder = manifests["train"].parent
    assert not (folder / "train.skipped.csv").exists()
    left_out = read_manifest(folder / "train.left_out.csv")
    assert [row["ID"] for row in left_out] == [clip_id(4), clip_id(5)]
    assert {row["reason"] for row in left_out} == {"longer than 2.8 s"}
    assert "2 of 6 recordings are left out by choice (longer than 2.8 s)" in caplog.text
    assert len(read_manifest(manifests["dev"])) == 1 and not (folder / "dev.left_out.csv").exists()
    # Another choice makes the manifest again, and the report goes with its reason.
    assert len(read_manifest(run(data)["train"])) == 6
    assert not (folder / "train.left_out.csv").exists()
    with pytest.raises(InputError, match="6 of 6.*left out by choice.*none is left"):
        run(data, max_seconds=0.5)


def test_a_manifest_is_reused_until_something_changes(data, monkeypatch):
    def remade(change, **options):
        manifest = run(data, **options)["train"]
        os.utime(manifest, ns=(1, 1))
        change()
        return run(data, **options)["train"].stat().st_mtime_ns != 1

    clip = data / "fr" / "clips" / f"{name(3)}.mp3"
    content = clip.read_bytes()
    assert not remade(lambda: None)
    assert remade(lambda: clip.write_bytes(b""), max_bad_fraction=0.2)
    assert remade(lambda: clip.write_bytes(content), max_bad_fraction=0.2)
    assert remade(lambda: add(data, name(90), "Une longue phrase"))
    # A change in the table of languages is a change of every transcript.
    assert remade(lambda: monkeypatch.setitem(commonvoice.LANGUAGES, "fr", Language()))


def test_missing_folders_and_lists_are_named(data, tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder.*data_folder"):
        run(tmp_path / "nowhere")
    (data / "it" / "clips").mkdir(parents=True)
    with pytest.raises(InputError, match="no folder eu/clips; languages there: fr, it; correct the key locale"):
        run(data, locale="eu")
    with pytest.raises(InputError, match="validated.tsv: no such list; lists there: dev, train"):
        run(data, ["validated"])
    with pytest.raises(InputError, match="splits: expected a list"):
        prepare(data, tmp_path, "train")


def test_the_folder_of_another_language_is_refused(data):
    with pytest.raises(InputError, match=r"train.tsv: its column locale says fr; set the key locale, now it") as caught:
        run(data / "fr", locale="it")
    assert len(str(caught.value).splitlines()) == 1


def test_a_list_that_is_not_one_is_refused(data):
    tsv = data / "fr" / "train.tsv"
    good = tsv.read_bytes()
    tsv.write_bytes(good.replace("été".encode(), "été".encode("latin-1")))
    with pytest.raises(InputError, match="train.tsv: line 3 is not UTF-8"):
        run(data)
    tsv.write_bytes(good.replace(b"sentence\t", b"text\t").replace(b"client_id", b"client"))
    with pytest.raises(InputError, match="train.tsv: its first line has no column client_id, sentence, but 'client'"):
        run(data)
    tsv.write_bytes(good.replace(b"\t", b","))
    with pytest.raises(InputError, match="no column client_id, path, sentence.*separated by tabs"):
        run(data)
    tsv.write_bytes(good.splitlines()[0])
    with pytest.raises(InputError, match="'train' holds no sentences"):
        run(data)


def test_clips_of_one_name_keep_their_own_sentences(data):
    """In two folders, and with two extensions; the same clip written in two ways is one."""
    expected = {}
    for number, path in enumerate(["a/rec.mp3", "b/rec.mp3", "b/rec.wav"]):
        write_clip(data / "fr" / "clips" / path, 1 + number)
        add(data, path, SENTENCES[number])
        expected[f"clips/{path}"] = (WORDS[number], str(data / "fr" / "clips" / path))
    add(data, "./b/../a/rec", SENTENCES[0])
    manifest = run(data, max_bad_fraction=0.5)["train"]
    found = {row["ID"]: (row["wrd"], row["wav"]) for row in read_manifest(manifest)}
    assert expected.items() <= found.items() and len(found) == 9
    (entry,) = read_manifest(manifest.parent / "train.skipped.csv")
    assert entry["reason"] == "clip listed twice (clips/a/rec.mp3)"
