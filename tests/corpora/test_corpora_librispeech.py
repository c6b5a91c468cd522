"""LibriSpeech manifests: what goes in, what is left out and how it is reported."""

import os
import re

import numpy as np
import pytest
import soundfile

from summarymixing.corpora.librispeech import prepare
from summarymixing.corpora.manifest import BadRecords, read_manifest, write_manifest
from summarymixing.synthetic import make_librispeech
from summarymixing.utils.errors import InputError, command_line


def add(root, split, speaker, number, words=b"GO ON", seconds=1.0, suffix="flac", **options):
    """Write one good utterance; returns its audio file."""
    chapter = root / split / speaker / "7"
    chapter.mkdir(parents=True, exist_ok=True)
    name = f"{speaker}-7-{number:04d}"
    path = chapter / f"{name}.{suffix}"
    noise = np.random.default_rng(number).standard_normal(round(seconds * 16000)) * 0.1
    soundfile.write(path, noise, 16000, **options)
    with open(chapter / f"{speaker}-7.trans.txt", "ab") as file:
        file.write(name.encode() + b" " + words + b"\n")
    return path


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "LibriSpeech"
    for number in range(6):
        add(root, "dev-clean", "84", number, b"WORD " * (number + 1), 1 + number / 4)
    add(root, "test-clean", "61", 0, "CAFÉ".encode(), suffix="wav")
    return root


def run(data, splits=("dev-clean",), **options):
    return prepare(data, data.parent / "manifests", list(splits), progress=False, **options)


def test_rows_hold_the_corpus(data):
    table = read_manifest(run(data)["dev-clean"])
    assert list(table[0]) == ["ID", "duration", "wav", "spk_id", "wrd"]
    assert [row["ID"] for row in table] == [f"dev-clean/84/7/84-7-{n:04d}" for n in range(6)]
    for number, row in enumerate(table):
        assert float(row["duration"]) == 1 + number / 4
        assert row["wav"] == str(data / f"{row['ID']}.flac")
        assert row["spk_id"] == "84"
        assert row["wrd"] == " ".join(["WORD"] * (number + 1))


def test_joined_splits_make_one_manifest(data):
    manifests = run(data, ["dev-clean+test-clean", "test-clean"])
    assert list(manifests) == ["dev-clean+test-clean", "test-clean"]
    assert len(read_manifest(manifests["dev-clean+test-clean"])) == 7
    (row,) = read_manifest(manifests["test-clean"])
    assert row["wrd"] == "CAFÉ" and row["wav"].endswith(".wav")


def test_generated_corpus_is_read_whole(tmp_path):
    root = make_librispeech(tmp_path / "c", 0.3, dev_minutes=0.1, test_minutes=0.1, workers=1, progress=False)
    splits = ["train-clean-100", "dev-clean", "test-clean", "test-other"]
    for split, manifest in run(root, splits, max_bad_fraction=0).items():
        table = read_manifest(manifest)
        assert len(table) == len(list((root / split).rglob("*.flac"))) > 0
        for row in table:
            assert float(row["duration"]) == pytest.approx(soundfile.info(row["wav"]).duration)


def garbage(path):
    path.write_bytes(b"no audio")


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_samples(path):
    header = path.with_suffix(".wav")
    soundfile.write(header, np.zeros(0), 16000)
    # libsndfile writes no FLAC without samples, but reads by content, whatever the name.
    header.rename(path)


def below_a_frame(path):
    soundfile.write(path, np.zeros(300), 16000)


def dangling_link(path):
    path.unlink()
    path.symlink_to("nowhere.flac")


def edit_transcript(change):
    def edit(path):
        file = path.with_name("84-7.trans.txt")
        lines = file.read_bytes().splitlines()
        file.write_bytes(b"\n".join(change(lines)) + b"\n")

    return edit


DEFECTS = {
    "unreadable": (garbage, "unreadable", ".flac"),
    "truncated": (cut_in_half, "truncated", ".flac"),
    "empty recording": (no_samples, "empty recording", ".flac"),
    "shorter than a frame": (below_a_frame, "less than 0.025 s", ".flac"),
    "dangling link": (dangling_link, "no such audio file", ".flac"),
    "no transcript": (edit_transcript(lambda x: x[:2] + x[3:]), "no transcript", ".flac"),
    "no recording": (lambda path: path.unlink(), "transcript without recording", ".trans.txt"),
    "empty transcript": (
        edit_transcript(lambda x: [*x[:2], b"84-7-0002  ", *x[3:]]),
        "empty transcript",
        ".trans.txt",
    ),
    "not UTF-8": (
        edit_transcript(lambda x: [*x[:2], b"84-7-0002 CAF\xc9", *x[3:]]),
        "not UTF-8",
        ".trans.txt",
    ),
    "two transcripts": (
        edit_transcript(lambda x: [*x, b"84-7-0002 SOMETHING ELSE"]),
        "several different transcripts",
        ".trans.txt",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_bad_record_is_left_out_and_reported(data, defect):
    spoil, reason, file = DEFECTS[defect]
    spoil(data / "dev-clean" / "84" / "7" / "84-7-0002.flac")
    manifest = run(data, max_bad_fraction=0.2)["dev-clean"]
    assert [row["ID"][-1] for row in read_manifest(manifest)] == list("01345")
    (entry,) = read_manifest(manifest.parent / "dev-clean.skipped.csv")
    assert entry["ID"] == "dev-clean/84/7/84-7-0002"
    assert reason in entry["reason"] and entry["file"].endswith(file)
    # One in six exceeds the default of one in a hundred.
    with pytest.raises(InputError) as caught:
        run(data)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    for part in ("max_bad_fraction", "dev-clean.skipped.csv", "1 of 6", "84-7-0002", reason):
        assert part in message


def test_not_a_number_in_a_float_wav_is_left_out(data):
    samples = np.zeros(32000)
    samples[100] = np.nan
    path = add(data, "dev-clean", "84", 9, suffix="wav")
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    manifest = run(data, max_bad_fraction=0.2)["dev-clean"]
    (entry,) = read_manifest(manifest.parent / "dev-clean.skipped.csv")
    assert entry["ID"] == "dev-clean/84/7/84-7-0009" and "NaN" in entry["reason"]


def test_convertible_rates_and_channels_are_kept(data):
    for number, (rate, channels) in enumerate([(8000, 1), (44100, 1), (16000, 2)], start=20):
        path = add(data, "dev-clean", "84", number)
        soundfile.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, (rate * 2, channels)), rate)
    table = {row["ID"]: row for row in read_manifest(run(data)["dev-clean"])}
    for number in (20, 21, 22):
        assert float(table[f"dev-clean/84/7/84-7-{number:04d}"]["duration"]) == pytest.approx(2.0)


def test_nothing_usable_is_an_error_whatever_is_tolerated(data):
    for path in (data / "dev-clean").rglob("*.flac"):
        garbage(path)
    with pytest.raises(InputError, match="6 of 6"):
        run(data, max_bad_fraction=1.0)


def test_repaired_corpus_is_prepared_again_and_the_report_goes(data):
    spoiled = data / "dev-clean" / "84" / "7" / "84-7-0002.flac"
    content = spoiled.read_bytes()
    garbage(spoiled)
    manifest = run(data, max_bad_fraction=0.2)["dev-clean"]
    spoiled.write_bytes(content)
    assert len(read_manifest(run(data, max_bad_fraction=0.2)["dev-clean"])) == 6
    assert not (manifest.parent / "dev-clean.skipped.csv").exists()


def test_manifest_is_reused_until_something_changes(data):
    manifest = run(data)["dev-clean"]
    os.utime(manifest, ns=(1, 1))
    assert run(data)["dev-clean"].stat().st_mtime_ns == 1
    add(data, "dev-clean", "84", 6)
    assert len(read_manifest(run(data)["dev-clean"])) == 7
    os.utime(manifest, ns=(1, 1))
    run(data, max_bad_fraction=0.5)
    assert manifest.stat().st_mtime_ns != 1
    manifest.unlink()
    assert len(read_manifest(run(data, max_bad_fraction=0.5)["dev-clean"])) == 7


def test_missing_folder_names_the_key(tmp_path):
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "nowhere"))) as caught:
        prepare(tmp_path / "nowhere", tmp_path / "m", ["dev-clean"])
    assert "data_folder" in str(caught.value) and len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("split", ["test-other", "dev-clean+test-other", ""])
def test_missing_split_names_those_present(data, split):
    with pytest.raises(InputError) as caught:
        run(data, [split])
    message = str(caught.value)
    assert repr(split.split("+")[-1]) in message and "data_folder" in message
    assert "dev-clean, test-clean" in message and str(data) in message


def test_split_without_recordings_is_an_error(data):
    (data / "train-clean-100").mkdir()
    with pytest.raises(InputError, match="train-clean-100.*data_folder"):
        run(data, ["train-clean-100"])


def test_split_named_twice_is_an_error(data):
    with pytest.raises(InputError, match="twice"):
        run(data, ["dev-clean+dev-clean"])


def test_splits_given_as_text_is_an_error(data):
    with pytest.raises(InputError, match="splits"):
        prepare(data, data.parent / "m", "dev-clean")


@pytest.mark.parametrize("fraction", [-0.1, 1.5])
def test_impossible_fraction_names_the_key(tmp_path, fraction):
    with pytest.raises(InputError, match="max_bad_fraction"):
        BadRecords("dev", tmp_path, fraction)


@pytest.mark.parametrize(("bad", "total", "tolerated"), [(1, 100, True), (2, 100, False)])
def test_the_limit_itself_is_tolerated(tmp_path, bad, total, tolerated):
    records = BadRecords("dev", tmp_path, max_bad_fraction=0.01)
    for number in range(bad):
        records.add(f"u{number}", tmp_path / "x.flac", "empty recording")
    if tolerated:
        records.close(total)
    else:
        with pytest.raises(InputError):
            records.close(total)
    assert len(read_manifest(records.report)) == bad


def test_a_failed_write_keeps_the_old_manifest(tmp_path):
    path = tmp_path / "train.csv"
    write_manifest(path, [{"ID": "a"}], ["ID"])
    with pytest.raises(ValueError, match="wrd"):
        write_manifest(path, [{"ID": "b"}, {"ID": "c", "wrd": "X"}], ["ID"])
    assert read_manifest(path) == [{"ID": "a"}]
    assert list(tmp_path.iterdir()) == [path]


def test_command_line_shows_input_errors_without_a_traceback(capsys):
    @command_line
    def main():
        raise InputError("x.yaml: cure")

    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: x.yaml: cure\n"

    @command_line
    def defect():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        defect()


def test_recordings_of_one_name_keep_their_own_words(tmp_path):
    """In two folders of a split, and in two splits that are joined."""
    places = ["train/1/2", "train/1/3", "train/4/2", "more/1/2"]
    expected = {}
    for number, place in enumerate(places, start=1):
        folder = tmp_path / "data" / place
        folder.mkdir(parents=True)
        soundfile.write(folder / "rec.flac", np.arange(16000 * number) % 9 / 90, 16000)
        (folder / "all.trans.txt").write_text("rec " + "WORD " * number)
        expected[f"{place}/rec"] = (number, "WORD " * (number - 1) + "WORD", str(folder / "rec.flac"))
    table = read_manifest(run(tmp_path / "data", ["train+more"], max_bad_fraction=0)["train+more"])
    assert {row["ID"]: (float(row["duration"]), row["wrd"], row["wav"]) for row in table} == expected


def test_a_transcript_of_another_folder_is_not_taken(data):
    (data / "dev-clean" / "84" / "8").mkdir()
    soundfile.write(data / "dev-clean" / "84" / "8" / "84-7-0000.flac", np.arange(16000) % 9 / 90, 16000)
    manifest = run(data, max_bad_fraction=0.2)["dev-clean"]
    (entry,) = read_manifest(manifest.parent / "dev-clean.skipped.csv")
    assert (entry["ID"], entry["reason"]) == ("dev-clean/84/8/84-7-0000", "no transcript")


TRANSCRIPT_FILES = {
    "byte-order mark and CRLF": lambda text: b"\xef\xbb\xbf" + text.encode().replace(b"\n", b"\r\n"),
    "two files joined": lambda text: b"".join(b"\xef\xbb\xbf" + line.encode() + b"\n" for line in text.splitlines()),
    "tab": lambda text: text.replace(" ", "\t", 6).encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "indented, no last line end": lambda text: b"  " + text.strip().encode(),
    "old Macintosh": lambda text: text.replace("\n", "\r").encode(),
}


@pytest.mark.parametrize("kind", TRANSCRIPT_FILES)
def test_transcript_files_of_other_programs(data, kind):
    expected = [row["wrd"] for row in read_manifest(run(data)["dev-clean"])]
    file = data / "dev-clean" / "84" / "7" / "84-7.trans.txt"
    file.write_bytes(TRANSCRIPT_FILES[kind](file.read_text()))
    file = file.rename(file.with_name("Words.TRANS.TXT"))
    assert [row["wrd"] for row in read_manifest(run(data, max_bad_fraction=0)["dev-clean"])] == expected


@pytest.mark.parametrize("suffix", ["FLAC", "Wav", "ogg", "OPUS", "mp3", "aiff", "unheard"])
def test_any_extension_will_do(data, suffix):
    for path in (data / "dev-clean").rglob("*.flac"):
        path.rename(path.with_suffix(f".{suffix}"))
    table = read_manifest(run(data, max_bad_fraction=0)["dev-clean"])
    assert len(table) == 6 and all(row["wav"].endswith(f"{row['ID']}.{suffix}") for row in table)


@pytest.mark.parametrize(
    ("suffixes", "taken"),
    [((".wav", ".flac", ".aac"), ".flac"), ((".aac", ".Wav"), ".Wav"), ((".txt", ".opus", ".ogg"), ".ogg")],
)
def test_of_several_files_of_one_name_one_is_taken(data, suffixes, taken):
    path = data / "dev-clean" / "84" / "7" / "84-7-0000.flac"
    content = path.read_bytes()
    path.unlink()
    for suffix in suffixes:
        path.with_suffix(suffix).write_bytes(content)
    first, *others = read_manifest(run(data, max_bad_fraction=0)["dev-clean"])
    assert first["wav"] == str(path.with_suffix(taken)) and len(others) == 5


def test_what_macos_leaves_beside_files_is_no_recording(data):
    chapter = data / "dev-clean" / "84" / "7"
    for path in list(chapter.iterdir()):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7" + bytes(100))
    assert len(read_manifest(run(data, max_bad_fraction=0)["dev-clean"])) == 6


def test_names_that_are_not_utf8_are_counted_and_named(data):
    chapter = os.fsencode(data / "dev-clean" / "84" / "7")
    for number, name in ((2, b"caf\xe9"), (3, b"na\xefve")):
        os.rename(chapter + b"/84-7-%04d.flac" % number, chapter + b"/" + name + b".flac")
    with open(chapter + b"/latin.trans.txt", "wb") as file:
        file.write(b"caf\xe9 GO ON\n")
    manifest = run(data, max_bad_fraction=0.5)["dev-clean"]
    assert [row["ID"][-4:] for row in read_manifest(manifest)] == ["0000", "0001", "0004", "0005"]
    report = {row["ID"]: row["reason"] for row in read_manifest(manifest.parent / "dev-clean.skipped.csv")}
    assert report == {
        "dev-clean/84/7/84-7-0002": "transcript without recording",
        "dev-clean/84/7/84-7-0003": "transcript without recording",
        r"dev-clean/84/7/caf\udce9": "its path is not UTF-8; rename it",
        r"dev-clean/84/7/na\udcefve": "no transcript",
    }
    with pytest.raises(InputError, match=r"caf\\udce9: its path is not UTF-8; rename it"):
        run(data, max_bad_fraction=0)


def test_a_control_character_is_reported(data):
    edit_transcript(lambda lines: [*lines[:2], b"84-7-0002 GO\0 ON", *lines[3:]])(
        data / "dev-clean" / "84" / "7" / "84-7-0002.flac"
    )
    manifest = run(data, max_bad_fraction=0.2)["dev-clean"]
    (entry,) = read_manifest(manifest.parent / "dev-clean.skipped.csv")
    assert "control character" in entry["reason"]
    assert len(read_manifest(manifest)) == 5


def test_a_transcript_longer_than_a_field_of_the_csv_module(data):
    edit_transcript(lambda lines: [b"84-7-0000 " + b"GO ON " * 30_000, *lines[1:]])(
        data / "dev-clean" / "84" / "7" / "84-7-0000.flac"
    )
    first, *_ = read_manifest(run(data)["dev-clean"])
    assert len(first["wrd"]) == 179_999
