"""SummaryMixing recipes: linear-time token mixers for SpeechBrain speech encoders."""

import importlib

__version__ = "0.1.0"

#: Modules that YAML files of earlier versions name, and where they are now: run folders stay loadable.
_MOVED = {"augmentation": "data.augmentation", "ngram": "decoding.ngram", "seeds": "utils.seeds"}


def __getattr__(name):
    if name in _MOVED:
        return importlib.import_module(f"{__name__}.{_MOVED[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
