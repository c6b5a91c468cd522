"""Freed memory stays with the process until it is returned: counted in page faults and pages, not in time."""

import platform
import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource, sys, torch
from summarymixing.utils.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
sizes = [1_000_000, 20_000_000]  # 4 MB, and 80 MB, which glibc maps apart whatever its threshold
def step():
    before = faults()
    for size in sizes:
        torch.zeros(size).add(1)
    return faults() - before
# Where the heap begins and what splits its blocks is chance: a step now and then takes a new block.
print(min(step() for _ in range(8)))
"""

RETURN = """
import torch
from summarymixing.utils.allocator import keep_freed_memory, return_freed_memory
from summarymixing.benchmarks.memory import resident_now
keep_freed_memory()
before = resident_now()
held = [torch.zeros(10_000_000) for _ in range(8)]
del held
kept = resident_now()
assert return_freed_memory()
print(kept - before, resident_now() - before)
"""
needs_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="both functions do nothing, and say so, where the C library is not glibc"
)


@pytest.mark.slow
@needs_glibc
def test_a_repeated_step_takes_no_new_pages():
    def faults(how):
        command = [sys.executable, "-c", COUNT_FAULTS, how]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert faults("keep") < 100 < 1000 < faults("default")


@pytest.mark.slow
@needs_glibc
def test_what_was_kept_is_returned():
    found = subprocess.run([sys.executable, "-c", RETURN], check=True, capture_output=True, text=True).stdout
    kept, returned = (int(number) for number in found.split())
    assert kept > 300_000_000 > 100_000_000 > returned
