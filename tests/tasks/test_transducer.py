"""The transducer loss against a recursion in float64, and a model that learns to tell tones."""

import math
from types import SimpleNamespace

import pytest
import speechbrain as sb
import torch
from speechbrain.augment.augmenter import Augmenter
from speechbrain.nnet.losses import ctc_loss

from summarymixing.decoding.transducer import TransducerSearcher
from summarymixing.lobes import (
    ConformerEncoder,
    ConvolutionalFrontEnd,
    GlobalNormalization,
    LogMel,
    SpeechEncoder,
    TransducerModel,
)
from summarymixing.tasks.transducer import Transducer, transducer_loss


def forward_recursion(logits, tokens, blank):
    """Minus log-probability of one transcript: alpha(t, u) from alpha(t - 1, u) and alpha(t, u - 1), in float64.

    Arguments: (T, U + 1, V) logits, list of U tokens.
    """
    log_probs = logits.double().log_softmax(-1)
    frames, length = logits.shape[0], len(tokens)
    alpha = {}
    for t in range(frames):
        for u in range(length + 1):
            ways = [] if (t, u) != (0, 0) else [log_probs.new_zeros(())]
            if t > 0:
                ways.append(alpha[t - 1, u] + log_probs[t - 1, u, blank])
            if u > 0:
                ways.append(alpha[t, u - 1] + log_probs[t, u - 1, tokens[u - 1]])
            alpha[t, u] = torch.stack(ways).logsumexp(0)
    return -(alpha[frames - 1, length] + log_probs[frames - 1, length, blank])


def example(frame_counts, token_counts, vocab=5, blank=0, seed=0, room=(0, 0)):
    """Random logits and targets; ``room`` is padding beyond the longest row."""
    generator = torch.Generator().manual_seed(seed)
    batch, frames, length = len(frame_counts), max(frame_counts) + room[0], max(token_counts) + room[1]
    logits = 2 * torch.randn(batch, frames, length + 1, vocab, generator=generator)
    other = [token for token in range(vocab) if token != blank]
    tokens = torch.tensor(other)[torch.randint(len(other), (batch, length), generator=generator)]
    return logits, tokens, torch.tensor(frame_counts), torch.tensor(token_counts)


@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize("frame_counts", [(4,), (1,), (5, 3, 2)])
@pytest.mark.parametrize("room", [(0, 0), (2, 3)])
def test_loss_and_gradient_equal_the_recursion(frame_counts, blank, room):
    token_counts = (3, 0, 2)[: len(frame_counts)]
    logits, tokens, frames, lengths = example(frame_counts, token_counts, blank=blank, room=room)
    logits.requires_grad_()
    loss = transducer_loss(logits, tokens, frames, lengths, blank)
    rows = [
        forward_recursion(logits[row, :t, : u + 1], tokens[row, :u].tolist(), blank)
        for row, (t, u) in enumerate(zip(frame_counts, token_counts, strict=True))
    ]
    expected = torch.stack(rows).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    (found,) = torch.autograd.grad(loss, logits)
    (wanted,) = torch.autograd.grad(expected, logits)
    torch.testing.assert_close(found, wanted.float(), rtol=1e-4, atol=1e-6)


def test_probabilities_of_all_transcripts_sum_to_one():
    """One frame, one kind of token: none, one, or at least two of them."""
    logits = torch.randn(1, 1, 2, 2)
    none = transducer_loss(logits[:, :, :1], torch.zeros(1, 0), torch.tensor([1]), torch.tensor([0]))
    one = transducer_loss(logits, torch.tensor([[1]]), torch.tensor([1]), torch.tensor([1]))
    rest = logits[0, 0].log_softmax(-1)[:, 1].sum()
    assert math.exp(-none) + math.exp(-one) + math.exp(rest) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_loss_is_float32_under_autocast(dtype):
    logits, tokens, frames, lengths = example((6, 4), (3, 2))
    half = logits.to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = transducer_loss(half, tokens, frames, lengths)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(transducer_loss(half.float(), tokens, frames, lengths)), rel=1e-6)


VOCAB, TONES = 4, {1: 500.0, 2: 1500.0, 3: 4000.0}


def tones(tokens):
    """A wave in which each token sounds for 0.2 s."""
    time = torch.arange(3200) / 16000
    torch.manual_seed(0)
    wave = torch.cat([torch.sin(2 * math.pi * TONES[token] * time) for token in tokens])
    return 0.3 * wave + 0.001 * torch.randn_like(wave)


def small_model():
    torch.manual_seed(0)
    encoder = SpeechEncoder(
        LogMel(n_mels=20),
        GlobalNormalization(20),
        ConvolutionalFrontEnd(20, channels=(16, 16), two_dimensional=False),
        ConformerEncoder(1, 16, 32, kernel_size=5),
    )
    return TransducerModel(encoder, VOCAB, predictor_size=16, joint_size=16)


def batch_of(*transcripts):
    """What SpeechBrain's loader gives."""
    rows = [
        {"id": str(i), "duration": 0.2 * len(t), "sig": tones(t), "tokens": torch.tensor(t), "wrd": "WORDS"}
        for i, t in enumerate(transcripts)
    ]
    return sb.dataio.batch.PaddedBatch(rows)


def task_around(model, **settings):
    """A task without a run folder: what its two compute_ methods use."""
    task = Transducer.__new__(Transducer)
    keys = {"augment": None, "chunk_sampler": None, "blank_index": 0, "ctc_weight": 0.3, "ctc_epochs": 1}
    task.hparams = SimpleNamespace(model=model, **{**keys, **settings})
    task.modules = torch.nn.ModuleDict({"model": model})
    task.device, task.epoch, task.scored = torch.device("cpu"), 1, []
    return task


def training_loss(task, batch):
    return task.compute_objectives(task.compute_forward(batch, sb.Stage.TRAIN), batch, sb.Stage.TRAIN)


def test_training_loss_is_the_weighted_sum():
    model = small_model()
    model.speech_encoder.normalize.num_batches = 0
    batch = batch_of([1, 2, 3], [3])
    task = task_around(model)
    (logits, ctc_log_probs), counts = model(batch.sig[0], batch.sig[1], tokens=batch.tokens[0])
    frames, lengths = model.frame_counts(torch.tensor([9600, 3200])), torch.tensor([3, 1])
    assert torch.equal(counts, frames)
    transducer = transducer_loss(logits, batch.tokens[0], frames, lengths)
    ctc = ctc_loss(ctc_log_probs, batch.tokens[0], frames / frames.max(), lengths / 3, 0, reduction="batchmean")
    torch.testing.assert_close(training_loss(task, batch), 0.3 * ctc + 0.7 * transducer)
    task.epoch = 2  # past ctc_epochs
    loss = training_loss(task, batch)
    torch.testing.assert_close(loss, transducer)
    loss.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)  # as several processes need it
    assert not model.ctc_output.weight.grad.any()
    # Validation goes row by row and takes the transducer's part.
    task.hparams.decoder = TransducerSearcher(model)
    task.hparams.tokenizer = SimpleNamespace(decode_ids=str)
    with torch.no_grad():
        valid = task.compute_objectives(task.compute_forward(batch, sb.Stage.VALID), batch, sb.Stage.VALID)
    torch.testing.assert_close(valid, transducer.detach())
    assert [row["ID"] for row in task.scored] == ["0", "1"]


def test_labels_follow_an_augmenter_that_repeats_utterances():
    class Louder(torch.nn.Module):
        def forward(self, x):
            return 2 * x

    augmenter = Augmenter(concat_original=True, min_augmentations=1, augmentations=[Louder()])
    model, batch = small_model(), batch_of([1, 2, 3], [3])
    model.speech_encoder.normalize.num_batches = 0
    loss = training_loss(task_around(model, augment=augmenter), batch)
    plain = training_loss(task_around(model), batch)
    louder = training_loss(task_around(model, augment=Augmenter(min_augmentations=1, augmentations=[Louder()])), batch)
    assert loss.item() == pytest.approx((plain + louder).item() / 2, rel=1e-4)


@pytest.mark.slow
def test_it_learns_to_tell_tones():
    model = small_model().train()
    train = batch_of([1, 2, 3], [3, 1], [2, 2, 1], [3, 3, 2], [1], [2, 3, 1, 1])
    task = task_around(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for _ in range(250):
        optimizer.zero_grad()
        training_loss(task, train).backward()
        optimizer.step()
    model.eval()
    wavs, lengths = train.sig
    with torch.no_grad():
        output = model(wavs, lengths)
    expected = [[1, 2, 3], [3, 1], [2, 2, 1], [3, 3, 2], [1], [2, 3, 1, 1]]
    assert TransducerSearcher(model)(output)[0] == expected
    assert TransducerSearcher(model, 4)(output)[0] == expected
