"""Exported encoders: the same hidden states by path, in this project and in plain SpeechBrain."""

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from torch import nn

from summarymixing.commands.export_encoder import main
from summarymixing.experiment.record import RunRecord
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.lobes import CTCModel
from summarymixing.upstreams import RunUpstream
from summarymixing.upstreams.pretrained import load_encoder

pytest.importorskip("safetensors")

ENCODER = """
d_model: 16
speech_encoder: !new:summarymixing.lobes.SpeechEncoder
  features: !new:summarymixing.lobes.LogMel {n_mels: 20}
  normalize: !new:summarymixing.lobes.GlobalNormalization {size: 20}
  front_end: !new:summarymixing.lobes.ConvolutionalFrontEnd
    {input_size: 20, channels: [8, 8], two_dimensional: false}
  encoder: !new:summarymixing.lobes.ConformerEncoder
    num_layers: 2
    d_model: !ref <d_model>
    d_ffn: 16
    kernel_size: 5
    mixer: !name:summarymixing.mixers.SummaryMixing
      nhead: 2
      local_proj_hid_dim: [!ref <d_model>]
      local_proj_out_dim: !ref <d_model>
      summary_hid_dim: [!ref <d_model>]
      summary_out_dim: !ref <d_model>
      activation: !name:speechbrain.nnet.activations.Swish
"""
MODELS = {
    "pretraining": """
data_folder: /data/corpus
model: !new:summarymixing.lobes.PretrainingModel
  speech_encoder: !ref <speech_encoder>
  objective: !name:summarymixing.lobes.RandomProjection {codes: 8}
modules: {model: !ref <model>}
""",
    "recognition": """
data_folder: /data/corpus
model: !new:summarymixing.lobes.CTCModel
  vocab_size: 5
  encoder: !ref <speech_encoder>
modules: {encoder: !ref <model>}
""",
}


@pytest.fixture(params=MODELS)
def run(request, tmp_path):
    """What a finished run leaves."""
    folder = RunFolder(tmp_path / "run")
    folder.write_text(ENCODER + MODELS[request.param])
    torch.manual_seed(0)
    model = folder.build("model")["model"]
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    model.train().speech_encoder(torch.randn(2, 16000))  # statistics
    torch.save(model.state_dict(), folder.model)
    record = RunRecord.open(folder, argv=["train.py", "small.yaml"], seed=7)
    record.data.update(experiment="small", task="Pretraining", data={"synthetic": False, "hours": {"train": 5.2}})
    for epoch in range(1, 31):
        record.epoch(epoch, 1.0, train_loss=4.0, valid_loss=4.0, valid_accuracy=epoch / 2, optimizer_step=epoch * 100)
    return folder


@pytest.fixture
def exported(run, tmp_path):
    main([str(run), str(tmp_path / "encoder"), "--license", "cc-by-4.0"])
    return RunFolder(tmp_path / "encoder")


WAVS, LENGTHS = torch.randn(2, 16000, generator=torch.Generator().manual_seed(1)), torch.tensor([1.0, 0.6])


def close(one, other):
    """The last bits of a product depend, on some CPUs, on where in memory the same weights lie."""
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_hidden_states_are_those_of_the_run(run, exported):
    theirs, their_counts = RunUpstream(run)(WAVS, LENGTHS)
    ours, counts = RunUpstream(exported)(WAVS, LENGTHS)
    assert len(ours) == 3 and torch.equal(counts, their_counts)
    for one, other in zip(ours, theirs, strict=True):
        close(one, other)
        assert one.abs().max() > 0


def test_plain_speechbrain_loads_it_wherever_it_lies(run, exported, tmp_path):
    moved = exported.path.rename(tmp_path / "moved")
    with open(moved / "hyperparams.yaml") as file:
        hparams = load_hyperpyyaml(file, {"output_folder": str(moved)})
    hparams["pretrainer"].collect_files()
    hparams["pretrainer"].load_collected()
    frames, counts = hparams["speech_encoder"].eval()(WAVS, LENGTHS)
    states, their_counts = RunUpstream(run)(WAVS, LENGTHS)
    close(frames, states[-1])
    assert torch.equal(counts, their_counts)


def test_another_model_starts_from_it(run, exported):
    model = CTCModel(run.build("speech_encoder")["speech_encoder"], vocab_size=3)
    load_encoder(model, exported)
    for name, weight in RunUpstream(run).speech_encoder.state_dict().items():
        assert torch.equal(model.speech_encoder.state_dict()[name], weight)


def test_the_card_says_what_it_is(exported):
    text = exported.card.read_text()
    for words in (
        "license: cc-by-4.0",
        "5.2 h (train)",
        "`corpus`",
        "2 layers of 16",
        "seed 7",
        "3000 optimizer steps",
    ):
        assert words in text
    # Twenty epochs at most, and the last one.
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert 12 <= len(table) <= 22 and "3000" in table[-1]


def test_an_export_can_be_exported_and_nothing_is_overwritten(exported, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([str(tmp_path / "run"), str(exported)])
    assert "is there already and not empty; choose another folder" in capsys.readouterr().err


def test_a_run_that_is_not_finished_is_refused(run, tmp_path, capsys):
    run.model.unlink()
    with pytest.raises(SystemExit):
        main([str(run), str(tmp_path / "encoder")])
    assert "holds no finished run" in capsys.readouterr().err


def test_damaged_weights_are_named(exported, capsys):
    exported.encoder.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="encoder.safetensors: not the weights of an encoder"):
        RunUpstream(exported)
