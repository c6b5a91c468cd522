"""Every listed experiment end to end, small, on synthetic speech."""

import json
import re

import pytest

from summarymixing.inference import Transcriber
from summarymixing.tasks.scoring import read_transcripts, score


@pytest.mark.slow
def test_every_experiment_runs_end_to_end(experiment, train, corpus, tmp_path):
    """A run holds what its row promises, and transcribes as it was scored."""
    train(experiment["Hparam_file"], tmp_path)
    promised = re.search(r"file_exists=\[(.*)\]", experiment["test_debug_checks"])[1].split(",")
    assert [name for name in promised if not (tmp_path / name).exists()] == []
    assert all((tmp_path / name).stat().st_size for name in promised)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["finished"] and len(run["epochs"]) == 1
    assert {"train_loss", "valid_loss", "wer", "cer", "seconds"} <= set(run["epochs"][0])
    assert "train_loss" in (tmp_path / "train_log.txt").read_text()
    assert set(run["metrics"]) == {name[4:-4] for name in promised if name.startswith("wer_")}
    for name, metrics in run["metrics"].items():
        rows = read_transcripts(tmp_path, name)
        assert metrics["wer"] == pytest.approx(score(rows)["wer"]) and metrics["wer"] > 0
    files = sorted((corpus / "test-clean").rglob("*.flac"))[:3]
    scored = {row["ID"]: row["hypothesis"] for row in read_transcripts(tmp_path, "test-clean")}
    assert Transcriber(tmp_path).transcribe(files) == [scored[file.stem] for file in files]
