"""A run of a model of several costs transcribes at any of them, in any batch and as a stream, or says what there is."""

import json
import shutil
import sys

import pytest
import soundfile
import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing.commands import compute_curve, transcribe
from summarymixing.corpora.audio import read_audio
from summarymixing.inference import Transcriber
from summarymixing.metrics.wer import score
from summarymixing.utils.errors import InputError

YAML = "hparams/conformer_mhsa_stochastic.yaml"
SETTINGS = [{}, {"squeeze": 3}, {"squeeze": 2, "query_pool": 2, "key_pool": 2}]


@pytest.fixture(scope="module")
def run(train, tmp_path_factory):
    """A finished run with large random weights: a few seconds of training only teach it to keep silent."""
    folder = tmp_path_factory.mktemp("stochastic") / "run"
    train(YAML, folder)
    state = torch.load(folder / "model.ckpt")
    generator = torch.Generator().manual_seed(0)
    for name, value in state.items():
        if value.dim() > 1 and "normalize" not in name:
            state[name] = 3 * torch.randn(value.shape, generator=generator) * value[0].numel() ** -0.5
    torch.save(state, folder / "model.ckpt")
    return folder


@pytest.fixture(scope="module")
def single(run, tmp_path_factory):
    """The same weights as a run of one setting."""
    folder = shutil.copytree(run, tmp_path_factory.mktemp("single") / "run")
    text = (folder / "hyperparams.yaml").read_text()
    for key, numbers, number in (
        ("squeeze", "[1, 2, 3, 4]", 2),
        ("query_pool", "[1, 2]", 1),
        ("key_pool", "[1, 2]", 1),
    ):
        assert f"\n{key}: {numbers}" in text
        text = text.replace(f"\n{key}: {numbers}", f"\n{key}: {number}")
    (folder / "hyperparams.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def files(corpus):
    return sorted((corpus / "test-clean").rglob("*.flac"))[:6]


@pytest.mark.slow
def test_each_setting_transcribes_as_in_any_batch(run, files):
    found = []
    for settings in SETTINGS:
        transcriber = Transcriber(run, **settings)
        texts = transcriber.transcribe(files)
        assert texts == [transcriber.transcribe([file])[0] for file in files]
        assert all(texts)
        found.append(texts)
    assert found[0] != found[1] != found[2] != found[0]
    transcriber.choose(squeeze=3)
    assert transcriber.transcribe(files) == found[1]


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("left_context_size", [1, None])
def test_a_stream_equals_chunk_masked_offline_decoding(run, files, settings, left_context_size):
    transcriber, samples, parts = Transcriber(run, **settings), read_audio(files[0]), []
    stream = transcriber.stream(320, left_context_size)  # 8 frames, which 3 does not divide
    stream.decode = parts.append
    for block in samples.split(1000):
        stream.feed(block)
    stream.feed(samples[:0], final=True)
    offline, _ = transcriber.model(samples[None], None, DynChunkTrainConfig(8, left_context_size))
    assert offline.std() > 0.5
    torch.testing.assert_close(torch.cat(parts, dim=1), offline, rtol=0, atol=1e-4)


def test_what_is_not_offered_is_refused_with_what_is(run, single, files, refused):
    offers = "cannot be chosen: this model offers key_pool 1, 2; query_pool 1, 2; squeeze 1, 2, 3, 4"
    with pytest.raises(InputError, match=f"{run}: squeeze=5 {offers}"):
        Transcriber(run, squeeze=5)
    assert refused("tools/transcribe.py", run, files[0], "--key-pool", 7).endswith(f"{run}: key_pool=7 {offers}")
    line = refused("tools/transcribe.py", single, files[0], "--squeeze", 1)
    assert line.endswith("squeeze=1 cannot be chosen: this model offers key_pool 1; query_pool 1; squeeze 2")


def test_the_tool_transcribes_at_a_setting(run, files, monkeypatch, capsys):
    expected = Transcriber(run, squeeze=2, query_pool=2).transcribe(files[:1])
    words = ["transcribe.py", run, files[0], "--squeeze", 2, "--query-pool", 2]
    monkeypatch.setattr(sys, "argv", list(map(str, words)))
    transcribe.main()
    assert capsys.readouterr().out.splitlines() == expected


@pytest.mark.slow
def test_a_finished_run_is_tested_at_a_setting(run, train, tmp_path):
    """What is recorded says of which."""
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    done = train(YAML, folder, test_choice="{squeeze: 2, key_pool: 2}", test_splits="[test-clean]")
    assert "WER" in done.stdout
    metrics = json.loads((folder / "run.json").read_text())["metrics"]
    assert {key: metrics["test-clean"][key] for key in ("squeeze", "key_pool")} == {"squeeze": 2, "key_pool": 2}
    assert "squeeze" not in metrics["test-other"]


def test_the_curve_has_what_each_setting_gives(run, single, files, tmp_path, capsys):
    """One run over a grid, one of a single setting beside it."""
    rows = [f"{i},{soundfile.info(file).duration},{file},A B C" for i, file in enumerate(files)]
    (tmp_path / "six.csv").write_text("\n".join(["ID,duration,wav,wrd", *rows]) + "\n")
    grid = ["--squeeze", "4", "2", "--key-pool", "1", "--manifest", tmp_path / "six.csv", "--metric", "cer"]
    sizes = ["--timed-utterances", "3", "--rounds", "2", "--output", tmp_path / "curve"]
    compute_curve.main([str(word) for word in [run, single, *grid, *sizes]])
    printed = capsys.readouterr().out
    curve = json.loads((tmp_path / "curve/compute_curve.json").read_text())
    several, one = curve["runs"]
    assert [point["setting"] for point in one["points"]] == [{"key_pool": 1, "query_pool": 1, "squeeze": 2}]
    found = {tuple(point["setting"].values()): point for point in several["points"]}
    assert set(found) == {(1, query, squeeze) for query in (1, 2) for squeeze in (2, 4)}
    for (_, query, squeeze), point in found.items():
        texts = Transcriber(run, squeeze=squeeze, query_pool=query).transcribe(files)
        expected = score([{"reference": "A B C", "hypothesis": text} for text in texts])["cer"]
        assert point["errors"]["six"] == pytest.approx(expected)
        assert point["rtf"] == pytest.approx(point["seconds"]["median"] / curve["timed"]["audio_seconds"])
    assert one["points"][0]["errors"] == found[1, 1, 2]["errors"] and one["points"][0]["macs"] == found[1, 1, 2]["macs"]
    assert found[1, 1, 2]["macs"] > found[1, 2, 2]["macs"] > found[1, 1, 4]["macs"] > found[1, 2, 4]["macs"]
    lines = (tmp_path / "curve/compute_curve.md").read_text().splitlines()
    assert sum(str(run) in line and line.startswith("|") for line in lines) == 4
    assert any("times fewer multiply-accumulates" in line for line in lines) and "written:" in printed
    assert (tmp_path / "curve/compute_curve.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SystemExit):
        compute_curve.main([str(word) for word in [run, "--squeeze", 9, *sizes]])
    assert "--squeeze 9: a run offers squeeze 1, 2, 3, 4" in capsys.readouterr().err
