"""Errors of each utterance of a test set, from the files of a finished run, as sums that can be resampled."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np

from summarymixing.corpora.manifest import read_manifest
from summarymixing.corpora.semantic_frame import SemanticFrame
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.metrics.slu import match_by_characters, match_by_words, same_intent

RESAMPLES, CONFIDENCE, SEED = 10_000, 0.95, 1234

#: Percentage points by which a recorded value may differ from that of its utterances: earlier versions counted a double
#: space in a hypothesis as a character error.
TOLERANCE = 0.05

_MAJORITY = "_majority_accuracy"


@dataclass(frozen=True)
class Measure:
    """A metric of a test set in percent: the ratio of two sums over its N utterances.

    Attributes
    ----------
    title : str
        Its name in tables.
    parts, wholes : numpy.ndarray
        (N,), the terms of numerator and denominator of each utterance, for example its word errors and its words.
    unit : str
        What `wholes` counts, such as words, if it shows the size of the test set.
    compared : bool
        Whether tables show the difference between runs; of two similar measures only one is compared.
    baseline : float or None
        The value, in percent, of always predicting the most frequent class of the training set.
    """

    title: str
    parts: np.ndarray
    wholes: np.ndarray
    unit: str = ""
    compared: bool = True
    baseline: float | None = None

    @property
    def value(self) -> float:
        """The value for the whole test set in percent; 0 if the denominator is 0.

        Examples
        --------
        >>> Measure("WER", np.array([1, 0]), np.array([3, 1])).value
        25.0
        """
        whole = self.wholes.sum()
        return float(100 * self.parts.sum() / whole) if whole else 0.0


def read_test(folder: Path, split: str, metrics: dict) -> tuple[dict[str, str], dict[str, Measure]]:
    """Read a run's results on a test set from its transcripts, SLU frames or predicted classes.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder.
    split : str
        Name of the test set.
    metrics : dict
        The metrics of this test set in ``run.json``; they show which kind of task it was.

    Returns
    -------
    references : dict of str to str
        The reference of each utterance by ID, sorted by ID.
    measures : dict of str to Measure
        By the name in ``metrics``: ``wer`` and ``cer`` of recognition; ``intent_accuracy`` and ``slu_f1`` of speech to
        semantics; ``<target>_accuracy`` of classification. Utterances are in the same order.

    Raises
    ------
    ValueError
        If a file cannot be read or used, or its values differ from ``metrics``.
    """
    run = RunFolder(folder)
    baselines = {name.removesuffix(_MAJORITY): value for name, value in metrics.items() if name.endswith(_MAJORITY)}
    if baselines and "wer" not in metrics:
        targets = list(baselines)
        rows = _read_rows(run.predictions(split), targets, [f"{target}_predicted" for target in targets])
        measures = {
            f"{name}_accuracy": _accuracy(name, [row[name] == row[f"{name}_predicted"] for row in rows], baselines)
            for name in targets
        }
        references = {row["ID"]: "|".join(row[target] for target in targets) for row in rows}
    else:
        rows = _read_rows(run.transcripts(split), ["reference"], ["hypothesis"])
        texts = [row["reference"] for row in rows], [row["hypothesis"] for row in rows]
        measures = of_frames(*texts, baselines) if "slu_f1" in metrics else of_transcripts(*texts)
        references = {row["ID"]: row["reference"] for row in rows}
    for name, measure in measures.items():
        recorded = metrics.get(name)
        if not isinstance(recorded, int | float):
            raise ValueError(f"{run.record.name} has no {name} of {split}")
        if not abs(measure.value - recorded) < TOLERANCE:  # also refuses NaN
            raise ValueError(
                f"{split}: {measure.title} is {measure.value:.2f} % over its utterances, but {recorded:.2f} % in "
                f"{run.record.name}"
            )
    return references, measures


def align_transcripts(references: list[str], hypotheses: list[str]) -> tuple[jiwer.WordOutput, jiwer.CharacterOutput]:
    """Align transcripts by words and by characters, after reducing white space to single spaces.

    Parameters
    ----------
    references, hypotheses : list of str
        N transcripts each.

    Returns
    -------
    jiwer.WordOutput
        Alignment by words.
    jiwer.CharacterOutput
        Alignment by characters.

    Examples
    --------
    >>> words, characters = align_transcripts(["A B"], [" A  B"])
    >>> words.wer, characters.cer
    (0.0, 0.0)
    """
    references, hypotheses = ([" ".join(text.split()) for text in texts] for texts in (references, hypotheses))
    return jiwer.process_words(references, hypotheses), jiwer.process_characters(references, hypotheses)


def of_transcripts(references: list[str], hypotheses: list[str]) -> dict[str, Measure]:
    """Measure word and character error rate.

    Parameters
    ----------
    references, hypotheses : list of str
        N transcripts each.

    Returns
    -------
    dict of str to Measure
        ``wer`` and ``cer``.

    Examples
    --------
    >>> measures = of_transcripts(["A B", "C"], ["A X Y", "C"])
    >>> measures["wer"].parts, measures["wer"].wholes
    (array([2, 0]), array([2, 1]))
    """
    words, characters = align_transcripts(references, hypotheses)
    return {
        "wer": Measure("WER", *_edits(words), unit="words"),
        "cer": Measure("CER", *_edits(characters), unit="characters", compared=False),
    }


def _edits(aligned) -> tuple[np.ndarray, np.ndarray]:
    """Substitutions, deletions and insertions of each utterance, and the length of its reference."""

    def length(part):
        return max(part.ref_end_idx - part.ref_start_idx, part.hyp_end_idx - part.hyp_start_idx)

    edits = [sum(length(part) for part in parts if part.type != "equal") for parts in aligned.alignments]
    return np.array(edits), np.array([len(reference) for reference in aligned.references])


def of_frames(references: list[str], hypotheses: list[str], baselines: dict[str, float]) -> dict[str, Measure]:
    """Measure intent accuracy and SLU-F1 as `summarymixing.metrics.slu.slu_scores` does.

    Parameters
    ----------
    references, hypotheses : list of str
        N SLU frames each, as text.
    baselines : dict of str to float
        The baseline of the intent accuracy in percent, if it is known.

    Returns
    -------
    dict of str to Measure
        ``intent_accuracy`` and ``slu_f1``.

    Examples
    --------
    >>> measures = of_frames(["alarm|set|time:five", "alarm|set"], ["alarm|set", "alarm|set"], {})
    >>> measures["intent_accuracy"].value, measures["slu_f1"].value
    (100.0, 0.0)
    """
    frames = [[SemanticFrame.from_text(text) for text in texts] for texts in (references, hypotheses)]
    pairs = list(zip(*frames, strict=True))
    right = [same_intent(gold, heard) for gold, heard in pairs]
    counts = [
        match_by_words(gold.entities, heard.entities) + match_by_characters(gold.entities, heard.entities)
        for gold, heard in pairs
    ]
    # F1 = 2 TP / (2 TP + FP + FN), which is a sum over utterances above and one below.
    found = np.array([2 * count.true for count in counts])
    wrong = np.array([count.false_positives + count.false_negatives for count in counts])
    return {
        "intent_accuracy": _accuracy("intent", right, baselines),
        "slu_f1": Measure("SLU-F1", found, found + wrong),
    }


def _accuracy(name: str, right: list[bool], baselines: dict[str, float]) -> Measure:
    return Measure(
        f"{name} accuracy", np.array(right, dtype=np.int64), np.ones(len(right)), baseline=baselines.get(name)
    )


def _read_rows(path: Path, references: list[str], predictions: list[str]) -> list[dict]:
    """Rows of a table in the order of their IDs; predictions may be empty, references may not."""
    try:
        rows = read_manifest(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"cannot read {path.name}: {error}") from error
    whole = [
        row
        for row in rows
        if row.get("ID")
        and all((row.get(key) or "").split() for key in references)
        and all(row.get(key) is not None for key in predictions)
    ]
    if not rows or len({row["ID"] for row in whole}) < len(rows):
        columns = ", ".join(["ID", *references, *predictions])
        raise ValueError(f"{path.name} has no rows, or an ID twice, or a row without one of {columns}")
    return sorted(rows, key=lambda row: row["ID"])


def resampled(measures: list[Measure], resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """Resample the utterances of a test set, the same ones for all runs, and compute a measure for each sample.

    Parameters
    ----------
    measures : list of Measure
        The same measure of R runs, over the same N utterances.
    resamples : int
        S, number of samples of N utterances, drawn with replacement.
    seed : int
        Seed of the draws.

    Returns
    -------
    numpy.ndarray
        (S, R) float64, the measure in percent on each sample; 0 where the denominator is 0.

    Examples
    --------
    >>> resampled([Measure("WER", np.array([1, 1]), np.array([4, 4]))], resamples=3)
    array([[25.],
           [25.],
           [25.]])
    """
    parts, wholes = (np.array([getattr(measure, name) for measure in measures]) for name in ("parts", "wholes"))
    generator = np.random.default_rng(seed)
    size = parts.shape[1]
    values = np.empty((resamples, len(measures)))
    step = max(1, 2**20 // size)  # draws at a time, so that a large test set fits into memory
    for start in range(0, resamples, step):
        chosen = generator.integers(size, size=(min(step, resamples - start), size))
        above, below = (counts[:, chosen].sum(axis=2).T.astype(float) for counts in (parts, wholes))
        values[start : start + step] = np.divide(100 * above, below, out=np.zeros_like(above), where=below != 0)
    return values


def interval(samples: np.ndarray) -> list[float]:
    """Return the bounds of the central interval that holds the fraction `CONFIDENCE` of the samples.

    Parameters
    ----------
    samples : numpy.ndarray
        (S,).

    Returns
    -------
    list of float
        Lower and upper bound.

    Examples
    --------
    >>> [round(bound, 6) for bound in interval(np.arange(1001))]
    [25.0, 975.0]
    """
    outside = 50 * (1 - CONFIDENCE)
    return [float(bound) for bound in np.percentile(samples, [outside, 100 - outside])]
