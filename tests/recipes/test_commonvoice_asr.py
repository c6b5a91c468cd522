"""The Common Voice recipe: published settings, bad data reported while the rest trains, another language."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from summarymixing.corpora.manifest import read_manifest
from summarymixing.experiment import load_experiment, resolve_yaml
from summarymixing.inference import Transcriber
from summarymixing.synthetic import make_common_voice
from summarymixing.utils.errors import InputError

RECIPE = Path(__file__).parents[2] / "recipes/CommonVoice/ASR/transformer"
HPARAMS = "recipes/CommonVoice/ASR/transformer/hparams"
#: 2307.07421: layers, width, hidden size of the gated branch, of the mixer, decoder layers. What it has for each
#: language is in test_published_settings.py.
SIZES = {"large": (18, 512, 3072, 512, 6), "small": (12, 256, 1536, 384, 4)}
MIXERS = {"summarymixing": "SummaryMixing", "mhsa": "RoPEAttention", "mhsa_relpos": "RelPosAttention"}
VARIANTS = [(size, mixer) for size in SIZES for mixer in MIXERS]


def loaded(name, **overrides):
    """A YAML file at its full size, without memory for its weights."""
    overrides = {"data_folder": "", "output_folder": "", **overrides}
    with torch.device("meta"):
        return load_hyperpyyaml(resolve_yaml(RECIPE / f"hparams/{name}.yaml"), overrides)


def test_there_are_no_other_files():
    found = {path.stem for path in (RECIPE / "hparams").glob("*.yaml")}
    assert found == {"_".join(variant) for variant in VARIANTS} | {"branchformer"}


def readme_row(name):
    (row,) = [row for row in (RECIPE / "README.md").read_text().splitlines() if row.startswith(f"| `{name}` |")]
    return row


def millions(module):
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


@pytest.mark.parametrize("size, mixer", VARIANTS)
def test_settings_are_the_published_ones_and_the_readme_counts_the_parameters(size, mixer):
    hparams = loaded(f"{size}_{mixer}")
    layers, width, gated, hidden, decoder_layers = SIZES[size]
    model = hparams["model"]
    blocks = model.speech_encoder.encoder.layers
    assert len(blocks) == layers
    assert (hparams["csgu_linear_units"], hparams["num_decoder_layers"]) == (gated, decoder_layers)
    assert model.output.in_features == width
    assert type(blocks[0].mixer).__name__ == MIXERS[mixer]
    if mixer == "summarymixing":
        assert hparams["mixer"].keywords["local_proj_hid_dim"] == [hidden]
        assert hparams["mixer"].keywords["summary_hid_dim"] == [hidden]
    assert hparams["merge"] == ("mlp" if mixer == "summarymixing" else "linear")
    search = hparams["decoder"]
    assert (search.settings["beam_size"], search.ctc_weight, search.language_model) == (10, 0.3, None)
    assert (hparams["max_batch_length"], hparams["grad_accumulation_factor"], hparams["max_seconds"]) == (400, 2, 10)
    with_dutch_tokens = millions(loaded(f"{size}_{mixer}", locale="nl")["model"])
    counts = f"| {millions(model.speech_encoder.encoder):.1f} | {millions(model):.1f} | {with_dutch_tokens:.1f} |"
    assert counts in readme_row(f"{size}_{mixer}")


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """French with every defect in its first clips."""
    folder = tmp_path_factory.mktemp("voices") / "synthetic"
    minutes = {"minutes": 1.5, "dev_minutes": 0.2, "test_minutes": 0.3}
    return make_common_voice(folder, "fr", **minutes, seed=3, defects=True, workers=1, progress=False)


#: Beginnings of the reasons for which records are left out, in the order of the list.
REASONS = ["digits", "empty sentence", "zero-byte clip", "no such clip", "sentence too long for its clip"]


@pytest.mark.slow
def test_with_every_defect_the_rest_trains(train, voices, tmp_path):
    summarymixing, mhsa = tmp_path / "summarymixing", tmp_path / "mhsa"
    train(f"{HPARAMS}/small_summarymixing.yaml", summarymixing, data_folder=voices, max_bad_fraction=0.3)
    settings = {"number_of_epochs": 2, "normalization_epochs": 1, "max_bad_fraction": 0.3}
    train(f"{HPARAMS}/large_mhsa.yaml", mhsa, data_folder=voices / "fr", **settings)
    for folder in (summarymixing, mhsa):
        record = json.loads((folder / "run.json").read_text())
        assert record["finished"] and record["data"]["synthetic"] and set(record["metrics"]) == {"test", "test_greedy"}
        report = read_manifest(folder / "manifests/train.skipped.csv")
        assert len(report) == len(REASONS)
        assert all(row["reason"].startswith(reason) for row, reason in zip(report, REASONS, strict=True))
        assert "train: 5 of " in (folder / "log.txt").read_text()
        clips = sorted((voices / "fr" / "clips").glob("common_voice_fr_37*.mp3"))[:3]
        scored = {row["ID"]: row["hypothesis"] for row in read_manifest(folder / "transcripts_test.csv")}
        assert Transcriber(folder).transcribe(clips) == [scored[f"clips/{clip.name}"] for clip in clips]
    # One epoch of three, and the first of two: the statistics are those of as many batches.
    counted = [
        float(torch.load(run / "model.ckpt")["speech_encoder.normalize.batches"]) for run in (summarymixing, mhsa)
    ]
    assert counted[0] == counted[1] > 1


@pytest.mark.slow
def test_any_other_language_without_its_long_clips(train, tmp_path):
    minutes = {"minutes": 0.8, "dev_minutes": 0.1, "test_minutes": 0.1}
    folder = make_common_voice(tmp_path / "voices", "cy", **minutes, version=11, workers=1, progress=False)
    settings = {"locale": "cy", "lr": 0.0008, "max_seconds": 4}  # the row of the list has the other three
    train(f"{HPARAMS}/small_mhsa_relpos.yaml", tmp_path / "run", data_folder=folder, **settings)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["experiment"] == "small_mhsa_relpos" and record["metrics"]["test"]["wer"] > 0
    left_out = read_manifest(tmp_path / "run/manifests/train.left_out.csv")
    assert left_out and {row["reason"] for row in left_out} == {"longer than 4 s"}
    assert not (tmp_path / "run/manifests/train.skipped.csv").exists()


def test_the_run_folder_says_the_language(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [str(RECIPE / "hparams/small_mhsa.yaml"), "--data_folder=nowhere", "--locale=nl", "--d_model=32"]
    assert str(load_experiment(words).run_folder) == "runs/small_mhsa/nl/3407"


def test_a_language_without_published_settings_is_told_what_it_needs(tmp_path):
    words = [str(RECIPE / "hparams/small_mhsa.yaml"), "--data_folder=nowhere", "--locale=cy", "--d_model=32"]
    words.append(f"--output_folder={tmp_path}")
    with pytest.raises(InputError, match="none for 'cy'; give them .*, like these for 'fr': --vocab") as it:
        load_experiment(words)
    message = str(it.value)
    assert load_experiment([*words, *message[message.index("--vocab") :].split()]).hparams["vocab_size"] == 1000


@pytest.mark.slow
def test_bad_data_ends_in_one_line(refused, command_line, voices, tmp_path):
    def error(**settings):
        words = command_line(f"{HPARAMS}/small_mhsa.yaml", output_folder=tmp_path / "run", **settings)
        line = refused(RECIPE / "train.py", *words)
        shutil.rmtree(tmp_path / "run")
        return line

    line = error(data_folder=voices)
    assert "train: 5 of" in line and "train.skipped.csv" in line and "raise the key max_bad_fraction" in line
    assert f"{voices} has no folder it/clips; languages there: fr" in error(data_folder=voices, locale="it")
    assert "its column locale says fr; set the key locale, now it" in error(data_folder=voices / "fr", locale="it")
    # Before any clip is looked at.
    assert "validation.tsv: no such list; lists there: " in error(data_folder=voices, valid_split="validation")
