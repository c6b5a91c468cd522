"""Frame counts travel with the output: of every model, integers on the CPU, for which no forward pass waits."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from summarymixing import lobes
from summarymixing.ops import masks
from summarymixing.ops.masks import frames_and_counts, padding_mask_from_counts

SAMPLES, VOCAB = (16000, 12345, 9601, 160), 12
TOKENS = torch.tensor([[1, 5, 6]]).expand(len(SAMPLES), 3)


def encoder_decoder(encoder):
    return lobes.EncoderDecoder(encoder, lobes.TransformerDecoder(VOCAB, encoder.d_model, 4, 24, 1), VOCAB)


#: How each model is made of an encoder, and what else it is called with.
MODELS = {
    "encoder": (lambda encoder: encoder, {}),
    "ctc": (lambda encoder: lobes.CTCModel(encoder, VOCAB), {}),
    "transducer": (lambda encoder: lobes.TransducerModel(encoder, VOCAB, predictor_size=8, joint_size=8), {}),
    "encoder_decoder": (encoder_decoder, {}),
    "mean": (lambda encoder: lobes.Classifier(encoder, {"word": 3}), {}),
    "attentive": (lambda encoder: lobes.Classifier(encoder, {"word": 3}, lobes.AttentivePooling), {}),
}
MODELS["transducer_trained"] = (MODELS["transducer"][0], {"tokens": TOKENS})
MODELS["encoder_decoder_trained"] = (encoder_decoder, {"tokens": TOKENS})


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_counts_are_those_of_each_utterance_alone(name, tools):
    make, inputs = MODELS[name]
    model = make(tools.speech_encoder()).eval()
    wavs, lengths = tools.noise(*SAMPLES), torch.tensor(SAMPLES) / max(SAMPLES)
    _, counts = model(wavs, lengths, **inputs)
    assert counts.dtype == torch.int64
    # The frames that there are when nothing is padded.
    alone = [tools.speech_encoder()(wavs[row : row + 1, :n])[0].shape[1] for row, n in enumerate(SAMPLES)]
    assert counts.tolist() == alone
    assert model(wavs, **inputs)[1].tolist() == [max(alone)] * len(SAMPLES)


# PyTorch's LSTM asks the real driver.
@pytest.mark.parametrize("name", [name for name in MODELS if name != "transducer_trained"])
@torch.no_grad()
def test_on_a_gpu_counts_stay_on_the_cpu_and_nothing_is_asked_of_it(name, tools, monkeypatch):
    """A fake GPU raises an error where Python wants to know a number that is there."""
    # Fake counts cannot be asked for padding either, so there is always a mask, as where graphs are compiled.
    monkeypatch.setattr(masks, "is_compiling", lambda: True)
    make, inputs = MODELS[name]
    with FakeTensorMode(allow_non_fake_inputs=True):
        with torch.device("cuda"):
            model = make(speech_encoder(tools)).eval()
        tokens = {key: value.to("cuda") for key, value in inputs.items()}
        output, counts = model(torch.rand(4, 16000, device="cuda"), torch.rand(4), **tokens)
    assert counts.device.type == "cpu" and counts.dtype == torch.int64
    output = next(iter(output.values())) if isinstance(output, dict) else output
    output = output[0] if isinstance(output, tuple) else output
    assert output.device.type == "cuda"


def speech_encoder(tools):
    layers = lobes.ConformerEncoder(1, tools.D, 24, kernel_size=tools.KERNEL)
    front_end = lobes.ConvolutionalFrontEnd(20, channels=(8, 8))
    with torch.device("cpu"):  # SpeechBrain's filters are made there and moved at each call
        features = lobes.LogMel(n_mels=20)
    return lobes.SpeechEncoder(features, lobes.GlobalNormalization(20), front_end, layers)


def test_a_mask_asks_no_gpu():
    with FakeTensorMode():
        assert padding_mask_from_counts(torch.ones(2, dtype=torch.long, device="cuda"), 5).device.type == "cuda"
    assert padding_mask_from_counts(torch.tensor([5, 5]), 5, "meta") is None
    assert padding_mask_from_counts(torch.tensor([5, 4]), 5, "meta").device.type == "meta"


def test_a_compiled_mask_needs_no_break_in_the_graph():
    compiled = torch.compile(lambda counts: padding_mask_from_counts(counts, 4), fullgraph=True, backend="eager")
    assert compiled(torch.tensor([4, 2])).tolist() == [[False] * 4, [False, False, True, True]]


def test_counts_go_before_relative_lengths():
    frames, counts = torch.rand(2, 10, 3), torch.tensor([10, 6])
    lengths = torch.tensor([1.0, 0.51])  # of samples: times 10 rounds to 5
    assert frames_and_counts((frames, counts), lengths)[1] is counts
    assert frames_and_counts(frames, counts / 10)[1].tolist() == [10, 6]
    for most in (7, 100, 3000, 90001):
        counts = torch.arange(1, most + 1)
        assert torch.equal(frames_and_counts(torch.empty(most, most, 0), counts / most)[1], counts)
