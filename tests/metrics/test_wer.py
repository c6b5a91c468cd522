"""Error rates and the files that show them."""

import pytest

from summarymixing.corpora.manifest import read_manifest
from summarymixing.metrics.wer import score, write_scored

ROWS = [
    {"ID": "b", "duration": 1.0, "reference": "A BC D", "hypothesis": "A BC"},
    {"ID": "a", "duration": 2.0, "reference": "X, Y", "hypothesis": "X, Z"},
]


def test_rates_are_errors_over_reference_units():
    # 1 deletion and 1 substitution in 5 words; 2 + 1 edits in 6 + 4 characters.
    assert score(ROWS) == {"wer": pytest.approx(40), "cer": pytest.approx(30), "utterances": 2, "words": 5}


def test_nobody_hears_two_spaces():
    spaced = [{**row, "hypothesis": f" {row['hypothesis'].replace(' ', '  ')} "} for row in ROWS]
    assert score(spaced) == score(ROWS)
    assert score([{"reference": "A  B\tC", "hypothesis": "A B C"}])["cer"] == 0


def test_files_round_trip(tmp_path):
    write_scored(tmp_path, "test", ROWS)
    rows = read_manifest(tmp_path / "transcripts_test.csv")
    assert [row["ID"] for row in rows] == ["a", "b"]
    assert rows[1]["reference"] == "A BC D" and float(rows[0]["duration"]) == 2
    text = (tmp_path / "wer_test.txt").read_text()
    assert "REF:" in text and "sentence 1: a\nsentence 2: b\n" in text
