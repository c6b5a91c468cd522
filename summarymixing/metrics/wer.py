"""Word and character error rates, and the files of transcripts and alignments."""

import jiwer

from summarymixing.corpora.manifest import write_manifest
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.metrics.measures import align_transcripts
from summarymixing.utils.files import atomic_open

FIELDS = ["ID", "duration", "reference", "hypothesis"]


def score(rows):
    """Compute error rates of a list of transcripts with jiwer.

    Parameters
    ----------
    rows : list of dict
        With the keys reference and hypothesis; no reference is empty.

    Returns
    -------
    dict
        ``wer`` and ``cer`` in percent; ``utterances``; ``words``, those of the references.

    Examples
    --------
    >>> score([{"reference": "A B", "hypothesis": "A C"}])
    {'wer': 50.0, 'cer': 33.33333333333333, 'utterances': 1, 'words': 2}
    """
    references = [row["reference"] for row in rows]
    hypotheses = [row["hypothesis"] for row in rows]
    words, characters = align_transcripts(references, hypotheses)
    return {
        "wer": 100 * words.wer,
        "cer": 100 * characters.cer,
        "utterances": len(rows),
        "words": sum(len(reference.split()) for reference in references),
    }


def write_scored(run_folder, split, rows):
    """Write ``transcripts_<split>.csv`` and the alignments ``wer_<split>.txt`` into a run folder.

    Parameters
    ----------
    run_folder : pathlib.Path
        The run folder.
    split : str
        Name of the test set.
    rows : list of dict
        With the keys ID, duration, reference and hypothesis.
    """
    run, rows = RunFolder(run_folder), sorted(rows, key=lambda row: row["ID"])
    write_manifest(run.transcripts(split), rows, FIELDS)
    references = [row["reference"] for row in rows]
    aligned = jiwer.process_words(references, [row["hypothesis"] for row in rows])
    with atomic_open(run.alignments(split)) as file:
        # One line per ID, because an ID may hold spaces; jiwer's alignments number the sentences.
        file.writelines(f"sentence {number}: {row['ID']}\n" for number, row in enumerate(rows, 1))
        file.write("\n")
        file.write(jiwer.visualize_alignment(aligned))
