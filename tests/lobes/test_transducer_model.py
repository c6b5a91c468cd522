"""The transducer's networks: stepwise and whole, batch and alone, with exact frame counts."""

import pytest
import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing.lobes import TransducerModel

VOCAB, BLANK = 9, 3


@pytest.fixture
def model(tools):
    torch.manual_seed(1)
    return TransducerModel(tools.speech_encoder(), VOCAB, BLANK, predictor_size=12, joint_size=10).eval()


@torch.no_grad()
def test_stepwise_predictions_equal_the_whole(model):
    tokens = torch.tensor([[1, 5, 5, 8], [0, 2, 7, 4]])
    whole, state, steps = model.predict_all(tokens), None, []
    for token in [torch.full((2,), BLANK), *tokens.unbind(1)]:
        step, state = model.predict(token[:, None], state)
        steps.append(step)
    torch.testing.assert_close(torch.cat(steps, dim=1), whole)
    # No prediction sees the token it predicts, or a later one.
    other = tokens.clone()
    other[:, 2:] = 6
    torch.testing.assert_close(model.predict_all(other)[:, :3], whole[:, :3])


@torch.no_grad()
def test_logits_are_those_of_every_pair(model, tools):
    wavs, tokens = tools.noise(5000), torch.tensor([[1, 5, 8]])
    (logits, ctc_log_probs), counts = model(wavs, tokens=tokens)
    encoded, _ = model(wavs)
    assert counts.tolist() == [logits.shape[1]]
    predicted = model.predict_all(tokens)
    for t, u in ((0, 0), (2, 3), (encoded.shape[1] - 1, 1)):
        torch.testing.assert_close(logits[:, t, u], model.join(model.encoder_proj(encoded[:, t]), predicted[:, u]))
    torch.testing.assert_close(ctc_log_probs.exp().sum(-1), torch.ones(ctc_log_probs.shape[:2]))


@torch.no_grad()
@pytest.mark.parametrize("config", [None, DynChunkTrainConfig(4, 2)])
def test_frames_do_not_depend_on_the_batch(model, tools, config):
    lengths = (9000, 4321, 160)
    wavs = tools.noise(*lengths)
    together, counts = model(wavs, torch.tensor(lengths) / 9000, config)
    for row, length in enumerate(lengths):
        count = counts[row]
        alone, own = model(wavs[row : row + 1, :length], None, config)
        assert alone.shape[1] == own == count
        torch.testing.assert_close(together[row, :count], alone[0], rtol=0, atol=1e-4)
        assert not together[row, count:].any() and together[row, :count].any(-1).all()


@pytest.mark.parametrize("blank_index", [0, 3, VOCAB - 1])
def test_tokens_enter_as_one_hot_vectors_and_the_blank_as_zeros(tools, blank_index):
    model = TransducerModel(tools.speech_encoder(), VOCAB, blank_index, predictor_size=4, joint_size=4)
    vectors = model.embedding(torch.arange(VOCAB))
    assert not vectors[blank_index].any()
    others = torch.cat([vectors[:blank_index], vectors[blank_index + 1 :]])
    assert torch.equal(others, torch.eye(VOCAB - 1))
