"""WER of a CTC or transducer run at several chunk sizes and left contexts, with one checkpoint.

python tools/evaluate_streaming.py RUN --chunk-ms 320 640 1280 full --left-context-size 2 8 inf

prints the tables and writes RUN/streaming.json and RUN/streaming.md.
"""

import argparse
import json
import sys
from pathlib import Path

from summarymixing.commands.choices import add_choices, choices_of
from summarymixing.experiment.record import without_home
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.inference import Transcriber
from summarymixing.reports.provenance import provenance
from summarymixing.reports.streaming_table import error_rates, markdown, read_utterances, settings_of
from summarymixing.utils.allocator import keep_freed_memory
from summarymixing.utils.errors import InputError, command_line
from summarymixing.utils.files import atomic_open


def number_or(word, kind):
    """Make an argparse type: a number, or a word that means None."""

    def parse(text):
        return None if text == word else kind(text)

    parse.__name__ = f"{kind.__name__} or '{word}'"  # argparse shows it
    return parse


@command_line
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of a train.py")
    parser.add_argument(
        "--chunk-ms",
        nargs="+",
        type=number_or("full", float),
        default=[320.0, 640.0, 1280.0, None],
        help="chunk sizes in ms, multiples of an encoder frame; full: the whole utterance",
    )
    parser.add_argument(
        "--left-context-size",
        "--left-chunks",  # its name in version 0.1
        nargs="+",
        type=number_or("inf", int),
        default=[2, 8, None],
        help="left contexts in chunks; inf: all of the past",
    )
    parser.add_argument("--manifest", nargs="+", type=Path, help="CSV manifests; default: those of the run's test sets")
    parser.add_argument("--batch-size", type=int, default=8, help="utterances per batch; it changes only the time")
    parser.add_argument("--output", type=Path, help="file name without suffix; default: RUN/streaming")
    add_choices(parser)
    parser.add_argument("--device", default="cpu", help="such as cpu or cuda; default: cpu")
    arguments = parser.parse_args()
    if arguments.batch_size < 1:
        raise InputError(f"--batch-size {arguments.batch_size} must be at least 1")

    keep_freed_memory()
    run, transcriber = RunFolder(arguments.run), Transcriber(arguments.run, arguments.device, **choices_of(arguments))
    settings = settings_of(arguments.chunk_ms, arguments.left_context_size)
    for chunk_ms, left_context_size in settings:
        if chunk_ms is not None:
            transcriber.stream(chunk_ms, left_context_size)  # a bad setting is an error before hours of work
    manifests = arguments.manifest or [run.manifest(split) for split in transcriber.hparams["test_splits"]]
    splits = {manifest.stem: read_utterances(manifest) for manifest in manifests}
    results = []
    for split, rows in splits.items():
        for chunk_ms, left_context_size in settings:
            rates = error_rates(transcriber, rows, chunk_ms, left_context_size, arguments.batch_size)
            results.append({"split": split, "chunk_ms": chunk_ms, "left_context_size": left_context_size, **rates})

    record = {"run": without_home(str(arguments.run)), **provenance(sys.argv), "results": results}
    output = arguments.output or run.streaming.with_suffix("")
    tables = markdown(results)
    for suffix, text in (("json", json.dumps(record, indent=2)), ("md", tables)):
        with atomic_open(f"{output}.{suffix}") as file:
            file.write(text + "\n")
    print(tables)
