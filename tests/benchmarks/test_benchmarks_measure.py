"""Cells, memory, timing: what is measured, in which order, and that failures are results. Never how fast."""

import os
import signal

import pytest
import torch

from summarymixing.benchmarks import cells, measure
from summarymixing.benchmarks.cells import Cell, Workbench
from summarymixing.benchmarks.measure import Options, measure_cells
from summarymixing.benchmarks.memory import failure, growth_of, in_fresh_process, is_out_of_memory
from summarymixing.benchmarks.registry import REGISTRY
from summarymixing.benchmarks.timing import time_in_turns
from summarymixing.utils.errors import InputError

TINY = {"frames": 24, "rows": 2, "d_model": 16, "layers": 2}
QUICK = Options(threads=1, rounds=(2, 2))


@pytest.mark.slow
@pytest.mark.parametrize("step", cells.STEPS)
@pytest.mark.parametrize("level", cells.LEVELS)
@pytest.mark.parametrize("dtype", cells.DTYPES)
def test_every_level_runs(level, step, dtype):
    for mixer in ("summarymixing_8", "rope_attention"):
        try:
            cell = Cell(mixer, level=level, step=step, dtype=dtype, **TINY)
        except InputError as error:
            assert level in ("training", "decoding"), error
            continue
        Workbench().prepare(cell)()


@pytest.mark.parametrize("mixer", REGISTRY)
def test_every_mixer_runs_and_leaves_no_gradients(mixer):
    bench = Workbench()
    for step in cells.STEPS:
        cell = Cell(mixer, step=step, **TINY)
        bench.prepare(cell)()
        module, _ = bench._module(*cells._module_key(cell))
        assert module.training == cell.backward
        assert all(parameter.grad is None for parameter in module.parameters())


def test_forward_computes_no_gradients_and_backward_all():
    seen = []

    class Spy(torch.nn.Linear):
        def forward(self, x, padding_mask, chunks):
            seen.append((torch.is_grad_enabled(), x.requires_grad, x.shape, chunks))
            y = super().forward(x)
            if y.requires_grad:
                y.register_hook(lambda gradient: seen.append(("gradient", gradient.shape)))
            return y

    bench = Workbench()
    bench._module = lambda *key: (Spy(16, 16),) * 2
    cell = Cell("summarymixing_1", chunk_size=4, left_context_size=1, **TINY)
    bench.prepare(cell)()
    assert seen[-1] == (False, False, (2, 24, 16), cell.chunks)
    bench.prepare(cell.with_(step="forward+backward"))()
    assert seen[-2][:3] == (True, True, (2, 24, 16)) and seen[-1] == ("gradient", (2, 24, 16))


def test_training_step_changes_the_weights():
    bench, cell = Workbench(), Cell("summarymixing_1", level="training", step="forward+backward", **TINY)
    call = bench.prepare(cell)
    weight = bench._module(*cells._module_key(cell))[0].output.weight
    before = weight.detach().clone()
    call()
    assert not torch.equal(weight, before)


def test_compiled_cells_run(monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda module, dynamic: compiled.append(dynamic) or module)
    result = measure_cells([Cell("summarymixing_1", mode="compile", **TINY)], QUICK).popitem()[1]
    assert compiled == [True] and result["seconds"]["visits"] == 2 and result["memory"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mixer": "attention"}, "choose from summarymixing_1"),
        ({"level": "decoder"}, "choose from mixer, layer"),
        ({"dtype": "float16"}, "choose from float32"),
        ({"frames": 0}, "at least 1"),
        ({"mixer": "fastformer", "chunk_size": 4}, "fastformer takes no chunks"),
        ({"level": "training"}, "--steps forward\\+backward"),
        ({"level": "decoding", "step": "forward+backward"}, "--steps forward"),
        ({"level": "decoding", "dtype": "bfloat16"}, "--dtypes autocast"),
    ],
)
def test_cells_that_make_no_sense(changes, message):
    with pytest.raises(InputError, match=message):
        Cell(**{"mixer": "summarymixing_1", **TINY, **changes})


def test_all_take_turns_in_changing_orders():
    visited, ticks = [], iter(range(1000))
    calls = {name: lambda name=name: visited.append(name) for name in "abcde"}

    def stopwatch(call, repetitions):
        for _ in range(repetitions):
            call()
        return 0.01

    result = time_in_turns(calls, rounds=(3, 6), budget_seconds=1e9, stopwatch=stopwatch, clock=lambda: next(ticks))
    assert all(found["repetitions"] == 2 and len(found["seconds"]) == 6 for found in result.values())
    visits = visited[-60::2]  # every visit is two calls, and what came before them were the first visits
    rounds = [visits[at : at + 5] for at in range(0, 30, 5)]
    assert all(sorted(order) == list("abcde") for order in rounds)
    assert len(set(map(tuple, rounds))) > 1


def test_rounds_fill_the_time_there_is():
    clock = {"now": 0.0}

    def stopwatch(call, repetitions):
        clock["now"] += 1.0
        return 1.0

    for budget, expected in ((7.0, 3), (0.0, 2), (1e9, 9)):  # two callables: a round is two seconds
        found = time_in_turns(
            dict.fromkeys("ab"), rounds=(2, 9), budget_seconds=budget, stopwatch=stopwatch, clock=lambda: clock["now"]
        )
        assert {len(result["seconds"]) for result in found.values()} == {expected}


def test_a_slow_call_takes_no_visits_from_a_fast_one():
    clock = {"now": 0.0}

    def stopwatch(seconds, repetitions):
        clock["now"] += seconds
        return seconds

    found = time_in_turns(
        {"fast": 1.0, "slow": 10.0},
        rounds=(3, 20),
        budget_seconds=100.0,
        stopwatch=stopwatch,
        clock=lambda: clock["now"],
    )
    assert len(found["slow"]["seconds"]) == 5  # its half of the time
    assert len(found["fast"]["seconds"]) == 20


def test_a_call_known_to_be_long_is_not_tried_first():
    count = []
    time_in_turns({"a": lambda: count.append(1)}, rounds=(2, 2), expected={"a": 5.0})
    assert len(count) == 2


def test_what_fails_is_left_out_and_the_others_go_on():
    later = iter([None] * 4)

    def out_of_memory():
        raise torch.OutOfMemoryError("CUDA out of memory")

    def fails_in_a_round():
        if next(later, 1) is not None:
            raise ValueError("no\nmore")

    calls = {"a": out_of_memory, "b": lambda: None, "c": fails_in_a_round}
    found = time_in_turns(calls, rounds=(6, 6), visit_seconds=1e-9)
    assert found["a"] == {"oom": "OutOfMemoryError: CUDA out of memory"}
    assert found["c"] == {"error": "ValueError: no"}
    assert len(found["b"]["seconds"]) == 6


def allocate(size):
    return {"bytes": torch.ones(size, dtype=torch.uint8).nbytes}


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def fail():
    raise ValueError("wrong")


def hold(size):
    held = []
    return lambda: held.append(torch.ones(size, dtype=torch.uint8))


@pytest.mark.parametrize("resident, returned", [(60, False), (61, True)])
def test_kept_memory_is_returned_where_a_call_needs_it(monkeypatch, resident, returned):
    returns = []
    monkeypatch.setattr(measure, "resident_now", lambda: resident)
    monkeypatch.setattr(measure, "return_freed_memory", lambda: returns.append(True))
    monkeypatch.setattr(measure, "available_bytes", lambda: 40)
    calls = {"a": lambda: None}
    stopwatch = measure._roomy(calls, {"a": {"memory": {"growth_bytes": 40}}}, limit=100)
    assert stopwatch(calls["a"], 1) >= 0.0
    assert returns == [True] * returned
    monkeypatch.setattr(measure, "available_bytes", lambda: 39)
    if returned:
        with pytest.raises(MemoryError, match="beside what the other cells hold"):
            stopwatch(calls["a"], 1)


@pytest.mark.slow
def test_memory_limit_of_a_fresh_process():
    assert in_fresh_process(allocate, 10**6, limit_bytes=10**9) == {"bytes": 10**6}
    found = in_fresh_process(allocate, 2 * 10**9, limit_bytes=10**9)
    assert found.keys() == {"oom"} and "memory" in found["oom"]
    assert in_fresh_process(kill) == {"oom": "the process was killed by SIGKILL"}
    assert in_fresh_process(fail) == {"error": "ValueError: wrong"}


def test_growth_in_a_fresh_process_is_its_own():
    hoard = torch.ones(300_000_000, dtype=torch.uint8)  # must not be seen there
    found = in_fresh_process(growth_of, hold, 100_000_000)
    assert 100_000_000 <= found["growth_bytes"] < 120_000_000 < hoard.nbytes
    assert found["peak_bytes"] - found["baseline_bytes"] == found["growth_bytes"]


def test_which_errors_are_for_lack_of_memory():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert failure(RuntimeError("a\nb")) == {"error": "RuntimeError: a"}


@pytest.mark.slow
def test_cell_out_of_memory_is_a_result_and_not_timed():
    large = Cell("plain_1", 20_000, chunk_size=4, d_model=8)
    small = Cell("plain_1", 100, chunk_size=4, d_model=8)
    found = measure_cells([large, small], Options(threads=1, rounds=(2, 2), memory_limit_bytes=10**9))
    assert found[large]["oom"] and found[large]["seconds"] is None and found[large]["memory"] is None
    assert not found[small]["oom"] and found[small]["seconds"]["visits"] == 2
    assert found[small]["memory"]["kind"] == "resident memory of the process"


def test_cell_that_fails_is_a_result(monkeypatch):
    monkeypatch.setattr(measure, "_process_memory", lambda *arguments: {})
    monkeypatch.setattr(Workbench, "prepare", lambda self, cell: fail)
    found = measure_cells([Cell("identity", 10)], QUICK).popitem()[1]
    assert (found["oom"], found["reason"], found["seconds"]) == (False, "ValueError: wrong", None)
