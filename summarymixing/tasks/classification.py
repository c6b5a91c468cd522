"""Classification of utterances, with one or several labels each."""

import logging
from collections import Counter

import speechbrain as sb
import torch
from speechbrain.utils.distributed import if_main_process
from torch.nn.functional import cross_entropy

from summarymixing.corpora.manifest import write_manifest
from summarymixing.data.labels import load_labels
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.training.task import Task

logger = logging.getLogger(__name__)

# Stands for a label that is not in the training set.
_UNSEEN = -1


class Classification(Task):
    """Trains a :class:`~summarymixing.lobes.Classifier` with one or several targets.

    The loss is the sum of the targets' cross-entropies. Besides the keys of :class:`~summarymixing.training.task.Task`
    the YAML file has ``label_smoothing``. The run folder holds the classes, from
    :func:`~summarymixing.data.labels.make_labels`.

    Parameters
    ----------
    experiment, record
        As for :class:`~summarymixing.training.task.Task`.
    """

    def __init__(self, experiment, record):
        super().__init__(experiment, record)
        self.labels = load_labels(self.run_folder, self.hparams.model.targets)

    def compute_forward(self, batch, stage):
        """For each target the scores (B, classes) of the classes of the training set."""
        scores, _ = self.network(stage)(*self.waveforms(batch, stage))
        # The model may have more outputs than there are classes.
        return {target: scores[target][:, : len(labels)] for target, labels in self.labels.items()}

    def compute_objectives(self, predictions, batch, stage):
        """Sum of the cross-entropies, each a mean over the batch; outside training also store the predictions."""
        training = stage == sb.Stage.TRAIN
        if not training:
            self.keep(batch, predictions)
            return self._evaluation_loss(predictions, batch)
        loss = 0.0
        for target, scores in predictions.items():
            references, smoothing = self.references(batch, target, training), self.hparams.label_smoothing
            known = (references != _UNSEEN).sum().clamp(min=1)
            total = cross_entropy(scores, references, ignore_index=_UNSEEN, reduction="sum", label_smoothing=smoothing)
            loss = loss + total / known
        return loss

    def _evaluation_loss(self, predictions, batch):
        """The mean over the utterances whose labels are all in the training set."""
        references = {target: self.references(batch, target, training=False) for target in predictions}
        losses = [
            cross_entropy(scores, references[target], ignore_index=_UNSEEN, reduction="none")
            for target, scores in predictions.items()
        ]
        possible = torch.stack([labels != _UNSEEN for labels in references.values()]).all(0)
        return self.mean_where(possible, sum(losses), batch)

    def references(self, batch, target, training):
        """Class numbers (B,), one for each row of :meth:`compute_forward`."""
        classes = self.labels[target].lab2ind
        references = torch.tensor([classes.get(label, _UNSEEN) for label in getattr(batch, target)])
        references = references.to(self.device, non_blocking=True)  # creating it there would wait for the GPU
        augment = self.augmenter(sb.Stage.TRAIN) if training else None
        if augment is not None:
            # The augmenter may return several versions of each utterance.
            references = augment.replicate_labels(references)
        return references

    def keep(self, batch, predictions):
        """Store the predictions for a batch until the end of the stage."""
        rows = [{"ID": name, "duration": float(batch.duration[i])} for i, name in enumerate(batch.id)]
        for target, scores in predictions.items():
            names = self.labels[target].ind2lab
            for row, label, best in zip(rows, getattr(batch, target), scores.argmax(1).tolist(), strict=True):
                row[target], row[f"{target}_predicted"] = label, names[best]
        self.scored += rows

    def valid_metrics(self):
        """Accuracy of each target in percent."""
        return {f"{target}_accuracy": self.score(target)["accuracy"] for target in self.labels}

    def score(self, target):
        """:func:`classification_scores` of the stored predictions for a target."""
        pairs = [(row[target], row[f"{target}_predicted"]) for row in self.scored]
        return classification_scores(pairs, self.labels[target])

    def test(self, name, dataset, loader):
        """Classify and score a test set, and print the accuracies.

        The run folder receives ``predictions_<name>.csv``, one ``confusion_<name>_<target>.csv`` per target, and
        metrics.

        Parameters
        ----------
        name : str
            Name under which the results are filed.
        dataset : DynamicItemDataset
            The test set.
        loader : dict
            DataLoader arguments.

        Returns
        -------
        dict
            The values of :func:`classification_scores` for each target, named ``<target>_accuracy`` and so on;
            ``loss``, ``utterances``, ``rtf`` (seconds of one process per second of audio), ``audio_seconds``.
        """
        read = self.read_test_set(dataset, loader, name)
        result = {"utterances": len(self.scored), **read}
        for target, labels in self.labels.items():
            scores = self.score(target)
            result.update({f"{target}_{key}": value for key, value in scores.items()})
            if not if_main_process():
                continue
            print(
                f"{self.record.data['experiment']} {name}: {target} accuracy {scores['accuracy']:.2f} %, macro-F1 "
                f"{scores['macro_f1']:.2f} % (always {labels.ind2lab[0]!r}: {scores['majority_accuracy']:.2f} %)"
            )
            if scores["unseen"]:
                logger.warning(
                    "%s: for %d of %d utterances the %s is not in the training set; each counts as an error",
                    name,
                    scores["unseen"],
                    len(self.scored),
                    target,
                )
        if if_main_process():
            write_predictions(self.run_folder, name, self.scored, self.labels)
        self.record.metrics(name, **result)
        return result


def classification_scores(pairs, labels):
    """Score the predictions for one target.

    Parameters
    ----------
    pairs : list of tuple
        Reference and predicted label of each utterance.
    labels : CategoricalEncoder
        The classes of the training set, the most frequent one first.

    Returns
    -------
    dict
        In percent ``accuracy``, ``macro_f1`` (mean over the classes of references and predictions) and
        ``majority_accuracy`` (of always predicting the most frequent class of the training set); ``unseen``, the number
        of utterances with a label that is not in the training set.

    Examples
    --------
    >>> from speechbrain.dataio.encoder import CategoricalEncoder
    >>> labels = CategoricalEncoder()
    >>> labels.update_from_iterable(["go", "stop"])
    >>> classification_scores([("go", "go"), ("go", "stop"), ("stop", "go"), ("stop", "stop"), ("wait", "go")], labels)
    {'accuracy': 40.0, 'macro_f1': 30.0, 'majority_accuracy': 40.0, 'unseen': 1}
    """
    right = Counter(reference for reference, prediction in pairs if reference == prediction)
    references, predictions = (Counter(labels) for labels in zip(*pairs, strict=True))
    classes = references | predictions
    f1 = [2 * right[label] / (references[label] + predictions[label]) for label in classes]
    return {
        "accuracy": 100 * right.total() / len(pairs),
        "macro_f1": 100 * sum(f1) / len(classes),
        "majority_accuracy": 100 * references[labels.ind2lab[0]] / len(pairs),
        "unseen": sum(count for label, count in references.items() if label not in labels.lab2ind),
    }


def write_predictions(run_folder, name, rows, targets):
    """Write ``predictions_<name>.csv`` and one ``confusion_<name>_<target>.csv`` per target into a run folder.

    Parameters
    ----------
    run_folder : pathlib.Path
        The run folder.
    name : str
        Name of the test set.
    rows : list of dict
        With the keys ID and duration, and for each target ``<target>`` and ``<target>_predicted``.
    targets : iterable of str
        The targets.
    """
    run, rows = RunFolder(run_folder), sorted(rows, key=lambda row: row["ID"])
    fields = ["ID", "duration", *(key for target in targets for key in (target, f"{target}_predicted"))]
    write_manifest(run.predictions(name), rows, fields)
    for target in targets:
        counts = Counter((row[target], row[f"{target}_predicted"]) for row in rows)
        fields = ["reference", "prediction", "count"]
        table = [dict(zip(fields, (*pair, count), strict=True)) for pair, count in sorted(counts.items())]
        write_manifest(run.confusion(name, target), table, fields)
