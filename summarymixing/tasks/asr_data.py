"""Datasets for speech recognition: manifest rows to waveforms and tokens."""

import logging

import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.sampler import DynamicBatchSampler
from torch.utils.data import Sampler

from summarymixing.corpora.audio import read_audio
from summarymixing.errors import InputError

logger = logging.getLogger(__name__)


def asr_dataset(manifest, tokenizer, sample_rate=16000, blank_index=0):
    """A dataset of ``id``, ``sig`` (waveform), ``tokens`` and ``wrd`` (text).

    Arguments
    ---------
    manifest : str or pathlib.Path
        CSV with the columns ID, duration, wav, wrd.
    tokenizer : sentencepiece.SentencePieceProcessor
        Text to tokens.
    sample_rate : int
        Of the waveforms, in Hz; files at another rate are resampled.
    blank_index : int
        Left out of the targets: it is also the tokenizer's unknown piece.

    Returns
    -------
    DynamicItemDataset
    """
    dataset = DynamicItemDataset.from_csv(csv_path=str(manifest))
    dataset.add_dynamic_item(lambda wav: read_audio(wav, sample_rate), takes="wav", provides="sig")
    dataset.add_dynamic_item(
        lambda wrd: torch.LongTensor(encode_text(wrd, tokenizer, blank_index)), takes="wrd", provides="tokens"
    )
    dataset.set_output_keys(["id", "duration", "sig", "tokens", "wrd"])
    return dataset


def encode_text(text, tokenizer, blank_index=0):
    """Tokens of a transcript, without the blank; a list of int."""
    return [token for token in tokenizer.encode_as_ids(text) if token != blank_index]


def without_short_utterances(dataset, frame_counts, tokenizer, sample_rate=16000, blank_index=0):
    """Leave out utterances with fewer frames than CTC needs for their labels.

    Their loss would be infinite; SpeechBrain's ``ctc_loss`` makes that a silent zero.

    Arguments
    ---------
    dataset : DynamicItemDataset
        From :func:`asr_dataset`.
    frame_counts : callable
        Samples to frames, the model's own formula.

    Returns
    -------
    DynamicItemDataset
        What is left.
    int
        How many were left out; the log names them.
    """
    kept, dropped = [], []
    for key in dataset.data_ids:
        row = dataset.data[key]
        tokens = encode_text(row["wrd"], tokenizer, blank_index)
        # Between two equal tokens CTC needs a blank.
        needed = len(tokens) + sum(a == b for a, b in zip(tokens, tokens[1:], strict=False))
        enough = needed and frame_counts(int(row["duration"] * sample_rate)) >= needed
        (kept if enough else dropped).append(key)
    if dropped:
        logger.warning(
            "left out %d utterances whose transcript is longer than their frames: %s%s",
            len(dropped),
            ", ".join(dropped[:5]),
            ", ..." if len(dropped) > 5 else "",
        )
    if not kept:
        raise InputError("no utterance of the training set has enough frames for its transcript")
    return dataset.filtered_sorted(key_test={"id": set(kept).__contains__}), len(dropped)


def dynamic_batches(dataset, max_batch_length, num_buckets=50, max_batch_ex=None, seed=0, short_first_epochs=0):
    """Batches of a bounded total duration, reshuffled every epoch.

    Arguments
    ---------
    dataset : DynamicItemDataset
        With a ``duration`` in seconds.
    max_batch_length : float
        Seconds a batch, padding included.
    num_buckets : int
        Classes of similar length; with few of them batches stay far below their limit.
    max_batch_ex : int, optional
        Utterances a batch.
    seed : int
        Of the order.
    short_first_epochs : int
        First epochs that go from the shortest batch to the longest.

    Returns
    -------
    ShortFirst
        A batch sampler.

    Raises
    ------
    InputError
        If an utterance is longer than a batch may be.
    """
    longest = max(dataset.data_ids, key=lambda key: dataset.data[key]["duration"])
    if dataset.data[longest]["duration"] > max_batch_length:
        raise InputError(
            f"{dataset.data[longest]['wav']} lasts {dataset.data[longest]['duration']:.1f} s, more than a batch of "
            f"max_batch_length={max_batch_length} s; raise that key or leave long recordings out"
        )

    def sampler(ordering):
        return DynamicBatchSampler(
            dataset,
            max_batch_length,
            num_buckets=num_buckets,
            length_func=lambda row: row["duration"],
            shuffle=True,
            batch_ordering=ordering,
            max_batch_ex=max_batch_ex,
            seed=seed,
        )

    return ShortFirst(sampler("ascending"), sampler("random"), short_first_epochs)


class ShortFirst(Sampler):
    """Batches in the order of their length for some epochs, then shuffled.

    CTC finds its alignments on short utterances; on 8 s utterances alone a small model may spend epochs on blanks.

    Arguments
    ---------
    ascending, shuffled : DynamicBatchSampler
        The two orders.
    epochs : int
        First epochs in ascending order.
    """

    def __init__(self, ascending, shuffled, epochs):
        self.ascending, self.shuffled, self.epochs = ascending, shuffled, epochs
        self.current = ascending if epochs else shuffled

    def set_epoch(self, epoch):
        """Choose the order of epoch number ``epoch``, counted from 1."""
        self.current = self.ascending if epoch <= self.epochs else self.shuffled
        self.current.set_epoch(epoch)

    def __iter__(self):
        return iter(self.current)

    def __len__(self):
        return len(self.current)
