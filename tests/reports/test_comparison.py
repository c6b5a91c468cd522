"""Tests of summarymixing/reports/comparison.py, on run folders written by the tests themselves."""

import json
import random

import pytest

from summarymixing.corpora.manifest import read_manifest, write_manifest
from summarymixing.metrics.wer import score, write_scored
from summarymixing.reports.comparison import compare, read_run
from summarymixing.tasks.understanding import frame_scores
from summarymixing.utils.errors import InputError

YAML = """
experiment: {name}
seed: 1
output_folder: {folder}
data_folder:{data}
sample_rate: 16000
nhead: 4
width: {width}
mixer: !name:torch.nn.{mixer} [!ref <nhead>]
model: !new:torch.nn.Linear [!ref <width>, !ref <width>]
"""
WORDS = "A BIG CAT SAT ON THE MAT AND ATE ITS FISH".split()


def transcripts(count, wrong, seed=0):
    """`count` utterances of 5 words, in the first `wrong` of which the last word is missed."""
    generator = random.Random(seed)
    rows = []
    for number in range(count):
        reference = generator.choices(WORDS, k=5)
        hypothesis = reference[:-1] if number < wrong else reference
        rows.append(
            {
                "ID": f"u{number:03}",
                "duration": 2.0,
                "reference": " ".join(reference),
                "hypothesis": " ".join(hypothesis),
            }
        )
    return rows


def make_run(
    folder,
    name="one",
    wrong=3,
    count=20,
    splits=("easy", "hard"),
    data="",
    synthetic=True,
    width=1,
    mixer="ReLU",
    **record,
):
    """Write a run folder such as train.py leaves, and return it."""
    folder.mkdir(parents=True)
    (folder / "hyperparams.yaml").write_text(
        YAML.format(name=name, folder=folder, data=data, width=width, mixer=mixer), encoding="utf-8"
    )
    metrics = {}
    for split in splits:
        rows = transcripts(count, wrong, seed=len(split))
        write_scored(folder, split, rows)
        metrics[split] = {**score(rows), "rtf": 0.02, "audio_seconds": 2.0 * count}
    data = {
        "command": [["train.py", f"{name}.yaml"]],
        "parameters": {"total": 2_500_000},
        "epochs": [{"epoch": number, "seconds": 10.0 * number} for number in (1, 2, 4)],
        "metrics": metrics,
        "data": {"synthetic": synthetic, "hours": {"train": 1.0}},
        "finished": "2026-01-01T00:00:00+00:00",
        "seed": 1,
        "commit": "abc",
        "dirty": False,
        "versions": {"torch": "2"},
        "machine": {"cpu": "some CPU"},
        "peak_memory_bytes": 1_500_000_000,
        "peak_memory_kind": "resident memory of the process",
        **record,
    }
    (folder / "run.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def make_classified(folder, kind, wrong, count=20):
    """Write the run folder of a classifier of words, or of speech to semantics, with `wrong` errors."""
    make_run(folder, name=folder.name, splits=("other",))
    right = [number >= wrong for number in range(count)]
    names = [f"u{number:03}" for number in range(count)]
    if kind == "keywords":
        told = ["go" if good else "stop" for good in right]
        rows = [{"ID": n, "command": "go", "command_predicted": t} for n, t in zip(names, told, strict=True)]
        write_manifest(folder / "predictions_test.csv", rows, list(rows[0]))
        metrics = {"command_accuracy": 100 * sum(right) / count, "command_majority_accuracy": 12.5}
    else:
        told = ["alarm|set|time:five" if good else "alarm|query" for good in right]
        pairs = [{"reference": "alarm|set|time:five", "hypothesis": text} for text in told]
        rows = [{"ID": n, "duration": 2.0, **pair} for n, pair in zip(names, pairs, strict=True)]
        write_scored(folder, "test", rows)
        metrics = {**score(pairs), **frame_scores(pairs), "intent_majority_accuracy": 12.5}
    edit(folder, metrics={"test": metrics})
    return folder


def edit(folder, **changes):
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def compared(*folders):
    return compare([read_run(folder) for folder in folders], ["compare"])


def result(run, split="easy", measure="wer"):
    return run["splits"][split]["measures"][measure]


def test_identical_runs_differ_by_exactly_nothing(tmp_path):
    runs = compared(make_run(tmp_path / "a"), make_run(tmp_path / "b", "two"))["runs"]
    for split in ("easy", "hard"):
        for measure in ("wer", "cer"):
            assert result(runs[1], split, measure)["difference"] == 0
            assert result(runs[1], split, measure)["difference_interval"] == [0, 0]


def test_a_known_difference_is_found_and_a_chance_one_is_not(tmp_path):
    first = make_run(tmp_path / "a", wrong=2, count=100)
    chance, worse = make_run(tmp_path / "b", wrong=3, count=100), make_run(tmp_path / "c", wrong=40, count=100)
    _, chance, worse = (result(run) for run in compared(first, chance, worse)["runs"])
    assert chance["difference"] == pytest.approx(0.2)  # one of 500 words
    assert chance["difference_interval"][0] == 0  # many resamples miss the one utterance
    assert worse["difference"] == pytest.approx(7.6)
    low, high = worse["difference_interval"]
    assert 0 < low < 7.6 < high < 10


def rename(folder, names):
    """Give the utterances of `easy` other IDs, in their order."""
    rows = read_manifest(folder / "transcripts_easy.csv")
    write_scored(folder, "easy", [{**row, "ID": name} for row, name in zip(rows, names, strict=True)])


@pytest.mark.parametrize("ending", ["", ".mp3"])
def test_runs_from_before_paths_were_ids_are_paired_by_name(tmp_path, ending):
    old, new = make_run(tmp_path / "old", wrong=3), make_run(tmp_path / "new", "two", wrong=5)
    plain = compared(old, new)["runs"]
    # The order of the paths is not that of the names.
    rename(new, [f"dev/{number % 3}/u{number:03}{ending}" for number in range(20)])
    paired = compared(old, new)["runs"]
    assert [run["splits"] for run in paired] == [run["splits"] for run in plain]
    for chosen in ([old], [new], [new, new]):
        assert compared(*chosen)["runs"][0]["splits"]["easy"]["utterances"] == 20


def test_names_that_stand_for_several_recordings_are_not_paired(tmp_path):
    old, new = make_run(tmp_path / "old"), make_run(tmp_path / "new", "two")
    rename(new, [f"dev/{number}/u{min(number, 18):03}" for number in range(20)])
    with pytest.raises(InputError, match="its easy differs from that of.*same data"):
        compared(old, new)


def test_what_is_compared(tmp_path):
    comparison = compared(make_run(tmp_path / "a"), make_run(tmp_path / "b", "two", wrong=5))
    first, second = comparison["runs"]
    assert [run["label"] for run in comparison["runs"]] == ["one", "two"]
    assert first["seconds_per_epoch"] == 20
    assert first["real_time_factor"] == pytest.approx(0.02)
    assert first["parameters"] == 2_500_000
    assert first["splits"]["easy"]["utterances"] == 20
    assert result(first)["value"] == pytest.approx(3.0)
    assert (result(first)["total"], result(first)["unit"]) == (100, "words")
    low, high = result(first)["interval"]
    assert low < 3.0 < high
    assert second["folder"].endswith("/b")
    assert comparison["command"] == ["compare"]
    assert comparison["notes"] == []
    assert json.loads(json.dumps(comparison, allow_nan=False)) == comparison


def test_missing_costs_are_none_and_reading_changes_nothing(tmp_path):
    folder = make_run(tmp_path / "a", epochs=[], peak_memory_bytes=None, parameters={})
    metrics = json.loads((folder / "run.json").read_text())["metrics"]
    del metrics["easy"]["rtf"]
    edit(folder, metrics=metrics)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    (run,) = compared(folder)["runs"]
    assert run["seconds_per_epoch"] is run["peak_memory_bytes"] is run["parameters"] is run["real_time_factor"] is None
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_labels_tell_runs_apart(tmp_path):
    folders = [make_run(tmp_path / "a"), make_run(tmp_path / "b", seed=2), make_run(tmp_path / "c", "two")]
    labels = [run["label"] for run in compared(*folders)["runs"]]
    assert labels == ["one (seed 1)", "one (seed 2)", "two"]
    edit(folders[1], seed=1)
    labels = [run["label"] for run in compared(*folders)["runs"]]
    assert labels == [f"one ({folders[0]})", f"one ({folders[1]})", "two"]


def test_synthetic_if_a_run_is_wherever_its_data_lie(tmp_path):
    generated = make_run(tmp_path / "a", data=" /data/LibriSpeech")
    recorded = make_run(tmp_path / "b", data=" /data/LibriSpeech", synthetic=False)
    assert compared(generated)["synthetic"] and compared(recorded, generated)["synthetic"]
    assert not compared(recorded)["synthetic"]


def test_settings_besides_the_mixer(tmp_path):
    first = make_run(tmp_path / "a")
    assert compared(first, make_run(tmp_path / "b", "two", mixer="GELU"))["notes"] == []
    wide = make_run(tmp_path / "c", "two", width=2, mixer="GELU", data=" /data")
    assert compared(first, wide)["notes"] == ["besides the mixer they differ in: data_folder, width"]


def test_what_a_file_says_of_its_keys_is_no_difference(tmp_path):
    first, second = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    with open(second / "hyperparams.yaml", "a") as file:
        file.write("__resumable: {length: [width]}\n__neutral: {data: [data_folder]}\n")
    assert compared(first, second)["notes"] == compared(second, first)["notes"] == []


def test_a_key_that_only_the_mixer_uses_belongs_to_the_mixer(tmp_path):
    first, second = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    path = second / "hyperparams.yaml"
    path.write_text(path.read_text().replace("nhead: 4", "nhead: 8"))
    assert compared(first, second)["notes"] == []
    path.write_text(path.read_text().replace("!ref <width>]", "!ref <nhead>]"))
    assert compared(first, second)["notes"] == ["besides the mixer they differ in: nhead, model"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"machine": {"cpu": "another"}}, "different machines"),
        ({"peak_memory_kind": "CUDA memory allocated"}, "different kinds of memory"),
        ({"commit": "def"}, "different commits"),
        ({"versions": {"torch": "3"}}, "different versions"),
        ({"command": [["train.py", "one.yaml", "--debug"]]}, "b) was run with --debug"),
    ],
)
def test_circumstances_that_spoil_a_comparison_are_named(tmp_path, changes, word):
    (note,) = compared(make_run(tmp_path / "a"), make_run(tmp_path / "b", **changes))["notes"]
    assert word in note


@pytest.mark.parametrize("kind", ["keywords", "frames"])
def test_classes_and_frames_are_compared_too(tmp_path, kind):
    folders = [make_classified(tmp_path / f"{kind}{wrong}", kind, wrong) for wrong in (2, 10)]
    first, second = compared(*folders)["runs"]
    accuracy = "command_accuracy" if kind == "keywords" else "intent_accuracy"
    assert result(first, "test", accuracy)["value"] == 90 and result(second, "test", accuracy)["value"] == 50
    assert result(second, "test", accuracy)["difference"] == -40
    low, high = result(second, "test", accuracy)["difference_interval"]
    assert -65 < low < -40 < high < -15
    assert result(first, "test", accuracy)["baseline"] == 12.5
    assert set(first["splits"]["test"]["measures"]) == {accuracy} | ({"slu_f1"} if kind == "frames" else set())


# What is refused


def refusal(*folders):
    with pytest.raises(InputError) as caught:
        compared(*folders)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_no_run(tmp_path):
    missing = tmp_path / "missing"
    assert refusal(missing) == f"{missing}: no such folder; give the folder of a finished run"
    assert refusal(tmp_path) == (
        f"{tmp_path}/run.json: missing, so {tmp_path} holds no finished run; train it to the end, or give the folder "
        "of a finished run"
    )
    assert not (tmp_path / "missing").exists()


def test_a_run_that_must_be_started_again(tmp_path):
    folder = make_run(tmp_path / "a", command=[["train.py", "old.yaml"], ["train.py", "my file.yaml"]])
    again = "start it again: python train.py 'my file.yaml'"
    whole = json.loads((folder / "run.json").read_text())
    edit(folder, finished=None)
    assert refusal(folder) == f"{folder}: this run is not finished; {again}"
    edit(folder, finished="now", metrics={})
    assert refusal(folder) == f"{folder}: it has no metrics of a test set; {again}"
    edit(folder, metrics={"easy": {"wer": None, "cer": 1.0}})
    assert refusal(folder) == f"{folder}: run.json has no wer of easy; {again}"
    edit(folder, metrics={"easy": {"wer": 3.0}})
    assert refusal(folder) == f"{folder}: run.json has no cer of easy; {again}"
    edit(folder, metrics={"easy": {"wer": 1.0, "cer": 1.0}})
    assert refusal(folder) == f"{folder}: easy: WER is 3.00 % over its utterances, but 1.00 % in run.json; {again}"
    (folder / "run.json").write_text(json.dumps({key: value for key, value in whole.items() if key != "data"}))
    assert refusal(folder) == f"{folder}: run.json does not describe its data; {again}"
    edit(folder, **whole)
    (folder / "hyperparams.yaml").unlink()
    assert refusal(folder).startswith(f"{folder}/hyperparams.yaml: missing, so {folder} holds no finished run; ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ID,reference,hypothesis\n",
        "ID,reference\nu1,A B\n",
        "ID,reference,hypothesis\nu1,A B\n",
        "ID,reference,hypothesis\nu1,,A\n",
        "ID,reference,hypothesis\nu1,A,A\nu1,A,A\n",
    ],
)
def test_transcripts_that_cannot_be_used(tmp_path, text):
    folder = make_run(tmp_path / "a")
    (folder / "transcripts_easy.csv").write_text(text)
    assert "transcripts_easy.csv has no rows, or an ID twice, or a row without one of ID" in refusal(folder)


def test_transcripts_that_cannot_be_read(tmp_path):
    folder = make_run(tmp_path / "a")
    (folder / "transcripts_easy.csv").write_bytes(b"ID,reference,hypothesis\nu1,\xff,A\n")
    assert "cannot read transcripts_easy.csv" in refusal(folder)
    (folder / "transcripts_easy.csv").unlink()
    assert "cannot read transcripts_easy.csv" in refusal(folder)


def test_runs_with_other_test_sets(tmp_path):
    first, second = make_run(tmp_path / "a"), make_run(tmp_path / "b", splits=("easy",))
    for folders in ((first, second), (second, first)):
        assert refusal(*folders).startswith(f"{second}: has no metrics of hard, but {first} has; train both with")
    fewer = make_run(tmp_path / "c", count=18)
    assert refusal(first, fewer) == (
        f"{fewer}: its easy differs from that of {first} in 2 utterances, such as u018; "
        "compare runs that were tested on the same data"
    )


def test_runs_with_the_same_utterances_but_other_references(tmp_path):
    first, second = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    rows = transcripts(20, 3, seed=len("easy"))
    for row in rows:
        row["reference"], row["hypothesis"] = row["reference"].lower(), row["hypothesis"].lower()
    write_scored(second, "easy", rows)
    assert "in 20 utterances, such as u000" in refusal(first, second)
