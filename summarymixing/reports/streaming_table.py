"""Error rates of one checkpoint over chunk sizes and left contexts."""

import time

from summarymixing.corpora.manifest import read_manifest
from summarymixing.metrics.wer import score
from summarymixing.reports.text_tables import markdown_table
from summarymixing.utils.errors import InputError


def read_utterances(manifest):
    """Read the rows of a manifest, sorted from the shortest to the longest, so that batches have little padding.

    Parameters
    ----------
    manifest : str or pathlib.Path
        CSV with the columns ID, duration, wav, wrd.

    Returns
    -------
    list of dict of str to str

    Raises
    ------
    InputError
        If there is no such file, a column is missing, or it holds no utterance.
    """
    try:
        rows = read_manifest(manifest)
    except FileNotFoundError:
        raise InputError(f"{manifest}: no such manifest; give one with --manifest") from None
    if not rows or not {"duration", "wav", "wrd"} <= set(rows[0]):
        raise InputError(f"{manifest}: needs the columns ID, duration, wav, wrd and at least one utterance")
    return sorted(rows, key=lambda row: float(row["duration"]))


def settings_of(chunks_ms, left_context_sizes):
    """List every pair of a chunk size and a left context; full context, which has no chunks, is listed once.

    Parameters
    ----------
    chunks_ms : list of float or None
        Chunk sizes in milliseconds; None for the whole utterance.
    left_context_sizes : list of int or None
        Left contexts in chunks; None for all of the past.

    Returns
    -------
    list of (float or None, int or None)
        The pairs, without duplicates.

    Examples
    --------
    >>> settings_of([320, None], [2, None])
    [(320, 2), (320, None), (None, None)]
    """
    pairs = [(chunk, left) for chunk in chunks_ms for left in (left_context_sizes if chunk is not None else [None])]
    return list(dict.fromkeys(pairs))


def error_rates(transcriber, rows, chunk_ms, left_context_size, batch_size=8):
    """Decode with the chunk mask, which gives the same text as a stream, and compute error rates.

    Parameters
    ----------
    transcriber : summarymixing.inference.transcriber.Transcriber
        The recogniser.
    rows : list of dict
        From `read_utterances`.
    chunk_ms : float or None
        Chunk size in milliseconds; None for the whole utterance.
    left_context_size : int or None
        Left context in chunks; None for all of the past.
    batch_size : int
        Utterances per batch.

    Returns
    -------
    dict
        ``wer`` and ``cer`` in percent, ``utterances``, ``words``, ``seconds`` of computation, ``audio_seconds``.
    """
    started, scored = time.perf_counter(), []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        texts = transcriber.transcribe([row["wav"] for row in batch], chunk_ms, left_context_size)
        scored += [{"reference": row["wrd"], "hypothesis": text} for row, text in zip(batch, texts, strict=True)]
    seconds = time.perf_counter() - started
    audio = sum(float(row["duration"]) for row in rows)
    return {**score(scored), "seconds": seconds, "audio_seconds": audio}


def markdown(results, metric="wer"):
    """Write one table per split, with chunk sizes as rows and left contexts as columns.

    Parameters
    ----------
    results : list of dict
        With ``split``, ``chunk_ms``, ``left_context_size`` and the metric.
    metric : str
        Key of the metric in the cells.

    Returns
    -------
    str
        Markdown.

    Examples
    --------
    >>> row = {"split": "test-clean", "chunk_ms": 320.0, "left_context_size": 2, "wer": 4.376}
    >>> print(markdown([row, {**row, "chunk_ms": None, "left_context_size": None, "wer": 2.7}]))
    **test-clean**, WER %
    <BLANKLINE>
    | chunk   | left context 2   | left context inf   |
    |---------|------------------|--------------------|
    | 320 ms  | 4.38             |                    |
    | full    |                  | 2.70               |
    """
    tables = []
    for split in dict.fromkeys(result["split"] for result in results):
        cells = {(r["chunk_ms"], r["left_context_size"]): r[metric] for r in results if r["split"] == split}
        lefts = list(dict.fromkeys(left for _, left in cells))
        rows = [["chunk", *(f"left context {'inf' if left is None else left}" for left in lefts)]]
        for chunk in dict.fromkeys(chunk for chunk, _ in cells):
            found = [cells.get((chunk, left)) for left in lefts]
            name = "full" if chunk is None else f"{chunk:g} ms"
            rows.append([name, *("" if rate is None else f"{rate:.2f}" for rate in found)])
        tables.append(f"**{split}**, {metric.upper()} %\n\n{markdown_table(rows)}")
    return "\n\n".join(tables)
