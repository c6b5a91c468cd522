"""Generation of a corpus by many processes: its folder appears only when complete, and records its settings."""

import io
import itertools
import json
import math
import multiprocessing
import os
import shutil
import uuid
import zlib
from pathlib import Path

import numpy as np
import soundfile

from summarymixing.utils.errors import InputError
from summarymixing.utils.progress import Progress

SETTINGS_FILE = "corpus.json"

_SUBTYPES = {"FLAC": "PCM_16", "WAV": "PCM_16", "MP3": "MPEG_LAYER_III"}
# Only a guess, for handing out work: it does not change what is written.
_TYPICAL_SECONDS = 7.5
_LARGEST_BATCH = 512


def generate(folder, layout, version, settings, seed, readme, minutes, workers, progress, write):
    """Generate a corpus, or reuse the existing one; the functions of all layouts call this.

    Parameters
    ----------
    folder : str or pathlib.Path
        The corpus root. It appears only when complete.
    layout : str
        Name of the dataset whose layout it has.
    version : int
        Version of the layout's generator.
    settings : dict
        All other settings on which the files of the corpus depend, for JSON.
    seed : int
        0 or more.
    readme : (str, str)
        Name of the corpus' description, and its text with settings in braces.
    minutes : float
        Expected minutes of speech in total, for the progress bar.
    workers : int, optional
        Processes; None is one per available core. With more than one, a script must call this under
        ``if __name__ == "__main__":``.
    progress : bool
        Whether to show a progress bar.
    write : callable
        ``write(root, studio)`` writes all other files into the folder `root`, with a `Studio`.

    Returns
    -------
    pathlib.Path
        The absolute path of `folder`.
    """
    settings = {"layout": layout, "synthetic": True, "generator_version": version, **settings, "seed": int(seed)}
    name, text = readme

    def write_all(root):
        (root / name).write_text(text.format(**settings), encoding="utf-8")
        with Studio(workers, minutes, progress) as studio:
            write(root, studio)

    return build(folder, settings, write_all)


def build(folder, settings, write):
    """Write a corpus that appears in `folder` only when complete, or reuse the existing one.

    Parameters
    ----------
    folder : str or pathlib.Path
        The corpus root. It is written beside its place and renamed when complete.
    settings : dict
        All settings on which the files of the corpus depend, for JSON, with its ``seed``; stored in
        `SETTINGS_FILE`.
    write : callable
        ``write(root)`` writes all files but that one into the empty folder `root`.

    Returns
    -------
    pathlib.Path
        The absolute path of `folder`.

    Raises
    ------
    InputError
        If the seed is negative, or `folder` cannot be written or holds a corpus with other settings
        or anything else; nothing that was there is ever removed.

    Examples
    --------
    >>> import tempfile
    >>> settings = {"layout": "one file", "seed": 0}
    >>> root = build(tempfile.mkdtemp(), settings, lambda root: (root / "a.txt").write_text("a"))
    >>> sorted(path.name for path in root.iterdir())
    ['a.txt', 'corpus.json']
    """
    folder = Path(folder).resolve()
    if settings["seed"] < 0:
        raise InputError(f"seed: {settings['seed']} is negative; choose 0 or more")
    if _is_complete(folder, settings):
        return folder
    temporary = folder.parent / f".{folder.name}.{uuid.uuid4().hex}.partial"
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot write there ({error.strerror})") from None
    try:
        write(temporary)
        (temporary / SETTINGS_FILE).write_text(json.dumps(settings, indent=2) + "\n")
        try:
            os.replace(temporary, folder)
        except OSError:
            # Another process may have finished the same corpus first; then this one is not needed.
            if not _is_complete(folder, settings):
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def check_minutes(targets):
    """Raise `InputError` unless every split of `targets`, a dict of minutes, has a positive duration.

    Examples
    --------
    >>> check_minutes({"train": 10.0, "dev": 0.5})
    """
    for split, target in targets.items():
        if not 0 < target < math.inf:
            raise InputError(f"{split}: {target} minutes; the duration must be positive")


def durations(minutes, dev_minutes, test_minutes):
    """The durations among the settings of a corpus.

    Examples
    --------
    >>> durations(250, 10, 20)
    {'minutes': 250.0, 'dev_minutes': 10.0, 'test_minutes': 20.0}
    """
    return {"minutes": float(minutes), "dev_minutes": float(dev_minutes), "test_minutes": float(test_minutes)}


def random_generator(seed, name, index):
    """The source of all choices for recording number `index` of a split or a word.

    Examples
    --------
    >>> int(random_generator(0, "train", 3).integers(100)) == int(random_generator(0, "train", 3).integers(100))
    True
    """
    return np.random.default_rng([seed, zlib.crc32(name.encode()), index])


def encode(samples, sample_rate, container):
    """Return the bytes of an audio file.

    Parameters
    ----------
    samples : numpy.ndarray
        Shape (samples,), int16.
    sample_rate : int
        In hertz.
    container : str
        ``"FLAC"`` or ``"WAV"``, both with 16 bits a sample, or ``"MP3"``, at the variable bit rate
        that libsndfile chooses by itself: at a constant one files of 48 kHz come out longer than
        `samples`.

    Examples
    --------
    >>> import numpy as np
    >>> samples, rate = soundfile.read(io.BytesIO(encode(np.ones(160, np.int16), 16000, "FLAC")))
    >>> samples.shape, rate
    ((160,), 16000)
    """
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate, format=container, subtype=_SUBTYPES[container])
    return file.getvalue()


class Studio:
    """Processes that generate recordings, and a progress bar; use it in a ``with`` statement.

    Parameters
    ----------
    workers : int, optional
        Processes; None is one per core. One means this process.
    minutes : float
        Expected minutes of speech in total, for the progress bar.
    progress : bool
        Whether to show that bar.

    Examples
    --------
    >>> with Studio(workers=1, minutes=1, progress=False) as studio:
    ...     list(studio.make(lambda name: (20.0, name), "abcd", seconds=30))
    ['a', 'b']
    """

    def __init__(self, workers, minutes, progress):
        workers = workers or os.cpu_count() or 1
        # Spawned, not forked: the caller may hold threads (torch), and a fork would copy their locks.
        self._pool = multiprocessing.get_context("spawn").Pool(workers) if workers > 1 else None
        self._bar = Progress(
            total=minutes,
            unit="min",
            desc="generating speech",
            disable=not progress,
            bar_format="{l_bar}{bar}| {n:.1f}/{total:.1f} min [{elapsed}<{remaining}]",
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()
        self._bar.close()

    def make(self, function, tasks, seconds=math.inf):
        """Yield the results of `function` for the tasks, in their order, until they last long enough.

        Parameters
        ----------
        function : callable
            ``function(task) -> (seconds, result)``; importable, since other processes call it.
        tasks : iterable
            May be endless if `seconds` is not. Some tasks beyond the last result may be run.
        seconds : float
            The result that reaches this sum is the last.

        Yields
        ------
        object
            The results, one per task.
        """
        tasks, total = iter(tasks), 0.0
        run = map if self._pool is None else self._pool.imap
        while total < seconds:
            size = min(_LARGEST_BATCH, (seconds - total) / _TYPICAL_SECONDS)
            batch = list(itertools.islice(tasks, math.ceil(size)))
            if not batch:
                return
            for spoken, result in run(function, batch):
                yield result
                total += spoken
                # The last recording may pass the target, which tqdm warns of.
                self._bar.update(min(spoken / 60, self._bar.total - self._bar.n))
                if total >= seconds:
                    break


def _is_complete(folder, settings):
    """Whether `folder` holds this corpus; an error if it holds anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    try:
        found = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(
            f"{folder} exists and is not a generated corpus (no readable {SETTINGS_FILE}): choose another folder"
        ) from None
    if found == settings:
        return True
    differing = [
        f"{key}={found.get(key)} (asked for: {value})" for key, value in settings.items() if found.get(key) != value
    ]
    raise InputError(
        f"{folder} holds a corpus generated with other settings: {', '.join(differing)}; "
        "choose another folder or remove that one"
    )
