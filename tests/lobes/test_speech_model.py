"""Front end and encoder have one name in every model, and what was saved under their earlier name can be used."""

import copy

import pytest
import torch
from torch import nn

from summarymixing.lobes import (
    Classifier,
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
from summarymixing.training.parameter_groups import ParameterGroups
from summarymixing.utils.errors import InputError


def speech_encoder():
    layers = ConformerEncoder(1, 16, 32, kernel_size=5)
    return SpeechEncoder(LogMel(20), GlobalNormalization(20), ConvolutionalFrontEnd(20, channels=[4, 4]), layers)


MODELS = {
    "CTC": lambda: CTCModel(encoder=speech_encoder(), vocab_size=9),
    "classifier": lambda: Classifier(encoder=speech_encoder(), targets={"word": 3}),
    "encoder-decoder": lambda: EncoderDecoder(
        encoder=speech_encoder(), decoder=TransformerDecoder(9, 16, 4, 32, num_layers=1), vocab_size=9
    ),
    "transducer": lambda: TransducerModel(encoder=speech_encoder(), vocab_size=9, predictor_size=8, joint_size=8),
}
#: Of the model.ckpt of a run of each task, written before the change.
EARLIER = ["encoder.normalize.mean", "encoder.input_proj.weight", "encoder.encoder.layers.0.mixer.combiner.weight"]


def earlier(model):
    """The weights of a model as they were saved before."""
    weights = {name.replace("speech_encoder.", "encoder."): value for name, value in model.state_dict().items()}
    assert set(EARLIER) <= set(weights)
    return weights


@pytest.mark.parametrize("name", MODELS)
def test_weights_of_an_earlier_version_can_be_loaded(name):
    trained, new = MODELS[name](), MODELS[name]()
    weights = earlier(trained)
    names = set(weights)
    for strict in (True, False):  # as SpeechBrain's Checkpointer and its Pretrainer load
        for model in (new, copy.deepcopy(MODELS[name]())):
            assert not any(model.load_state_dict(weights, strict=strict))
            assert all(torch.equal(value, trained.state_dict()[key]) for key, value in model.state_dict().items())
    assert set(weights) == names  # the caller's own


def test_weights_of_an_earlier_version_within_another_module():
    trained, both = MODELS["CTC"](), nn.ModuleDict({"model": MODELS["CTC"](), "encoder": nn.Linear(2, 2)})
    weights = {f"model.{name}": value for name, value in earlier(trained).items()}
    weights.update(both.state_dict(prefix="") | weights)
    weights = {name: value for name, value in weights.items() if "speech_encoder" not in name}
    both.load_state_dict(weights)
    assert torch.equal(both["model"].speech_encoder.input_proj.weight, trained.speech_encoder.input_proj.weight)


def test_parameter_groups_know_the_earlier_names():
    options = {"encoder": {"lr": 0.1}, "encoder.encoder.layers.0": {"lr": 0.2}, "output": {"lr": 0.3}}
    groups = ParameterGroups(MODELS["CTC"](), options, lr=1.0)
    rates = {"": 1.0, "output": 0.3, "speech_encoder": 0.1, "speech_encoder.encoder.layers.0": 0.2}
    assert {group.name: group.lr for group in groups} == rates
    with pytest.raises(InputError, match="parameter_groups: encoder.layers is not a part of the model.*speech_encoder"):
        ParameterGroups(MODELS["CTC"](), {"encoder.layers": {"lr": 0.1}}, lr=1.0)
    own = nn.ModuleDict({"encoder": nn.Linear(2, 2), "output": nn.Linear(2, 2)})
    assert [group.name for group in ParameterGroups(own, {"encoder": {"lr": 0.1}}, lr=1.0)] == ["", "encoder"]
