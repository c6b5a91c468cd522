"""Fine-tuning: an encoder from its folder alone, with its architecture, in a run that needs the folder no more."""

import json

import pytest
import torch

from summarymixing.experiment.run_folder import RunFolder
from summarymixing.inference import Transcriber
from summarymixing.utils.on_demand import offered

PRETRAIN = "recipes/LibriSpeech/self-supervised-learning/wav2vec2/hparams/small_summarymixing_stochastic.yaml"
SCRIPT, YAML = "recipes/LibriSpeech/ASR/finetune/train.py", "recipes/LibriSpeech/ASR/finetune/hparams/small.yaml"


def encoder_weights(folder):
    weights = RunFolder(folder).weights()
    return {name: weight for name, weight in weights.items() if name.startswith("speech_encoder.")}


@pytest.mark.slow
def test_it_starts_from_pretraining_and_can_be_loaded_without_it(train, tmp_path, corpus):
    """Frozen, the encoder is the pre-trained one to the last bit; no key names a size, or a mixer, but the factor."""
    train(PRETRAIN, tmp_path / "pretrained")
    before = encoder_weights(tmp_path / "pretrained")
    train(YAML, tmp_path / "run", pretrained_encoder=tmp_path / "pretrained", frozen_steps=100000, squeeze=3)
    (tmp_path / "pretrained").rename(tmp_path / "elsewhere")
    after = encoder_weights(tmp_path / "run")
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    text = (tmp_path / "run/hyperparams.yaml").read_text()
    assert "applyref" not in text and "SqueezedEncoder" in text and "SpectrogramDrop" in text
    transcriber = Transcriber(tmp_path / "run")
    assert offered(transcriber.model) == {"squeeze": (3,)}
    (text,) = transcriber.transcribe([next((corpus / "test-clean").rglob("*.flac"))])
    assert isinstance(text, str)
    assert json.loads((tmp_path / "run/run.json").read_text())["finished"]


@pytest.mark.slow
def test_from_scratch_is_the_same_network_with_other_weights(train, encoder_run, tmp_path):
    settings = {"frozen_steps": 0, "optimizer_step_limit": 1, "lr": 1e-9, "output_lr": 1e-9}
    train(YAML, tmp_path / "scratch", from_scratch="true", **settings)
    train(YAML, tmp_path / "tuned", **settings)
    before, scratch, tuned = map(encoder_weights, (encoder_run, tmp_path / "scratch", tmp_path / "tuned"))
    name = "speech_encoder.input_proj.weight"
    assert torch.allclose(tuned[name], before[name], atol=1e-6) and scratch[name].shape == before[name].shape
    assert not torch.allclose(scratch[name], before[name], atol=1e-2)


@pytest.mark.slow
def test_what_cannot_be_started_from_is_refused(refused, command_line, tmp_path):
    def error(**settings):
        settings = {"output_folder": tmp_path / "run", **settings}
        return refused(SCRIPT, *command_line(YAML, **settings))

    nowhere = tmp_path / "nowhere"
    assert f"{nowhere}: no such folder; set the key pretrained_encoder" in error(pretrained_encoder=nowhere)
    frozen = error(from_scratch="true")
    assert "from_scratch: true would freeze random weights" in frozen and "--frozen_steps 0" in frozen
    (tmp_path / "other").mkdir()
    (tmp_path / "other/hyperparams.yaml").write_text("model: !new:torch.nn.Linear [2, 2]\n")
    torch.save({}, tmp_path / "other/model.ckpt")
    assert "has no speech_encoder; give another run" in error(pretrained_encoder=tmp_path / "other")
    assert "its encoder has no query_pool to choose; set the key query_pool to null" in error(query_pool=2)
