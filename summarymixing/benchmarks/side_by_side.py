"""Suites that measure mixers side by side in all combinations of settings, on the CPU or on a GPU."""

from __future__ import annotations

from summarymixing.benchmarks.cells import STEPS, Cell
from summarymixing.benchmarks.comparisons import Ratio, Table
from summarymixing.benchmarks.registry import REGISTRY, entry
from summarymixing.benchmarks.suite import Sizes, Suite, frames_of

#: Frames beyond which only mixers of linear cost are measured: 5 minutes.
LIMIT_QUADRATIC = 7500
#: Mixers of the side-by-side comparison.
SIDE_BY_SIDE = [
    name for name in REGISTRY if name not in ("windowed_5", "windowed_100", "windowed_500", "plain_8", "lite")
]


def mixers(sizes: Sizes) -> Suite:
    """Every mixer side by side, 5 s to 5 min, those of linear cost to an hour."""
    return side_by_side(
        "mixers",
        "Mixers side by side",
        SIDE_BY_SIDE,
        frames=sizes.frames([frames_of(seconds) for seconds in (5, 15, 60, 300, 3600)]),
        total_frames=sizes.frames([frames_of(60)])[0],
        **sizes.model,
    )


def side_by_side(
    name,
    title,
    names,
    frames,
    total_frames,
    levels=("mixer",),
    steps=STEPS,
    dtypes=("float32",),
    modes=("eager",),
    device="cpu",
    **attributes,
) -> Suite:
    """Mixers in all combinations of settings; the first mixer is what the others are divided by.

    Parameters
    ----------
    name, title : str
        Of the suite.
    names : list of str
        Mixers of the registry.
    frames : list of int
        Lengths.
    total_frames : int
        Frames of a batch, of as many utterances as fit, at least one.
    levels, steps, dtypes, modes, device
        As in `Cell`; a level that lacks a step is measured with the one that it has.
    **attributes
        Others of every `Cell`.
    """
    suite = Suite(name, title)
    for level in levels:
        for step in {"training": STEPS[1:], "decoding": STEPS[:1]}.get(level, steps):
            floors = Table(f"{step}: mixer / what it cannot avoid")
            time = Table(f"{level}, {step}: time / that with {entry(names[0]).label}")
            memory = Table(f"{level}, {step}: memory / that with {entry(names[0]).label}")
            for dtype, mode, mixer, count in _product(dtypes, modes, names, frames):
                if count > LIMIT_QUADRATIC and not entry(mixer).linear:
                    continue
                base = Cell(
                    names[0], count, max(1, total_frames // count), level, step, None, None, dtype, mode, device
                ).with_(**attributes)
                cell = base.with_(mixer=mixer)
                variant = ", ".join([entry(mixer).label, *_variants(dtype, mode, dtypes, modes)])
                place = (variant, f"{cell.seconds_of_audio:g} s x {cell.rows}")
                suite.cells.append(cell)
                if mixer != names[0]:
                    time.numbers.append(Ratio(*place, cell, (base,)))
                    memory.numbers.append(Ratio(*place, cell, (base,), "memory"))
                # Beyond five minutes floors give no new information, and cost as much as the mixers.
                if level == "mixer" and count <= LIMIT_QUADRATIC and entry(mixer).products(cell.shape):
                    unavoidable = [cell.with_(level="floor", mode="eager")]
                    if device == "cuda":
                        unavoidable.append(cell.with_(level="copy", mode="eager"))
                    floors.numbers.append(Ratio(*place, cell, tuple(unavoidable)))
                    suite.cells += unavoidable
            suite.tables += [table for table in (floors, time, memory) if table.numbers]
    return suite


def _product(dtypes, modes, names, frames):
    return [(dtype, mode, name, count) for dtype in dtypes for mode in modes for name in names for count in frames]


def _variants(dtype, mode, dtypes, modes):
    return [text for text, choices in ((dtype, dtypes), (mode, modes)) if len(choices) > 1]


def cuda(sizes: Sizes) -> Suite:
    """Everything on an NVIDIA GPU: mixers, layer, encoder, training, decoding; compiled where it matters most."""
    ours_and_best = ["summarymixing_8", "rope_attention"]
    mixer_precisions, seconds = ("float32", "bfloat16"), (5, 30, 300, 3600)

    def part(names, lengths, total_seconds, **settings):
        frames = sizes.frames([frames_of(second) for second in lengths])
        total = sizes.frames([frames_of(total_seconds)])[0]
        return side_by_side("", "", names, frames, total, device="cuda", **settings, **sizes.model)

    encoder = {"levels": ("encoder",), "steps": STEPS[1:]}
    compiled = ["summarymixing_1", "summarymixing_8", "windowed_25", "rope_attention"]
    whole = ("layer", "training", "decoding")
    precisions = ("float32", "autocast")
    parts = [
        ("eager", part(SIDE_BY_SIDE, seconds, 600, dtypes=mixer_precisions)),
        ("compile", part(compiled, (30, 300), 600, dtypes=("bfloat16",), modes=("compile",))),
        (
            "eager",
            part([*ours_and_best, "relpos_attention"], (10, 30, 60, 120, 300), 300, dtypes=precisions, **encoder),
        ),
        ("compile", part(ours_and_best, (60,), 300, dtypes=("autocast",), modes=("compile",), **encoder)),
        ("eager", part(ours_and_best, (15, 60), 300, levels=whole, dtypes=("autocast",))),
    ]
    suite = Suite("cuda", "NVIDIA GPU", rounds=(3, 30), budget_seconds=90.0)
    for mode, found in parts:
        suite.cells += found.cells
        for table in found.tables:
            table.title += f" ({mode})"
        suite.tables += found.tables
    return suite
