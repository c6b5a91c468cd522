"""Load an experiment: make objects and a run folder from a YAML file and a command line.

Seeding is part of the YAML file, as in SpeechBrain's own recipes. The line must be above the
first key that builds a module, because HyperPyYAML builds objects in the order of the file::

    seed: 1234
    __set_seed: !apply:summarymixing.utils.seeds.seed_everything [!ref <seed>]
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import ruamel.yaml
import torch
from speechbrain.core import DEFAULT_LOG_CONFIG
from speechbrain.utils.distributed import get_local_rank, get_rank, infer_device
from speechbrain.utils.logger import setup_logging

from summarymixing.experiment.arguments import parse_run_options, refuse_unknown, split_arguments
from summarymixing.experiment.key_lists import resumable_keys
from summarymixing.experiment.record import RunRecord
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.experiment.shell_values import parse_values
from summarymixing.experiment.value_checks import check_device, check_values
from summarymixing.experiment.yaml_build import build, resolve
from summarymixing.experiment.yaml_files import resolve_yaml
from summarymixing.experiment.yaml_tree import comparable, dump_tree, load_tree, put, tag_of, top_level_keys
from summarymixing.utils.errors import InputError

__all__ = ["Experiment", "RunRecord", "Settings", "load_experiment", "read_settings", "resolve_yaml"]

#: Top-level keys that may be null until the data determine them (:meth:`Experiment.settle`). Objects are first built
#: with the values given here, so that a mistake in any other key is found before hours of data preparation.
FROM_DATA = {"vocab_size": 8}


@dataclass
class Experiment:
    """A loaded experiment.

    Attributes
    ----------
    name : str
        The YAML key ``experiment``; by default the name of the YAML file without its suffix.
    yaml_file : pathlib.Path
        The file named on the command line.
    run_folder : pathlib.Path
        The YAML key ``output_folder``; the folder exists.
    hparams : dict
        The values and objects that HyperPyYAML built.
    run_opts : dict
        The SpeechBrain run options on the command line, without defaults. For SpeechBrain
        ``run_opts`` have precedence over the YAML file, so that a default here would replace the
        file's precision, gradient accumulation, step limit and clipping. Under ``torchrun`` they
        also have the device of this process and the backend.
    overrides : dict
        The top-level keys replaced on the command line.
    argv : list of str
        The command line, without the program.
    text : str
        The complete YAML text, overrides included.
    """

    name: str
    yaml_file: Path
    run_folder: Path
    hparams: dict
    run_opts: dict = field(default_factory=dict)
    overrides: dict = field(default_factory=dict)
    argv: list[str] = field(default_factory=list)
    text: str = ""

    def settle(self, **values) -> None:
        """Set keys of `FROM_DATA`, build all objects again with them, and write them to the run folder.

        Parameters
        ----------
        **values
            The keys, which were null, and their values from the data.

        Raises
        ------
        InputError
            If an object cannot be built with them.

        Examples
        --------
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> lines = [f"output_folder: {folder}/run", "vocab_size: null"]
        >>> lines.append("output: !new:torch.nn.Linear [4, !ref <vocab_size>]")
        >>> _ = (folder / "tiny.yaml").write_text("\\n".join(lines))
        >>> experiment = load_experiment([str(folder / "tiny.yaml")])
        >>> experiment.settle(vocab_size=28)
        >>> experiment.hparams["output"].out_features
        28
        >>> "vocab_size: 28" in (experiment.run_folder / "hyperparams.yaml").read_text()
        True
        """
        self.text = _apply_overrides(self.text, values, str(self.yaml_file))
        self.hparams.update(build(resolve(self.text, str(self.yaml_file)), str(self.yaml_file)))
        if _is_first_process():
            RunFolder(self.run_folder).write_text(self.text)


@dataclass
class Settings:
    """The settings of a YAML file and a command line, before anything is built.

    Attributes
    ----------
    yaml_file : str
        The file named on the command line.
    text : str
        The complete HyperPyYAML text, with the values of the command line.
    overrides : dict
        The top-level keys replaced on the command line.
    run_opts : dict
        The SpeechBrain run options on the command line.
    log_config : str or None
        SpeechBrain's run option of this name.
    """

    yaml_file: str
    text: str
    overrides: dict
    run_opts: dict
    log_config: str | None


def read_settings(argv: list[str]) -> Settings:
    """Read a YAML file and a command line without side effects.

    Parameters
    ----------
    argv : list of str
        A YAML file, then SpeechBrain run options and ``--key value`` for top-level keys. A run option that is also a
        key of the file sets both.

    Returns
    -------
    Settings

    Raises
    ------
    InputError
        If the arguments or the YAML file are bad.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "tiny.yaml"
    >>> _ = file.write_text("seed: 1\\nmixer: !name:collections.Counter\\n")
    >>> print(read_settings([str(file), "--seed", "3", "--mixer", "{nhead: 4}"]).text, end="")
    experiment: tiny
    seed: 3
    mixer: !name:collections.Counter
      nhead: 4
    """
    yaml_file, option_words, key_words = split_arguments(argv)
    text = resolve_yaml(yaml_file)
    keys = set(top_level_keys(text, yaml_file))
    refuse_unknown(key_words, keys, yaml_file)
    overrides = parse_values(key_words, text, yaml_file)
    options, run_opts = parse_run_options(yaml_file, option_words)
    # The YAML may refer to a run option's key, and its record must show the value that was used.
    overrides.update({key: value for key, value in run_opts.items() if key in keys})
    text = _evaluate(_apply_overrides(text, overrides, yaml_file), yaml_file)
    return Settings(yaml_file, text, overrides, run_opts, options.log_config)


def load_experiment(argv: list[str] | None = None) -> Experiment:
    """Load the experiment that a command line names, and open its run folder.

    The run folder receives ``log.txt`` and ``hyperparams.yaml``, the complete HyperPyYAML file
    with the overrides of the command line. The process itself is not changed: under ``torchrun`` a
    program joins the others with ``ddp_init_group(experiment.run_opts)``.

    Parameters
    ----------
    argv : list of str, optional
        As for `read_settings`; by default the arguments of the program.

    Returns
    -------
    Experiment

    Raises
    ------
    InputError
        If the arguments or the YAML file are bad, an object cannot be built, or the run folder
        holds a run with other settings.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "tiny.yaml").write_text(f"seed: 1\\noutput_folder: {folder}/run\\n")
    >>> experiment = load_experiment([str(folder / "tiny.yaml"), "--seed", "3", "--device", "cpu"])
    >>> experiment.name, experiment.hparams["seed"], experiment.run_opts
    ('tiny', 3, {'device': 'cpu'})
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    settings = read_settings(argv)
    yaml_file, text, run_opts = settings.yaml_file, settings.text, settings.run_opts
    if get_local_rank() is not None:
        run_opts.update(_process_options(run_opts))

    resolved = resolve(text, yaml_file)
    plain = {**ruamel.yaml.YAML().load(resolved), **run_opts}
    check_values(plain, yaml_file)
    if plain.get("device") is not None:
        check_device(plain["device"])
    run_folder = _run_folder(plain, yaml_file)
    text = _apply_overrides(text, _recorded(_unsettled(text), RunFolder(run_folder)), yaml_file)
    _refuse_other_run(text, RunFolder(run_folder), resumable_keys(text, yaml_file))
    unsettled = _unsettled(text)
    stand_ins = {key: FROM_DATA[key] for key in unsettled}
    hparams = build(resolve(_apply_overrides(text, stand_ins, yaml_file), yaml_file), yaml_file)
    hparams.update(dict.fromkeys(unsettled))
    if _is_first_process():
        _open_run_folder(RunFolder(run_folder), text, settings.log_config)
    return Experiment(
        name=str(hparams["experiment"]),
        yaml_file=Path(yaml_file),
        run_folder=run_folder,
        hparams=hparams,
        run_opts=run_opts,
        overrides=settings.overrides,
        argv=argv,
        text=text,
    )


def _is_first_process() -> bool:
    # SpeechBrain's if_main_process is true in every process until the group is started. Its get_rank also reads SLURM's
    # rank, which independent runs may have.
    return get_local_rank() is None or get_rank() == 0


def _process_options(run_opts: dict) -> dict:
    """Run options of a process that torchrun started: its own GPU, or gloo on a CPU."""
    rank, device = get_local_rank(), run_opts.get("device") or infer_device()
    if device == "cpu":
        return {"distributed_backend": "gloo", **run_opts, "device": device}
    if device == "cuda":
        device = f"cuda:{rank}"  # SpeechBrain would use the first GPU in all processes
    if device.startswith("cuda") and rank >= torch.cuda.device_count():
        raise InputError(
            f"torchrun started process {rank + 1} on this machine, which has {torch.cuda.device_count()} GPU(s); start "
            "one process per GPU with --nproc_per_node, or add --device cpu"
        )
    return {"distributed_backend": "nccl", **run_opts, "device": device}


def _apply_overrides(text: str, overrides: dict, yaml_file: str) -> str:
    """Write the overrides into the text; its references and comments stay."""
    tree = load_tree(text, yaml_file)
    for key, value in overrides.items():
        try:
            put(tree, key, value)
        except ValueError as error:
            raise InputError(f"{yaml_file}: --{key}: {error}") from error
    return dump_tree(tree)


def _evaluate(text: str, yaml_file: str) -> str:
    """Put what ``!applyref:`` gives in its place, so that the record of a run needs no other file."""
    if "!applyref:" not in text:
        return text
    tree = load_tree(text, yaml_file)
    _replace_calls(tree, load_tree(resolve(text, yaml_file), yaml_file))
    return dump_tree(tree)


def _replace_calls(tree, values) -> None:
    for key in tree if isinstance(tree, dict) else range(len(tree)):
        if tag_of(tree[key]).startswith("!applyref:"):
            tree[key] = values[key]
        elif isinstance(tree[key], dict | list):
            _replace_calls(tree[key], values[key])


def _unsettled(text: str) -> list[str]:
    """Keys of a text whose values the data will determine."""
    tree = ruamel.yaml.YAML().load(text) or {}
    return [key for key in FROM_DATA if key in tree and tree[key] is None]


def _recorded(keys: list[str], run: RunFolder) -> dict:
    """Values of these keys in the run of a folder, which the data determined, if anything was trained there."""
    if not keys or not run.hyperparams.exists() or not run.has_trained:
        return {}
    old = ruamel.yaml.YAML().load(run.text())
    return {key: old[key] for key in keys if old.get(key) is not None}


def _run_folder(values: dict, yaml_file: str) -> Path:
    value = values.get("output_folder")
    if not isinstance(value, str) or not value:
        raise InputError(f"{yaml_file}: key 'output_folder' must name the folder of the run")
    if Path(value).exists() and not Path(value).is_dir():
        raise InputError(f"{yaml_file}: key 'output_folder': {value} is a file, not a folder")
    return Path(value)


def _refuse_other_run(text: str, run: RunFolder, resumable: set[str]) -> None:
    """Refuse a folder that holds a run with other settings, whose checkpoints would not fit, or would fit by chance.

    The texts are compared before references are followed, so that only the changed key is named, without the
    keys that refer to it.
    """
    if not run.hyperparams.exists():
        return
    old, new = run.settings(), comparable(text, "this experiment")
    changed = [key for key in [*new, *(set(old) - set(new))] if old.get(key) != new.get(key)]
    unsettled = _unsettled(text)  # until something is trained, the data may give another number
    changed = [key for key in changed if key not in resumable and key not in unsettled]
    if run.has_trained and changed:
        raise InputError(
            f"{run.hyperparams}: this folder holds a run with another value of {', '.join(changed)}; "
            "choose another --output_folder, or delete this folder"
        )
    if not run.has_trained and _is_first_process():
        run.clear_failed_start()


def _open_run_folder(run: RunFolder, text: str, log_config: str | None) -> None:
    # speechbrain.create_experiment_directory is not used: it copies this module into the folder,
    # lists every installed package, and replaces our error messages by its own output.
    run.write_text(text)
    setup_logging(log_config or DEFAULT_LOG_CONFIG, {"handlers": {"file_handler": {"filename": str(run.log)}}})
