"""Markdown reports of a suite's record."""

from __future__ import annotations

import shlex

from summarymixing.reports.provenance import commit_text
from summarymixing.reports.text_tables import markdown_table


def tables(record: dict) -> str:
    """The tables of ratios and slopes; what misses its limit is bold, and a withheld one says why.

    Examples
    --------
    >>> number = {"row": "SummaryMixing", "column": "T = 500", "value": 1.3, "kept": False}
    >>> print(tables({"tables": [{"title": "to floor", "at_most": 1.25, "at_least": None, "numbers": [number]}]}))
    **to floor** (at most 1.25; bold: missed)
    <BLANKLINE>
    |               | T = 500   |
    |---------------|-----------|
    | SummaryMixing | **1.300** |
    """
    parts = []
    for table in record["tables"]:
        numbers = {(number["row"], number["column"]): _text(number) for number in table["numbers"]}
        columns = list(dict.fromkeys(column for _, column in numbers))
        rows = [["", *columns]]
        for row in dict.fromkeys(row for row, _ in numbers):
            rows.append([row, *(numbers.get((row, column), "") for column in columns)])
        parts.append(f"**{table['title']}**{_limits(table)}\n\n{markdown_table(rows)}")
    return "\n\n".join(parts)


def markdown(record: dict) -> str:
    """The whole report: tables, every cell, and where the numbers come from."""
    parts = [f"# {record['title']}", tables(record)]
    parts += [f"![{kind} against length]({record['suite']}_{kind}.png)" for kind in ("time", "memory")]
    streamed = record["cells"] and "blocks" in record["cells"][0]
    parts += ["## Every cell", _stream_cells(record) if streamed else _cells(record), _origin(record)]
    return "\n\n".join(parts) + "\n"


def _text(number):
    if "withheld" in number:
        return number["withheld"]
    # Three digits, because limits are a few per cent from one another.
    text = f"{number['value']:.3f}"
    text = f"**{text}**" if number.get("kept") is False else text
    return text + (f" ({number['expected']:.2f})" if "expected" in number else "")


def _limits(table):
    found = [f"at least {table['at_least']:g}"] if table["at_least"] is not None else []
    found += [f"at most {table['at_most']:g}"] if table["at_most"] is not None else []
    return f" ({', '.join(found)}; bold: missed)" if found else ""


def _cells(record):
    rows = [["mixer", "level", "step", "type", "utterances x frames", "ms [10 %, 90 %]", "visits", "memory (MiB)"]]
    for cell in record["cells"]:
        seconds, memory = cell["seconds"], cell["memory"]
        failed = "out of memory" if cell["oom"] else cell["reason"]
        time = failed or ("{median:.3f} [{q10:.3f}, {q90:.3f}]".format(**_milliseconds(seconds)) if seconds else "-")
        kind = cell["dtype"] + (", compiled" if cell["mode"] == "compile" else "")
        rows.append(
            [
                *(cell["label"], cell["level"], cell["step"], kind, f"{cell['rows']} x {cell['frames']}", time),
                str(seconds["visits"]) if seconds else "-",
                f"{memory['growth_bytes'] / 2**20:.1f}" if memory else "-",
            ]
        )
    return markdown_table(rows)


def _milliseconds(seconds):
    return {key: 1000 * seconds[key] for key in ("median", "q10", "q90")}


def _stream_cells(record):
    rows = [
        ["stream", "hours", "chunks", "first (ms)", "last (ms)", "new stream (ms)", "state at start and end (bytes)"]
    ]
    for cell in record["cells"]:
        times = [f"{1000 * cell[key]:.3f}" for key in ("first", "last", "new_stream")]
        state = f"{cell['state_bytes_start']:,} / {cell['state_bytes_end']:,}"
        rows.append([cell["label"], f"{cell['hours']:g}", f"{cell['chunks']:,}", *times, state])
    return markdown_table(rows)


def _origin(record):
    computer = record["machine"]
    settings = record["settings"]
    python = ["python"] if record["command"][0].endswith(".py") else []
    lines = [
        f"`{shlex.join([*python, *record['command']])}`",
        f"commit {commit_text(record)}; {', '.join(f'{k} {v}' for k, v in record['versions'].items())}",
        f"{computer['cpu']}, {computer['cores']} cores, {settings['threads']} threads; {computer['os']}; "
        f"GPUs: {', '.join(computer['gpus']) or 'none'}; load average at the start "
        f"{record['load_average_at_start']:.2f}",
        f"seed {settings['seed']}; {record['started']} to {record['finished']}",
        "Times are medians over rounds in which all cells take turns, ratios are of these medians. On a CPU the "
        "process keeps freed memory, as in training. Memory is by how much one first call raises the peak: of a fresh "
        "process, or of CUDA's allocator.",
    ]
    tests = [
        f"tests of {name}: " + (found["summary"] if found["passed"] else f"**FAILED** ({found['summary']})")
        for name, found in record["tests"].items()
    ]
    lines += tests or ["the mixers' tests were not run; `python tools/benchmark.py` runs them first"]
    return "## Where these numbers come from\n\n" + "\n".join(f"- {line}" for line in lines)
