"""The encoder-decoder's training: the loss by hand, what validation does, and that it learns."""

from pathlib import Path

import pytest
import soundfile
import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch

from summarymixing.corpora import librispeech
from summarymixing.data.transcripts import asr_splits
from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.tasks.seq2seq import Seq2Seq, shifted_tokens

HPARAMS = Path(__file__).parents[2] / "recipes/LibriSpeech/ASR/transformer/hparams"
SMALL = {
    "train_splits": "[train-clean-100]",
    "test_splits": "[dev-clean]",
    "d_model": 32,
    "d_ffn": 64,
    "nhead": 4,
    "num_layers": 1,
    "num_decoder_layers": 1,
    "kernel_size": 5,
    "channels": "[8, 8]",
    # The unknown piece, begin and end of sentence, the space, and the letters of three words.
    "tokenizer_type": "char",
    "vocab_size": 12,
    "max_batch_length": 5,
    "num_workers": 0,
    "test_beam_size": 2,
    "avg_checkpoints": 1,
    "dropout": 0.0,
}
#: Always the same input.
PLAIN = {"augment": "null", "spec_augment": "null", "normalization_batches": 1}


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Words that are tones of 0.3 s, in LibriSpeech's layout: 32 utterances, of which 8 validate as well."""
    root = tmp_path_factory.mktemp("tones")
    words = {"LOW": 300, "MID": 1000, "HIGH": 3000}
    time = torch.arange(4800) / 16000
    for split, count in (("train-clean-100", 32), ("dev-clean", 8)):
        generator = torch.Generator().manual_seed(0)
        chapter = root / split / "1" / "2"
        chapter.mkdir(parents=True)
        lines = []
        for index in range(count):
            spoken = [list(words)[i] for i in torch.randint(3, (4,), generator=generator)]
            wave = torch.cat([0.3 * torch.sin(2 * torch.pi * words[word] * time) for word in spoken])
            wave += 0.01 * torch.randn(len(wave), generator=generator)
            soundfile.write(chapter / f"1-2-{index:04d}.flac", wave.numpy(), 16000)
            lines.append(f"1-2-{index:04d} {' '.join(spoken)}\n")
        (chapter / "1-2.trans.txt").write_text("".join(lines))
    return root


@pytest.fixture
def task(tones, tmp_path):
    """Builds the task from a YAML file of the recipe; returns it with its data."""

    def build(yaml_name="conformer", **settings):
        words = [str(HPARAMS / f"{yaml_name}.yaml"), "--data_folder", str(tones)]
        keys = {**SMALL, "output_folder": tmp_path / "run", **settings}
        for key, value in keys.items():
            words += [f"--{key}", str(value)]
        experiment = load_experiment([*words, "--device", "cpu", "--noprogressbar"])
        record = RunRecord.open(experiment.run_folder, argv=words, seed=1)
        return Seq2Seq(experiment, record), asr_splits(experiment, record, librispeech.prepare)

    return build


def test_tokens_are_shifted():
    inputs, outputs = shifted_tokens(torch.tensor([[5, 6, 7], [8, 0, 0], [9, 3, 0]]), torch.tensor([3, 1, 2]), 1, 2)
    assert inputs.tolist() == [[1, 5, 6, 7], [1, 8, 0, 0], [1, 9, 3, 0]]
    assert outputs.tolist() == [[5, 6, 7, 2], [8, 2, 0, 0], [9, 3, 2, 0]]


@pytest.mark.slow
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("ctc_weight", [0.3, 1.0, 0.0])
def test_the_loss_is_the_sum_over_each_utterance_and_the_mean_over_the_batch(smoothing, ctc_weight, task):
    seq2seq, _ = task(label_smoothing=smoothing, ctc_weight=ctc_weight, augment="null")
    vocab, frames, texts = 12, [9, 6], [[5, 6, 6], [7]]
    batch = PaddedBatch([{"id": str(i), "tokens": torch.tensor(text)} for i, text in enumerate(texts)])
    torch.manual_seed(0)
    ctc = torch.randn(2, 9, vocab).log_softmax(-1)
    attention = torch.randn(2, 4, vocab).log_softmax(-1)
    predictions = (ctc, attention, None), torch.tensor(frames)
    loss = seq2seq.compute_objectives(predictions, batch, sb.Stage.TRAIN)
    expected = 0.0
    for row, text in enumerate(texts):
        ctc_part = torch.nn.functional.ctc_loss(
            ctc[row, : frames[row], None], torch.tensor([text]), frames[row : row + 1], [len(text)], reduction="sum"
        )
        divergence = 0.0
        for position, token in enumerate([*text, 2]):
            wanted = torch.full((vocab,), smoothing / (vocab - 1))
            wanted[token] = 1 - smoothing
            divergence += (torch.xlogy(wanted, wanted) - wanted * attention[row, position]).sum()
        expected += ctc_weight * ctc_part + (1 - ctc_weight) * divergence
    assert float(loss) == pytest.approx(float(expected) / 2, rel=1e-5)


@pytest.mark.slow
@torch.no_grad()
def test_augmented_copies_get_their_own_labels(task):
    drop = "!new:speechbrain.augment.time_domain.DropFreq {}"
    copies = f"!new:speechbrain.augment.augmenter.Augmenter {{concat_original: true, augmentations: [{drop}]}}"
    seq2seq, (train_set, _, _) = task(augment=copies)
    batch = PaddedBatch([train_set[0], train_set[1]])
    seq2seq.modules.eval()
    (ctc, attention, _), counts = predictions = seq2seq.compute_forward(batch, sb.Stage.TRAIN)
    assert len(ctc) == len(attention) == len(counts) == 4
    tokens, _ = seq2seq.targets(batch, sb.Stage.TRAIN)
    assert torch.equal(tokens[:2], tokens[2:])
    assert seq2seq.compute_objectives(predictions, batch, sb.Stage.TRAIN).isfinite()


def test_validation_searches_every_so_many_epochs(task):
    seq2seq, (train_set, data, batches) = task(number_of_epochs=2, valid_search_interval=2, max_decode_ratio=0.1)
    seq2seq.train(train_set, data["dev-clean"], batches, {"batch_size": 2})
    first, second = seq2seq.record.data["epochs"]
    assert {"accuracy", "valid_loss"} <= set(first) and "wer" not in first
    assert {"accuracy", "wer", "cer"} <= set(second)
    # The published schedule: lr rises linearly for the warm-up steps.
    steps = 2 * len(batches)
    assert seq2seq.optimizer.param_groups[0]["lr"] == pytest.approx(0.0008 * steps / 30000)


@pytest.mark.slow
def test_it_learns_tones_by_heart(task):
    seq2seq, (train_set, data, batches) = task(
        number_of_epochs=80, warmup_steps=60, lr=0.004, valid_search_interval=100, **PLAIN
    )
    seq2seq.train(train_set, data["dev-clean"], batches, {"batch_size": 8})
    for name, decoder in (("beam", None), ("greedy", seq2seq.hparams.greedy_decoder)):
        assert seq2seq.test(name, data["dev-clean"], {"batch_size": 3}, decoder)["wer"] == 0
    assert set(seq2seq.record.data["metrics"]) == {"beam", "greedy"}


@pytest.mark.slow
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_step_whose_gradient_is_not_finite_changes_nothing(bad, task):
    seq2seq, (train_set, data, batches) = task(number_of_epochs=1)
    weight = next(seq2seq.hparams.model.parameters())
    before = [parameter.detach().clone() for parameter in seq2seq.hparams.model.parameters()]
    hook = weight.register_hook(lambda gradient: gradient * bad)
    seq2seq.train(train_set, data["dev-clean"], batches, {"batch_size": 8})
    assert "step 1 left out: a gradient is NaN or infinite" in (seq2seq.run_folder / "log.txt").read_text()
    after = list(seq2seq.hparams.model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))
    hook.remove()
