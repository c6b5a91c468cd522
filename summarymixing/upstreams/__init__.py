"""Trained encoders under one contract: hidden states of every layer, with their frame counts."""

from summarymixing.upstreams.featurizer import Featurizer
from summarymixing.upstreams.from_run import RunUpstream
from summarymixing.upstreams.upstream import Upstream

__all__ = ["Featurizer", "RunUpstream", "Upstream"]
