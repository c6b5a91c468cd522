"""Datasets for classification: manifest rows to waveforms and labels."""

import functools
from collections import Counter

from speechbrain.dataio.encoder import CategoricalEncoder
from speechbrain.utils.distributed import run_on_main

from summarymixing.corpora.audio import read_audio
from summarymixing.data.transcripts import dynamic_batches, manifest_dataset, prepared_manifests
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.utils.errors import InputError

# Pieces of a long recording are read again and again, so the recording stays in memory.
_long_recording = functools.lru_cache(maxsize=16)(read_audio)


def read_piece(wav, duration, start, gain, sample_rate=16000):
    """Read a recording, or a piece of a long one, at a volume.

    Parameters
    ----------
    wav : str
        The audio file.
    duration, start : float
        Seconds; ``start`` may be text. With ``start`` 0 the recording is read to its end.
    gain : float
        Factor on the samples; may be text.
    sample_rate : int
        Hz.

    Returns
    -------
    torch.Tensor
        (samples,).

    Examples
    --------
    >>> import soundfile, tempfile, torch
    >>> path = tempfile.mkdtemp() + "/noise.wav"
    >>> soundfile.write(path, torch.full((48000,), 0.5).numpy(), 16000)
    >>> piece = read_piece(path, duration=1, start=0.25, gain=0.5)
    >>> piece.shape, piece.max().item()
    (torch.Size([16000]), 0.25)
    """
    start, gain = float(start), float(gain)  # text in a manifest
    if start == 0:
        return gain * read_audio(wav, sample_rate)
    first = round(start * sample_rate)
    return gain * _long_recording(wav, sample_rate)[first : first + round(duration * sample_rate)]


def classification_dataset(manifest, targets, sample_rate=16000):
    """A dataset of ``id``, ``duration``, ``sig`` (waveform) and the labels.

    Parameters
    ----------
    manifest : str or pathlib.Path
        CSV with the columns ID, duration, wav and `targets`; also start (seconds) and gain (factor) if recordings are
        pieces of longer ones.
    targets : iterable of str
        The columns that hold labels.
    sample_rate : int
        Sample rate of the waveforms in Hz; files at another rate are resampled.

    Returns
    -------
    DynamicItemDataset

    Raises
    ------
    InputError
        If a column is missing.
    """
    dataset = manifest_dataset(manifest)
    columns = dataset.data[dataset.data_ids[0]]
    missing = [target for target in targets if target not in columns]
    if missing:
        raise InputError(f"{manifest}: has no column {missing[0]!r}; correct the key targets")
    pieces = "start" in columns
    # No local functions: spawned workers, as on macOS, get the dataset pickled.
    signal = functools.partial(read_piece if pieces else read_audio, sample_rate=sample_rate)
    takes = ["wav", "duration", "start", "gain"] if pieces else ["wav"]
    dataset.add_dynamic_item(signal, takes=takes, provides="sig")
    dataset.set_output_keys(["id", "duration", "sig", *targets])
    return dataset


def make_labels(dataset, targets, run_folder):
    """Write the classes of a training set into a run folder, the most frequent one first.

    Parameters
    ----------
    dataset : DynamicItemDataset
        From :func:`classification_dataset`.
    targets : dict of str to int
        The targets, and the number of the model's outputs for each.
    run_folder : pathlib.Path
        Receives ``labels_<target>.txt``, SpeechBrain's ``CategoricalEncoder``.

    Raises
    ------
    InputError
        If a target has more classes than outputs, or the folder already holds other classes.
    """
    for target, outputs in targets.items():
        counts = Counter(dataset.data[key][target] for key in dataset.data_ids)
        if len(counts) > outputs:
            raise InputError(
                f"the training set has {len(counts)} classes of {target!r} but the model only {outputs} outputs; raise "
                f'that number: --targets "{{{target}: {len(counts)}}}"'
            )
        encoder, file = CategoricalEncoder(), RunFolder(run_folder).labels(target)
        encoder.update_from_iterable(sorted(counts, key=lambda label: (-counts[label], label)))
        if not file.exists():
            encoder.save(file.with_suffix(".tmp"))
            file.with_suffix(".tmp").replace(file)  # whole or not at all
        elif load_labels(run_folder, [target])[target].lab2ind != encoder.lab2ind:
            raise InputError(
                f"{file}: this run was trained with other classes than the training set has now; choose another "
                "--output_folder"
            )


def load_labels(run_folder, targets):
    """Load the classes that :func:`make_labels` wrote.

    Parameters
    ----------
    run_folder : pathlib.Path
        The run folder.
    targets : iterable of str
        Names of the targets.

    Returns
    -------
    dict of str to CategoricalEncoder
        SpeechBrain's encoder of each target.
    """
    run = RunFolder(run_folder)
    return {target: CategoricalEncoder.from_saved(run.labels(target)) for target in targets}


def classification_splits(experiment, record, prepare):
    """Prepare the data of a classification recipe: manifests, classes, datasets, and batches of the training set.

    Parameters
    ----------
    experiment : summarymixing.experiment.load.Experiment
        Its YAML file has ``sample_rate``, ``model`` and the keys of
        :func:`~summarymixing.data.transcripts.prepared_manifests` and
        :func:`~summarymixing.data.transcripts.dynamic_batches`.
    record, prepare
        As for :func:`~summarymixing.data.transcripts.prepared_manifests`.

    Returns
    -------
    DynamicItemDataset
        The training set.
    dict of str to DynamicItemDataset
        All splits.
    ShortFirst
        Batches of the training set.
    """
    hparams = experiment.hparams
    train_split, manifests = prepared_manifests(experiment, record, prepare)
    targets, rate = hparams["model"].targets, hparams["sample_rate"]
    data = {split: classification_dataset(manifest, targets, rate) for split, manifest in manifests.items()}
    train_set = data[train_split]
    run_on_main(make_labels, args=[train_set, targets, experiment.run_folder])
    batches = dynamic_batches(
        train_set, hparams["max_batch_length"], hparams["num_buckets"], hparams["max_batch_ex"], hparams["seed"]
    )
    return train_set, data, batches
