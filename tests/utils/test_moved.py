"""Modules that moved are found under their old names too."""

import importlib
import subprocess
import sys

import pytest

from summarymixing.utils.moved import MOVED


@pytest.mark.parametrize("old, new", MOVED.items())
def test_the_old_name_gives_the_same_module(old, new):
    module = importlib.import_module(f"summarymixing.{old}")
    assert module is importlib.import_module(f"summarymixing.{new}")
    assert module.__name__ == module.__spec__.name == f"summarymixing.{new}"


@pytest.mark.slow
def test_what_yaml_files_and_readers_named_is_there():
    """In a process of its own, where nothing was imported by its new name before."""
    names = [
        "augmentation.ColouredNoise",
        "decoding.TransducerSearcher",
        "decoding.ctc_greedy_tokens",
        "experiment.load_experiment",
        "inference.Transcriber",
        "lobes.BeamSearch",
        "ngram.ctc_beam_search",
        "seeds.seed_everything",
    ]
    code = f"from pydoc import locate; print(*[locate(f'summarymixing.{{name}}') is not None for name in {names}])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert found.split() == ["True"] * len(names)


def test_what_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match="summarymixing.nowhere"):
        importlib.import_module("summarymixing.nowhere")
