"""Runs as upstreams: every layer's state, frozen, in any batch; and the weighted sum of the states."""

import pytest
import torch
from torch import nn

from summarymixing.experiment.run_folder import RunFolder
from summarymixing.lobes import (
    ConformerEncoder,
    ContextNet,
    ConvolutionalFrontEnd,
    GlobalNormalization,
    LogMel,
    SpeechEncoder,
)
from summarymixing.ops.positions import SinusoidalPositions
from summarymixing.upstreams import Featurizer, RunUpstream
from summarymixing.utils.errors import InputError

YAML = """
layers: !new:summarymixing.lobes.{encoder} {{num_layers: 3, d_model: 16, layerdrop_prob: 0.5, {options}}}
model: !new:summarymixing.lobes.CTCModel
  vocab_size: 5
  encoder: !new:summarymixing.lobes.SpeechEncoder
    features: !new:summarymixing.lobes.LogMel {{n_mels: 20}}
    normalize: !new:summarymixing.lobes.GlobalNormalization {{size: 20}}
    front_end: !new:summarymixing.lobes.ConvolutionalFrontEnd
      {{input_size: 20, channels: [8, 8], two_dimensional: false}}
    encoder: !ref <layers>
    dropout: 0.5
modules: {{encoder: !ref <model>}}
"""
ENCODERS = {
    "ConformerEncoder": "d_ffn: 16, kernel_size: 5, dropout: 0.5",
    "BranchformerEncoder": "csgu_linear_units: 16, kernel_size: 5, dropout: 0.5",
    "TransformerEncoder": "d_ffn: 16, dropout: 0.5",
}


@pytest.fixture(params=ENCODERS)
def run(request, tmp_path):
    """What a finished run leaves."""
    folder = RunFolder(tmp_path)
    folder.write_text(YAML.format(encoder=request.param, options=ENCODERS[request.param]))
    torch.manual_seed(0)
    model = folder.build("model")["model"]
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    model.train().speech_encoder(torch.randn(2, 16000))  # statistics
    torch.save(model.state_dict(), folder.model)
    return folder


def test_what_is_known_before_use(run):
    upstream = RunUpstream(run)
    known = (upstream.sample_rate, upstream.frame_seconds, upstream.d_model, upstream.num_layers)
    assert known == (16000, 0.04, 16, 3)


def test_a_state_for_every_layer_alone_and_in_a_batch(run):
    upstream, wavs = RunUpstream(run), 0.3 * torch.randn(2, 16000)
    wavs[1, 9000:] = 0.0
    states, counts = upstream(wavs, torch.tensor([1.0, 9000 / 16000]))
    assert len(states) == 4 and all(state.shape == (2, 26, 16) for state in states) and counts.tolist() == [26, 15]
    alone, _ = upstream(wavs[1:, :9000])
    for state, single in zip(states, alone, strict=True):
        torch.testing.assert_close(state[1:, :15], single, rtol=1e-4, atol=1e-4)
        assert not state[1, 15:].any()
    model = run.load()["model"]
    torch.testing.assert_close(states[-1], model.speech_encoder(wavs, torch.tensor([1.0, 9000 / 16000]))[0])
    # From each layer's state the next: an independent walk through the layers.
    for layer, before, after in zip(model.speech_encoder.encoder.layers, alone[:-2], alone[1:-1], strict=False):
        torch.testing.assert_close(layer(before), after, rtol=1e-4, atol=1e-4)


def test_frozen_whatever_is_called(run):
    """In a model in training, whose SpeechBrain sets all to training at every epoch."""
    upstream = RunUpstream(run)
    head = nn.ModuleDict({"upstream": upstream, "featurizer": Featurizer(4), "output": nn.Linear(16, 2)}).train()
    wavs = torch.randn(1, 16000)
    before = {key: value.clone() for key, value in upstream.state_dict().items()}
    first = upstream(wavs)[0]
    for module in upstream.modules():
        module.training = True  # even so
    upstream.requires_grad_(True)
    states, _ = upstream(wavs)
    assert all(torch.equal(one, other) for one, other in zip(first, states, strict=True))
    head["output"](head["featurizer"](states)).sum().backward()
    trained = {name for name, parameter in head.named_parameters() if parameter.requires_grad}
    assert trained == {"featurizer.weights", "output.weight", "output.bias"}
    assert not any(state.requires_grad for state in states)
    assert all(torch.equal(before[key], value) for key, value in upstream.state_dict().items())


def test_layerdrop_repeats_the_input_of_a_skipped_layer(run):
    upstream = RunUpstream(run, frozen=False).train()
    upstream.speech_encoder.dropout.p = 0.0
    repeats = []
    for _ in range(30):
        states, _ = upstream(torch.randn(1, 8000))
        assert len(states) == 4
        repeats.append(sum(torch.equal(one, other) for one, other in zip(states[:-2], states[1:-1], strict=True)))
    assert {0, 1, 2} == set(repeats)
    states[-1].sum().backward()
    assert upstream.speech_encoder.input_proj.weight.grad.any()


def test_a_folder_without_a_speech_encoder_is_refused(tmp_path):
    run = RunFolder(tmp_path)
    run.write_text("model: !new:torch.nn.Linear [2, 2]\nmodules: {encoder: !ref <model>}\n")
    torch.save(nn.Linear(2, 2).state_dict(), run.model)
    with pytest.raises(InputError, match="hyperparams.yaml: its model has no speech_encoder"):
        RunUpstream(run)


PRETRAINING = """
model: !new:summarymixing.lobes.PretrainingModel
  objective: !name:summarymixing.lobes.Contrastive
  speech_encoder: !new:summarymixing.lobes.SpeechEncoder
    features: !new:summarymixing.lobes.{features}
    normalize: !new:summarymixing.lobes.UtteranceNormalization
    front_end: !new:summarymixing.lobes.LatentExtractor {{channels: 8, {options}}}
    encoder: !new:summarymixing.lobes.ConformerEncoder {{num_layers: 3, d_model: 16, d_ffn: 16, layerdrop_prob: 0.5}}
    dropout: 0.5
    positions: true
modules: {{model: !ref <model>}}
"""


@pytest.mark.parametrize(
    "features, options", [("Waveform", ""), ("LogMel", "input_size: 80, kernel_sizes: [3, 3], strides: [2, 1]")]
)
def test_a_pretrained_run_is_an_upstream(features, options, tmp_path):
    """Its frames of 20 ms, none of them masked."""
    run = RunFolder(tmp_path)
    run.write_text(PRETRAINING.format(features=features, options=options))
    model = run.build("model")["model"]
    torch.save(model.state_dict(), run.model)
    upstream, wavs = RunUpstream(run), 0.3 * torch.randn(2, 16000)
    known = (upstream.sample_rate, upstream.frame_seconds, upstream.d_model, upstream.num_layers)
    assert known == (16000, 0.02, 16, 3)
    states, counts = upstream(wavs, torch.tensor([1.0, 9000 / 16000]))
    assert len(states) == 4 and counts.tolist() == model.frame_counts(torch.tensor([16000, 9000])).tolist()
    alone, _ = upstream(wavs[1:, :9000])
    for state, single in zip(states, alone, strict=True):
        torch.testing.assert_close(state[1:, : counts[1]], single, rtol=1e-4, atol=1e-4)
        assert not state[1, counts[1] :].any()
    frozen = {name for name, parameter in upstream.named_parameters() if not parameter.requires_grad}
    assert frozen == {name for name, _ in upstream.named_parameters()}


@pytest.mark.parametrize("positions", [None, False, True, SinusoidalPositions(16)], ids=str)
def test_positions_are_a_module(positions):
    torch.manual_seed(0)
    layers = ConformerEncoder(1, 16, 16, kernel_size=5)
    front_end = ConvolutionalFrontEnd(20, [8], strides=[2])
    encoder = SpeechEncoder(LogMel(20), GlobalNormalization(20), front_end, layers, positions=positions).eval()
    with torch.no_grad():
        encoder.input_proj.weight.zero_(), encoder.input_proj.bias.zero_()
        state = encoder.hidden_states(torch.randn(1, 8000))[0][0]
    assert encoder.frame_seconds == 0.02
    expected = SinusoidalPositions(16)(state) if positions else torch.zeros_like(state)
    torch.testing.assert_close(state, expected)


def test_contextnet_says_its_frame_duration():
    layers = ConformerEncoder(1, 16, 16, kernel_size=5)
    encoder = SpeechEncoder(LogMel(20), GlobalNormalization(20), ContextNet(20, 16, alpha=0.0625), layers).eval()
    counts = encoder(torch.randn(1, 160000))[1]
    assert encoder.frame_seconds == 0.08 and abs(int(counts) - 10 / encoder.frame_seconds) <= 1


@pytest.mark.parametrize("normalize", [False, True])
def test_the_weighted_sum(normalize):
    states = [scale * torch.randn(2, 7, 5) + scale for scale in (1.0, 10.0, 100.0, 3.0)]
    featurizer = Featurizer(4, layers=[0, 2, 3], normalize=normalize)
    chosen = torch.stack([states[0], states[2], states[3]])
    if normalize:
        mean, variance = chosen.mean(-1, keepdim=True), chosen.var(-1, correction=0, keepdim=True)
        chosen = (chosen - mean) / (variance + 1e-5).sqrt()
    torch.testing.assert_close(featurizer(states), chosen.mean(0))
    with torch.no_grad():
        featurizer.weights.copy_(torch.tensor([1.0, 2.0, 5.0]).log())
    expected = (chosen * torch.tensor([1.0, 2.0, 5.0])[:, None, None, None] / 8).sum(0)
    torch.testing.assert_close(featurizer(states), expected, rtol=1e-4, atol=1e-4)


def test_a_sum_of_states_that_are_not_there_is_refused():
    for layers in ([], [4], [-1]):
        with pytest.raises(ValueError, match="must name states from 0 to 3"):
            Featurizer(4, layers)
    with pytest.raises(ValueError, match="got 3 hidden states, and not 4"):
        Featurizer(4)([torch.rand(1, 2, 3)] * 3)
