"""Encoders that start from another run: CTC, encoder-decoder and transducer; what does not fit is named."""

from pathlib import Path

import pytest
import torch

from summarymixing.lobes import (
    ConformerEncoder,
    ConvolutionalFrontEnd,
    CTCModel,
    EncoderDecoder,
    GlobalNormalization,
    LogMel,
    SpeechEncoder,
    TransducerModel,
    TransformerDecoder,
)
from summarymixing.mixers import RoPEAttention
from summarymixing.training.parameter_groups import ParameterGroups
from summarymixing.upstreams.pretrained import freeze_encoder, load_encoder, start_encoder
from summarymixing.utils.errors import InputError


def speech_encoder(d_model=32, num_layers=1, sample_rate=16000, **options):
    layers = ConformerEncoder(num_layers, d_model, 2 * d_model, kernel_size=5, **options)
    front_end = ConvolutionalFrontEnd(80, channels=[4, 4])
    return SpeechEncoder(LogMel(sample_rate=sample_rate), GlobalNormalization(80, 5), front_end, layers, dropout=0.1)


MODELS = {
    "CTC": lambda: CTCModel(speech_encoder(), 30),
    "encoder-decoder": lambda: EncoderDecoder(speech_encoder(), TransformerDecoder(50, 32, 4, 64, num_layers=1), 50),
    "transducer": lambda: TransducerModel(speech_encoder(), 20, predictor_size=8, joint_size=8),
}


@pytest.fixture
def save(tmp_path):
    """Write what a finished run of a model leaves."""

    def call(model, rate=16000):
        folder = tmp_path / "run"
        folder.mkdir()
        # As a resolved file of a recipe has it, with tags and references.
        text = f"rate: {rate}\nsample_rate: !ref <rate>\nmodel: !new:torch.nn.Linear\n  in_features: 2\n"
        (folder / "hyperparams.yaml").write_text(text.replace("!ref <rate>", str(rate)))
        torch.save(model.state_dict(), folder / "model.ckpt")
        return folder

    return call


def train_a_little(model):
    """Statistics of the features, and weights that are not those of a new model."""
    torch.manual_seed(7)
    model.train()
    for _ in range(3):
        model.speech_encoder(torch.rand(2, 8000) * 0.1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("source", MODELS)
@pytest.mark.parametrize("target", MODELS)
@torch.no_grad()
def test_any_model_takes_the_encoder_of_any_other(source, target, save):
    trained, new = train_a_little(MODELS[source]()), MODELS[target]()
    others = {name: value.clone() for name, value in new.state_dict().items() if not name.startswith("speech_encoder.")}
    load_encoder(new, save(trained))
    wavs, lengths = torch.rand(2, 8000), torch.tensor([1.0, 0.6])
    trained.eval(), new.eval()
    expected, counts = trained.speech_encoder(wavs, lengths)
    encoded, new_counts = new.speech_encoder(wavs, lengths)
    assert torch.equal(encoded, expected) and torch.equal(new_counts, counts)
    assert all(torch.equal(new.state_dict()[name], value) for name, value in others.items())


@torch.no_grad()
def test_the_encoder_of_a_run_of_an_earlier_version(save):
    trained, new = train_a_little(MODELS["transducer"]()), MODELS["CTC"]()
    folder = save(trained)
    weights = {name.replace("speech_encoder.", "encoder."): value for name, value in trained.state_dict().items()}
    assert "encoder.encoder.norm.norm.weight" in weights
    torch.save(weights, folder / "model.ckpt")
    load_encoder(new, folder)
    wavs = torch.rand(2, 8000)
    assert torch.equal(new.eval().speech_encoder(wavs)[0], trained.eval().speech_encoder(wavs)[0])


def test_the_statistics_are_taken_along_and_stay(save):
    trained, new = train_a_little(MODELS["CTC"]()), MODELS["encoder-decoder"]()
    load_encoder(new, save(trained))
    mean = trained.speech_encoder.normalize.mean.clone()
    assert (
        mean.abs().sum() > 0
        and trained.speech_encoder.normalize.batches == 3 < trained.speech_encoder.normalize.num_batches
    )
    new.train()
    new.speech_encoder(torch.rand(2, 8000))
    assert torch.equal(new.speech_encoder.normalize.mean, mean)
    trained.train()
    trained.speech_encoder(torch.rand(2, 8000))
    assert not torch.equal(trained.speech_encoder.normalize.mean, mean)  # the run itself would have gone on


def test_a_frozen_encoder_does_not_learn(save):
    new = MODELS["encoder-decoder"]()
    hparams = {"model": new, "pretrained_encoder": save(train_a_little(MODELS["CTC"]())), "freeze_encoder": True}
    start_encoder(hparams)
    before = {name: value.clone() for name, value in new.state_dict().items()}
    # The way SpeechBrain makes its optimizers: of all parameters.
    optimizer = torch.optim.AdamW(new.parameters(), lr=0.1, weight_decay=0.1)
    (ctc, attention, _), _ = new.train()(torch.rand(2, 8000), tokens=torch.ones(2, 3, dtype=torch.long))
    (ctc.sum() + attention.sum()).backward()
    optimizer.step()
    moved = {name for name, value in new.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and not any(name.startswith("speech_encoder.") for name in moved)


def test_a_frozen_encoder_computes_as_in_evaluation(save):
    """Whatever SpeechBrain sets to training: no dropout, and no step at which it is set free."""
    new = MODELS["encoder-decoder"]()
    hparams = {"model": new, "pretrained_encoder": save(train_a_little(MODELS["CTC"]())), "freeze_encoder": True}
    start_encoder(hparams)
    wavs, groups = torch.rand(2, 8000), ParameterGroups(new, hparams["parameter_groups"], lr=0.1)
    expected = new.eval().speech_encoder(wavs)[0]
    for step in (0, 10**9):
        new.train()
        groups.freeze(step)
        assert torch.equal(new.speech_encoder(wavs)[0], expected) and new.training
        assert not any(parameter.requires_grad for parameter in new.speech_encoder.parameters())


def test_groups_within_a_frozen_encoder_are_refused(save):
    hparams = {"model": MODELS["CTC"](), "pretrained_encoder": save(MODELS["CTC"]()), "freeze_encoder": True}
    for part in ("speech_encoder.encoder", "encoder.encoder"):
        hparams["parameter_groups"] = {part: {"lr": 0.1}, "output": {"lr": 0.2}}
        with pytest.raises(InputError, match=f"parameter_groups: {part} would do nothing beside freeze_encoder"):
            start_encoder(hparams)
    hparams["parameter_groups"] = {"output": {"lr": 0.2}}
    start_encoder(hparams)
    assert set(hparams["parameter_groups"]) == {"speech_encoder", "output"}


def test_without_freezing_the_encoder_learns_and_null_changes_nothing(save):
    new = MODELS["CTC"]()
    before = {name: value.clone() for name, value in new.state_dict().items()}
    start_encoder({"model": new, "pretrained_encoder": None, "freeze_encoder": False})
    assert all(torch.equal(value, before[name]) for name, value in new.state_dict().items())
    folder = save(train_a_little(MODELS["CTC"]()))
    start_encoder({"model": new, "pretrained_encoder": folder, "freeze_encoder": False})
    assert all(parameter.requires_grad for parameter in new.parameters())
    assert not torch.equal(
        new.state_dict()["speech_encoder.input_proj.weight"], before["speech_encoder.input_proj.weight"]
    )


def test_freezing_random_weights_is_refused():
    with pytest.raises(InputError, match="freeze_encoder: true without a pretrained_encoder"):
        start_encoder({"model": MODELS["CTC"](), "pretrained_encoder": None, "freeze_encoder": True})


def test_only_the_encoder_is_frozen():
    model = MODELS["encoder-decoder"]()
    freeze_encoder(model)
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad != name.startswith("speech_encoder.")


def refused(model, folder):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(InputError) as caught:
        load_encoder(model, folder)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and "pretrained_encoder" in message
    return message


def test_a_folder_without_a_finished_run(save, tmp_path):
    model = MODELS["CTC"]()
    assert f"{tmp_path / 'nowhere'}: no such folder" in refused(model, tmp_path / "nowhere")
    folder = save(model)
    (folder / "model.ckpt").write_bytes(b"no weights")
    assert "model.ckpt: not the weights of a model" in refused(model, folder)
    torch.save([1, 2], folder / "model.ckpt")
    assert "model.ckpt: not the weights of a model" in refused(model, folder)
    for name in ("model.ckpt", "hyperparams.yaml"):
        (folder / name).unlink()
        message = refused(model, folder)
        assert f"{Path(folder) / name}: missing" in message and "holds no finished run; train it to the end" in message


def test_other_sizes_are_named_with_both_shapes(save):
    folder = save(CTCModel(speech_encoder(d_model=64), 30))
    message = refused(MODELS["CTC"](), folder)
    assert "does not fit" in message and "d_model" in message and str(folder / "hyperparams.yaml") in message
    # 80 mel bands, a quarter of them after two strides of 2, 4 channels.
    assert "input_proj.weight is (64, 80) there, (32, 80) here" in message
    assert message.count(" there, ") == 3 and "more)" in message


@pytest.mark.parametrize(
    ("there", "here", "named"),
    [
        ({"num_layers": 2}, {}, "encoder.layers.1"),
        ({}, {"num_layers": 2}, "encoder.layers.1"),
        ({}, {"mixer": RoPEAttention}, "mixer"),
    ],
)
def test_other_layers_and_mixers_are_named(there, here, named, save):
    message = refused(CTCModel(speech_encoder(**here), 30), save(CTCModel(speech_encoder(**there), 30)))
    assert named in message and (" is there only" in message or " is here only" in message)


def test_a_model_without_an_encoder(save):
    message = refused(MODELS["CTC"](), save(torch.nn.Linear(2, 2)))
    assert "is here only" in message


def test_another_sampling_rate(save):
    message = refused(MODELS["CTC"](), save(MODELS["CTC"](), rate=8000))
    assert "8000 Hz" in message and "16000 Hz" in message and "sample_rate" in message
