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
    """A dataset of the rows of a manifest; their ``duration`` is a number.

    SpeechBrain's own ``from_csv`` takes ``$word`` in a transcript or a path for a variable.

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
    """A dataset of ``id``, ``sig`` (waveform), ``tokens`` and ``wrd`` (text).

    Parameters
    ----------
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
    dataset = manifest_dataset(manifest)
    # Not functions made here: workers that are spawned, as on macOS, receive the dataset pickled.
    dataset.add_dynamic_item(functools.partial(read_audio, sample_rate=sample_rate), takes="wav", provides="sig")
    encode = functools.partial(_token_tensor, tokenizer=tokenizer, blank_index=blank_index)
    dataset.add_dynamic_item(encode, takes="wrd", provides="tokens")
    dataset.set_output_keys(["id", "duration", "sig", "tokens", "wrd"])
    return dataset


def encode_text(text, tokenizer, blank_index=0):
    """Tokens of a transcript, without the blank; a list of int."""
    return [token for token in tokenizer.encode_as_ids(text) if token != blank_index]


def _token_tensor(text, tokenizer, blank_index):
    return torch.LongTensor(encode_text(text, tokenizer, blank_index))


def without_short_utterances(dataset, frame_counts, tokenizer, sample_rate=16000, blank_index=0):
    """Leave out utterances with fewer frames than CTC needs for their labels.

    Their loss would be infinite; SpeechBrain's ``ctc_loss`` makes that a silent zero.

    Parameters
    ----------
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


def asr_splits(experiment, record, prepare):
    """The data of a recipe: manifests, a tokenizer, and the training set's batches.

    Parameters
    ----------
    experiment : summarymixing.experiment.load.Experiment
        With ``sample_rate``, ``model``, ``tokenizer``, ``tokenizer_type``, ``vocab_size``, ``blank_index`` and the
        keys of :func:`prepared_manifests` and :func:`dynamic_batches` in its YAML file; ``tokenizer_source`` if it
        may take another's tokenizer, ``bos_index`` and ``eos_index`` if its decoder needs them. Where ``vocab_size``
        is null, its objects are built anew for the size that the text has: change none of them before.
    record : summarymixing.experiment.record.RunRecord
        Receives what the data are, and the number of utterances left out.
    prepare : callable
        As for :func:`prepared_manifests`.

    Returns
    -------
    DynamicItemDataset
        The training set.
    dict of str to DynamicItemDataset
        All splits as they are: a run that shall overfit, to see that it can, is validated on what it learns.
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
    """Let the main process write the manifests of a recipe, and record what the data are.

    Parameters
    ----------
    experiment : summarymixing.experiment.load.Experiment
        With ``data_folder``, ``train_splits``, ``train_minutes``, ``subset_seed``, ``valid_split``, ``test_splits``
        and ``max_bad_fraction`` in its YAML file.
    record : summarymixing.experiment.record.RunRecord
        Receives the key ``data``, with what :func:`~summarymixing.data.subsets.draw_minutes` has drawn.
    prepare : callable
        ``prepare(data_folder, manifest_folder, splits, max_bad_fraction)`` writes them.

    Returns
    -------
    str
        Name of the training set; of a part of it, such as ``train_10min``, if ``train_minutes`` is set.
    dict of str to pathlib.Path
        The manifest of each split, the training set's among them.
    """
    hparams, run = experiment.hparams, RunFolder(experiment.run_folder)
    train_split = "+".join(hparams["train_splits"])
    # The validation set may be tested as well.
    splits = list(dict.fromkeys([train_split, hparams["valid_split"], *hparams["test_splits"]]))
    run_on_main(prepare, args=[hparams["data_folder"], run.manifests, splits, hparams["max_bad_fraction"]])
    manifests = {split: run.manifest(split) for split in splits}
    minutes, drawn = hparams["train_minutes"], {}
    if minutes is not None:
        whole, train_split = manifests[train_split], f"{train_split}_{minutes:g}min"
        kept = {split: manifests[split] for split in [hparams["valid_split"], *hparams["test_splits"]]}
        manifests = {train_split: run.manifest(train_split), **kept}
        # Only the main process, which writes the record, learns what was drawn.
        arguments = [whole, manifests[train_split], minutes, hparams["subset_seed"]]
        drawn = {"train_subset": run_on_main(draw_minutes, args=arguments)}
    record.set("data", {**describe(manifests), **drawn})
    return train_split, manifests


def dynamic_batches(dataset, max_batch_length, num_buckets=50, max_batch_ex=None, seed=0, short_first_epochs=0):
    """Batches of a bounded total duration, reshuffled every epoch.

    Parameters
    ----------
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

    Parameters
    ----------
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
