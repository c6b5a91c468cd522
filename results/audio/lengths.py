"""What every file of a folder is read as: by preparation, by training, and by tools/transcribe.py, in seconds.

`results/audio/formats.sh` calls it. A run of CTC or a transducer, as RUN, lets tools/transcribe.py itself say how much
it heard; without one, that column is what its reader gives to a run of 16 kHz.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from summarymixing.corpora.audio import inspect_audio, read_audio
from summarymixing.corpora.decoders import decode
from summarymixing.experiment.record import git_state, machine, versions
from summarymixing.utils.errors import InputError
from summarymixing.utils.files import atomic_open

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 0.03


def heard(run, paths):
    """Seconds that tools/transcribe.py says it has heard of each recording."""
    command = [sys.executable, str(ROOT / "tools" / "transcribe.py"), run, *map(str, paths), "--stream"]
    done = subprocess.run(command, capture_output=True, text=True)
    seconds, name = {}, None
    for line in done.stdout.splitlines():
        result = re.match(r" *(\d+\.\d\d) s  ", line)
        if result:
            seconds[name] = float(result[1])
        else:
            name = Path(line).name
    return seconds


def main():
    """Read each file three times, print, and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, required=True, help="the true length of all of them")
    parser.add_argument("--run", help="run folder")
    parser.add_argument("--output", required=True)
    arguments = parser.parse_args()
    paths = sorted(path for path in arguments.folder.iterdir() if path.is_file())
    spoken = heard(arguments.run, paths) if arguments.run else {}
    files, wrong = {}, 0
    for path in paths:
        try:
            rate, block = next(iter(decode(path)))
            found = {"rate": rate, "channels": block.shape[1], "preparation": round(inspect_audio(path), 6)}
            found["training"] = len(read_audio(path)) / 16000
            found["transcribe"] = spoken.get(path.name) if arguments.run else None
            lengths = [found[key] for key in ("preparation", "training", "transcribe") if found[key] is not None]
            # Two decimals are all that tools/transcribe.py prints.
            good = max(lengths) - min(lengths) <= 0.0051
            good = good and max(abs(length - arguments.seconds) for length in lengths) <= TOLERANCE
        except InputError as error:
            found, good = {"refused": str(error).removeprefix(f"{path}: ")}, False
        wrong += not good
        files[path.name] = found
        print(f"{'ok   ' if good else 'WRONG'} {path.name:26} {found}")
    commit, dirty = git_state()
    record = {
        "command": "results/audio/formats.sh",
        "commit": commit,
        "dirty": dirty,
        "versions": versions(),
        "machine": machine(),
        "seconds": arguments.seconds,
        "files": files,
        "wrong": wrong,
    }
    with atomic_open(arguments.output) as file:
        file.write(json.dumps(record, indent=1) + "\n")
    print(f"{len(files)} files, {wrong} wrong; written to {arguments.output}")


if __name__ == "__main__":
    main()
