"""Error rate against compute of runs of one or several costs: as a table and as a figure."""

from __future__ import annotations

from matplotlib.figure import Figure

from summarymixing.reports.plot_styles import MARKERS, OKABE_ITO

#: Measures of cost, and what a table and an axis call them.
COSTS = {"macs": "million multiply-accumulates a second of audio", "rtf": "real-time factor"}


def setting_text(setting: dict) -> str:
    """A setting in short.

    Examples
    --------
    >>> setting_text({"key_pool": 2, "squeeze": 3}), setting_text({})
    ('key_pool 2, squeeze 3', 'fixed')
    """
    return ", ".join(f"{name} {number}" for name, number in setting.items()) or "fixed"


def curve_table(curve: dict) -> list[list[str]]:
    """All settings of all runs as rows of text, the most expensive of a run first.

    Parameters
    ----------
    curve : dict
        ``metric``, ``splits`` and ``runs``: for each its ``label`` and ``points``, each with ``setting``, ``errors``
        (the metric in percent, by split), ``macs`` and ``rtf``.

    Returns
    -------
    list of list of str
        The header first.

    Examples
    --------
    >>> point = {"setting": {"squeeze": 2}, "errors": {"test": 7.125}, "macs": 5e7, "rtf": 0.0123}
    >>> curve = {"metric": "wer", "splits": ["test"], "runs": [{"label": "mine", "points": [point]}]}
    >>> for row in curve_table(curve):
    ...     print(row)
    ['run', 'setting', 'WER % test', 'M MAC/s', 'real-time factor', 'MAC, times less', 'time, times less']
    ['mine', 'squeeze 2', '7.12', '50.0', '0.0123', '1.00', '1.00']
    """
    errors = [f"{curve['metric'].upper()} % {split}" for split in curve["splits"]]
    rows = [["run", "setting", *errors, "M MAC/s", "real-time factor", "MAC, times less", "time, times less"]]
    for run in curve["runs"]:
        points = _by_cost(run["points"])
        for point in points:
            found = [f"{point['errors'][split]:.2f}" for split in curve["splits"]]
            less = [f"{points[0][cost] / point[cost]:.2f}" for cost in COSTS]
            cost = [f"{point['macs'] / 1e6:.1f}", f"{point['rtf']:.3g}"]
            rows.append([run["label"], setting_text(point["setting"]), *found, *cost, *less])
    return rows


def saving(points: list[dict], split: str, rise: float = 0.05) -> dict:
    """How much less compute a run may take until its error rate has risen by so much.

    Parameters
    ----------
    points : list of dict
        Of one run, as in `curve_table`.
    split : str
        The test set.
    rise : float
        Relative to the error rate of the most expensive setting.

    Returns
    -------
    dict
        The cheapest ``setting`` whose error rate has risen by no more, and ``macs`` and ``rtf``: how many times less it
        takes than the most expensive one.

    Examples
    --------
    >>> found = [(1, 10.0), (2, 10.4), (3, 10.6)]
    >>> costs = [{"setting": {"squeeze": s}, "errors": {"test": e}, "macs": 6.0 / s, "rtf": 3.0 / s} for s, e in found]
    >>> saving(costs, "test")
    {'setting': {'squeeze': 2}, 'macs': 2.0, 'rtf': 2.0}
    """
    first, *_ = points = _by_cost(points)
    good = [point for point in points if point["errors"][split] <= (1 + rise) * first["errors"][split]]
    cheapest = good[-1]
    return {"setting": cheapest["setting"], **{cost: first[cost] / cheapest[cost] for cost in COSTS}}


def saving_lines(curve: dict, rise: float = 0.05) -> list[str]:
    """`saving` of each run that has several settings, and of each test set, as sentences."""
    lines = []
    for run in curve["runs"]:
        for split in curve["splits"] if len(run["points"]) > 1 else ():
            found = saving(run["points"], split, rise)
            lines.append(
                f"{run['label']}, {split}: {found['macs']:.2f} times fewer multiply-accumulates and {found['rtf']:.2f} "
                f"times less time at {setting_text(found['setting'])}, the cheapest setting whose "
                f"{curve['metric'].upper()} is at most {100 * rise:g} % (relative) above that of the most expensive one"
            )
    return lines


def best_points(points: list[dict], split: str, cost: str) -> list[dict]:
    """Points than which no cheaper one is as good, the most expensive first.

    Examples
    --------
    >>> points = [{"errors": {"test": e}, "rtf": t} for e, t in [(5.0, 3.0), (7.0, 2.0), (6.0, 1.0)]]
    >>> [point["rtf"] for point in best_points(points, "test", "rtf")]
    [3.0, 1.0]
    """
    best = []
    for point in sorted(points, key=lambda point: (point[cost], point["errors"][split])):
        if not best or point["errors"][split] < best[-1]["errors"][split]:
            best.append(point)
    return best[::-1]


def draw_curve(curve: dict) -> Figure:
    """Plot the error rate of each test set against multiply-accumulates and against the real-time factor.

    All settings are points; a line goes through those of a run than which no cheaper one is as good.

    Parameters
    ----------
    curve : dict
        As of `curve_table`.

    Returns
    -------
    matplotlib.figure.Figure
        A row a test set, a column a cost.
    """
    splits = curve["splits"]
    figure = Figure(figsize=(14, 5.5 * len(splits)), layout="constrained", dpi=120)
    panels = figure.subplots(len(splits), len(COSTS), squeeze=False)
    for split, row in zip(splits, panels, strict=True):
        for (cost, name), axes in zip(COSTS.items(), row, strict=True):
            scale = 1e6 if cost == "macs" else 1.0
            for place, run in enumerate(curve["runs"]):
                style = {"color": OKABE_ITO[place % len(OKABE_ITO)], "marker": MARKERS[place % len(MARKERS)]}
                points = run["points"]
                axes.plot(
                    [p[cost] / scale for p in points], [p["errors"][split] for p in points], linestyle="", **style
                )
                best = best_points(points, split, cost)
                found = [p[cost] / scale for p in best], [p["errors"][split] for p in best]
                axes.plot(*found, label=run["label"], **style)
                for point, x, y in zip(best, *found, strict=True):
                    text = "/".join(map(str, point["setting"].values()))
                    axes.annotate(text, (x, y), (4, 4), textcoords="offset points", fontsize=9)
            axes.set_xlabel(name)
            axes.set_ylabel(f"{curve['metric'].upper()} %, {split}")
            axes.set_xlim(left=0)
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False)
    return figure


def _by_cost(points):
    return sorted(points, key=lambda point: -point["macs"])
