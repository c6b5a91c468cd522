"""Speech to semantics in one model: an encoder-decoder whose output is the text of an SLU frame."""

import json
from collections import Counter

from speechbrain.utils.distributed import if_main_process

from summarymixing.corpora.semantic_frame import SemanticFrame
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.metrics.slu import slu_scores
from summarymixing.tasks.seq2seq import Seq2Seq
from summarymixing.utils.files import atomic_open

#: Metrics of a validation; a test records all metrics.
VALIDATED = ("scenario_accuracy", "action_accuracy", "intent_accuracy", "entity_f1", "slu_f1")


class Understanding(Seq2Seq):
    """Trains an :class:`~summarymixing.lobes.EncoderDecoder` on frames, and scores them by SLURP's metrics.

    The dataset's ``wrd`` is the text of a :class:`~summarymixing.corpora.semantic_frame.SemanticFrame`. Every
    prediction is parsed as one; a malformed prediction counts as wrong. The keys of the YAML file are those of
    :class:`~summarymixing.tasks.seq2seq.Seq2Seq`; ``wer`` and ``cer`` are those of the frame's text.
    """

    #: The most frequent scenario, action and intent of the training set.
    majority = {}

    def train(self, train_set, valid_set, batch_sampler, valid_loader):
        """Find the most frequent labels of the training set, then train as any task."""
        frames = [SemanticFrame.from_text(train_set.data[key]["wrd"]) for key in train_set.data_ids]
        self.majority = {
            part: Counter(getattr(frame, part) for frame in frames).most_common(1)[0][0]
            for part in ("scenario", "action", "intent")
        }
        super().train(train_set, valid_set, batch_sampler, valid_loader)

    def valid_metrics(self):
        """The metrics of :class:`~summarymixing.tasks.seq2seq.Seq2Seq`, and those of frames if decoded."""
        metrics = super().valid_metrics()
        if self.scored:
            scores = frame_scores(self.scored)
            metrics.update({name: scores[name] for name in VALIDATED})
        return metrics

    def test(self, name, dataset, loader, search=None):
        """Decode and score a test set, and print the metrics.

        Besides the files of :meth:`~summarymixing.tasks.recognition.Recognition.test` the run folder receives
        ``predictions_<name>.jsonl``, which SLURP's evaluation tool reads.

        Parameters
        ----------
        name, dataset, loader, search
            As for :meth:`~summarymixing.tasks.recognition.Recognition.test`.

        Returns
        -------
        dict
            The metrics of :meth:`~summarymixing.tasks.recognition.Recognition.test` and of
            :func:`~summarymixing.metrics.slu.slu_scores`; ``scenario_majority_accuracy`` and so on, in percent, of
            always predicting the most frequent label of the training set.
        """
        result = super().test(name, dataset, loader, search)
        scores = frame_scores(self.scored)
        references = [SemanticFrame.from_text(row["reference"]) for row in self.scored]
        for part, label in self.majority.items():
            right = sum(getattr(frame, part) == label for frame in references)
            scores[f"{part}_majority_accuracy"] = 100 * right / len(references)
        if if_main_process():
            files = {row["ID"]: dataset.data[row["ID"]]["file"] for row in self.scored}
            write_predictions(RunFolder(self.run_folder).slurp_predictions(name), self.scored, files)
            shown = ", ".join(f"{metric.replace('_', ' ')} {scores[metric]:.2f} %" for metric in VALIDATED)
            print(f"{self.record.data['experiment']} {name}: {shown}")
        self.record.metrics(name, **scores)
        return {**result, **scores}


def frame_scores(rows):
    """Compute SLURP's metrics of decoded rows; see :func:`~summarymixing.metrics.slu.slu_scores`.

    Parameters
    ----------
    rows : list of dict
        With the frames' texts ``reference`` and ``hypothesis``.

    Returns
    -------
    dict of str to float
        In percent.

    Examples
    --------
    >>> frame_scores([{"reference": "alarm|set|time:five", "hypothesis": "alarm|set"}])["entity_recall"]
    0.0
    """
    frames = {key: [SemanticFrame.from_text(row[key]) for row in rows] for key in ("reference", "hypothesis")}
    return slu_scores(frames["reference"], frames["hypothesis"])


def write_predictions(path, rows, files):
    """Write a file of predictions for SLURP's evaluation tool; an existing file is replaced.

    Parameters
    ----------
    path : pathlib.Path
        The file, one line of JSON per recording: file, scenario, action and entities.
    rows : list of dict
        With ID and hypothesis (the frame's text).
    files : dict of str to str
        File name of the recording of each ID.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "predictions_test.jsonl"
    >>> write_predictions(path, [{"ID": "1-a", "hypothesis": "alarm|set|time:five"}], {"1-a": "a.flac"})
    >>> print(path.read_text().strip())
    {"file": "a.flac", "scenario": "alarm", "action": "set", "entities": [{"type": "time", "filler": "five"}]}
    """
    with atomic_open(path) as lines:
        for row in sorted(rows, key=lambda row: row["ID"]):
            frame = SemanticFrame.from_text(row["hypothesis"])
            entities = [{"type": kind, "filler": filler} for kind, filler in frame.entities]
            line = {"file": files[row["ID"]], "scenario": frame.scenario, "action": frame.action, "entities": entities}
            lines.write(json.dumps(line, ensure_ascii=False) + "\n")
