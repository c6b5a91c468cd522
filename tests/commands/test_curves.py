"""Learning curves of runs: tables, numbers and figure come from their records, also of runs that still train."""

import json

import pytest

from summarymixing.commands.curves import main
from summarymixing.experiment.record import RunRecord
from summarymixing.reports.curves import curve_rows, draw_curves, learning_curves


@pytest.fixture
def runs(tmp_path):
    """Three runs: two of one experiment, and one that has not measured all."""
    for name, experiment, epochs in (("a", "conformer", 3), ("b", "conformer", 2), ("c", "branchformer", 1)):
        record = RunRecord.open(tmp_path / name, argv=["train.py", name], seed=7)
        record.data["experiment"] = experiment
        for epoch in range(1, epochs + 1):
            measured = {"cer": 60.0 / epoch} if name != "c" else {}
            record.epoch(epoch, 9.0, wer=90.0 / epoch, **measured)
    return [str(tmp_path / name) for name in "abc"]


def test_tables_numbers_and_figure_are_those_of_the_records(runs, tmp_path, capsys):
    main([*runs, "--metrics", "cer", "wer", "--output", str(tmp_path / "out")])
    assert "written:" in capsys.readouterr().out
    found = json.loads((tmp_path / "out/curves.json").read_text())
    # Two runs of one experiment are named by their folders.
    assert [run["label"] for run in found["runs"]] == [*runs[:2], "branchformer"]
    assert found["runs"][0]["epochs"] == [
        {"epoch": epoch, "seconds": 9.0, "cer": 60.0 / epoch, "wer": 90.0 / epoch} for epoch in (1, 2, 3)
    ]
    assert found["runs"][1]["command"] == [["train.py", "b"]] and found["runs"][1]["seed"] == 7
    lines = [
        [cell.strip() for cell in line.split("|")] for line in (tmp_path / "out/curves.md").read_text().splitlines()
    ]
    assert ["", runs[0], "60.0", "30.0", "20.0", ""] in lines and ["", "branchformer", "-", "-", "-", ""] in lines
    assert (tmp_path / "out/curves.png").read_bytes().startswith(b"\x89PNG")


def test_each_measure_has_a_panel_and_each_run_a_line(runs):
    figure = draw_curves(learning_curves(runs, ["cer", "wer"]))
    for axes, key, counts in zip(figure.axes, ("cer", "wer"), ([3, 2, 0], [3, 2, 1]), strict=True):
        assert axes.get_title() == key
        assert [len(line.get_xdata()) for line in axes.lines] == counts


def test_the_table_of_a_measure_keeps_the_order_of_the_runs(runs):
    rows = curve_rows(learning_curves(runs[::-1], ["wer"]), "wer")
    assert [row[0] for row in rows] == ["wer by epoch", "branchformer", *runs[1::-1]]


def test_what_has_no_curve_is_refused(runs, tmp_path, capsys):
    def error(*arguments):
        with pytest.raises(SystemExit):
            main([*arguments, "--output", str(tmp_path / "out")])
        return capsys.readouterr().err

    assert "--metrics accuracy: no run has it; these are known: cer, epoch, seconds, wer" in error(
        *runs, "--metrics", "accuracy"
    )
    RunRecord.open(tmp_path / "new", argv=["train.py"])
    assert "no epoch of this run is finished" in error(str(tmp_path / "new"))
    assert "no such folder" in error(str(tmp_path / "nowhere"))
    assert not (tmp_path / "out").exists()
