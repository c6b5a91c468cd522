"""Tests of summarymixing-tables, on run folders written by the tests themselves."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from summarymixing.commands.tables import main
from summarymixing.corpora import librispeech
from summarymixing.corpora.manifest import describe
from summarymixing.data.transcripts import asr_splits
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.experiment.key_lists import neutral_keys
from summarymixing.reports.tables import layout
from summarymixing.reports.tables.registry import TABLES, read_published
from summarymixing.reports.tables.runs import find_runs
from summarymixing.synthetic import make_librispeech
from summarymixing.tasks.seq2seq import Seq2Seq
from summarymixing.utils.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "recipes" / "LibriSpeech" / "ASR"
HOURS = {"train-clean-100+train-clean-360+train-other-500": 960.9, "dev-clean": 5.4}
RATES = {"dev-clean": 2.0, "test-clean": 2.25, "test-other": 5.0}
COUNTS = {"dev-clean": 2703, "test-clean": 2620, "test-other": 2939}


def make_run(
    folder, name="conformer_summarymixing", options=("--language_model", "lm"), seed=1, rates=RATES, **changes
):
    """Write the record of an encoder-decoder that was trained on LibriSpeech with a GPU, and return the folder."""
    record = {
        "command": [["train.py", f"hparams/{name}.yaml", "--data_folder", "/data/LibriSpeech", *options]],
        "experiment": name,
        "task": "Seq2Seq",
        "processes": 4,
        "data": {"synthetic": False, "hours": HOURS},
        "parameters": {
            "total": 9e8,
            "encoder": 101_250_000,
            "encoder_layers": 68_040_000,
            "encoder_and_front_end": 7e7,
        },
        "epochs": [{"epoch": 1, "seconds": 1800.0}, {"epoch": 2, "seconds": 5400.0}],
        "metrics": {split: {"wer": wer, "utterances": COUNTS[split]} for split, wer in rates.items()},
        "peak_memory_bytes": 21_340_000_000,
        "peak_memory_kind": "CUDA memory allocated",
        "started": f"2026-01-0{seed}T00:00:00+00:00",
        "finished": f"2026-02-0{seed}T00:00:00+00:00",
        "seed": seed,
        "neutral": ["data_folder", "language_model", "max_batch_length", "precision"],
        **changes,
    }
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def make_streaming_run(folder, wers, utterances=2620, left_key="left_context_size", **changes):
    rates = {"test-clean": 2.5}
    run = make_run(folder, "conformer_transducer_mhsa", (), rates=rates, task="Transducer", **changes)
    rows = [
        {"split": "test-clean", "chunk_ms": chunk, left_key: left, "wer": wer, "utterances": utterances}
        for (chunk, left), wer in wers.items()
    ]
    (run / "streaming.json").write_text(json.dumps({"results": rows}))
    return run


def table(name, *folders):
    """The table as a list of dicts of text, and the notes."""
    header, rows, notes = layout.fill(name, find_runs(folders))
    return [dict(zip(header, map(str, row), strict=True)) for row in rows], notes


def row_of(rows, name, **cells):
    (found,) = [row for row in rows if row["YAML"] == name and cells.items() <= row.items()]
    return found


def ours(rows):
    """Everything that is not empty in the columns of ours."""
    return [cell for row in rows for column, cell in row.items() if column.endswith(", this project") and cell]


# Numbers of runs


def test_one_run_stands_beside_its_published_row(tmp_path):
    rows, notes = table("librispeech_encoder_decoder", make_run(tmp_path / "a"))
    assert notes == [] and len(rows) == 15
    assert row_of(rows, "conformer_summarymixing") == {
        "YAML": "conformer_summarymixing",
        "encoder": "Conformer",
        "mixer": "SummaryMixing",
        "dev-clean, published": "2.8",
        "dev-clean, this project": "2.00 (1 seed)",
        "test-clean, published": "2.1",
        "test-clean, this project": "2.25 (1 seed)",
        "test-other, published": "5.1",
        "test-other, this project": "5.00 (1 seed)",
        "GPU h, published": "98",
        "GPU h, this project": "8 (1 seed)",  # 4 processes for 2 hours
        "GB, published": "21",
        "GB, this project": "21.3 (1 seed)",
        "source": "arXiv 2307.07421, authors' published result table",
    }
    assert len(ours(rows)) == 5


def test_seeds_are_averaged_with_their_sample_standard_deviation(tmp_path):
    for seed, wer in ((1, 2.0), (2, 2.3), (3, 2.9)):
        make_run(tmp_path / str(seed), seed=seed, rates={"test-clean": wer})
    rows, _ = table("librispeech_encoder_decoder", tmp_path)
    # (0.4 ** 2 + 0.1 ** 2 + 0.5 ** 2) / 2 = 0.21, and its root is 0.458
    row = row_of(rows, "conformer_summarymixing")
    assert row["test-clean, this project"] == "2.40 ± 0.46 (3 seeds)"
    assert row["test-other, this project"] == ""


def test_a_baseline_without_published_numbers_has_a_row(tmp_path):
    rows, _ = table("librispeech_encoder_decoder", make_run(tmp_path / "a", "conformer_mhsa"))
    row = row_of(rows, "conformer_mhsa")
    assert row["test-clean, published"] == row["source"] == "" and row["test-clean, this project"] == "2.25 (1 seed)"


def test_without_runs_every_cell_of_ours_is_empty():
    for name in TABLES:
        rows, notes = table(name)
        assert rows and ours(rows) == [] and notes == []


def test_hours_and_memory_of_a_processor_are_not_those_of_a_gpu(tmp_path):
    make_run(tmp_path / "a", peak_memory_kind="resident memory of the process")
    row = row_of(table("librispeech_encoder_decoder", tmp_path)[0], "conformer_summarymixing")
    assert row["GPU h, this project"] == row["GB, this project"] == "" and row["dev-clean, this project"]


def test_copies_count_once_and_a_newer_run_of_a_seed_replaces_the_older(tmp_path):
    make_run(tmp_path / "a", rates={"test-clean": 3.0})
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    rows, notes = table("librispeech_encoder_decoder", tmp_path, tmp_path / "a")
    assert row_of(rows, "conformer_summarymixing")["test-clean, this project"] == "3.00 (1 seed)" and notes == []
    newer = {"started": "2026-03-01T00:00:00+00:00", "finished": "2026-03-02T00:00:00+00:00"}
    make_run(tmp_path / "again", rates={"test-clean": 2.5}, **newer)
    rows, notes = table("librispeech_encoder_decoder", tmp_path)
    assert row_of(rows, "conformer_summarymixing")["test-clean, this project"] == "2.50 (1 seed)"
    assert f"{tmp_path / 'again'} has the same seed and is newer" in notes[0]


# Runs that do not count


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"data": {"synthetic": True, "hours": HOURS}}, "synthetic speech"),
        ({"data": {"hours": HOURS}}, "synthetic speech"),
        ({"data": None}, "does not describe its data"),
        ({"data": {"synthetic": False, "hours": {"train-clean-100": 100.6}}}, "not trained on the 960.9 h"),
        ({"data": {"synthetic": False, "hours": dict.fromkeys(HOURS, 940.0)}}, "not trained on the 960.9 h"),
        ({"metrics": {"test-clean": {"wer": 2.0, "utterances": 2619}}}, "LibriSpeech's 2620 utterances"),
        ({"options": ()}, "made without --language_model"),
        ({"options": ("--language_model", "null")}, "made without --language_model"),
        ({"options": ("--language_model=lm", "--d_model", "256")}, "made with --d_model 256"),
        ({"options": ("--language_model=lm", "--debug")}, "made with --debug"),
        ({"experiment": None}, "does not name the experiment"),
    ],
)
def test_runs_that_are_left_out_with_a_reason(tmp_path, changes, reason):
    make_run(tmp_path / "a", **changes)
    rows, (note,) = table("librispeech_encoder_decoder", tmp_path)
    assert ours(rows) == [] and note.startswith(f"{tmp_path / 'a'}: left out: ") and reason in note


@pytest.mark.parametrize("changes", [{"task": "CTC"}, {"name": "my_own"}, {"finished": None}])
def test_runs_of_something_else_and_unfinished_ones_are_passed_over(tmp_path, changes):
    make_run(tmp_path / "a", **changes)
    rows, notes = table("librispeech_encoder_decoder", tmp_path)
    assert ours(rows) == [] and notes == []


def test_options_of_machine_and_place_do_not_make_another_experiment(tmp_path):
    make_run(tmp_path / "a", options=("--language_model=lm", "--precision", "bf16", "--max_batch_length", "125"))
    assert len(ours(table("librispeech_encoder_decoder", tmp_path)[0])) == 5


def test_a_generated_corpus_is_known_even_through_links(tmp_path):
    corpus = make_librispeech(tmp_path / "corpus", 0.05, dev_minutes=0.05, test_minutes=0.05, workers=1, progress=False)
    copied = tmp_path / "copied"
    shutil.copytree(corpus / "test-clean", copied / "test-clean")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "test-clean").symlink_to(corpus / "test-clean")
    # The last has lost what marks it; its utterances are too few for any table.
    for data, synthetic in ((corpus, True), (linked, True), (copied, False)):
        manifests = librispeech.prepare(data, tmp_path / f"m_{data.name}", ["test-clean"], progress=False)
        found = describe(manifests)
        assert found["synthetic"] is synthetic
        assert found["hours"]["test-clean"] == pytest.approx(0.05 / 60, abs=16 / 3600)


@pytest.mark.slow
def test_a_recipe_records_what_tables_need(tmp_path):
    data = make_librispeech(tmp_path / "data", 1, dev_minutes=0.05, test_minutes=0.05, workers=1, progress=False)
    keys = {"data_folder": data, "output_folder": tmp_path / "run", "train_splits": "[train-clean-100]"}
    keys |= {"test_splits": "[test-clean]", "tokenizer_type": "bpe", "vocab_size": 40, "language_model": "null"}
    keys |= {"d_model": 32, "d_ffn": 64, "nhead": 4, "num_layers": 2, "num_decoder_layers": 1, "channels": "[8, 8]"}
    words = [str(RECIPES / "transformer" / "hparams" / "conformer_mhsa.yaml"), "--device", "cpu"]
    words += [word for key, value in keys.items() for word in (f"--{key}", str(value))]
    experiment = load_experiment(words)
    record = RunRecord.open(experiment.run_folder, argv=["train.py", *words], seed=1)
    asr_splits(experiment, record, librispeech.prepare)
    Seq2Seq(experiment, record)
    record.finish()

    (run,) = find_runs([tmp_path])
    assert (run.experiment, run.record["task"], run.number("processes")) == ("conformer_mhsa", "Seq2Seq", 1)
    assert run.record["data"]["synthetic"] is True
    assert run.number("data", "hours", "train-clean-100") == pytest.approx(1 / 60, abs=16 / 3600)
    assert run.options.keys() == {*keys, "device"} - neutral_keys(experiment.text) and "d_model" in run.options
    assert not {"data_folder", "train_splits", "language_model", "output_folder", "device"} & run.options.keys()
    model = experiment.hparams["model"]
    for part, module in {"model": model, "encoder_layers": model.speech_encoder.encoder}.items():
        assert run.number("parameters", part) == sum(p.numel() for p in module.parameters())
    assert run.number("parameters", "encoder_layers") < run.number("parameters", "encoder_and_front_end")
    assert run.number("parameters", "total") == run.number("parameters", "model")
    rows, (note,) = table("librispeech_parameters", tmp_path)
    assert ours(rows) == [] and "made with" in note and "--d_model 32" in note


# Other tables


def test_parameters_count_on_any_data_and_by_their_options(tmp_path):
    make_run(tmp_path / "c", data={"synthetic": True, "hours": {}}, options=(), metrics={})
    for seed, (heads, layers) in enumerate({"{nhead: 4}": 71.94e6, "{nhead:  1}": 86e6}.items(), 1):
        parameters = {"model": 105.1e6, "encoder_layers": layers}
        options = ("--mixer", heads)
        make_run(tmp_path / str(seed), "branchformer_summarymixing", options, seed, parameters=parameters)
    make_run(tmp_path / "n", "contextnet", ())
    rows, notes = table("librispeech_parameters", tmp_path)
    row = row_of(rows, "conformer_summarymixing")
    assert (row["encoder (M), published"], row["encoder (M), this project"]) == ("68.0", "68.0 (1 seed)")
    assert (row["whole (M), published"], row["whole (M), this project"]) == ("101.3", "101.2 (1 seed)")
    four = row_of(rows, "branchformer_summarymixing", options='--mixer "{nhead: 4}"')
    assert (four["encoder (M), published"], four["encoder (M), this project"]) == ("71.9", "71.9 (1 seed)")
    assert row_of(rows, "branchformer_summarymixing", options="")["encoder (M), this project"] == ""
    assert row_of(rows, "contextnet")["encoder (M), this project"] == "70.0 (1 seed)"
    assert len(notes) == 1 and "made with --mixer {nhead:1}" in notes[0]


@pytest.mark.parametrize("left_key", ["left_context_size", "left_chunks"])  # the second in older tables
def test_streaming_cells_by_chunk_and_left_context(tmp_path, left_key):
    wers = {(320.0, 2): 5.0, (320.0, None): 4.0, (1280.0, 32): 3.0, (None, None): 2.5}
    make_streaming_run(tmp_path / "a", wers, left_key=left_key)
    make_streaming_run(tmp_path / "b", {(320.0, 2): 5.5}, left_key=left_key, seed=2)
    rows, notes = table("librispeech_streaming", tmp_path)
    mine = {
        (row["chunk"], row["left context"]): (row["self-attention, published"], row[column])
        for row in rows
        for column in row
        if column == "self-attention, rotary positions, this project" and row[column]
    }
    assert notes == [] and len(ours(rows)) == len(mine) == 3
    assert mine["full", "full"] == ("2.72", "2.50 (1 seed)")
    assert mine["1280 ms", "32 chunks"] == ("3.09", "3.00 (1 seed)")
    assert mine["320 ms", "2 chunks"] == ("4.38", "5.25 ± 0.35 (2 seeds)")


def test_streaming_on_a_part_of_the_test_set_is_left_out(tmp_path):
    make_streaming_run(tmp_path / "a", {(320.0, 2): 5.0}, utterances=100)
    rows, (note,) = table("librispeech_streaming", tmp_path)
    assert ours(rows) == [] and "2620 utterances" in note


# The program


def test_program_lists_prints_and_writes(tmp_path, capsys):
    main([])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(TABLES)

    runs = tmp_path / "runs"
    make_run(runs / "a"), make_run(runs / "b", "conformer_mhsa", options=())
    main(["librispeech_encoder_decoder", str(runs)])
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].startswith("**LibriSpeech 960 h")
    assert "| 2.8 | 2.00 (1 seed) | 2.1 | 2.25 (1 seed) |" in " ".join(printed.out.split())
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1
    assert printed.err == f"{runs}/b: left out: made without --language_model, unlike the published numbers\n"

    output = tmp_path / "new" / "table.csv"
    main(["librispeech_encoder_decoder", str(runs), "--format", "csv", "--output", str(output)])
    assert capsys.readouterr().out == f"written: {output}\n"
    rows = list(csv.DictReader(io.StringIO(output.read_text())))
    row = row_of(rows, "conformer_summarymixing")
    assert row["dev-clean, published"] == "2.8" and row["dev-clean, this project"] == "2.00"
    assert row["dev-clean, this project: standard deviation"] == "" and row["dev-clean, this project: seeds"] == "1"
    assert row_of(rows, "conformer_mhsa")["dev-clean, this project: seeds"] == ""


def test_program_looks_into_the_usual_folders(tmp_path, capsys):
    main(["librispeech_parameters"], root=tmp_path)
    assert "seed)" not in capsys.readouterr().out
    make_run(tmp_path / "recipes" / "x" / "runs" / "conformer_mhsa" / "1", "conformer_mhsa", ())
    main(["librispeech_parameters"], root=tmp_path)
    assert "| 68.0 (1 seed) |" in " ".join(capsys.readouterr().out.split())


def broken(folder, name, text):
    (make_run(folder / "a", "conformer_transducer_mhsa", (), task="Transducer") / name).write_text(text)


@pytest.mark.parametrize(
    "prepare, words",
    [
        (lambda folder: broken(folder, "run.json", "{"), ["a/run.json", "cannot read", "move the file"]),
        (lambda folder: broken(folder, "streaming.json", "{"), ["a/streaming.json", "evaluate_streaming.py"]),
        (lambda folder: broken(folder, "streaming.json", "[]"), ["a/streaming.json", "key results"]),
        (lambda folder: make_streaming_run(folder / "a", {(320.0, 2): "4"}), ["streaming.json", "results.wer", "'4'"]),
        (lambda folder: None, ["there is no run.json", "name folders"]),
    ],
)
def test_runs_that_cannot_be_read(tmp_path, capsys, prepare, words):
    prepare(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["librispeech_streaming", str(tmp_path)])
    error = capsys.readouterr().err
    assert end.value.code == 2 and error.startswith("error: ") and error.count("\n") == 1
    assert all(word in error for word in [str(tmp_path), *words])


def test_a_word_in_place_of_a_number_is_named(tmp_path):
    make_run(tmp_path / "a", metrics={"test-clean": {"wer": "low", "utterances": 2620}})
    with pytest.raises(InputError, match=r"run\.json: key metrics\.test-clean\.wer: 'low' is not a number"):
        table("librispeech_encoder_decoder", tmp_path)


def test_unknown_table(capsys):
    with pytest.raises(SystemExit):
        main(["librispeech_steaming"])
    assert (
        "librispeech_steaming: there is no such table (did you mean 'librispeech_streaming'?)"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "text, words",
    [
        ("YAML,dev-clean\n", "no column 'GB'; add it"),
        ("", "no column 'GB'; add it"),
        ("YAML,dev-clean,test-clean,test-other,GPU h,GB,source\na,1\n", "row 2 has 2 cells, the header 7"),
        (None, "restore the file"),
    ],
)
def test_broken_published_file(tmp_path, text, words):
    if text is not None:
        (tmp_path / "librispeech_encoder_decoder.csv").write_text(text)
    with pytest.raises(InputError, match=words) as error:
        read_published("librispeech_encoder_decoder", tmp_path)
    assert str(error.value).startswith(f"{tmp_path}/librispeech_encoder_decoder.csv: ")
