"""Learning curves: what runs measured after each epoch, side by side as tables and as a figure."""

from __future__ import annotations

from collections import Counter

from matplotlib.figure import Figure

from summarymixing.experiment.record import RunRecord
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.reports.comparison_report import number
from summarymixing.reports.plot_styles import MARKERS, OKABE_ITO
from summarymixing.utils.errors import InputError

#: Of a run's record, what says where its numbers come from.
_ORIGIN = ("command", "seed", "commit", "dirty", "machine", "versions", "data")


def learning_curves(folders: list[str], keys: list[str]) -> dict:
    """Read what runs measured after each of their epochs; they need not be finished.

    Parameters
    ----------
    folders : list of str
        Run folders.
    keys : list of str
        Names of the measures, as the epochs of ``run.json`` have them, such as ``cer`` or ``valid_accuracy``.

    Returns
    -------
    dict
        ``keys``, and ``runs``: for each its ``label`` (the experiment, or the folder where two have the same), where it
        comes from, and ``epochs``, the rows of its record with ``epoch``, ``seconds`` and the keys.

    Raises
    ------
    InputError
        If a folder holds no run, a run has no finished epoch, or no run has one of the keys.

    Examples
    --------
    >>> import tempfile
    >>> record = RunRecord.open(tempfile.mkdtemp(), argv=["train.py"], seed=1)
    >>> record.data["experiment"] = "small"
    >>> record.epoch(1, seconds=9.0, cer=50.0)
    >>> learning_curves([record.path.parent], ["cer"])["runs"][0]["epochs"]
    [{'epoch': 1, 'seconds': 9.0, 'cer': 50.0}]
    """
    records = {str(folder): RunRecord.read(RunFolder(folder)).data for folder in folders}
    names = Counter(str(record.get("experiment")) for record in records.values())
    runs = []
    for folder, record in records.items():
        epochs, name = record.get("epochs", []), str(record.get("experiment"))
        if not epochs:
            raise InputError(f"{folder}: no epoch of this run is finished, so it has no learning curve; train it first")
        rows = [{key: row[key] for key in ("epoch", "seconds", *keys) if key in row} for row in epochs]
        label = name if names[name] == 1 else folder
        runs.append({"label": label, **{key: record.get(key) for key in _ORIGIN}, "epochs": rows})
    for key in keys:
        known = sorted({name for record in records.values() for row in record["epochs"] for name in row})
        if not any(key in row for run in runs for row in run["epochs"]):
            raise InputError(f"--metrics {key}: no run has it; these are known: {', '.join(known)}")
    return {"keys": keys, "runs": runs}


def curve_rows(curves: dict, key: str) -> list[list[str]]:
    """One measure of all runs as rows of text, a column an epoch.

    Parameters
    ----------
    curves : dict
        From `learning_curves`.
    key : str
        One of its keys.

    Returns
    -------
    list of list of str
        The header first; a dash where an epoch has no such measure.

    Examples
    --------
    >>> curve_rows({"runs": [{"label": "small", "epochs": [{"epoch": 2, "cer": 50.0}]}]}, "cer")
    [['cer by epoch', '2'], ['small', '50.0']]
    """
    epochs = sorted({row["epoch"] for run in curves["runs"] for row in run["epochs"]})
    rows = [[f"{key} by epoch", *map(str, epochs)]]
    for run in curves["runs"]:
        found = {row["epoch"]: row.get(key) for row in run["epochs"]}
        rows.append([run["label"], *(number(found.get(epoch), 1) for epoch in epochs)])
    return rows


def draw_curves(curves: dict) -> Figure:
    """Plot each measure in a panel, a line a run.

    Parameters
    ----------
    curves : dict
        From `learning_curves`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    keys = curves["keys"]
    figure = Figure(figsize=(max(7, 5 * len(keys)), 5.5), layout="constrained", dpi=120)
    for axes, key in zip(figure.subplots(1, len(keys), squeeze=False)[0], keys, strict=True):
        for place, run in enumerate(curves["runs"]):
            rows = [row for row in run["epochs"] if row.get(key) is not None]
            colour, marker = OKABE_ITO[place % len(OKABE_ITO)], MARKERS[place % len(MARKERS)]
            values = [row[key] for row in rows]
            axes.plot([row["epoch"] for row in rows], values, color=colour, marker=marker, label=run["label"])
        axes.set_title(key, fontsize=12)
        axes.set_xlabel("epoch", fontsize=11)
        axes.set_ylim(0, 1.08 * axes.dataLim.ymax)
        axes.grid(alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(labels)), fontsize=11, frameon=False)
    return figure
