"""What every test runs under: one thread; of several workers (pytest -n) one trains what files share."""

import os

# Small tensors are no faster on two threads, and on a busy machine many times slower. The processes that tests start
# inherit it.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch

torch.set_num_threads(1)

#: Fixtures that train a run for several files: these files go to one worker.
_TRAINED = ("finished_run",)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """For --dist loadgroup: a file's tests go to one worker, with those of the files that share a trained run."""
    groups = {}
    for item in items:
        used = [name for name in _TRAINED if name in getattr(item, "fixturenames", ())]
        groups[item.path] = used[0] if used else groups.get(item.path, item.nodeid.partition("::")[0])
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups[item.path]))
        # Whoever asks for a training, in a process of its own, takes seconds.
        if "recipes" in item.path.parts and {"train", "finished_run"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
