"""The suites that check the limits of SummaryMixing; each makes one or more tables."""

from __future__ import annotations

from summarymixing.benchmarks.cells import STEPS, Cell
from summarymixing.benchmarks.comparisons import Ratio, Slope, Table
from summarymixing.benchmarks.products import conformer_macs, summary_mixing
from summarymixing.benchmarks.registry import entry
from summarymixing.benchmarks.streaming import StreamCell
from summarymixing.benchmarks.suite import Sizes, Suite, chunk_label, frames_label, frames_of, mixer_label


def floor(sizes: Sizes) -> Suite:
    """SummaryMixing against its matrix products alone and against its plain formulation; one utterance."""
    suite = Suite("floor", "SummaryMixing, its matrix-product floor and its plain formulation")
    limits = {"forward": 1.25, "forward+backward": 1.3}
    for step in STEPS:
        ours = Table(f"{step}: SummaryMixing / its matrix products alone", at_most=limits[step])
        all_of_it = Table(f"{step}: SummaryMixing / its matrix products and its activations alone")
        plain = Table(f"{step}: plain formulation / SummaryMixing (in brackets by multiply-accumulates)", at_least=1.5)
        for nhead in (1, 8):
            for frames in sizes.frames([500, 1000, 2000, 4000, 8000]):
                cell = Cell(f"summarymixing_{nhead}", frames, step=step, **sizes.model)
                products, arithmetic = cell.with_(level="floor"), cell.with_(level="arithmetic")
                formula = cell.with_(mixer=f"plain_{nhead}")
                place = (mixer_label(cell), frames_label(cell))
                ours.numbers.append(Ratio(*place, cell, (products,)))
                all_of_it.numbers.append(Ratio(*place, cell, (arithmetic,)))
                plain.numbers.append(Ratio(*place, formula, (cell,), expected=_repeated_summary(cell, nhead)))
                suite.cells += [cell, products, arithmetic, formula]
        suite.tables += [ours, all_of_it, plain]
    return suite


def _repeated_summary(cell, nhead):
    """Multiply-accumulates of SummaryMixing with the summary repeated for every frame, over those without."""
    repeated, once = (summary_mixing(cell.shape, nhead, summary_a_frame=each) for each in (True, False))
    return sum(product.macs for product in repeated) / sum(product.macs for product in once)


def chunks(sizes: Sizes) -> Suite:
    """Chunked SummaryMixing against unchunked, and the plain formulation's T x T matrix while memory lasts."""
    suite = Suite("chunks", "SummaryMixing limited to chunks")
    ours = Table("forward: chunked / unchunked SummaryMixing, 1 head", at_most=1.15)
    plain = Table("forward, the same chunks: plain formulation (T x T matrix) / SummaryMixing")
    memory = Table("memory of forward: plain formulation / SummaryMixing")
    for frames in sizes.frames([1000, 5000, 15000, 45000]):
        whole = Cell("summarymixing_1", frames, **sizes.model)
        suite.cells.append(whole)
        for size in (1, 4, 16, 64):
            for left in (0, 4, 32, None):
                cell = whole.with_(chunk_size=size, left_context_size=left)
                ours.numbers.append(Ratio(chunk_label(cell), frames_label(cell), cell, (whole,)))
                suite.cells.append(cell)
        cell = whole.with_(chunk_size=16)
        formula = cell.with_(mixer="plain_1")
        place = (chunk_label(cell), frames_label(cell))
        plain.numbers.append(Ratio(*place, formula, (cell,)))
        memory.numbers.append(Ratio(*place, formula, (cell,), "memory"))
        suite.cells.append(formula)
    suite.tables = [ours, plain, memory]
    return suite


def windows(sizes: Sizes) -> Suite:
    """Windowed SummaryMixing at several half-widths, and SummaryMixing."""
    suite = Suite("windows", "Windowed SummaryMixing")
    widths, wide, against = (5, 25, 100, 500), [], []
    for step in STEPS:
        flat = Table(f"{step}: half-width 500 / half-width 5", at_most=1.05, at_least=0.95)
        cost = Table(f"{step}: Windowed / SummaryMixing, 1 head", at_most=1.3)
        for frames in sizes.frames([1000, 5000, 15000]):
            base = Cell("summarymixing_1", frames, step=step, **sizes.model)
            cells = {width: base.with_(mixer=f"windowed_{width}") for width in widths}
            flat.numbers.append(Ratio("half-width 500 / 5", frames_label(base), cells[500], (cells[5],)))
            for width, cell in cells.items():
                cost.numbers.append(Ratio(f"half-width {width}", frames_label(base), cell, (base,)))
            suite.cells += [base, *cells.values()]
        wide.append(flat)
        against.append(cost)
    suite.tables = [*wide, *against]
    return suite


def encoder(sizes: Sizes) -> Suite:
    """A 12 x 512 Conformer encoder, forward+backward, with SummaryMixing and with attention."""
    suite = Suite("encoder", "12 x 512 Conformer encoder, forward+backward", rounds=(3, 10))
    time = Table("time: attention / SummaryMixing (in brackets what counting multiply-accumulates predicts)")
    memory = Table("memory: attention / SummaryMixing")
    total = sizes.frames([frames_of(60)])[0]
    for frames in sizes.frames([frames_of(seconds) for seconds in (10, 30, 60, 120, 300)]):
        ours = Cell("summarymixing_8", frames, max(1, total // frames), "encoder", "forward+backward", **sizes.model)
        suite.cells.append(ours)
        for name in ("rope_attention", "relpos_attention"):
            cell = ours.with_(mixer=name)
            place = (f"{entry(name).label} / {entry(ours.mixer).label}", f"{ours.seconds_of_audio:g} s")
            time.numbers.append(Ratio(*place, cell, (ours,), expected=_expected(cell, ours)))
            memory.numbers.append(Ratio(*place, cell, (ours,), "memory"))
            suite.cells.append(cell)
    suite.tables = [time, memory]
    return suite


def _expected(cell, other):
    work = [conformer_macs(entry(one.mixer).products, one.shape, one.layers) for one in (cell, other)]
    return work[0] / work[1]


def growth(sizes: Sizes) -> Suite:
    """How time and memory of every SummaryMixing path grow from 30 s to an hour."""
    suite = Suite("growth", "Growth with the length, 30 s to 1 h", rounds=(3, 20))
    lengths = sizes.frames([frames_of(seconds) for seconds in (30, 120, 600, 3600)])
    whole = ["summarymixing_1", "summarymixing_8", "lite", "fast", "decay", "windowed_25"]
    paths = [Cell(name, 1, **sizes.model) for name in whole]
    paths += [
        Cell(name, 1, chunk_size=16, left_context_size=left, **sizes.model)
        for name in ("summarymixing_1", "decay", "windowed_25")
        for left in (4, None)
    ]
    time = Table("time: exponent of the length (log-log slope)", at_most=1.05)
    memory = Table("memory: exponent of the length (log-log slope)", at_most=1.05)
    for path in paths:
        for step in STEPS:
            cells = tuple(path.with_(frames=frames, step=step) for frames in lengths)
            time.numbers.append(Slope(mixer_label(path), step, cells))
            memory.numbers.append(Slope(mixer_label(path), step, cells, "memory"))
            suite.cells += cells
    suite.tables = [time, memory]
    return suite


def stream(sizes: Sizes) -> Suite:
    """Hours of chunks of 640 ms: mixers for 10 hours, an encoder for half of one."""
    quick = sizes.quick
    hours = 0.02 if quick else 10.0
    names = ["summarymixing_1", "summarymixing_8", "lite", "fast", "decay", "windowed_25"]
    cells = [StreamCell(name, hours=hours, **sizes.model) for name in names]
    cells.append(StreamCell("summarymixing_1", hours=hours, left_context_size=4, **sizes.model))
    cells.append(StreamCell("summarymixing_8", "encoder", 0.02 if quick else 0.5, **sizes.model))
    return Suite("stream", "Streams of hours, chunks of 640 ms", cells)
