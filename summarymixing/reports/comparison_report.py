"""A comparison of runs as text: tables of quality, cost and speed, and where the numbers come from."""

from __future__ import annotations

import shlex

from summarymixing.reports.provenance import commit_text

#: What `summarymixing.benchmarks.speed` times, by the keys that its records have.
STEPS = ("forward", "forward+backward")


def report(comparison: dict, measured: dict | None, table) -> str:
    """Write the tables and the notes that explain them, as Markdown.

    Parameters
    ----------
    comparison : dict
        From `summarymixing.reports.comparison.compare`.
    measured : dict or None
        From `summarymixing.benchmarks.speed.measure`.
    table : callable
        `summarymixing.reports.text_tables.markdown_table` or `terminal_table`.

    Returns
    -------
    str
        The report, with a newline at the end.
    """
    bootstrap = comparison["bootstrap"]
    kinds = sorted({run["peak_memory_kind"] for run in comparison["runs"] if run["peak_memory_kind"]})
    sizes = "; ".join(describe_split(split, found) for split, found in comparison["runs"][0]["splits"].items())
    parts = [f"# {title(comparison)}", table(quality_rows(comparison))]
    parts += comparison["notes"]
    parts.append(
        f"{sizes}. Intervals: paired bootstrap over utterances, {bootstrap['resamples']} resamples, seed "
        f"{bootstrap['seed']}. s/epoch: median of the epochs, training only. Peak memory: {' or '.join(kinds) or '-'}. "
        "Real-time factor: seconds of testing per second of audio, over all test sets."
    )
    if measured:
        labels = [run["label"] for run in comparison["runs"]]
        parts += ["## Speed and memory against input length", table(speed_rows(measured, labels))]
        parts.append(describe_speed(measured))
    return "\n\n".join(parts) + "\n"


def title(comparison: dict) -> str:
    """Say how many runs are compared, and whether on synthetic speech.

    Examples
    --------
    >>> title({"runs": [{}, {}], "synthetic": True})
    'Comparison of 2 runs on synthetic speech'
    """
    kind = " on synthetic speech" if comparison["synthetic"] else ""
    runs = "run" if len(comparison["runs"]) == 1 else "runs"
    return f"Comparison of {len(comparison['runs'])} {runs}{kind}"


def measured_splits(comparison: dict, place: int = 0) -> list[tuple[str, dict]]:
    """List every pair of a test set and a measure of a run (number ``place`` of the comparison)."""
    splits = comparison["runs"][place]["splits"]
    return [(split, measure) for split, result in splits.items() for measure in result["measures"].values()]


def quality_rows(comparison: dict) -> list[list[str]]:
    """Lay out a comparison as rows of text, the header first, then one row per run."""
    percent = f"{100 * comparison['bootstrap']['confidence']:g} %"
    header = ["experiment", "parameters (M)"]
    for split, measure in measured_splits(comparison):
        header.append(f"{split} {measure['title']} (%)")
        if measure["compared"]:
            header.append(f"{split} {measure['title']} - first [{percent}]")
    rows = [[*header, "s/epoch", "peak memory (GB)", "real-time factor"]]
    for place, run in enumerate(comparison["runs"]):
        row = [run["label"], number(run["parameters"], 2, 1e6)]
        for _, measure in measured_splits(comparison, place):
            row.append(number(measure["value"], 2))
            if measure["compared"]:
                low, high = measure["difference_interval"]
                row.append(f"{measure['difference']:+.2f} [{low:+.2f}, {high:+.2f}]" if place else "first")
        row += [number(run["seconds_per_epoch"], 1), number(run["peak_memory_bytes"], 2, 1e9)]
        rows.append([*row, number(run["real_time_factor"], 4)])
    return rows


def speed_rows(measured: dict, labels: list[str]) -> list[list[str]]:
    """Lay out measurements as rows of text, the header first, then one row per run and input length."""
    rows = [["input", "run"]]
    for step in STEPS:
        rows[0] += [f"{step} (s) [quartiles]", "/ first"]
    rows[0] += ["peak memory (GB)", "/ first"]
    for cell in measured["cells"]:
        row = [f"{cell['rows']} x {cell['seconds']:g} s", labels[cell["run"]]]
        for found in [cell[step] for step in STEPS]:
            text = found and "{:.3f} [{:.3f}, {:.3f}]".format(found["median"], *found["quartiles"])
            row += [text or "out of memory", number(found and found["ratio"], 2)]
        memory = cell["memory"]
        row += [number(memory["bytes"], 2, 1e9) if memory else "out of memory", number(memory and memory["ratio"], 2)]
        rows.append(row)
    return rows


def describe_speed(measured: dict) -> str:
    """Explain the numbers of `speed_rows` in one line."""
    totals = sorted({cell["rows"] * cell["seconds"] for cell in measured["cells"]})
    audio = " to ".join(f"{total:g}" for total in dict.fromkeys([totals[0], totals[-1]]))
    return (
        f"Encoder and output layer on random audio, {audio} s in every batch; {measured['device']}, CPU threads "
        f"{measured['threads']}; medians of up to {measured['rounds']} rounds in which the runs take turns. Peak "
        f"memory: growth of the {measured['memory_kind']} in one forward+backward, without the loaded model and its "
        "input."
    )


def describe_split(split: str, result: dict) -> str:
    """Describe the size of a test set, and the accuracy of always predicting the most frequent class."""
    words = [f"{split}: {result['utterances']} utterances"]
    for measure in result["measures"].values():
        if measure["unit"]:
            words.append(f"{measure['total']:.0f} {measure['unit']}")
        if measure["baseline"] is not None:
            words.append(f"{measure['title']} {measure['baseline']:.2f} % by always predicting the majority class")
    return ", ".join(words)


def number(value: float | None, digits: int, scale: float = 1) -> str:
    """Format a number divided by ``scale``; a dash for None.

    Examples
    --------
    >>> number(2_500_000, 2, 1e6), number(None, 2)
    ('2.50', '-')
    """
    return "-" if value is None else f"{value / scale:.{digits}f}"


def origin(comparison: dict) -> str:
    """Write where the numbers come from, as Markdown."""
    lines = ["## Where these numbers come from", "", f"- command: `{shlex.join(comparison['command'])}`"]
    lines += _circumstances(comparison)
    for run in comparison["runs"]:
        lines += ["", f"### {run['label']}", "", f"- run folder: `{run['folder']}`, seed {run['seed']}"]
        lines += [f"- command: `{shlex.join(['python', *words])}`" for words in run["command"]]
        lines += _circumstances(run)
    return "\n".join(lines) + "\n"


def _circumstances(record):
    lines = [f"- commit: {commit_text(record)}"]
    for key in ("machine", "versions"):
        lines.append(f"- {key}: " + ", ".join(f"{name} {value}" for name, value in (record[key] or {}).items()))
    return lines
