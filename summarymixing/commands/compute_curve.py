"""Error rate against compute: recognisers of several costs at each of their settings, others beside them.

python tools/compute_curve.py RUN_OF_SEVERAL_COSTS RUN_OF_ONE_COST --output results/compute_curve

prints a table and writes it, the numbers and a figure. Time and multiply-accumulates are those of transcribing some of
the utterances: features, model and decoding. Measure on an idle machine.
"""

import argparse
import json
import sys
from collections import Counter
from functools import partial
from pathlib import Path

from summarymixing.benchmarks.compute import measure, settings_grid
from summarymixing.commands.choices import CHOICES
from summarymixing.corpora.audio import read_audio
from summarymixing.experiment.record import RunRecord, without_home
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.inference import Transcriber
from summarymixing.reports.compute_curve import curve_table, draw_curve, saving_lines
from summarymixing.reports.provenance import provenance
from summarymixing.reports.streaming_table import error_rates, read_utterances
from summarymixing.reports.text_tables import markdown_table, terminal_table
from summarymixing.utils.allocator import keep_freed_memory
from summarymixing.utils.errors import InputError, command_line
from summarymixing.utils.files import atomic_open
from summarymixing.utils.on_demand import offered


def spread(rows, count):
    """So many of the rows, evenly from the first to the last.

    Examples
    --------
    >>> spread("abcdefg", 3)
    ['a', 'd', 'g']
    """
    if count >= len(rows):
        return list(rows)
    return [rows[round(place * (len(rows) - 1) / max(1, count - 1))] for place in range(count)]


def transcribe_at(transcriber, setting, batches):
    """Transcribe batches of waveforms at a setting."""
    transcriber.choose(**setting)
    for batch in batches:
        transcriber.transcribe(batch)


def arguments_of(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", type=Path, help="run folder of a recogniser")
    for name, meaning in CHOICES.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, nargs="+", type=int, metavar="N", help=f"{meaning}; default: all that a run offers")
    parser.add_argument("--metric", choices=["wer", "cer"], default="wer", help="default wer")
    parser.add_argument("--manifest", nargs="+", type=Path, help="CSV manifests; default: test sets of the first run")
    parser.add_argument("--timed-utterances", type=int, default=16, help="of the first manifest, of all lengths; 16")
    parser.add_argument("--batch-size", type=int, default=8, help="utterances decoded together; 8")
    parser.add_argument("--rounds", type=int, default=5, help="in each of which every setting is timed once; 5")
    parser.add_argument("--output", type=Path, default=Path("results/compute_curve"), help="folder of the report")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args(argv)
    for name in ("timed_utterances", "batch_size", "rounds"):
        if getattr(arguments, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} {getattr(arguments, name)} must be at least 1")
    return arguments


@command_line
def main(argv=None):
    """Parse the command line, measure, print the table and write it, the numbers and the figure to a folder."""
    arguments = arguments_of(argv)
    words = sys.argv[1:] if argv is None else argv
    keep_freed_memory()
    transcribers = [Transcriber(run, arguments.device) for run in arguments.runs]
    wanted = {name: getattr(arguments, name) for name in CHOICES}
    grids = [settings_grid(offered(transcriber.model), wanted) for transcriber in transcribers]
    manifests = arguments.manifest or [
        RunFolder(arguments.runs[0]).manifest(split) for split in transcribers[0].hparams["test_splits"]
    ]
    splits = {manifest.stem: read_utterances(manifest) for manifest in manifests}

    timed = spread(next(iter(splits.values())), arguments.timed_utterances)
    calls = {}
    for run, transcriber, grid in zip(arguments.runs, transcribers, grids, strict=True):
        waves = [read_audio(row["wav"], transcriber.sample_rate) for row in timed]
        batches = [waves[i : i + arguments.batch_size] for i in range(0, len(waves), arguments.batch_size)]
        for place, setting in enumerate(grid):
            calls[f"{run} #{place}"] = partial(transcribe_at, transcriber, setting, batches)
    audio = sum(float(row["duration"]) for row in timed)
    costs = measure(calls, audio, arguments.rounds, cuda=arguments.device.startswith("cuda"))

    experiments = [str(RunRecord.read(RunFolder(run)).data.get("experiment")) for run in arguments.runs]
    runs = []
    for run, experiment, transcriber, grid in zip(arguments.runs, experiments, transcribers, grids, strict=True):
        points = []
        for place, setting in enumerate(grid):
            transcriber.choose(**setting)
            scores = {
                split: error_rates(transcriber, rows, None, None, arguments.batch_size)
                for split, rows in splits.items()
            }
            errors = {split: score[arguments.metric] for split, score in scores.items()}
            points.append({"setting": setting, "errors": errors, **costs[f"{run} #{place}"], "scores": scores})
        label = experiment if Counter(experiments)[experiment] == 1 else str(run)
        runs.append({"label": label, "run": without_home(str(run)), "points": points})

    curve = {
        **provenance(["python", "tools/compute_curve.py", *map(str, words)]),
        "metric": arguments.metric,
        "splits": list(splits),
        "timed": {"utterances": len(timed), "audio_seconds": audio, "batch_size": arguments.batch_size},
        "runs": runs,
    }
    table, lines = curve_table(curve), saving_lines(curve)
    print("\n".join([terminal_table(table), "", *lines]))
    with atomic_open(arguments.output / "compute_curve.json") as file:
        json.dump(curve, file, indent=1, ensure_ascii=False)
        file.write("\n")
    with atomic_open(arguments.output / "compute_curve.md") as file:
        listed = "".join(f"- {line}\n" for line in lines)
        file.write(f"{markdown_table(table)}\n\n{listed}\n![error rate against compute](compute_curve.png)\n")
    with atomic_open(arguments.output / "compute_curve.png", "wb") as file:
        draw_curve(curve).savefig(file, format="png")
    print(f"written: {arguments.output}/compute_curve.md, compute_curve.json, compute_curve.png")
