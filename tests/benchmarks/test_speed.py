"""Tests of summarymixing/benchmarks/speed.py: what is measured and in which order, never how fast it is."""

import subprocess

import pytest
import torch

from summarymixing.benchmarks import speed
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
    """Writes down what it is asked, and lets a clock of the test go on by its own number of seconds."""

    def __init__(self, name, calls, seconds):
        super().__init__()
        self.name, self.calls, self.seconds = name, calls, seconds
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, wavs):
        step = "forward+backward" if torch.is_grad_enabled() and self.training else "forward"
        assert torch.is_grad_enabled() == self.training
        self.calls.append((self.name, wavs.shape[1], step))
        self.calls.time += self.seconds * (2 if self.training else 1)
        return self.weight * wavs, torch.full((len(wavs),), wavs.shape[1])


class Calls(list):
    time = 0.0


def timed(rounds, seconds_a_cell=1e9, seconds=(1.0, 3.0)):
    calls = Calls()
    models = [Recorder(name, calls, value) for name, value in zip("ab", seconds, strict=True)]
    inputs = [[torch.ones(2, 10), torch.ones(1, 20)] for _ in models]
    times = speed.measure_times(models, inputs, lambda: calls.time, rounds, seconds_a_cell)
    return calls, times, models


def test_models_take_turns_and_the_first_one_changes():
    calls, _, _ = timed((2, 2))
    warm_up, first, second = calls[:4], calls[4:12], calls[12:]
    assert warm_up == [(name, length, "forward+backward") for length in (10, 20) for name in "ab"]
    steps = ("forward", "forward+backward")
    assert first == [(name, length, step) for length in (10, 20) for name in "ab" for step in steps]
    assert second == [(name, length, step) for length in (10, 20) for name in "ba" for step in steps]


def test_times_belong_to_their_model_and_step():
    _, times, models = timed((3, 3))
    for row, seconds in enumerate((1.0, 3.0)):
        for cell in times[row]:
            assert cell == {"forward": [seconds] * 3, "forward+backward": [2 * seconds] * 3}
    assert all(model.weight.grad is None for model in models)


def test_rounds_fill_the_time_there_is():
    # A round is 2 lengths x (1 + 2 + 3 + 6) = 24 s; four cells have 4 x 30 s.
    for budget, rounds in ((30.0, 5), (0.0, 3), (1e9, 20)):
        _, times, _ = timed((3, 20), budget)
        assert {len(cell["forward"]) for row in times for cell in row} == {rounds}


def test_measure(tmp_path, monkeypatch):
    folders = [make_run(tmp_path / "a"), make_run(tmp_path / "b", width=200)]
    before = sorted(tmp_path.rglob("*"))
    shapes, measure_times = [], speed.measure_times

    def timing(models, inputs):
        shapes.extend([wavs.shape for wavs in row] for row in inputs)
        return measure_times(models, inputs, rounds=(3, 3))

    monkeypatch.setattr(speed, "measure_times", timing)
    monkeypatch.setattr(speed, "measure_memory", lambda folder, s, n, device: 100 if folder == folders[0] else 150)
    result = speed.measure(folders, (10, 30), device="cpu")
    assert shapes == [[(6, 10_000), (2, 30_000)]] * 2
    assert [(cell["run"], cell["seconds"], cell["rows"]) for cell in result["cells"]] == [
        (0, 10, 6),
        (1, 10, 6),
        (0, 30, 2),
        (1, 30, 2),
    ]
    for cell, first in zip(result["cells"], [result["cells"][0]] * 2 + [result["cells"][2]] * 2, strict=True):
        for step in speed.STEPS:
            low, high = cell[step]["quartiles"]
            assert 0 < low <= cell[step]["median"] <= high
            assert len(cell[step]["all"]) == result["rounds"] == 3
            assert cell[step]["ratio"] == cell[step]["median"] / first[step]["median"]
        assert cell["memory"] == {"bytes": 100 + 50 * cell["run"], "ratio": 1 + 0.5 * cell["run"]}
    assert result["threads"] == torch.get_num_threads()
    assert result["device"] == "CPU"
    assert sorted(tmp_path.rglob("*")) == before, "measuring must not touch a run folder nor build its checkpointer"


def test_memory_of_a_fresh_process_grows_with_the_activations(tmp_path):
    hoard = torch.ones(100_000_000)  # 400 MB here must not be seen there
    # 10 x 2000 frames x 1000 numbers of 4 bytes are 80 MB.
    used = speed.measure_memory(make_run(tmp_path / "a", width=1000), 100, 10, "cpu")
    assert 80_000_000 < used < hoard.nbytes


def test_memory_that_cannot_be_measured(tmp_path):
    with pytest.raises(InputError) as caught:
        speed.measure_memory(tmp_path, 1, 1, "cpu")
    message = str(caught.value)
    assert message.startswith(
        f"{tmp_path}: forward+backward of 1 x 1 s in a process of its own failed: {tmp_path}/hyper"
    )
    assert message.endswith("; try shorter inputs with --seconds, or --no-speed")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [("", "it ended with status -9"), ("Traceback:\n  ...\nRuntimeError: no memory\n", "RuntimeError: no memory")],
)
def test_what_ended_a_process_is_named(tmp_path, monkeypatch, stderr, reason):
    killed = subprocess.CompletedProcess([], -9, "", stderr)
    monkeypatch.setattr(speed.subprocess, "run", lambda *words, **options: killed)
    with pytest.raises(InputError, match=f"failed: {reason}; try shorter inputs"):
        speed.measure_memory(tmp_path, 60, 1, "cpu")


def test_batches_hold_the_same_seconds():
    assert [speed.rows_of(s, (10, 30, 60)) for s in (10, 30, 60)] == [6, 2, 1]
    assert [speed.rows_of(s, (20, 120)) for s in (20, 120)] == [6, 1]
    assert speed.rows_of(7, (7,)) == 8


def test_audio_is_the_same_every_time():
    first = speed.random_audio(2, 0.5, 100)
    assert first.shape == (2, 50)
    assert torch.equal(first, speed.random_audio(2, 0.5, 100))
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_lengths_that_are_none(seconds):
    with pytest.raises(InputError, match="--seconds"):
        speed.measure([], [10, seconds])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_no_cuda():
    with pytest.raises(InputError, match="--device cuda: PyTorch finds no CUDA device here; use --device cpu"):
        speed.measure([], [10], "cuda")


def test_models_that_cannot_be_built(tmp_path):
    with pytest.raises(InputError, match="hyperparams.yaml: missing, .*; train it to its end, or give the folder"):
        speed.load_model(tmp_path)
    path = tmp_path / "hyperparams.yaml"
    path.write_text("sample_rate: 16000\n")
    with pytest.raises(InputError, match="no key 'model', so speed cannot be measured; turn it off with --no-speed"):
        speed.load_model(tmp_path)
    path.write_text("sample_rate: 16000\nmodel: !new:torch.nn.Nothing\n")
    with pytest.raises(InputError, match="torch.nn.Nothing"):
        speed.load_model(tmp_path)
