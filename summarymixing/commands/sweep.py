"""Train a grid of settings, one after another or on several devices, and write one table of all.

A sweep that was stopped goes on where it was, when the same command is given again: finished runs are kept.
"""

import argparse
import itertools
import json
import queue
import re
import shlex
import subprocess
import sys
import threading
from pathlib import Path

from summarymixing.experiment.record import RunRecord
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.reports.sweep_table import sweep_results, sweep_rows
from summarymixing.reports.text_tables import markdown_table, terminal_table
from summarymixing.utils.errors import InputError, command_line
from summarymixing.utils.files import atomic_open


def read_grid(words):
    """The values of each key.

    Parameters
    ----------
    words : list of str
        ``key=value,value``; commas within brackets, braces or quotes separate nothing, and a key that comes again adds
        values.

    Returns
    -------
    dict of str to list of str

    Raises
    ------
    InputError
        For a word without a key or without a value.

    Examples
    --------
    >>> read_grid(["layers=last 1,last 2", "mixer={nhead: 1, half_width: 5}", "seed=1", "seed=2"])
    {'layers': ['last 1', 'last 2'], 'mixer': ['{nhead: 1, half_width: 5}'], 'seed': ['1', '2']}
    """
    grid = {}
    for word in words:
        key, equals, text = word.partition("=")
        values = [value.strip() for value in re.findall(r"(?:\{.*?\}|\[.*?\]|\".*?\"|'.*?'|[^,])+", text)]
        if not equals or not re.fullmatch(r"\w+", key) or not values:
            raise InputError(f"--grid {word}: write key=value or key=value,value, such as layers='last 1,last 2'")
        grid.setdefault(key, []).extend(values)
    return grid


def plan(files, grid, output):
    """The runs of a grid.

    Parameters
    ----------
    files : list of str
        YAML files of experiments.
    grid : dict of str to list of str
        From :func:`read_grid`.
    output : pathlib.Path
        The sweep's folder.

    Returns
    -------
    dict of str to list of tuple
        For each setting, which is all but the seed, its runs: YAML file, values by key, run folder.
    """
    runs = {}
    names = [Path(file).stem for file in files]
    for file, name in zip(files, names, strict=True):
        name = name if names.count(name) == 1 else re.sub(r"\W+", "_", str(Path(file).with_suffix("")))
        for values in itertools.product(*grid.values()):
            chosen = dict(zip(grid, values, strict=True))
            setting = ", ".join([name, *(f"{key} {value}" for key, value in chosen.items() if key != "seed")])
            folder = "_".join(re.sub(r"[^\w.=-]+", "-", f"{key}={value}") for key, value in chosen.items())
            runs.setdefault(setting, []).append((file, chosen, output / name / (folder or "run")))
    folders = [folder for group in runs.values() for *_, folder in group]
    twice = next((folder for folder in folders if folders.count(folder) > 1), None)
    if twice is not None:
        raise InputError(f"--grid: two runs would have the folder {twice}; give each file and value once")
    return runs


def _remember(output, common):
    """Refuse to go on with other options, which the finished runs have not had."""
    file = output / "options.json"
    before = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else common
    if before != common:
        raise InputError(
            f"--output {output}: its runs were started with -- {shlex.join(before)}; give the same again, or another "
            "--output"
        )
    with atomic_open(file) as out:
        json.dump(common, out)


def _script(file):
    """The recipe of a YAML file: train.py beside it, or above."""
    for folder in Path(file).absolute().parents:
        if (folder / "train.py").is_file():
            return folder / "train.py"
    raise InputError(f"{file}: no train.py in its folder or above it; give a YAML file of a recipe")


def _finished(folder):
    run = RunFolder(folder)
    return run.record.is_file() and RunRecord.read(run).data.get("finished") is not None


def _train(run, words, device):
    """Train one run unless it is finished; what it prints goes to a file beside its folder. Whether it has finished."""
    file, chosen, folder = run
    if _finished(folder):
        return True
    command = [sys.executable, str(_script(file)), str(file), "--output_folder", str(folder)]
    command += [word for key, value in chosen.items() for word in (f"--{key}", value)] + words
    command += [] if device is None else ["--device", device]
    folder.parent.mkdir(parents=True, exist_ok=True)
    printed = folder.with_name(folder.name + ".txt")
    print(f"{shlex.join(command)} > {printed}", file=sys.stderr, flush=True)
    with open(printed, "a", encoding="utf-8") as out:
        status = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
    return status == 0 and _finished(folder)


def train_all(runs, words, devices):
    """Train runs, on each device one at a time.

    Returns
    -------
    list of pathlib.Path
        Folders of runs that did not finish.
    """
    waiting, failed = queue.SimpleQueue(), []
    for run in runs:
        waiting.put(run)

    def work(device):
        while True:
            try:
                run = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done = _train(run, words, device)
            except Exception as error:  # of one run; the others go on
                print(f"{run[2]}: {error}", file=sys.stderr)
                done = False
            if not done:
                failed.append(run[2])

    threads = [threading.Thread(target=work, args=(device,), daemon=True) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


@command_line
def main(argv=None):
    """Parse the command line, train what is not trained yet, print the table and write it into the sweep's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="BASE.yaml", help="experiments; differences are to the first")
    parser.add_argument("--grid", nargs="+", default=[], metavar="KEY=VALUES", help="values, separated by commas")
    parser.add_argument("--output", type=Path, required=True, help="folder for the runs and the table")
    parser.add_argument("--devices", nargs="+", default=[None], help="such as cuda:0 cuda:1; a run at a time on each")
    parser.epilog = "What follows -- goes to every run: -- --data_folder FOLDER --number_of_epochs 10"
    words = list(sys.argv[1:] if argv is None else argv)
    cut = words.index("--") if "--" in words else len(words)
    arguments, common = parser.parse_args(words[:cut]), words[cut + 1 :]
    for file in arguments.files:
        _script(file)
        if not Path(file).is_file():
            raise InputError(f"{file}: no such file; give the YAML file of an experiment")
    planned = plan(arguments.files, read_grid(arguments.grid), arguments.output)
    _remember(arguments.output, common)
    failed = train_all([run for runs in planned.values() for run in runs], common, arguments.devices)
    if failed:
        texts = ", ".join(f"{folder}.txt" for folder in sorted(failed))
        raise InputError(f"{len(failed)} runs did not finish; see {texts}, then give the same command again")
    folders = {setting: [str(folder) for *_, folder in runs] for setting, runs in planned.items()}
    result = sweep_results(folders, ["python", "tools/sweep.py", *words])
    rows = sweep_rows(result)
    print(terminal_table(rows))
    with atomic_open(arguments.output / "sweep.json") as file:
        json.dump(result, file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")
    with atomic_open(arguments.output / "sweep.md") as file:
        file.write(markdown_table(rows) + "\n\nMeans and standard deviations over seeds; intervals from resampled ")
        file.write("utterances, the same ones for all runs.\n" + "".join(f"\n- {note}\n" for note in result["notes"]))
    print(f"written: {arguments.output}/sweep.md, sweep.json")
