"""tools/sweep.py with a recipe that only writes what a run leaves behind."""

import json
import statistics

import pytest

from summarymixing.commands.sweep import main, plan, read_grid

TRAIN = """
import json, sys
from pathlib import Path
from summarymixing.metrics.wer import score, write_scored

options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
folder, width, seed = Path(options["--output_folder"]), int(options["--width"]), int(options["--seed"])
with open(Path(__file__).with_name("calls"), "a") as file:
    print(json.dumps(options), file=file)
if Path(__file__).with_name("broken").exists() and seed == 2:
    sys.exit("out of memory")
folder.mkdir(parents=True, exist_ok=True)
text = f"experiment: {Path(sys.argv[1]).stem}\\nseed: {seed}\\nwidth: {width}\\noutput_folder: {folder}\\n"
(folder / "hyperparams.yaml").write_text(text)
words = "A BIG CAT SAT".split()
rows = [
    {"ID": f"u{n:03}", "duration": 2.0, "reference": " ".join(words),
     "hypothesis": " ".join(words[: 3 if n < 10 * width + seed else 4])}
    for n in range(100)
]
write_scored(folder, "test", rows)
record = {
    "command": [sys.argv], "parameters": {"total": 1000}, "epochs": [{"epoch": 1, "seconds": 2.0}],
    "metrics": {"test": {**score(rows), "rtf": 0.1, "audio_seconds": 200.0}},
    "data": {"synthetic": True, "hours": {"train": 1.0}}, "finished": "2026-01-01T00:00:00+00:00", "seed": seed,
}
(folder / "run.json").write_text(json.dumps(record))
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "hparams").mkdir()
    (tmp_path / "hparams" / "one.yaml").write_text("width: 1\n")
    (tmp_path / "train.py").write_text(TRAIN)
    return tmp_path


def sweep(recipe, *words):
    main([str(recipe / "hparams" / "one.yaml"), "--output", str(recipe / "sweep"), *words])


GRID = ["--grid", "width=1,3", "seed=1,2,3"]


def test_a_grid_is_trained_once_and_ends_in_one_table(recipe, capsys, monkeypatch):
    (recipe / "broken").touch()
    with pytest.raises(SystemExit):
        sweep(recipe, *GRID, "--", "--lr", "0.5")
    assert "2 runs did not finish" in capsys.readouterr().err and not (recipe / "sweep" / "sweep.md").exists()
    (recipe / "broken").unlink()
    sweep(recipe, *GRID, "--devices", "cuda:0", "cuda:1", "--", "--lr", "0.5")
    calls = [json.loads(line) for line in (recipe / "calls").read_text().splitlines()]
    again = calls[6:]
    assert len(calls) == 8 and {call["--lr"] for call in calls} == {"0.5"}
    assert {(call["--width"], call["--seed"]) for call in again} == {("1", "2"), ("3", "2")}  # and no finished run
    assert {call["--device"] for call in again} <= {"cuda:0", "cuda:1"}

    settings = json.loads((recipe / "sweep" / "sweep.json").read_text())["settings"]
    assert list(settings) == ["one, width 1", "one, width 3"]
    # A quarter of the words of an utterance is missed: by hand.
    rates = {width: [0.25 * (10 * width + seed) for seed in (1, 2, 3)] for width in (1, 3)}
    for width in (1, 3):
        measure = settings[f"one, width {width}"]["splits"]["test"]["wer"]
        assert measure["values"] == pytest.approx(rates[width])
        assert measure["deviation"] == pytest.approx(statistics.stdev(rates[width]))
    low, high = measure["difference_interval"]
    assert measure["difference"] == pytest.approx(5.0) and low < 5.0 < high
    # The normal interval of a mean of 100 differences of 0 and 1 word, in 4.
    assert (low, high) == pytest.approx((5 - 1.96 * 25 * 0.04, 5 + 1.96 * 25 * 0.04), abs=0.4)
    with pytest.raises(SystemExit):
        sweep(recipe, *GRID, "--", "--lr", "0.1")
    assert "its runs were started with -- --lr 0.5; give the same again" in capsys.readouterr().err
    table = (recipe / "sweep" / "sweep.md").read_text()
    assert "| one, width 3 | 3 " in table and "8.00 ± 0.25" in table and "first" in table


def test_grids(tmp_path):
    planned = plan(["a/x.yaml", "b/x.yaml"], read_grid(["layers=last 1,[0, 2]", "seed=1"]), tmp_path)
    assert list(planned) == [
        "a_x, layers last 1", "a_x, layers [0, 2]", "b_x, layers last 1", "b_x, layers [0, 2]"
    ]  # fmt: skip
    folders = [folder for runs in planned.values() for *_, folder in runs]
    assert len(set(folders)) == 4 and folders[1] == tmp_path / "a_x" / "layers=-0-2-_seed=1"


def test_a_value_that_comes_twice_is_refused(recipe, capsys):
    with pytest.raises(SystemExit):
        sweep(recipe, "--grid", "width=1,1")
    assert "two runs would have the folder" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["layers", "=1", "layers=", "a b=1"])
def test_a_grid_that_is_none_is_refused(recipe, capsys, word):
    with pytest.raises(SystemExit):
        sweep(recipe, "--grid", word)
    assert f"--grid {word}: write key=value" in capsys.readouterr().err


def test_a_file_without_recipe_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([str(tmp_path / "one.yaml"), "--output", str(tmp_path / "sweep")])
    assert "no train.py in its folder or above it" in capsys.readouterr().err
