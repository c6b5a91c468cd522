"""A comparison of runs as a figure: measures with their intervals, time and memory against the length of the input."""

from __future__ import annotations

from matplotlib.figure import Figure

from summarymixing.reports.comparison_report import measured_splits, title
from summarymixing.reports.plot_styles import MARKERS, OKABE_ITO


def draw(comparison: dict, measured: dict | None) -> Figure:
    """Plot the measures with their intervals, and next to them time and memory against input length.

    Parameters
    ----------
    comparison : dict
        From `summarymixing.reports.comparison.compare`.
    measured : dict or None
        From `summarymixing.benchmarks.speed.measure`.

    Returns
    -------
    matplotlib.figure.Figure
        One panel without ``measured``, three with it.
    """
    figure = Figure(figsize=(15 if measured else 7, 5.5), layout="constrained", dpi=120)
    axes = figure.subplots(1, 3 if measured else 1, squeeze=False)[0]
    _draw_quality(axes[0], comparison)
    if measured:
        _draw_lengths(axes[1], axes[2], measured)
    figure.suptitle(title(comparison), fontsize=14)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), fontsize=11, frameon=False)
    return figure


def _draw_quality(axes, comparison):
    """Plot each compared measure of each run on each test set."""
    runs = comparison["runs"]
    shown = [(split, measure) for split, measure in measured_splits(comparison) if measure["compared"]]
    titles = list(dict.fromkeys(measure["title"] for _, measure in shown))
    angle = 0 if len(runs) * len(shown) < 8 else 90  # many numbers do not fit side by side
    for place, run in enumerate(runs):
        shift = 0.6 * ((place + 0.5) / len(runs) - 0.5)
        where = [position + shift for position in range(len(shown))]
        measures = [measure for _, measure in measured_splits(comparison, place) if measure["compared"]]
        values = [measure["value"] for measure in measures]
        bounds = list(zip(*(measure["interval"] for measure in measures), strict=True))
        # An interval from resampling need not contain the value itself, and an error bar cannot have negative length.
        below = [max(0, value - low) for value, low in zip(values, bounds[0], strict=True)]
        above = [max(0, high - value) for value, high in zip(values, bounds[1], strict=True)]
        axes.errorbar(where, values, [below, above], linestyle="none", capsize=5, label=run["label"], **_style(place))
        for x, value, high in zip(where, values, bounds[1], strict=True):
            top = max(value, high)
            axes.annotate(f"{value:.2f}", (x, top), (0, 5), textcoords="offset points", ha="center", rotation=angle)
    # Below "test-clean" the way of decoding, such as "beam10".
    names = [split if len(titles) == 1 else f"{split}_{measure['title']}" for split, measure in shown]
    axes.set_xticks(range(len(shown)), [name.replace("_", "\n") for name in names], fontsize=11)
    axes.set_xlim(-0.6, len(shown) - 0.4)
    axes.margins(y=0.1 if angle == 0 else 0.25)
    axes.set_ylim(bottom=max(0, axes.get_ylim()[0]))
    axes.set_ylabel(f"{', '.join(titles)} (%)", fontsize=11)
    axes.set_title(f"{100 * comparison['bootstrap']['confidence']:g} % interval of each run alone", fontsize=12)
    axes.grid(axis="y", alpha=0.3)


def _draw_lengths(times, memory, measured):
    """Plot time and memory of each run against the length of the input; a line ends where memory ran out."""
    for place in sorted({cell["run"] for cell in measured["cells"]}):
        cells = sorted((c for c in measured["cells"] if c["run"] == place), key=lambda c: c["seconds"])
        for step, line in (("forward+backward", "-"), ("forward", "--")):
            timed = [cell for cell in cells if cell[step]]
            seconds, found = [cell["seconds"] for cell in timed], [cell[step] for cell in timed]
            times.plot(seconds, [one["median"] for one in found], linestyle=line, **_style(place))
            low, high = ([one["quartiles"][side] for one in found] for side in (0, 1))
            times.fill_between(seconds, low, high, color=_style(place)["color"], alpha=0.2, linewidth=0)
        fitting = [cell for cell in cells if cell["memory"]]
        used = [cell["memory"]["bytes"] / 1e9 for cell in fitting]
        memory.plot([cell["seconds"] for cell in fitting], used, **_style(place))
    times.set_title(f"Time of a batch ({measured['device']}, threads: {measured['threads']})", fontsize=12)
    times.set_ylabel("seconds: forward+backward (solid), forward (dashed)", fontsize=11)
    memory.set_title("Memory of forward+backward", fontsize=12)
    memory.set_ylabel("GB above the loaded model", fontsize=11)
    rows = {cell["seconds"]: cell["rows"] for cell in measured["cells"]}
    for axes in (times, memory):
        axes.set_xlabel("batch: inputs x seconds of each", fontsize=11)
        axes.set_xticks(list(rows), [f"{rows[seconds]} x {seconds:g}" for seconds in rows], fontsize=11)
        axes.set_ylim(0, 1.08 * axes.dataLim.ymax)
        axes.grid(alpha=0.3)


def _style(place):
    colour, marker = OKABE_ITO[place % len(OKABE_ITO)], MARKERS[place % len(MARKERS)]
    return {"color": colour, "marker": marker, "markersize": 7, "linewidth": 2}
