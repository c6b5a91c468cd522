"""Tests of summarymixing/benchmarks/speed.py: what is measured and in which order, never how fast it is."""

from dataclasses import replace

import pytest
import torch

from summarymixing.benchmarks import speed
from summarymixing.benchmarks.measure import Options, measure_cells
from summarymixing.benchmarks.speed import RunCell, RunWorkbench
from summarymixing.utils.errors import InputError

YAML = """
output_folder: {folder}/elsewhere
save_folder: !ref <output_folder>/save
sample_rate: 1000
window: 50
model: !new:torch.nn.Sequential
  - !new:torch.nn.Unflatten [1, [-1, !ref <window>]]
  - !new:torch.nn.Linear [!ref <window>, {width}]
checkpointer: !new:speechbrain.utils.checkpoints.Checkpointer
  checkpoints_dir: !ref <save_folder>
"""


def make_run(folder, width=2):
    folder.mkdir()
    (folder / "hyperparams.yaml").write_text(YAML.format(folder=folder, width=width))
    return folder


class Recorder(torch.nn.Module):
    """Writes down what it is asked."""

    def __init__(self):
        super().__init__()
        self.calls = []
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, wavs):
        assert torch.is_grad_enabled() == self.training
        self.calls.append(("forward+backward" if self.training else "forward", tuple(wavs.shape)))
        return self.weight * wavs, torch.full((len(wavs),), wavs.shape[1])


def test_a_step_is_one_pass_and_leaves_no_gradients(monkeypatch):
    model = Recorder()
    monkeypatch.setattr(speed, "load_model", lambda folder: (model, 100))
    bench = RunWorkbench()
    for step in speed.STEPS:
        call = bench.prepare(RunCell("run", seconds=3.0, rows=2, step=step))
        assert model.calls.pop() == (step, (1, 100)), "it is tried on a second first"
        call()
        assert model.calls.pop() == (step, (2, 300)) and not model.calls
        assert model.weight.grad is None


def test_output_of_a_classifier():
    model = Recorder()
    model.forward = lambda wavs: ({"a": model.weight * wavs, "b": wavs}, None)
    model.weight.register_hook(lambda gradient: model.calls.append(gradient.item()))
    speed.forward_backward(model, torch.full((1, 4), 3.0))
    assert model.calls == [3.0]


def test_measure(tmp_path, monkeypatch):
    folders = [make_run(tmp_path / "a"), make_run(tmp_path / "b", width=200)]
    before = sorted(tmp_path.rglob("*"))
    measured = {}

    def with_three_rounds(cells, options, workbench):
        measured.update(measure_cells(cells, replace(options, rounds=(3, 3)), workbench=workbench))
        return measured

    monkeypatch.setattr(speed, "measure_cells", with_three_rounds)
    result = speed.measure(folders, (10, 30), device="cpu")
    assert [(cell["run"], cell["seconds"], cell["rows"]) for cell in result["cells"]] == [
        (0, 10, 6),
        (1, 10, 6),
        (0, 30, 2),
        (1, 30, 2),
    ]
    firsts = [result["cells"][0]] * 2 + [result["cells"][2]] * 2
    for cell, first in zip(result["cells"], firsts, strict=True):
        for step in speed.STEPS:
            found = measured[RunCell(str(folders[cell["run"]]), cell["seconds"], cell["rows"], step)]
            low, high = cell[step]["quartiles"]
            assert 0 < low <= cell[step]["median"] <= high
            assert cell[step]["all"] == found["seconds"]["all"] and len(cell[step]["all"]) == result["rounds"] == 3
            assert cell[step]["ratio"] == cell[step]["median"] / first[step]["median"]
        assert cell["memory"]["bytes"] == found["memory"]["growth_bytes"]
        assert (cell["memory"]["ratio"] == 1) == (cell is first)
    assert result["threads"] == torch.get_num_threads()
    assert result["device"] == "CPU"
    assert sorted(tmp_path.rglob("*")) == before, "measuring must not touch a run folder nor build its checkpointer"


def test_memory_of_a_fresh_process_grows_with_the_activations(tmp_path):
    hoard = torch.ones(100_000_000)  # 400 MB here must not be seen there
    cell = RunCell(str(make_run(tmp_path / "a", width=1000)), 100, 10, "forward+backward")
    found = measure_cells([cell], Options(threads=1, rounds=(1, 1)), workbench=RunWorkbench)[cell]
    # 10 x 2000 frames x 1000 numbers of 4 bytes are 80 MB.
    assert 80_000_000 < found["memory"]["growth_bytes"] < hoard.nbytes


def results_of(failed, **reason):
    """Results of `measure_cells` in which one cell failed."""

    def measure(cells, options, workbench):
        good = {
            "seconds": {"median": 2.0, "all": [2.0], "visits": 1},
            "memory": {"growth_bytes": 2**21},
            "oom": False,
            "reason": None,
        }
        bad = {"seconds": None, "memory": None, **reason}
        return {cell: bad if (cell.folder, cell.step) == failed else good for cell in cells}

    return measure


def test_what_runs_out_of_memory_is_a_result(tmp_path, monkeypatch):
    one, two = (str(make_run(tmp_path / name)) for name in "ab")
    out = {"oom": True, "reason": "MemoryError"}
    monkeypatch.setattr(speed, "measure_cells", results_of((two, "forward+backward"), **out))
    first, second = speed.measure([one, two], [10], "cpu")["cells"]
    assert first["memory"] == {"bytes": 2**21, "ratio": 1.0}
    assert second["forward"]["ratio"] == 1.0 and second["forward+backward"] is None and second["memory"] is None
    monkeypatch.setattr(speed, "measure_cells", results_of((one, "forward+backward"), **out))
    first, second = speed.measure([one, two], [10], "cpu")["cells"]
    assert first["memory"] is None and second["memory"] == {"bytes": 2**21, "ratio": None}
    assert second["forward+backward"]["ratio"] is None


def test_what_fails_otherwise_is_named(tmp_path, monkeypatch):
    folder = str(make_run(tmp_path / "a"))
    failed = results_of((folder, "forward"), oom=False, reason="ValueError: no")
    monkeypatch.setattr(speed, "measure_cells", failed)
    with pytest.raises(InputError) as caught:
        speed.measure([folder], [10], "cpu")
    message = f"{folder}: forward of 6 x 10 s failed: ValueError: no; try other lengths with --seconds, or --no-speed"
    assert str(caught.value) == message


def test_batches_hold_the_same_seconds():
    assert [speed.rows_of(s, (10, 30, 60)) for s in (10, 30, 60)] == [6, 2, 1]
    assert [speed.rows_of(s, (20, 120)) for s in (20, 120)] == [6, 1]
    assert speed.rows_of(7, (7,)) == 8


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_lengths_that_are_none(seconds):
    with pytest.raises(InputError, match="--seconds"):
        speed.measure([], [10, seconds])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_no_cuda():
    with pytest.raises(InputError, match="--device cuda: PyTorch finds no CUDA device; use --device cpu"):
        speed.measure([], [10], "cuda")


def test_models_that_cannot_be_built(tmp_path):
    with pytest.raises(InputError, match="hyperparams.yaml: missing, .*; train it to the end, or give the folder"):
        speed.load_model(tmp_path)
    path = tmp_path / "hyperparams.yaml"
    path.write_text("sample_rate: 16000\n")
    with pytest.raises(InputError, match="no key 'model', so speed cannot be measured; turn it off with --no-speed"):
        speed.load_model(tmp_path)
    path.write_text("sample_rate: 16000\nmodel: !new:torch.nn.Nothing\n")
    with pytest.raises(InputError, match="torch.nn.Nothing"):
        speed.load_model(tmp_path)
