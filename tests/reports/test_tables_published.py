"""The published numbers: the files are complete, and READMEs and recipes agree with them."""

import tomllib
from pathlib import Path

import pytest

from summarymixing.experiment.yaml_files import resolve_yaml
from summarymixing.reports.tables.registry import PUBLISHED, TABLES, read_published

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "recipes" / "LibriSpeech" / "ASR"
SPLITS = ("dev-clean", "test-clean", "test-other")


def test_published_files_are_complete():
    assert {path.stem for path in PUBLISHED.iterdir()} == set(TABLES)
    (pattern,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"][
        "summarymixing"
    ]
    assert len(list((ROOT / "summarymixing").glob(pattern))) == len(TABLES)
    words = {"YAML", "options", "part", "encoder", "mixer", "chunk", "left context", "model", "variant", "source"}
    for name in TABLES:
        for row in read_published(name):
            numbers = [float(cell) for column, cell in row.items() if column not in words and cell]
            assert bool(numbers) == bool(row["source"]) and all(number > 0 for number in numbers)
            assert "arXiv" in row["source"] or not row["source"]


@pytest.mark.slow
def test_every_experiment_of_a_table_is_a_recipe():
    names = {
        row["YAML"] for t in ("librispeech_encoder_decoder", "librispeech_parameters") for row in read_published(t)
    }
    for name in names - {""}:
        assert f"experiment: {name}\n" in resolve_yaml(RECIPES / "transformer" / "hparams" / f"{name}.yaml")
    for column in TABLES["librispeech_streaming"].ours:
        assert (RECIPES / "transducer" / "hparams" / f"{column.experiment}.yaml").is_file()


def lines_of(recipe):
    return (RECIPES / recipe / "README.md").read_text().splitlines()


def test_encoder_decoder_readme_shows_the_published_numbers():
    lines = lines_of("transformer")
    rows = read_published("librispeech_encoder_decoder")
    for row in rows:
        if not row["YAML"]:
            continue
        (line,) = [line for line in lines if line.startswith(f"| `{row['YAML']}` |") and line.count("|") == 7]
        rates = ", ".join(row[split] for split in SPLITS) if row["source"] else ""
        assert [cell.strip() for cell in line.split("|")[3:6]] == [rates, row["GPU h"], row["GB"]]
    rerun = {", ".join(row[split] for split in SPLITS) for row in rows if not row["YAML"]}
    assert rerun == {"1.9, 2.0, 4.6"} and "self-attention 1.9, 2.0, 4.6; with SummaryMixing the" in "\n".join(lines)


def test_encoder_decoder_readme_shows_the_published_parameters():
    lines = lines_of("transformer")
    for row in read_published("librispeech_parameters"):
        start = f"| the same, `{row['options']}` |" if row["options"] else f"| `{row['YAML']}` |"
        (line,) = [line for line in lines if line.startswith(start) and line.count("|") == 5]
        published = f"{row['encoder (M)']} / {row['whole (M)']}" if row["source"] else ""
        assert line.split("|")[2].strip() == published


def test_transducer_readme_shows_the_published_numbers():
    lines = lines_of("transducer")
    for row in read_published("librispeech_streaming"):
        assert any(
            line.startswith(f"| {row['chunk']} | {row['left context']} | {row['self-attention']} |") for line in lines
        )
