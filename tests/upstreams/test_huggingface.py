"""Hugging Face's encoders as upstreams: all hidden states, real counts, the same alone and in any batch."""

import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from summarymixing.upstreams.encoder_folder import read_weights
from summarymixing.utils.errors import InputError

SAMPLES = (16000, 11200, 5600)
WAVS = 0.1 * torch.randn(3, 16000, generator=torch.Generator().manual_seed(1))
LENGTHS = torch.tensor(SAMPLES) / 16000


def test_it_keeps_the_contract_and_the_batch_never_changes_the_answer(make, family):
    upstream = make(family)
    states, counts = upstream(WAVS.clone(), LENGTHS)
    assert len(states) == upstream.num_layers + 1 == 4 and upstream.d_model == 32 and upstream.frame_seconds == 0.02
    assert {state.shape for state in states} == {(3, int(counts.max()), 32)} and counts.dtype == torch.int64
    assert all((states[0] - state).abs().mean() > 1e-3 for state in states[1:])
    for row, samples in enumerate(SAMPLES):
        alone, count = upstream(WAVS[row : row + 1, :samples].clone())
        assert count.tolist() == [counts[row]] and abs(count * 0.02 - samples / 16000) < 0.04
        for one, other in zip(alone, states, strict=True):
            assert_close(one[0], other[row, : counts[row]], rtol=0, atol=1e-4)
            assert not other[row, counts[row] :].any()


def test_what_lies_behind_an_utterance_is_not_heard(make, family):
    upstream, noisy = make(family), WAVS.clone()
    expected, _ = upstream(WAVS.clone(), LENGTHS)
    for row, samples in enumerate(SAMPLES):
        noisy[row, samples:] = 9.0
    for one, other in zip(upstream(noisy, LENGTHS)[0], expected, strict=True):
        assert_close(one, other, rtol=0, atol=1e-5)


def test_states_are_those_of_transformers(make, family):
    """One whole utterance; the last is what the model gives out, in every version."""
    upstream = make(family)
    if family == "whisper":
        wavs = 0.1 * torch.randn(1, 480000)  # the length that transformers takes
        inputs = {"input_features": upstream.extractor(wavs[0].numpy(), sampling_rate=16000, return_tensors="pt")}
        inputs = {"input_features": inputs["input_features"]["input_features"]}
    else:
        wavs = WAVS[:1]
        inputs = dict(upstream.extractor(wavs[0].numpy(), sampling_rate=16000, return_tensors="pt"))
    states, _ = upstream(wavs.clone())
    with torch.no_grad():
        output = upstream.model(**inputs, output_hidden_states=True)
    assert_close(states[-1], output.last_hidden_state, rtol=0, atol=1e-4)
    for one, other in zip(states[:-1], output.hidden_states[:-1], strict=True):
        other = other.repeat_interleave(2, 1) if family == "sew" else other
        assert_close(one[:, : other.shape[1]], other[:, : one.shape[1]], rtol=0, atol=1e-4)


def test_in_training_no_layer_is_dropped_and_nothing_is_masked(make, family):
    upstream = make(family, frozen=False).train()
    for _ in range(5):
        states, _ = upstream(WAVS[:1].clone())
        assert len(states) == 4
    assert any(parameter.grad_fn is not None for parameter in states)
    frozen = make(family).train()
    assert not frozen.model.training and not any(parameter.requires_grad for parameter in frozen.parameters())


@pytest.mark.parametrize("samples", [1, 399, 400])
def test_the_shortest_utterances_have_a_frame(make, family, samples):
    states, counts = make(family)(torch.randn(1, samples) if samples > 1 else torch.ones(1, 1))
    assert counts.tolist()[0] >= 1 and all(state.isfinite().all() for state in states)


def test_what_cannot_be_loaded_is_named(make, tmp_path, monkeypatch):
    make("hubert")  # skips without transformers
    from summarymixing.upstreams import HuggingFaceUpstream

    with pytest.raises(InputError, match=f"{tmp_path}: no model of Hugging Face"):
        HuggingFaceUpstream(tmp_path)


def test_weights_that_are_missing_are_named(make, family, tmp_path):
    """transformers itself only warns, and leaves them at random."""
    upstream = make(family)
    upstream.model.config.architectures = [type(upstream.model).__name__]
    upstream.model.config.save_pretrained(tmp_path)
    upstream.extractor.save_pretrained(tmp_path)
    from summarymixing.upstreams import HuggingFaceUpstream

    with pytest.raises(InputError, match=f"{tmp_path}: no model of Hugging Face"):
        HuggingFaceUpstream(tmp_path)
    upstream.model.save_pretrained(tmp_path)
    loaded = HuggingFaceUpstream(tmp_path)
    for one, other in zip(loaded(WAVS, LENGTHS)[0], upstream(WAVS, LENGTHS)[0], strict=True):
        assert torch.equal(one, other)
    weights = read_weights(tmp_path / "model.safetensors")
    lost = [name for name in weights if name.endswith("layers.1.final_layer_norm.bias")]
    del weights[lost[0]]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=f"its weights lack {lost[0]}; give a folder with the whole encoder"):
        HuggingFaceUpstream(tmp_path)


def test_without_transformers_the_cure_is_named(monkeypatch):
    from summarymixing.upstreams import HuggingFaceUpstream

    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(InputError, match="pip install 'transformers>=4.45,<6'"):
        HuggingFaceUpstream("facebook/wav2vec2-base")
