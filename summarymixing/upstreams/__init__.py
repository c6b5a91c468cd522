"""Trained encoders under one contract: hidden states of every layer, with their frame counts."""

from summarymixing.upstreams.distillation import distil_mixers
from summarymixing.upstreams.featurizer import Featurizer
from summarymixing.upstreams.from_run import RunUpstream
from summarymixing.upstreams.huggingface import HuggingFaceUpstream
from summarymixing.upstreams.swap import replace_mixers, restore_mixers, swapped_mixers
from summarymixing.upstreams.swapped_folder import mixer_factory, save_swapped
from summarymixing.upstreams.tuning import load_upstream, start_upstream, tune, upstream_node
from summarymixing.upstreams.upstream import Upstream

__all__ = [
    "Featurizer",
    "HuggingFaceUpstream",
    "RunUpstream",
    "Upstream",
    "distil_mixers",
    "load_upstream",
    "mixer_factory",
    "replace_mixers",
    "restore_mixers",
    "save_swapped",
    "start_upstream",
    "swapped_mixers",
    "tune",
    "upstream_node",
]
