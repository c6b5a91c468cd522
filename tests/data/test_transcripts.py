"""Datasets: labels longer than their frames are left out, batches are bounded and reshuffled."""

import pickle

import numpy as np
import pytest
import soundfile
import torch
from speechbrain.dataio.dataloader import make_dataloader
from speechbrain.dataio.dataset import DynamicItemDataset

from summarymixing.corpora.manifest import write_manifest
from summarymixing.data.labels import classification_dataset
from summarymixing.data.tokenizer import load_tokenizer, train_tokenizer
from summarymixing.data.transcripts import asr_dataset, dynamic_batches, without_short_utterances
from summarymixing.utils.errors import InputError


class Letters:
    """A tokenizer of letters, A = 1."""

    def encode_as_ids(self, text):
        return [ord(letter) - 64 for letter in text]


def dataset(rows):
    return DynamicItemDataset({key: {"wav": key, "duration": d, "wrd": w} for key, (d, w) in rows.items()})


def test_labels_need_a_frame_each_and_a_blank_between_equals():
    rows = {"fits": (0.03, "ABC"), "long": (0.02, "ABC"), "repeat": (0.03, "ABB"), "roomy": (0.04, "ABB")}
    kept, left_out = without_short_utterances(dataset(rows), lambda samples: samples // 160, Letters())
    assert kept.data_ids == ["fits", "roomy"] and left_out == 2
    for key, (duration, text) in rows.items():
        labels = torch.tensor([Letters().encode_as_ids(text)])
        frames = int(duration * 100)
        loss = torch.nn.functional.ctc_loss(
            torch.randn(frames, 1, 5).log_softmax(-1), labels, [frames], [labels.shape[1]]
        )
        assert loss.isfinite() == (key in kept.data_ids), key


def test_nothing_left_is_an_error():
    with pytest.raises(InputError, match="no utterance"):
        without_short_utterances(dataset({"a": (0.01, "ABC")}), lambda samples: samples // 160, Letters())


@pytest.fixture
def many():
    generator = torch.Generator().manual_seed(0)
    durations = (2 + 14 * torch.rand(400, generator=generator)).tolist()
    return dataset({str(i): (d, "A") for i, d in enumerate(durations)})


def order(batches, epoch):
    batches.set_epoch(epoch)
    return list(batches)


def test_batches_hold_every_utterance_once_within_the_limit(many):
    batches = dynamic_batches(many, 20, seed=1, short_first_epochs=1)
    for epoch in (1, 2):
        epoch_batches = order(batches, epoch)
        assert len(epoch_batches) == len(batches)
        assert sorted(i for batch in epoch_batches for i in batch) == list(range(400))
        for batch in epoch_batches:
            longest = max(many.data[many.data_ids[i]]["duration"] for i in batch)
            # The sampler takes a bucket's upper edge for every length in it.
            assert longest * len(batch) <= 20 or len(batch) == 1


def test_order_short_first_then_new_every_epoch_and_reproducible(many):
    batches = dynamic_batches(many, 20, seed=1, short_first_epochs=1)
    first = [max(many.data[many.data_ids[i]]["duration"] for i in batch) for batch in order(batches, 1)]
    assert first == sorted(first)
    assert order(batches, 2) != order(batches, 3)
    assert order(dynamic_batches(many, 20, seed=1), 3) == order(batches, 3)
    assert order(dynamic_batches(many, 20, seed=2), 3) != order(batches, 3)


def test_a_recording_longer_than_a_batch_is_named(many):
    with pytest.raises(InputError, match="max_batch_length=10"):
        dynamic_batches(many, 10)


@pytest.fixture
def manifest(tmp_path):
    """Three recordings below a folder with a dollar sign, the second with one in its transcript."""
    rows = []
    (tmp_path / "my $data").mkdir()
    for number, words in enumerate(["GO ON", "PAY $5 FOR $IT", "STOP"]):
        wav = tmp_path / "my $data" / f"{number}.wav"
        soundfile.write(wav, np.full(1600, number / 4), 16000)
        place = {"start": "0" if number else "0.05", "gain": "0.5"}
        rows.append({"ID": f"a/{number}", "duration": "0.05", "wav": str(wav), "wrd": words, **place})
    write_manifest(tmp_path / "train.csv", rows, list(rows[0]))
    return tmp_path / "train.csv"


def datasets(manifest):
    """One for each reader of manifests; the first without what it leaves out."""
    train_tokenizer(manifest, manifest.with_name("tokenizer.ckpt"), 15, "char")
    recognition = asr_dataset(manifest, load_tokenizer(manifest.with_name("tokenizer.ckpt")))
    return [
        without_short_utterances(recognition, lambda samples: 100, Letters())[0],
        classification_dataset(manifest, ["wrd"]),
    ]


def test_a_dollar_sign_is_text(manifest):
    for dataset in datasets(manifest):
        assert [dataset[n]["wrd"] for n in range(3)] == ["GO ON", "PAY $5 FOR $IT", "STOP"]
        assert [dataset[n]["id"] for n in range(3)] == ["a/0", "a/1", "a/2"]
        assert dataset[2]["sig"].max() > 0.2 and dataset[2]["duration"] == 0.05


def test_datasets_can_be_sent_to_spawned_workers(manifest):
    for dataset in datasets(manifest):
        sent = pickle.loads(pickle.dumps(dataset))
        for number in range(3):
            for key, value in dataset[number].items():
                assert torch.equal(sent[number][key], value) if torch.is_tensor(value) else sent[number][key] == value


@pytest.mark.slow
def test_spawned_workers_read_what_the_process_itself_reads(manifest):
    """As on macOS, where nothing is forked."""
    for dataset in datasets(manifest):
        spawned = make_dataloader(dataset, batch_size=3, num_workers=2, multiprocessing_context="spawn")
        (batch,), (expected,) = spawned, make_dataloader(dataset, batch_size=3)
        assert batch.id == expected.id and torch.equal(batch.sig.data, expected.sig.data)
