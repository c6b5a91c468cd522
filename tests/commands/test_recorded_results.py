"""Records in results/ are still read: each gives the tables that stand beside it, and a figure."""

import json
import re
from pathlib import Path

import pytest

from summarymixing.benchmarks import plots
from summarymixing.benchmarks.report import markdown
from summarymixing.reports.comparison_plots import draw
from summarymixing.reports.comparison_report import report
from summarymixing.reports.text_tables import markdown_table

RESULTS = Path(__file__).resolve().parents[2] / "results"


def table_rows(text):
    """Rows of the tables in Markdown, however wide their columns are."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.startswith("|")]
    return [re.sub(r"-{3,}", "---", line) for line in lines]


@pytest.mark.parametrize("path", sorted(RESULTS.glob("benchmarks/*/*.json")), ids=lambda path: path.stem)
def test_a_suite_of_the_benchmark(path):
    record = json.loads(path.read_text())
    rows = table_rows(markdown(record))
    assert rows == table_rows(path.with_suffix(".md").read_text()) and len(rows) > 3
    assert any(axes.lines for axes in plots.draw(record, "time").axes)


# Those of results/librispeech_synthetic are from before measures had names.
@pytest.mark.parametrize(
    "name", ["quickstart", "common_voice_synthetic", "slurp_synthetic", "speech_commands_synthetic"]
)
def test_a_comparison(name):
    path = RESULTS / name / "comparison.json"
    record = json.loads(path.read_text())
    rows = table_rows(report(record, record["speed"], markdown_table))
    assert rows == table_rows(path.with_suffix(".md").read_text()) and len(rows) > 3
    assert len(draw(record, record["speed"]).axes) == (3 if record["speed"] else 1)
