"""tools/benchmark.py: the tests of a mixer decide whether it gets a ratio."""

import pytest

from summarymixing.benchmarks.registry import REGISTRY, Entry
from tools import benchmark


def test_tests_are_run_and_each_set_once(tmp_path, monkeypatch):
    (tmp_path / "test_good.py").write_text("def test():\n    assert True\n")
    (tmp_path / "test_bad.py").write_text("def test():\n    assert False\n")
    names = {"good": "test_good.py", "bad": "test_bad.py", "none": "test_missing.py", "again": "test_bad.py"}
    entries = {name: Entry(name, None, None, (file,)) for name, file in names.items()}
    monkeypatch.setattr(benchmark, "entry", entries.get)
    monkeypatch.setattr(benchmark, "ROOT", tmp_path)
    benchmark.run_tests.cache_clear()
    found = {name: benchmark.check_mixer(name) for name in names}
    assert [one["passed"] for one in found.values()] == [True, False, False, False]
    assert "1 failed" in found["bad"]["summary"] and found["bad"]["tests"] == ["test_bad.py"]
    assert benchmark.run_tests.cache_info().misses == 3


@pytest.mark.parametrize("name", REGISTRY)
def test_every_mixer_has_tests(name):
    files = [word for word in REGISTRY[name].tests if word.endswith(".py")]
    assert files and all((benchmark.ROOT / file).is_file() for file in files)
