"""The command line of a training: a YAML file, SpeechBrain's run options, and keys of the file."""

from __future__ import annotations

import contextlib
import io

import speechbrain
from speechbrain.utils.run_opts import RunOptions

from summarymixing.experiment.run_options import FLAGS, RUN_OPTIONS
from summarymixing.experiment.shell_values import TRUTH, parse_values
from summarymixing.experiment.yaml_tree import suggestion
from summarymixing.utils.errors import InputError


def split_arguments(argv: list[str]) -> tuple[str, list[str], dict[str, list[str]]]:
    """Separate the YAML file, the words of run options and the words of each overridden key.

    SpeechBrain's parser is not used for keys: it confuses a YAML key with a run option that begins
    in the same way, and splits a value at every "=".

    Parameters
    ----------
    argv : list of str
        The command line without the program.

    Returns
    -------
    str
        The YAML file.
    list of str
        Words of run options.
    dict of str to list of str
        The words after each other ``--key``.

    Raises
    ------
    InputError
        If there is no YAML file, or a word follows no key.

    Examples
    --------
    >>> split_arguments(["tiny.yaml", "--lr=0.1", "--device", "cpu", "--test_splits", "a", "b"])
    ('tiny.yaml', ['--device', 'cpu'], {'lr': ['0.1'], 'test_splits': ['a', 'b']})
    """
    if argv and argv[0] in ("-h", "--help"):
        speechbrain.parse_arguments(argv)  # prints the run options and exits
    if not argv or argv[0].startswith("-"):
        raise InputError("the first argument must be the YAML file of an experiment")
    options: list[str] = []
    keys: dict[str, list[str]] = {}
    current = None
    for word in argv[1:]:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if name in RUN_OPTIONS:
                options.append(word)
                current = None if equals else options
            else:
                current = keys[name] = [value] if equals else []
        elif current is None:
            raise InputError(f"argument '{word}' follows no --key; write --key {word}")
        else:
            current.append(word)
    return argv[0], options, keys


def refuse_unknown(words, keys: set[str], yaml_file: str) -> None:
    """Refuse a key that the YAML file does not have; the message names the closest key.

    Parameters
    ----------
    words : iterable of str
        Keys on the command line.
    keys : set of str
        Keys of the file.
    yaml_file : str
        The file, for error messages.

    Raises
    ------
    InputError
        If a key is unknown; names the first of them.

    Examples
    --------
    >>> refuse_unknown(["lr"], {"lr", "seed"}, "tiny.yaml")
    """
    for key in words:
        if key in keys:
            continue
        parent, _, part = key.replace("]", "").replace("[", ".").partition(".")
        if part and parent in keys:
            raise InputError(
                f"{yaml_file}: --{key}: replace a part of '{parent}' with --{parent} \"{{{part}: value}}\""
            )
        hint = suggestion(key, keys | RUN_OPTIONS)
        raise InputError(f"{yaml_file}: --{key} is neither a top-level key of this file nor a run option{hint}")


def parse_run_options(yaml_file: str, words: list[str]) -> tuple[RunOptions, dict]:
    """Let SpeechBrain parse its options, and turn argparse's usage page into one line.

    Unlike in argparse, a flag may have a boolean value: ``--skip_nonfinite_grads no``.

    Parameters
    ----------
    yaml_file : str
        The experiment's YAML file.
    words : list of str
        From `split_arguments`.

    Returns
    -------
    RunOptions
        All options except flags.
    dict
        The options on the command line, sorted by name.

    Raises
    ------
    InputError
        If a value is bad.

    Examples
    --------
    >>> parse_run_options("tiny.yaml", ["--device=cpu", "--debug", "no"])[1]
    {'debug': False, 'device': 'cpu'}
    """
    flags, words = _split_flags(words)
    page = io.StringIO()
    try:
        with contextlib.redirect_stderr(page):
            _, options, rest = speechbrain.parse_arguments([yaml_file, *words])
    except SystemExit as error:
        reason = page.getvalue().strip().splitlines()[-1].partition("error: ")[2]
        raise InputError(f"bad run option: {reason}") from error
    if rest:
        raise InputError(f"bad run option: there is a value too many in: {' '.join(words)}; leave it out")
    typed = {key: options[key] for key in options.overridden_args}
    if "optimizer_step_limit" in typed:  # the one number that SpeechBrain leaves as text
        words = {"optimizer_step_limit": [typed["optimizer_step_limit"]]}
        typed |= parse_values(words, "optimizer_step_limit: 1", yaml_file)
    return options, dict(sorted({**typed, **flags}.items()))


def _split_flags(words: list[str]) -> tuple[dict[str, bool], list[str]]:
    """Separate SpeechBrain's flags, which argparse can only set: ``--flag``, ``--flag no``, ``--flag=no``."""
    flags: dict[str, bool] = {}
    others: list[str] = []
    current = None
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and name in FLAGS:
            flags[name] = _truth(name, value) if equals else True
            current = None if equals else name
        elif current and not word.startswith("--"):
            flags[current] = _truth(current, word)
            current = None
        else:
            others.append(word)
            current = None
    return flags, others


def _truth(option: str, word: str) -> bool:
    if word.lower() not in TRUTH:
        raise InputError(
            f"bad run option: --{option} {word}: give one of {', '.join(TRUTH)}, or no value, which means true"
        )
    return TRUTH[word.lower()]
