"""The mixers of the benchmark by name: how each is built, its unavoidable products, and its tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from summarymixing import mixers
from summarymixing.benchmarks import products
from summarymixing.benchmarks.plain import PlainSummaryMixing
from summarymixing.utils.errors import InputError

_MIXER_TESTS = tuple(f"tests/mixers/test_mixers_{part}.py" for part in ("reference", "padding", "streaming"))


@dataclass(frozen=True)
class Entry:
    """A mixer of the benchmark.

    Attributes
    ----------
    label : str
        Name in tables and plots.
    factory : callable
        ``factory(d_model)`` builds it.
    products : callable
        Its `summarymixing.benchmarks.products`, given a `Shape`.
    tests : tuple of str
        Arguments of pytest: the tests that must pass before a ratio of it is shown.
    linear : bool
        Whether its cost is linear in the length; then it is measured up to an hour.
    chunkable : bool
        Whether it can be limited to chunks.
    activations : int
        How many times it activates D features a frame; counted where a suite asks for it.
    """

    label: str
    factory: Callable
    products: Callable
    tests: tuple[str, ...]
    linear: bool = True
    chunkable: bool = True
    activations: int = 0


def _mixer_tests(expression):
    return (*_MIXER_TESTS, "-k", expression)


_SUMMARY = _mixer_tests("summary_mixing and not decay and not causal")
_WINDOWED = _mixer_tests("windowed")
_PLAIN = ("tests/benchmarks/test_benchmarks_plain.py",)


def _summary_mixing(nhead):
    heads = "1 head" if nhead == 1 else f"{nhead} heads"
    return Entry(
        f"SummaryMixing, {heads}",
        partial(mixers.SummaryMixing, nhead=nhead),
        partial(products.summary_mixing, nhead=nhead),
        _SUMMARY,
        activations=5,
    )


def _plain(nhead):
    def factory(d_model):
        return PlainSummaryMixing(mixers.SummaryMixing(d_model, nhead=nhead))

    heads = "1 head" if nhead == 1 else f"{nhead} heads"
    work = partial(products.summary_mixing, nhead=nhead)
    return Entry(f"plain formulation, {heads}", factory, work, _PLAIN)


def _windowed(half_width):
    return Entry(
        f"Windowed, half-width {half_width}",
        partial(mixers.WindowedSummaryMixing, half_width=half_width),
        partial(products.summary_mixing, window=True),
        _WINDOWED,
    )


_QUADRATIC = {"linear": False}
_OFFLINE = {"chunkable": False}
REGISTRY = {
    "summarymixing_1": _summary_mixing(1),
    "summarymixing_8": _summary_mixing(8),
    "lite": Entry("SummaryMixing-lite", mixers.SummaryMixingLite, products.lite, _mixer_tests("lite")),
    "fast": Entry(
        "SummaryMixing-fast", mixers.SummaryMixingFast, products.fast, _mixer_tests("fast and not fastformer")
    ),
    "decay": Entry(
        "SummaryMixing, decay",
        partial(mixers.SummaryMixing, summary="decay"),
        partial(products.summary_mixing, summary_a_frame=True),
        _mixer_tests("decay"),
    ),
    **{f"windowed_{half_width}": _windowed(half_width) for half_width in (5, 25, 100, 500)},
    "rope_attention": Entry(
        "RoPE attention (SDPA)",
        mixers.RoPEAttention,
        products.attention,
        _mixer_tests("rope_attention"),
        **_QUADRATIC,
    ),
    "regular_attention": Entry(
        "regular attention",
        mixers.RegularAttention,
        products.attention,
        _mixer_tests("regular_attention"),
        **_QUADRATIC,
    ),
    "relpos_attention": Entry(
        "relative-position attention",
        mixers.RelPosAttention,
        products.relative_attention,
        _mixer_tests("relpos_attention"),
        **_QUADRATIC,
    ),
    "hypermixing": Entry(
        "HyperMixing", mixers.HyperMixing, products.hypermixing, _mixer_tests("hypermixing"), **_OFFLINE
    ),
    "fastformer": Entry("Fastformer", mixers.Fastformer, products.fastformer, _mixer_tests("fastformer"), **_OFFLINE),
    "identity": Entry("no mixing", mixers.Identity, products.identity, _mixer_tests("identity")),
    "plain_1": _plain(1),
    "plain_8": _plain(8),
}


def entry(name: str) -> Entry:
    """Look up a mixer.

    Examples
    --------
    >>> entry("summarymixing_8").label
    'SummaryMixing, 8 heads'
    """
    if name not in REGISTRY:
        raise InputError(f"mixer {name!r} is not in the benchmark; choose from {', '.join(REGISTRY)}")
    return REGISTRY[name]
