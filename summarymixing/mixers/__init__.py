"""Token mixers: the part of an encoder block that mixes information across time."""

from summarymixing.mixers.attention import RegularAttention, RelPosAttention, RoPEAttention
from summarymixing.mixers.base import Mixer
from summarymixing.mixers.fastformer import Fastformer
from summarymixing.mixers.hypermixing import HyperMixing
from summarymixing.mixers.identity import Identity
from summarymixing.mixers.pooled import PooledAttention
from summarymixing.mixers.summary import SummaryMixing, SummaryMixingFast, SummaryMixingLite
from summarymixing.mixers.windowed import WindowedSummaryMixing

__all__ = [
    "Fastformer",
    "HyperMixing",
    "Identity",
    "Mixer",
    "PooledAttention",
    "RegularAttention",
    "RelPosAttention",
    "RoPEAttention",
    "SummaryMixing",
    "SummaryMixingFast",
    "SummaryMixingLite",
    "WindowedSummaryMixing",
]
