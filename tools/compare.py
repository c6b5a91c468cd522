"""Compare finished runs: error rates or accuracies with bootstrap intervals, cost, and speed against input length."""

import argparse
import json
import shlex
import sys
import textwrap
from pathlib import Path

from matplotlib.figure import Figure

from summarymixing.benchmarks import speed
from summarymixing.reports.comparison import compare, read_run
from summarymixing.utils.errors import InputError, command_line
from summarymixing.utils.files import atomic_open

# Okabe and Ito's colours, which colour-blind readers can tell apart; their black is left to text.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442"]
MARKERS = "osD^vPX"


def terminal_table(rows):
    """Lay out rows of text, the header first, for a terminal: long headings stand on several lines."""
    columns = list(zip(*rows, strict=True))
    heads = [textwrap.wrap(head, max(10, *map(len, cells))) for head, *cells in columns]
    depth = max(map(len, heads))
    heads = [[""] * (depth - len(head)) + head for head in heads]
    widths = [max(map(len, [*head, *cells])) for head, (_, *cells) in zip(heads, columns, strict=True)]
    lines = [*zip(*heads, strict=True), ["-" * width for width in widths], *rows[1:]]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def pipe_table(rows):
    """Lay out rows of text, the header first, as a Markdown table."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def number(value, digits, scale=1):
    """Format a number, or a dash where there is none."""
    return "-" if value is None else f"{value / scale:.{digits}f}"


def measured_splits(comparison, place=0):
    """List the test sets of a run, each once for every measure, with the measures."""
    splits = comparison["runs"][place]["splits"]
    return [(split, measure) for split, result in splits.items() for measure in result["measures"].values()]


def quality_rows(comparison):
    """Lay out a comparison as rows of text, one a run, the header first."""
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


def speed_rows(measured, labels):
    """Lay out measurements as rows of text, one a run and input length, the header first."""
    rows = [["input", "run"]]
    for name in speed.STEPS:
        rows[0] += [f"{name} (s) [quartiles]", "/ first"]
    rows[0] += ["peak memory (GB)", "/ first"]
    for cell in measured["cells"]:
        row = [f"{cell['rows']} x {cell['seconds']:g} s", labels[cell["run"]]]
        for kind in speed.STEPS:
            low, high = cell[kind]["quartiles"]
            row += [f"{cell[kind]['median']:.3f} [{low:.3f}, {high:.3f}]", f"{cell[kind]['ratio']:.2f}"]
        ratio = cell["memory"]["ratio"]
        rows.append([*row, f"{cell['memory']['bytes'] / 1e9:.2f}", "-" if ratio is None else f"{ratio:.2f}"])
    return rows


def describe(measured):
    """Say in one line what the numbers of `speed_rows` are."""
    totals = sorted({cell["rows"] * cell["seconds"] for cell in measured["cells"]})
    audio = " to ".join(f"{total:g}" for total in dict.fromkeys([totals[0], totals[-1]]))
    return (
        f"Encoder and output layer on random audio, {audio} s of it in every batch; {measured['device']}, CPU threads "
        f"{measured['threads']}; medians of {measured['rounds']} rounds in which the runs take turns. Peak memory: "
        f"growth of the {measured['memory_kind']} in one forward+backward in a fresh process, from the loaded model on."
    )


def size_of(split, result):
    """Say how large a test set is, and what could be reached without listening."""
    words = [f"{split}: {result['utterances']} utterances"]
    for measure in result["measures"].values():
        if measure["unit"]:
            words.append(f"{measure['total']:.0f} {measure['unit']}")
        if measure["baseline"] is not None:
            words.append(f"{measure['title']} {measure['baseline']:.2f} % by always telling training's most frequent")
    return ", ".join(words)


def title(comparison):
    """Return what is compared, and on what."""
    kind = " on synthetic speech" if comparison["synthetic"] else ""
    runs = "run" if len(comparison["runs"]) == 1 else "runs"
    return f"Comparison of {len(comparison['runs'])} {runs}{kind}"


def report(comparison, measured, table):
    """Write the tables and what must be known to read them, as Markdown.

    Parameters
    ----------
    comparison : dict
        From `summarymixing.reports.comparison.compare`.
    measured : dict or None
        From `summarymixing.benchmarks.speed.measure`.
    table : callable
        `pipe_table` or `terminal_table`.

    Returns
    -------
    str
    """
    bootstrap = comparison["bootstrap"]
    kinds = sorted({run["peak_memory_kind"] for run in comparison["runs"] if run["peak_memory_kind"]})
    sizes = "; ".join(size_of(split, result) for split, result in comparison["runs"][0]["splits"].items())
    parts = [f"# {title(comparison)}", table(quality_rows(comparison))]
    parts += comparison["notes"]
    parts.append(
        f"{sizes}. Intervals: paired bootstrap over utterances, {bootstrap['resamples']} resamples, seed "
        f"{bootstrap['seed']}. s/epoch: median of the epochs, training only. Peak memory: {' or '.join(kinds) or '-'}. "
        "Real-time factor: seconds of testing for a second of audio, all test sets together."
    )
    if measured:
        labels = [run["label"] for run in comparison["runs"]]
        parts += ["## Speed and memory against input length", table(speed_rows(measured, labels))]
        parts.append(describe(measured))
    return "\n\n".join(parts) + "\n"


def provenance(comparison):
    """Write where the numbers come from, as Markdown."""
    lines = ["## Where these numbers come from", "", f"- command: `{shlex.join(comparison['command'])}`"]
    lines += _origin(comparison)
    for run in comparison["runs"]:
        lines += ["", f"### {run['label']}", "", f"- run folder: `{run['folder']}`, seed {run['seed']}"]
        lines += [f"- command: `{shlex.join(['python', *words])}`" for words in run["command"]]
        lines += _origin(run)
    return "\n".join(lines) + "\n"


def _origin(record):
    dirty = " with uncommitted changes" if record["dirty"] else ""
    lines = [f"- commit: {record['commit']}{dirty}"]
    for key in ("machine", "versions"):
        lines.append(f"- {key}: " + ", ".join(f"{name} {value}" for name, value in (record[key] or {}).items()))
    return lines


def draw(comparison, measured):
    """Plot what was measured with its intervals, and beside them time and memory against input length.

    Parameters
    ----------
    comparison : dict
        From `summarymixing.reports.comparison.compare`.
    measured : dict or None
        From `summarymixing.benchmarks.speed.measure`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(15 if measured else 7, 5.5), layout="constrained", dpi=120)
    axes = figure.subplots(1, 3 if measured else 1, squeeze=False)[0]
    draw_quality(axes[0], comparison)
    if measured:
        draw_lengths(axes[1], axes[2], measured)
    figure.suptitle(title(comparison), fontsize=14)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), fontsize=11, frameon=False)
    return figure


def draw_quality(axes, comparison):
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
        # An interval from resampling need not hold the value itself, and a bar cannot be shorter than nothing.
        below = [max(0, value - low) for value, low in zip(values, bounds[0], strict=True)]
        above = [max(0, high - value) for value, high in zip(values, bounds[1], strict=True)]
        axes.errorbar(where, values, [below, above], linestyle="none", capsize=5, label=run["label"], **_style(place))
        for x, value, high in zip(where, values, bounds[1], strict=True):
            top = max(value, high)
            axes.annotate(f"{value:.2f}", (x, top), (0, 5), textcoords="offset points", ha="center", rotation=angle)
    # Below "test-clean", what its results were decoded with: "beam10".
    names = [split if len(titles) == 1 else f"{split}_{measure['title']}" for split, measure in shown]
    axes.set_xticks(range(len(shown)), [name.replace("_", "\n") for name in names], fontsize=11)
    axes.set_xlim(-0.6, len(shown) - 0.4)
    axes.margins(y=0.1 if angle == 0 else 0.25)
    axes.set_ylim(bottom=max(0, axes.get_ylim()[0]))
    axes.set_ylabel(f"{', '.join(titles)} (%)", fontsize=11)
    axes.set_title(f"{100 * comparison['bootstrap']['confidence']:g} % interval of each run alone", fontsize=12)
    axes.grid(axis="y", alpha=0.3)


def draw_lengths(times, memory, measured):
    """Plot what `summarymixing.benchmarks.speed.measure` measured against the length of the input."""
    for place in sorted({cell["run"] for cell in measured["cells"]}):
        cells = sorted((c for c in measured["cells"] if c["run"] == place), key=lambda c: c["seconds"])
        seconds = [cell["seconds"] for cell in cells]
        for kind, line in (("forward+backward", "-"), ("forward", "--")):
            medians = [cell[kind]["median"] for cell in cells]
            low, high = zip(*(cell[kind]["quartiles"] for cell in cells), strict=True)
            times.plot(seconds, medians, linestyle=line, **_style(place))
            times.fill_between(seconds, low, high, color=_style(place)["color"], alpha=0.2, linewidth=0)
        memory.plot(seconds, [cell["memory"]["bytes"] / 1e9 for cell in cells], **_style(place))
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
    colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
    return {"color": colour, "marker": marker, "markersize": 7, "linewidth": 2}


def write(folder, comparison, measured):
    """Write ``comparison.md``, ``comparison.json`` and ``comparison.png`` into a folder."""
    with atomic_open(folder / "comparison.json") as file:
        json.dump({**comparison, "speed": measured}, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")
    with atomic_open(folder / "comparison.md") as file:
        file.write(report(comparison, measured, pipe_table) + f"\n![{title(comparison)}](comparison.png)\n\n")
        file.write(provenance(comparison))
    with atomic_open(folder / "comparison.png", "wb") as file:
        draw(comparison, measured).savefig(file, format="png")


@command_line
def main(argv=None):
    """Parse the command line, compare, print the tables and write them to a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folder; differences are to the first")
    parser.add_argument("--output", type=Path, default=Path("results/compare"), help="folder of the report")
    parser.add_argument("--no-speed", action="store_true", help="leave speed and memory unmeasured")
    parser.add_argument("--seconds", type=float, nargs="+", default=speed.LENGTHS, help="input lengths for speed")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="for speed; None is CUDA where there is one")
    arguments = parser.parse_args(argv)
    words = sys.argv[1:] if argv is None else argv
    comparison = compare([read_run(run) for run in arguments.runs], ["python", "tools/compare.py", *map(str, words)])
    try:
        arguments.output.mkdir(parents=True, exist_ok=True)  # now, not after a minute of measuring
    except OSError as error:
        raise InputError(f"--output {arguments.output}: cannot be made a folder ({error.strerror})") from None
    measured = None
    if not arguments.no_speed:
        print("measuring speed and memory, about a minute; --no-speed leaves them out", file=sys.stderr)
        measured = speed.measure(arguments.runs, arguments.seconds, arguments.device)
    print(report(comparison, measured, terminal_table))
    write(arguments.output, comparison, measured)
    print(f"written: {arguments.output}/comparison.md, comparison.json, comparison.png")


if __name__ == "__main__":
    main()
