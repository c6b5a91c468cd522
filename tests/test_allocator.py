"""Freed memory stays with the process: counted in page faults, not in time."""

import platform
import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource, sys, torch
from summarymixing.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
sizes = [1_000_000, 20_000_000]  # 4 MB, and 80 MB, which glibc maps apart whatever its threshold
for _ in range(3):
    before = faults()
    for size in sizes:
        torch.zeros(size).add(1)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc, whose mallopt it tests")
def test_a_repeated_step_takes_no_new_pages():
    def faults(how):
        command = [sys.executable, "-c", COUNT_FAULTS, how]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert faults("keep") < 100 < 1000 < faults("default")
