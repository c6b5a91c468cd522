"""Suites, ratios, reports, plots, and summarymixing-benchmark."""

import json

import pytest
import torch
from matplotlib.image import imread

from summarymixing.benchmarks import plots, report, side_by_side
from summarymixing.benchmarks.cells import Cell
from summarymixing.benchmarks.comparisons import Ratio, Slope, Table
from summarymixing.benchmarks.measure import Options
from summarymixing.benchmarks.run import run_suite
from summarymixing.benchmarks.streaming import StreamCell, measure_stream, state_bytes
from summarymixing.benchmarks.suite import Sizes, Suite
from summarymixing.commands import benchmark

QUICK = Options(threads=1, rounds=(2, 2))


def checked(failing=()):
    """Every mixer's tests pass, but those of the named ones, and no process is started."""
    return lambda name: {"tests": [], "passed": name not in failing, "summary": "1 test"}


def result(seconds=None, growth=None, oom=False, reason=None):
    times = None if seconds is None else {"median": sorted(seconds)[len(seconds) // 2], "all": seconds}
    memory = None if growth is None else {"growth_bytes": growth}
    return {"seconds": times, "memory": memory, "oom": oom, "reason": reason}


A, B = Cell("summarymixing_1", 100), Cell("rope_attention", 100)


def test_ratio_of_medians_and_of_rounds():
    results = {A: result([1.0, 2.0, 3.0]), B: result([4.0, 4.0, 6.0])}
    table = Table("", [Ratio("row", "column", B, (A,))], at_most=1.9)
    (number,) = table.evaluate(results)["numbers"]
    assert number["value"] == 2.0 and number["kept"] is False
    assert number["q10"] == 2.0 and number["q90"] == pytest.approx(3.6)  # of 4, 2, 2


def test_floor_is_the_larger_of_two():
    floor, copy = A.with_(level="floor"), A.with_(level="copy")
    results = {A: result([6.0] * 3), floor: result([2.0] * 3), copy: result([3.0] * 3)}
    assert Ratio("", "", A, (floor, copy)).value(results)["value"] == 2.0


def test_slope():
    cells = tuple(A.with_(frames=frames) for frames in (10, 100, 1000))
    results = {cell: result([cell.frames**2.0], 2**20 * cell.frames) for cell in cells}
    assert Slope("", "", cells).value(results)["value"] == pytest.approx(2)
    assert Slope("", "", cells, "memory").value(results)["value"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (result(oom=True, reason="MemoryError"), "out of memory"),
        (result(reason="ValueError"), "failed"),
        (result(), "not measured"),
    ],
)
def test_a_ratio_that_there_is_not(found, reason):
    table = Table("", [Ratio("row", "column", B, (A,))])
    (number,) = table.evaluate({A: result([1.0]), B: found})["numbers"]
    assert number == {"row": "row", "column": "column", "withheld": reason}


@pytest.mark.parametrize("failing", ["summarymixing_1", "rope_attention"])
def test_no_ratio_while_tests_fail(failing):
    suite = side_by_side.side_by_side(
        "sweep", "Sweep", ["summarymixing_1", "rope_attention"], [20], 20, steps=["forward"], d_model=16
    )
    record = run_suite(suite, QUICK, ["tools/benchmark.py"], lambda *what: None, checked([failing]))
    both = [number for table in record["tables"][1:] for number in table["numbers"]]
    assert both and all(number["withheld"] == "tests fail" and "value" not in number for number in both)
    assert "tests fail" in report.markdown(record) and "**FAILED**" in report.markdown(record)


def test_no_ratio_of_a_stream_while_tests_fail():
    suite = Suite("stream", "Streams", [StreamCell("summarymixing_1", hours=0.005, d_model=16)])
    record = run_suite(suite, QUICK, [], lambda *what: None, checked(["summarymixing_1"]))
    assert all("value" not in number for table in record["tables"] for number in table["numbers"])
    assert "ratio" not in json.dumps(record["cells"])


def test_state_bytes_counts_what_is_held():
    past = torch.zeros(2, 10)
    state = type("State", (), {})()
    state.views, state.other = [past[:1], past[1:]], {"sums": torch.zeros(3, dtype=torch.float64), "n": 4}
    assert state_bytes(state) == 80 + 24


def test_stream_visits_every_chunk(monkeypatch):
    fed = []
    monkeypatch.setattr(
        "summarymixing.benchmarks.streaming._streamer",
        lambda cell: (lambda x, state: fed.append(state) or state.append(torch.zeros(1)), list),
    )
    ticks = iter(range(10**6))
    found = measure_stream(StreamCell("identity", hours=0.01, d_model=4), block=10, clock=lambda: next(ticks))
    assert found["chunks"] == 56 and len(found["blocks"]) == 6
    streamed = max((state for state in fed), key=len)
    assert len(streamed) == 56
    assert found["first"] == found["last"] == found["new_stream"] == 1
    assert found["state_bytes_end"] == 4 * 56 > found["state_bytes_start"], "a growing state shows"


def test_sizes_of_batches():
    suite = side_by_side.side_by_side(
        "", "", ["summarymixing_1", "rope_attention"], [100, 1000, 10_000], 2000, steps=["forward"]
    )
    found = {(cell.mixer, cell.frames): cell.rows for cell in suite.cells if cell.level == "mixer"}
    linear = {("summarymixing_1", 100): 20, ("summarymixing_1", 1000): 2, ("summarymixing_1", 10_000): 1}
    assert found == {**linear, ("rope_attention", 100): 20, ("rope_attention", 1000): 2}


def test_every_table_is_of_measured_cells():
    for quick in (True, False):
        for make in (*benchmark.SUITES.values(), side_by_side.cuda):
            suite = make(Sizes(quick))
            needed = {cell for table in suite.tables for number in table.numbers for cell in number.cells}
            assert needed <= set(suite.cells)


def run(folder, *words, **options):
    return benchmark.main(
        [*words, "--quick", "--threads", "1", "--rounds", "2", "2", "--output", str(folder)], **options
    )


@pytest.mark.slow
def test_sweep_writes_json_table_and_plots(tmp_path, capsys):
    words = ["--mixers", "summarymixing_8", "rope_attention", "plain_8", "--seconds", "20", "60", "--steps", "forward"]
    assert run(tmp_path, "sweep", *words, check=checked()) == 0
    record = json.loads((tmp_path / "sweep.json").read_text())
    assert record["command"][:2] == ["tools/benchmark.py", "sweep"] and record["settings"]["quick"] is True
    assert {"commit", "dirty", "machine", "versions", "load_average_at_start"} <= record.keys()
    assert record["tests"] == {name: checked()(name) for name in ("summarymixing_8", "rope_attention", "plain_8")}
    timed = [cell for cell in record["cells"] if cell["level"] == "mixer"]
    assert [(cell["mixer"], cell["frames"], cell["rows"]) for cell in timed[:2]] == [
        ("summarymixing_8", 10, 3),
        ("summarymixing_8", 30, 1),
    ]
    for cell in record["cells"]:
        assert 0 < cell["seconds"]["q10"] <= cell["seconds"]["median"] <= cell["seconds"]["q90"]
        assert cell["seconds"]["visits"] == 2 == len(cell["seconds"]["all"])
    printed = capsys.readouterr().out
    assert "RoPE attention (SDPA)" in printed and "mixer / what it cannot avoid" in printed
    tables = printed.split("the numbers mean nothing)\n\n")[1].split("\nwritten")[0]
    assert tables.strip() in (tmp_path / "sweep.md").read_text()
    for kind in ("time", "memory"):
        assert imread(tmp_path / f"sweep_{kind}.png").std() > 0


def test_stream_suite_writes_its_files(tmp_path, monkeypatch):
    monkeypatch.setitem(
        benchmark.SUITES, "stream", lambda sizes: Suite("stream", "S", [StreamCell("fast", hours=0.005, d_model=16)])
    )
    assert run(tmp_path, "stream") == 0
    record = json.loads((tmp_path / "stream.json").read_text())
    assert record["tables"][1]["numbers"][0]["kept"] is True, "the state is constant"
    text = (tmp_path / "stream.md").read_text()
    assert record["tests"] == {} and "tests were not run" in text and "\n- `summarymixing-benchmark stream" in text
    assert imread(tmp_path / "stream_time.png").std() > 0


def test_failed_cells_are_named_and_the_exit_status_says_so(tmp_path, monkeypatch, capsys):
    failed = {**result(reason="ValueError: no")}
    monkeypatch.setattr(
        "summarymixing.benchmarks.run.measure_cells", lambda cells, options, progress: dict.fromkeys(cells, failed)
    )
    assert run(tmp_path, "sweep", "--seconds", "20") == 1
    assert "failed: SummaryMixing, 1 head, mixer, forward: ValueError: no" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fastest"], "no suite 'fastest'; choose from floor, chunks"),
        (["floor", "--threads", "0"], "--threads"),
        (["floor", "--rounds", "3", "2"], "--rounds"),
        (["floor", "--budget", "-1"], "--budget -1 must be positive"),
        (["sweep", "--seconds", "nan"], "--seconds"),
        (["sweep", "--levels", "training", "--dtypes", "bfloat16"], "--dtypes autocast"),
    ],
)
def test_bad_input_is_one_line(words, message, capsys):
    with pytest.raises(SystemExit) as caught:
        benchmark.main(words)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_no_cuda(capsys):
    for words in (["cuda"], ["sweep", "--device", "cuda"], ["floor", "cuda"]):
        with pytest.raises(SystemExit):
            benchmark.main(words)
        assert "PyTorch finds no CUDA device" in capsys.readouterr().err


def test_styles_differ():
    names = [(f"mixer {number}", "") for number in range(16)]
    styles = plots._styles(names)
    looks = {(style["color"], style["marker"], style["markerfacecolor"]) for style in styles.values()}
    assert len(looks) == 16
