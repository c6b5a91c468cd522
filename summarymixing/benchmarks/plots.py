"""Plots of a suite's record: time and memory against the length, logarithmic axes, one line per mixer."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from summarymixing.benchmarks.cells import BOUNDS
from summarymixing.benchmarks.registry import entry
from summarymixing.benchmarks.suite import chunk_labels
from summarymixing.reports.plot_styles import MARKERS, OKABE_ITO

# Markers and line styles repeat the information of colours.
LINES = ["-", "--", ":", "-."]
LABELS = {
    "time": "time of an utterance (ms)",
    "memory": "memory of an utterance (MiB)",
}


def draw(record: dict, kind: str) -> Figure:
    """Plot one suite.

    Parameters
    ----------
    record : dict
        From `summarymixing.benchmarks.run.run_suite`.
    kind : str
        "time" or "memory".

    Returns
    -------
    matplotlib.figure.Figure
        One panel per level and step; a line ends where memory ran out.
    """
    if record["cells"] and "blocks" in record["cells"][0]:
        return _draw_streams(record, kind)
    panels = list(dict.fromkeys(_panel(cell) for cell in record["cells"] if _value(cell, kind)))
    figure, axes = _figure(record, kind, max(1, len(panels)))
    names = list(dict.fromkeys(_line(cell) for cell in record["cells"]))
    styles = _styles(names)
    for place, panel in zip(axes, panels, strict=False):
        for name in names:
            cells = [cell for cell in record["cells"] if (_panel(cell), _line(cell)) == (panel, name)]
            points = sorted((cell["seconds_of_audio"], _value(cell, kind)) for cell in cells if _value(cell, kind))
            if points:
                place.plot(*zip(*points, strict=True), label=_label(name), **styles[name])
        place.set_title(panel)
        place.set_xlabel("length of an utterance (s)")
        _logarithmic(place, LABELS[kind])
    _legend(figure, axes)
    return figure


def _draw_streams(record, kind):
    figure, (axes,) = _figure(record, kind, 1)
    names = [(cell["label"], "") for cell in record["cells"]]
    styles = _styles(names)
    for name, cell in zip(names, record["cells"], strict=True):
        key, scale = ("median", 1000) if kind == "time" else ("state_bytes", 1 / 1024)
        values = [scale * block[key] for block in cell["blocks"]]
        if any(values):
            axes.plot([block["hour"] for block in cell["blocks"]], values, label=_label(name), **styles[name])
    axes.set_xlabel("hours of the stream")
    _logarithmic(axes, "median time of a chunk (ms)" if kind == "time" else "state (KiB)")
    _legend(figure, [axes])
    return figure


def _figure(record, kind, panels):
    figure = Figure(figsize=(max(10, 6 * min(panels, 3) + 1), 5.5 * -(-panels // 3) + 2), layout="constrained", dpi=110)
    computer, threads = record["machine"], record["settings"]["threads"]
    gpu = any(cell.get("device") == "cuda" for cell in record["cells"])
    where = computer["gpus"][0] if gpu and computer["gpus"] else f"{computer['cpu']}, threads: {threads}"
    figure.suptitle(f"{record['title']}: {kind}\n{where}", fontsize=13)
    axes = figure.subplots(-(-panels // 3), min(panels, 3), squeeze=False).ravel()
    for spare in axes[panels:]:
        spare.set_visible(False)
    return figure, axes[:panels]


def _panel(cell):
    # A bound stands beside the mixer that it belongs to.
    level = "mixer" if cell["level"] in BOUNDS else cell["level"]
    return f"{level}, {cell['step']}"


def _line(cell):
    """What decides colour and marker, and what decides the dashes."""
    mixer, variant = entry(cell["mixer"]).label, []
    if cell["chunk_size"] is not None:
        left = cell.get("left_context_size", cell.get("left_context"))  # its name in older records
        size, left = chunk_labels(cell["chunk_size"], left)
        mixer, variant = f"{mixer}, {size}", [left]
    kind = BOUNDS.get(cell["level"])
    variant += [kind] if kind else []
    variant += [] if cell["dtype"] == "float32" else [cell["dtype"]]
    variant += ["compiled"] if cell["mode"] == "compile" else []
    return mixer, ", ".join(variant)


def _label(name):
    return f"{name[0]}: {name[1]}" if name[1] else name[0]


def _styles(names):
    """A colour and a marker for each mixer; dashes for its variants."""
    mixers = list(dict.fromkeys(mixer for mixer, _ in names))
    variants = list(dict.fromkeys(variant for _, variant in names))
    styles = {}
    for name in names:
        mixer, variant = mixers.index(name[0]), variants.index(name[1])
        styles[name] = {
            "color": OKABE_ITO[mixer % len(OKABE_ITO)],
            "marker": MARKERS[mixer % len(MARKERS)],
            # A colour that comes again comes with a hollow marker.
            "markerfacecolor": OKABE_ITO[mixer % len(OKABE_ITO)] if mixer < len(OKABE_ITO) else "white",
            "linestyle": LINES[variant % len(LINES)],
            "linewidth": 1.6,
            "markersize": 6,
        }
    return styles


def _value(cell, kind):
    if kind == "time":
        return 1000 * cell["seconds"]["median"] / cell["rows"] if cell["seconds"] else None
    return cell["memory"]["growth_bytes"] / 2**20 / cell["rows"] if cell["memory"] else None


def _logarithmic(axes, label):
    axes.set_ylabel(label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        # Ticks at 1, 2, 5 and so on: a range of less than a decade would otherwise have no number.
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", labelrotation=45)
    axes.grid(alpha=0.3)


def _legend(figure, axes):
    found = {}
    for place in axes:
        for handle, label in zip(*place.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        # As many columns as fit: a character of this size needs a fourteenth of an inch.
        columns = max(1, int(figure.get_figwidth() / (0.8 + max(map(len, found)) / 14)))
        options = {
            "loc": "outside lower center",
            "ncols": columns,
            "fontsize": 9,
            "frameon": False,
            "handlelength": 3.5,
        }
        figure.legend(found.values(), found.keys(), **options)
