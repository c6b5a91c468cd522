"""The classifier of utterances: pooling by hand, and the same scores in any batch."""

import pytest
import torch

from summarymixing.lobes import AttentivePooling, Classifier, MeanPooling

LENGTHS = (16000, 12345, 9601, 4000, 801, 160)
POOLINGS = {"mean": MeanPooling, "attentive": AttentivePooling}
TARGETS = {"scenario": 5, "action": 3}


@pytest.fixture(params=POOLINGS)
def model(request, tools):
    encoder = tools.speech_encoder()
    classifier = Classifier(encoder, TARGETS, POOLINGS[request.param])
    tools.randomise(classifier.pooling), tools.randomise(classifier.heads)
    return classifier.eval()


@torch.no_grad()
def test_alone_equals_in_any_batch(model, tools):
    wavs = tools.noise(*LENGTHS)
    together, counts = model(wavs, torch.tensor(LENGTHS) / LENGTHS[0])
    assert counts.tolist() == model.speech_encoder.frame_counts(torch.tensor(LENGTHS)).tolist()
    assert {target: tuple(scores.shape) for target, scores in together.items()} == {
        "scenario": (6, 5),
        "action": (6, 3),
    }
    spread = together["scenario"].std(0).mean()
    assert spread > 0.01  # or equality would say nothing
    for row, length in enumerate(LENGTHS):
        alone, _ = model(wavs[row : row + 1, :length])
        for target, scores in alone.items():
            torch.testing.assert_close(scores[0], together[target][row], rtol=0, atol=1e-4)


@torch.no_grad()
def test_content_of_padding_changes_nothing(model, tools):
    wavs, lengths = tools.noise(*LENGTHS), torch.tensor(LENGTHS) / LENGTHS[0]
    padding = torch.arange(wavs.shape[1]) >= torch.tensor(LENGTHS)[:, None]
    expected, _ = model(wavs, lengths)
    for target, scores in model(wavs.masked_fill(padding, float("nan")), lengths)[0].items():
        assert torch.equal(scores, expected[target])


def test_mean_pooling_is_the_mean_of_the_real_frames():
    x, counts = torch.randn(3, 7, 4), torch.tensor([7, 1, 4])
    expected = torch.stack([x[row, :count].mean(0) for row, count in enumerate(counts)])
    torch.testing.assert_close(MeanPooling(4)(x, counts), expected)


@torch.no_grad()
@pytest.mark.parametrize("frames", [13, 29, 100, 333])
def test_attentive_pooling_never_sees_padding(frames, tools):
    """Relative lengths times frames are not whole numbers: every count of a batch is tried."""
    pooling = tools.randomise(AttentivePooling(4))
    x = torch.randn(frames, frames, 4)
    counts = torch.arange(1, frames + 1)
    pooled = pooling(x, counts)
    assert pooled.shape == (frames, pooling.output_size)
    for count in (1, 2, frames // 2, frames - 1, frames):
        alone = pooling(x[count - 1 : count, :count], torch.tensor([count]))
        torch.testing.assert_close(alone[0], pooled[count - 1], rtol=1e-4, atol=1e-5)
    hidden = torch.arange(frames) >= counts[:, None]
    assert torch.equal(pooling(x.masked_fill(hidden.unsqueeze(2), 1e4), counts), pooled)


def test_scores_are_linear_in_the_pooled_frames(tools):
    encoder = tools.speech_encoder()
    model = Classifier(encoder, TARGETS).eval()
    wavs = tools.noise(9000)
    with torch.no_grad():
        pooled = encoder(wavs)[0].mean(1)
        for target, scores in model(wavs)[0].items():
            head = model.heads[target]
            torch.testing.assert_close(scores, pooled @ head.weight.T + head.bias)


def test_no_target_is_refused(tools):
    with pytest.raises(ValueError, match="targets is empty"):
        Classifier(tools.speech_encoder(), {})
