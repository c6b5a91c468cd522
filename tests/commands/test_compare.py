"""summarymixing-compare and its report, on run folders written by the tests themselves."""

import json

import numpy as np
import pytest
from matplotlib.image import imread

from summarymixing.benchmarks import speed
from summarymixing.commands.compare import main, write
from summarymixing.reports.comparison import compare, read_run
from summarymixing.reports.comparison_plots import _style, draw
from summarymixing.reports.comparison_report import describe_split, report
from summarymixing.reports.text_tables import markdown_table, terminal_table
from tests.reports.test_comparison import make_classified, make_run, result

MEASURED = {
    "device": "CPU",
    "threads": 2,
    "rounds": 5,
    "memory_kind": "resident memory of the process",
    "cells": [
        {
            "run": run,
            "seconds": seconds,
            "rows": 60 // seconds,
            "forward": {"median": 0.1 + run, "quartiles": [0.05 + run, 0.2 + run], "ratio": 1 + 10 * run, "all": []},
            "forward+backward": {"median": 0.4, "quartiles": [0.3, 0.5], "ratio": 1.0, "all": []},
            "memory": {"bytes": 250_000_000, "ratio": 1.0 if seconds == 10 else None},
        }
        for seconds in (10, 60)
        for run in (0, 1)
    ],
}


@pytest.fixture
def folders(tmp_path):
    return [make_run(tmp_path / "a"), make_run(tmp_path / "b", "two", wrong=9, width=2)]


def cells(line):
    return [word.strip() for word in line.strip("| \n").split("|")]


def test_table_has_one_row_a_run(folders):
    comparison = compare([read_run(folder) for folder in folders], [])
    lines = report(comparison, None, markdown_table).splitlines()
    table = [cells(line) for line in lines if line.startswith("| ")]
    assert table[0] == [
        "experiment",
        "parameters (M)",
        *("easy WER (%)", "easy WER - first [95 %]", "easy CER (%)"),
        *("hard WER (%)", "hard WER - first [95 %]", "hard CER (%)"),
        *("s/epoch", "peak memory (GB)", "real-time factor"),
    ]
    first, second = table[1:]
    low, high = result(comparison["runs"][1])["difference_interval"]
    cer = [f"{result(run, measure='cer')['value']:.2f}" for run in comparison["runs"]]
    assert first[:5] == ["one", "2.50", "3.00", "first", cer[0]]
    assert second[:5] == ["two", "2.50", "9.00", f"+6.00 [{low:+.2f}, {high:+.2f}]", cer[1]]
    assert first[8:] == ["20.0", "1.50", "0.0200"]


def test_synthetic_speech_is_named_and_the_table_followed_by_what_differs(folders):
    comparison = compare([read_run(folder) for folder in folders], [])
    for table in (markdown_table, terminal_table):
        blocks = report(comparison, None, table).split("\n\n")
        assert blocks[0] == "# Comparison of 2 runs on synthetic speech"
        assert blocks[1].splitlines()[-1].strip("| ").startswith("two")
        assert blocks[2] == "besides the mixer they differ in: width"
        sizes = [result(comparison["runs"][0], split, "cer")["total"] for split in ("easy", "hard")]
        assert blocks[3].startswith(
            f"easy: 20 utterances, 100 words, {sizes[0]:g} characters; hard: 20 utterances, 100 words, {sizes[1]:g} c"
        )
        assert "10000 resamples" in blocks[3]
    assert "synthetic speech" in draw(comparison, None).get_suptitle()


def test_frames_have_two_measures_and_a_baseline(tmp_path):
    folders = [make_classified(tmp_path / name, "frames", wrong) for name, wrong in (("one", 2), ("two", 10))]
    comparison = compare([read_run(folder) for folder in folders], [])
    text = report(comparison, None, markdown_table)
    table = [cells(line) for line in text.splitlines() if line.startswith("| ")]
    assert table[0][2:6] == [
        *("test intent accuracy (%)", "test intent accuracy - first [95 %]"),
        *("test SLU-F1 (%)", "test SLU-F1 - first [95 %]"),
    ]
    assert table[2][2] == "50.00" and table[2][3].startswith("-40.00 [")
    assert "intent accuracy 12.50 % by always predicting the majority class" in text
    (axes,) = draw(comparison, None).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["test\nintent accuracy", "test\nSLU-F1"]
    assert axes.get_ylabel() == "intent accuracy, SLU-F1 (%)"


def test_a_large_test_set_is_counted_to_the_last_word():
    measure = {"title": "WER", "unit": "words", "total": 1234567.0, "baseline": None}
    assert (
        describe_split("test", {"utterances": 9, "measures": {"wer": measure}}) == "test: 9 utterances, 1234567 words"
    )


def test_recorded_speech_is_not_called_synthetic(tmp_path):
    comparison = compare([read_run(make_run(tmp_path / "a", synthetic=False))], [])
    assert "synthetic" not in report(comparison, None, markdown_table)
    assert draw(comparison, None).get_suptitle() == "Comparison of 1 run"


def test_missing_numbers_are_dashes(tmp_path):
    folder = make_run(tmp_path / "a", epochs=[], peak_memory_bytes=None, peak_memory_kind=None, parameters={})
    comparison = compare([read_run(folder)], [])
    row = cells(report(comparison, None, markdown_table).splitlines()[4])
    assert (row[1], *row[-3:-1]) == ("-", "-", "-")


def test_terminal_table_stands_in_columns():
    text = terminal_table([["run", "word error rate (%)"], ["conformer", "12.34"], ["a", "5.6"]])
    assert text.splitlines() == [
        "run        word error",
        "           rate (%)",
        "---------  ------------",
        "conformer  12.34",
        "a          5.6",
    ]


def test_speed_is_reported_with_its_circumstances(folders):
    comparison = compare([read_run(folder) for folder in folders], [])
    text = report(comparison, MEASURED, markdown_table).partition("## Speed")[2]
    rows = [cells(line) for line in text.splitlines() if line.startswith("| ")]
    assert rows[2] == [
        "6 x 10 s",
        "two",
        "1.100 [1.050, 1.200]",
        "11.00",
        "0.400 [0.300, 0.500]",
        "1.00",
        "0.25",
        "1.00",
    ]
    assert rows[3][-1] == "-"
    assert "60 s in every batch; CPU, CPU threads 2; medians of up to 5 rounds" in text


def test_what_ran_out_of_memory_says_so_and_is_not_drawn(folders):
    comparison = compare([read_run(folder) for folder in folders], [])
    cells_of = [dict(cell) for cell in MEASURED["cells"]]
    cells_of[3] = {**cells_of[3], "forward+backward": None, "memory": None}
    measured = {**MEASURED, "cells": cells_of}
    text = report(comparison, measured, markdown_table).partition("## Speed")[2]
    rows = [cells(line) for line in text.splitlines() if line.startswith("| ")]
    assert rows[4][:2] == ["1 x 60 s", "two"] and rows[4][4:] == ["out of memory", "-", "out of memory", "-"]
    _, times, memory = draw(comparison, measured).axes
    assert [len(line.get_xdata()) for line in times.lines] == [2, 2, 1, 2]
    assert [len(line.get_xdata()) for line in memory.lines] == [2, 1]


def test_program(folders, tmp_path, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(speed, "measure", lambda *words: asked.append(words) or MEASURED)
    output = tmp_path / "out" / "report"
    names = [str(folder) for folder in folders]
    main([*names, "--output", str(output), "--seconds", "10", "60", "--device", "cpu"])
    assert asked == [(names, [10.0, 60.0], "cpu")]
    printed = capsys.readouterr().out
    assert "## Speed and memory" in printed
    assert printed.endswith(f"written: {output}/comparison.md, comparison.json, comparison.png\n")
    assert sorted(path.name for path in output.iterdir()) == ["comparison.json", "comparison.md", "comparison.png"]

    written = json.loads((output / "comparison.json").read_text())
    assert written["speed"] == MEASURED
    assert written["command"] == ["python", "tools/compare.py", *names, *written["command"][4:]]
    assert [run["folder"] for run in written["runs"]] == names
    assert {"commit", "machine", "versions", "bootstrap"} <= written.keys()
    markdown = (output / "comparison.md").read_text()
    for word in ("synthetic speech", "](comparison.png)", "python one.yaml", "seed 1", "commit: abc", "some CPU"):
        assert word.replace("python ", "python train.py ") in markdown
    assert f"`python tools/compare.py {names[0]}" in markdown


@pytest.mark.slow
def test_plot_is_written_and_shows_something(folders, tmp_path):
    comparison = compare([read_run(folder) for folder in folders], [])
    figure = draw(comparison, MEASURED)
    errors, times, memory = figure.axes
    assert [label.get_text() for label in errors.get_xticklabels()] == ["easy", "hard"]
    assert [label.get_text() for label in times.get_xticklabels()] == ["6 x 10", "1 x 60"]
    assert len(times.lines) == 4
    assert [list(line.get_ydata()) for line in memory.lines] == [[0.25, 0.25]] * 2
    write(tmp_path, comparison, MEASURED)
    image = imread(tmp_path / "comparison.png")
    assert image.shape[0] > 500 and image.shape[1] > 1200
    assert len(np.unique((image * 255).astype(int).reshape(-1, image.shape[2]), axis=0)) > 50


def test_many_runs_have_a_style_each():
    styles = [tuple(_style(place).items()) for place in range(7)]
    assert len(set(styles)) == 7
    assert _style(7)


def test_speed_can_be_left_out(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(speed, "measure", None)
    main([str(folders[0]), "--no-speed", "--output", str(tmp_path)])
    assert "Speed" not in capsys.readouterr().out
    assert json.loads((tmp_path / "comparison.json").read_text())["speed"] is None


def test_errors_end_the_program_without_a_traceback(folders, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "nothing"), "--no-speed"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/nothing: no such folder; give the folder")
    file = folders[0] / "run.json"
    with pytest.raises(SystemExit):
        main([str(folders[0]), "--output", str(file)])
    assert capsys.readouterr().err == f"error: --output {file}: cannot create this folder (File exists)\n"
