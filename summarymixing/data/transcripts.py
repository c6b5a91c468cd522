"""Datasets for speech recognition: manifest rows to waveforms and tokens."""

import functools
import logging

import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.sampler import DynamicBatchSampler
from speechbrain.utils.distributed import run_on_main
from torch.utils.data import Sampler

from summarymixing.corpora.audio import read_audio
from summarymixing.corpora.manifest import describe, read_manifest
from summarymixing.data.subsets import draw_minutes
from summarymixing.data.tokenizer import fetch_tokenizer, load_tokenizer, train_tokenizer
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.utils.errors import InputError
from summarymixing.utils.fetching import fetch_file

logger = logging.getLogger(__name__)


def manifest_dataset(manifest):
    """Make a dataset of the rows of a manifest; their ``duration`` is a float.

    SpeechBrain's ``from_csv`` is not used, because it reads ``$word`` in a transcript or a path as a variable.

    Parameters
    ----------
    manifest : str or pathlib.Path
        CSV with the columns ID and duration, from :func:`~summarymixing.corpora.manifest.write_manifest`.

    Returns
    -------
    DynamicItemDataset

    Examples
    --------
    >>> import tempfile
    >>> from summarymixing.corpora.manifest import write_manifest
    >>> path = tempfile.mkdtemp() + "/train.csv"
    >>> write_manifest(path, [{"ID": "a", "duration": "1.5", "wrd": "FOR $5"}], ["ID", "duration", "wrd"])
    >>> manifest_dataset(path).data
    {'a': {'duration': 1.5, 'wrd': 'FOR $5'}}
    """
    rows = read_manifest(manifest)
    return DynamicItemDataset({row.pop("ID"): {**row, "duration": float(row["duration"])} for row in rows})


def asr_dataset(manifest, tokenizer, sample_rate=16000, blank_index=0):
    """Make a dataset of ``id``, ``duration``, ``sig`` (waveform), ``tokens`` and ``wrd`` (text).

    Parameters
    ----------
    manifest : str or pathlib.Path
        CSV with the columns ID, duration, wav, wrd.
    tokenizer : sentencepiece.SentencePieceProcessor
        From text to tokens.
    sample_rate : int
        Sample rate of the waveforms in Hz; files at another rate are resampled.
    blank_index : int
        Index of the blank, which is also the tokenizer's unknown piece; left out of the targets.

    Returns
    -------
    DynamicItemDataset
    """
    dataset = manifest_dataset(manifest)
    # No local functions: spawned workers, as on macOS, get the dataset pickled.
    dataset.add_dynamic_item(functools.partial(read_audio, sample_rate=sample_rate), takes="wav", provides="sig")
    encode = functools.partial(_token_tensor, tokenizer=tokenizer, blank_index=blank_index)
    dataset.add_dynamic_item(encode, takes="wrd", provides="tokens")
    dataset.set_output_keys(["id", "duration", "sig", "tokens", "wrd"])
    return dataset


def encode_text(text, tokenizer, blank_index=0):
    """Encode a transcript without the blank.

    Parameters
    ----------
    text : str
        The transcript.
    tokenizer : sentencepiece.SentencePieceProcessor
        From text to tokens.
    blank_index : int
        Index of the blank.

    Returns
    -------
    list of int
        Its tokens.
    """
    return [token for token in tokenizer.encode_as_ids(text) if token != blank_index]


def _token_tensor(text, tokenizer, blank_index):
    return torch.LongTensor(encode_text(text, tokenizer, blank_index))


def without_short_utterances(dataset, frame_counts, tokenizer, sample_rate=16000, blank_index=0):
    """Leave out utterances with fewer frames than CTC needs for their tokens.

    Their loss would be infinite; SpeechBrain's ``ctc_loss`` silently makes it zero.

    Parameters
    ----------
    dataset : DynamicItemDataset
        From :func:`asr_dataset`.
    frame_counts : callable
        From samples to frames, the model's own formula.
    tokenizer, sample_rate, blank_index
        As in :func:`asr_dataset`.

    Returns
    -------
    DynamicItemDataset
        The remaining utterances.
    int
        Number of utterances left out; the log names up to five.

    Raises
    ------
    InputError
        If no utterance remains.
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
            "left out %d utterances with fewer frames than CTC needs for their transcript: %s%s",
            len(dropped),
            ", ".join(dropped[:5]),
            ", ..." if len(dropped) > 5 else "",
        )
    if not kept:
        raise InputError("no utterance of the training set has enough frames for its transcript")
    return dataset.filtered_sorted(key_test={"id": set(kept).__contains__}), len(dropped)


def asr_splits(experiment, record, prepare):
    """Prepare the data of a recognition recipe: manifests, tokenizer, datasets, and batches of the training set.

    Parameters
    ----------
    experiment : summarymixing.experiment.load.Experiment
        Its YAML file has ``sample_rate``, ``model``, ``tokenizer``, ``tokenizer_type``, ``vocab_size``, ``blank_index``
        and the keys of :func:`prepared_manifests` and :func:`dynamic_batches`; also ``tokenizer_source`` if the recipe
        can use another model's tokenizer, ``bos_index`` and ``eos_index`` if its decoder needs them. If ``vocab_size``
        is null, all objects are built again with the size of the tokenizer: do not change them before.
    record : summarymixing.experiment.record.RunRecord
        Receives a description of the data and the number of utterances left out.
    prepare : callable
        As for :func:`prepared_manifests`.

    Returns
    -------
    DynamicItemDataset
        The training set.
    dict of str to DynamicItemDataset
        All splits, nothing left out. The training set is among them, so that it can also be the validation set.
    ShortFirst
        Batches of the training set.
    """
    hparams, tokenizer_file = experiment.hparams, RunFolder(experiment.run_folder).tokenizer
    train_split, manifests = prepared_manifests(experiment, record, prepare)
    marks = {key: hparams.get(key, -1) for key in ("bos_index", "eos_index")}
    size, source = hparams["vocab_size"], hparams.get("tokenizer_source")
    if source is None:
        train_tokenizer(manifests[train_split], tokenizer_file, size, hparams["tokenizer_type"], **marks)
    else:
        if source == hparams.get("language_model"):  # the key that the user typed is the one to name
            fetch_file(source, "lm.ckpt", "language_model")
        fetch_tokenizer(source, tokenizer_file, size, **marks, manifest=manifests[train_split])
    if size is None:
        experiment.settle(vocab_size=load_tokenizer(tokenizer_file).get_piece_size())
    tokenizer = load_tokenizer(tokenizer_file, into=hparams["tokenizer"])
    rate, blank = hparams["sample_rate"], hparams["blank_index"]
    data = {split: asr_dataset(manifest, tokenizer, rate, blank) for split, manifest in manifests.items()}
    train_set, left_out = without_short_utterances(
        data[train_split], hparams["model"].frame_counts, tokenizer, rate, blank
    )
    record.set("utterances_left_out", left_out)
    batches = dynamic_batches(
        train_set,
        hparams["max_batch_length"],
        hparams["num_buckets"],
        hparams["max_batch_ex"],
        hparams["seed"],
        hparams["short_first_epochs"],
    )
    return train_set, data, batches


def prepared_manifests(experiment, record, prepare):
    """Let the main process write the manifests of a recipe, and record a description of the data.

    Parameters
    ----------
    experiment : summarymixing.experiment.load.Experiment
        Its YAML file has ``data_folder``, ``train_splits``, ``train_minutes``, ``subset_seed``, ``valid_split``,
        ``test_splits`` and ``max_bad_fraction``.
    record : summarymixing.experiment.record.RunRecord
        Receives the key ``data``, with the return value of :func:`~summarymixing.data.subsets.draw_minutes` in it.
    prepare : callable
        ``prepare(data_folder, manifest_folder, splits, max_bad_fraction)`` writes them.

    Returns
    -------
    str
        Name of the training set; if ``train_minutes`` is set, that of the subset, such as ``train_10min``.
    dict of str to pathlib.Path
        The manifest of each split, the training set's among them.
    """
    hparams, run = experiment.hparams, RunFolder(experiment.run_folder)
    train_split = "+".join(hparams["train_splits"])
    # The validation set may also be a test set.
    splits = list(dict.fromkeys([train_split, hparams["valid_split"], *hparams["test_splits"]]))
    run_on_main(prepare, args=[hparams["data_folder"], run.manifests, splits, hparams["max_bad_fraction"]])
    manifests = {split: run.manifest(split) for split in splits}
    minutes, drawn = hparams["train_minutes"], {}
    if minutes is not None:
        whole, train_split = manifests[train_split], f"{train_split}_{minutes:g}min"
        kept = {split: manifests[split] for split in [hparams["valid_split"], *hparams["test_splits"]]}
        manifests = {train_split: run.manifest(train_split), **kept}
        # Only the main process, which writes the record, gets the description.
        arguments = [whole, manifests[train_split], minutes, hparams["subset_seed"]]
        drawn = {"train_subset": run_on_main(draw_minutes, args=arguments)}
    record.set("data", {**describe(manifests), **drawn})
    return train_split, manifests


def dynamic_batches(dataset, max_batch_length, num_buckets=50, max_batch_ex=None, seed=0, short_first_epochs=0):
    """Make batches with a limited total duration, shuffled again in every epoch.

    Parameters
    ----------
    dataset : DynamicItemDataset
        With a ``duration`` in seconds.
    max_batch_length : float
        Most seconds per batch, padding included.
    num_buckets : int
        Number of length classes; with few of them batches stay far below their limit.
    max_batch_ex : int, optional
        Most utterances per batch.
    seed : int
        Seed of the order.
    short_first_epochs : int
        Number of first epochs in which batches are sorted from the shortest to the longest.

    Returns
    -------
    ShortFirst
        A batch sampler.

    Raises
    ------
    InputError
        If an utterance is longer than ``max_batch_length``.
    """
    longest = max(dataset.data_ids, key=lambda key: dataset.data[key]["duration"])
    if dataset.data[longest]["duration"] > max_batch_length:
        raise InputError(
            f"{dataset.data[longest]['wav']} lasts {dataset.data[longest]['duration']:.1f} s, longer than a batch, "
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
    """Batches sorted by length for the first epochs, then shuffled.

    CTC learns to align on short utterances first; on utterances of 8 s alone a small model may predict only blanks for
    several epochs.

    Parameters
    ----------
    ascending, shuffled : DynamicBatchSampler
        The batches in both orders.
    epochs : int
        Number of first epochs in ascending order.
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
