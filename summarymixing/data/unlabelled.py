"""Speech without transcripts: manifest rows to waveforms, and the batches of a pre-training."""

import functools

from speechbrain.utils.distributed import run_on_main

from summarymixing.corpora import audio_folder
from summarymixing.corpora.audio import read_audio
from summarymixing.corpora.manifest import describe
from summarymixing.data.subsets import draw_minutes
from summarymixing.data.transcripts import dynamic_batches, manifest_dataset
from summarymixing.experiment.run_folder import RunFolder


def unlabelled_dataset(manifest, sample_rate=16000):
    """Make a dataset of ``id``, ``duration`` and ``sig`` (waveform).

    Parameters
    ----------
    manifest : str or pathlib.Path
        CSV with the columns ID, duration, wav, start (seconds); a row is a recording or a piece of one.
    sample_rate : int
        Sample rate of the waveforms in Hz; files at another rate are resampled.

    Returns
    -------
    DynamicItemDataset

    Examples
    --------
    >>> import tempfile, soundfile, torch
    >>> folder = tempfile.mkdtemp()
    >>> for name in ("a.wav", "b.wav"):
    ...     soundfile.write(f"{folder}/{name}", torch.rand(32000).numpy(), 16000)
    >>> manifests = audio_folder.prepare(folder, folder, valid_share=0.5, max_seconds=1, progress=False)
    >>> [len(piece["sig"]) for piece in unlabelled_dataset(manifests["train"], sample_rate=8000)]
    [8000, 8000]
    """
    dataset = manifest_dataset(manifest)
    # No local function: spawned workers, as on macOS, get the dataset pickled.
    read = functools.partial(_read_piece, sample_rate=sample_rate)
    dataset.add_dynamic_item(read, takes=["wav", "start", "duration"], provides="sig")
    dataset.set_output_keys(["id", "duration", "sig"])
    return dataset


def _read_piece(wav, start, duration, sample_rate):
    return read_audio(wav, sample_rate, float(start), duration)


def unlabelled_splits(experiment, record):
    """Prepare the data of a pre-training: manifests, training set with its batches, validation set.

    Parameters
    ----------
    experiment : summarymixing.experiment.load.Experiment
        Its YAML file has ``data_folder``, ``train_splits``, ``valid_split``, ``valid_share``, ``min_seconds``,
        ``max_seconds``, ``max_bad_fraction`` and ``manifest_folder`` (where the lengths of all recordings are kept;
        null: in the run folder), as :func:`~summarymixing.corpora.audio_folder.prepare` takes them; ``train_minutes``,
        ``subset_seed``, ``sample_rate``; and the keys of :func:`~summarymixing.data.transcripts.dynamic_batches`.
    record : summarymixing.experiment.record.RunRecord
        Receives the key ``data``, with the return value of :func:`~summarymixing.data.subsets.draw_minutes` in it.

    Returns
    -------
    DynamicItemDataset
        The training set.
    DynamicItemDataset
        The validation set, sorted from the shortest utterance to the longest.
    ShortFirst
        Batches of the training set, shuffled from the first epoch on.
    """
    hparams, run = experiment.hparams, RunFolder(experiment.run_folder)
    options = {
        "train_splits": hparams["train_splits"],
        "valid_split": hparams["valid_split"],
        "valid_share": hparams["valid_share"],
        "min_seconds": hparams["min_seconds"],
        "max_seconds": hparams["max_seconds"],
        "max_bad_fraction": hparams["max_bad_fraction"],
        "recordings_folder": hparams["manifest_folder"],
    }
    run_on_main(audio_folder.prepare, args=[hparams["data_folder"], run.manifests], kwargs=options)
    manifests = {split: run.manifest(split) for split in (audio_folder.TRAIN, audio_folder.VALID)}
    minutes, drawn = hparams["train_minutes"], {}
    if minutes is not None:
        whole, part = manifests[audio_folder.TRAIN], run.manifest(f"{audio_folder.TRAIN}_{minutes:g}min")
        drawn = {"train_subset": run_on_main(draw_minutes, args=[whole, part, minutes, hparams["subset_seed"]])}
        manifests[audio_folder.TRAIN] = part
    record.set("data", {**describe(manifests), **drawn})
    train_set, valid_set = (unlabelled_dataset(manifest, hparams["sample_rate"]) for manifest in manifests.values())
    batches = dynamic_batches(
        train_set, hparams["max_batch_length"], hparams["num_buckets"], hparams["max_batch_ex"], hparams["seed"]
    )
    return train_set, valid_set.filtered_sorted(sort_key="duration"), batches
