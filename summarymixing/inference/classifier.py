"""From a run folder to a classifier of recordings."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn.utils.rnn import pad_sequence

from summarymixing.corpora.audio import read_audio
from summarymixing.data.labels import load_labels
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.utils.errors import InputError
from summarymixing.utils.on_demand import choose_offered


class UtteranceClassifier:
    """The classifier of a finished run.

    Parameters
    ----------
    run_folder : str or pathlib.Path
        A run folder that a classification recipe's ``train.py`` wrote.
    device : str
        Where to compute.
    **choice : int or None
        As of `summarymixing.inference.transcriber.Transcriber`.

    Raises
    ------
    InputError
        If the folder holds no finished run of a classification, or its model does not offer the choice.

    Examples
    --------
    >>> classifier = UtteranceClassifier("runs/conformer_summarymixing/3407")  # doctest: +SKIP
    >>> classifier.classify(["yes.wav"])  # doctest: +SKIP
    [{'command': 'yes'}]
    """

    def __init__(self, run_folder: str | Path, device: str = "cpu", **choice: int | None):
        run = RunFolder(run_folder)
        hparams = run.load(device=device)
        self.device = torch.device(device)
        self.model = hparams["model"]
        choose_offered(self.model, str(run), **choice)
        self.sample_rate = hparams["sample_rate"]
        targets = getattr(self.model, "targets", None)
        if targets is None:
            raise InputError(f"{run.hyperparams}: its model has no targets, so this is no run of a classification")
        run.require(*(run.labels(target) for target in targets))
        self.labels = load_labels(run, targets)

    @torch.no_grad()
    def classify(self, audio: list) -> list[dict[str, str]]:
        """Classify a batch of recordings, each as it would be alone.

        Parameters
        ----------
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
        scores, _ = self.model(batch, counts.double() / batch.shape[1])
        predicted = {
            target: [labels.ind2lab[index] for index in scores[target][:, : len(labels)].argmax(1).tolist()]
            for target, labels in self.labels.items()
        }
        return [{target: labels[row] for target, labels in predicted.items()} for row in range(len(waves))]


def label_text(labels: dict[str, str]) -> str:
    """Labels of one utterance as a line: the label, or of several targets ``target=label`` each.

    Parameters
    ----------
    labels : dict of str to str
        The label of each target.

    Examples
    --------
    >>> label_text({"command": "yes"}), label_text({"scenario": "alarm", "action": "set"})
    ('yes', 'scenario=alarm action=set')
    """
    if len(labels) == 1:
        return next(iter(labels.values()))
    return " ".join(f"{target}={label}" for target, label in labels.items())
