"""From a run folder to a classifier of recordings."""

from pathlib import Path

import torch
from torch.nn.utils.rnn import pad_sequence

from summarymixing.corpora.audio import read_audio
from summarymixing.errors import InputError
from summarymixing.inference import load_run
from summarymixing.tasks.classification_data import load_labels


class UtteranceClassifier:
    """The classifier of a finished run.

    Arguments
    ---------
    run_folder : str or pathlib.Path
        A run folder that a classification recipe's ``train.py`` wrote.
    device : str
        Where to compute.

    Raises
    ------
    InputError
        If the folder holds no finished run of a classification.

    Example
    -------
    >>> classifier = UtteranceClassifier("runs/conformer_summarymixing/3407")  # doctest: +SKIP
    >>> classifier.classify(["yes.wav"])  # doctest: +SKIP
    [{'command': 'yes'}]
    """

    def __init__(self, run_folder, device="cpu"):
        folder = Path(run_folder)
        hparams = load_run(folder, device)
        self.device = torch.device(device)
        self.model = hparams["model"]
        self.encoder = hparams["modules"]["encoder"]
        self.sample_rate = hparams["sample_rate"]
        try:
            self.labels = load_labels(folder, self.model.targets)
        except (AttributeError, FileNotFoundError):
            raise InputError(f"{folder}: holds no labels_<target>.txt, so it is no run of a classification") from None

    @torch.no_grad()
    def classify(self, audio):
        """Classify a batch of recordings, each as it would be alone.

        Arguments
        ---------
        audio : list
            Paths of audio files (any rate, any channels), or waveforms: (samples,) tensors at ``sample_rate``.

        Returns
        -------
        list of dict
            For each the label of every target, by its name.

        Raises
        ------
        InputError
            If a file cannot be read.
        """
        waves = [item if isinstance(item, torch.Tensor) else read_audio(item, self.sample_rate) for item in audio]
        if not waves:
            return []
        counts = torch.tensor([len(wave) for wave in waves])
        batch = pad_sequence(waves, batch_first=True).to(self.device)
        scores = self.encoder(batch, (counts.double() / batch.shape[1]).to(self.device))
        told = {
            target: [labels.ind2lab[index] for index in scores[target][:, : len(labels)].argmax(1).tolist()]
            for target, labels in self.labels.items()
        }
        return [{target: labels[row] for target, labels in told.items()} for row in range(len(waves))]


def is_classification(run_folder):
    """Whether a run folder is that of a classification, which holds ``labels_<target>.txt``.

    Example
    -------
    >>> is_classification("no/such/run")
    False
    """
    return any(Path(run_folder).glob("labels_*.txt"))


def label_text(labels):
    """Labels of one utterance as a line: the label, or of several targets ``target=label`` each.

    Example
    -------
    >>> label_text({"command": "yes"}), label_text({"scenario": "alarm", "action": "set"})
    ('yes', 'scenario=alarm action=set')
    """
    if len(labels) == 1:
        return next(iter(labels.values()))
    return " ".join(f"{target}={label}" for target, label in labels.items())
