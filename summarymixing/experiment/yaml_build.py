"""Let HyperPyYAML build the objects of an experiment, with errors of one line."""

from __future__ import annotations

import inspect
import io
import pydoc
import re
import traceback

import ruamel.yaml
from hyperpyyaml import load_hyperpyyaml, resolve_references

from summarymixing.experiment.yaml_tree import suggestion, top_level_keys
from summarymixing.utils.errors import InputError

_PLACEHOLDER = re.compile(r"'(.+)' is a !PLACEHOLDER")


def resolve(text: str, yaml_file: str, overrides: dict | None = None) -> str:
    """Return a HyperPyYAML text with its references followed.

    Parameters
    ----------
    text : str
        A complete HyperPyYAML text.
    yaml_file : str
        Its file, for error messages.
    overrides : dict, optional
        Values of top-level keys that replace those of the text before its references are followed.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If a reference leads nowhere, a value is missing (``!PLACEHOLDER``), or the text has an ``!include:``.

    Examples
    --------
    >>> resolve("a: 2\\nb: !ref <a> * 3\\n", "some.yaml")
    'a: 2\\nb: 6\\n'
    """
    if re.search(r"^[^#\n]*!include:", text, flags=re.MULTILINE):
        # The copy in the run folder would not find a file that is named relative to this one.
        raise InputError(f"{yaml_file}: `!include:` is not supported; share keys with `base:`")
    try:
        return resolve_references(io.StringIO(text), overrides).getvalue()
    except InputError:  # of a function that `!applyref:` calls
        raise
    except Exception as error:
        placeholder = _PLACEHOLDER.search(str(error))
        if placeholder:
            key = placeholder[1]
            message = f"key '{key}' has no value yet; give it with --{key} VALUE"
        else:
            message = _one_line(error)
        raise InputError(f"{yaml_file}: {message}") from error


def build(resolved: str, yaml_file: str) -> dict:
    """Build the objects of a text from `resolve`.

    Parameters
    ----------
    resolved : str
        A HyperPyYAML text without references.
    yaml_file : str
        Its file, for error messages.

    Returns
    -------
    dict
        As returned by ``hyperpyyaml.load_hyperpyyaml``.

    Raises
    ------
    InputError
        If an object cannot be built; names the file, the key and the class, and keeps the first
        exception as its cause.

    Examples
    --------
    >>> build("words: !new:collections.Counter\\n  a: 2\\n", "some.yaml")
    {'words': Counter({'a': 2})}
    """
    try:
        return load_hyperpyyaml(io.StringIO(resolved))
    except Exception as error:
        where, hint = "", ""
        frame = _failing_frame(error)
        if frame:
            key = _key_at(frame["node"].start_mark.line, resolved)
            name = frame["callable_string"]
            where = f"key '{key}': {name}: "
            hint = _argument_hint(str(error), name)
        raise InputError(f"{yaml_file}: {where}{_one_line(error)}{hint}") from error


def without_keys(resolved: str, keys) -> str:
    """Remove top-level keys from a text.

    Parameters
    ----------
    resolved : str
        From `resolve`.
    keys : iterable of str
        The keys to remove.

    Returns
    -------
    str

    Examples
    --------
    >>> without_keys("a: &x [1]\\nb: *x\\n", ["a"])
    'b: [1]\\n'
    """
    yaml = ruamel.yaml.YAML()
    tree = yaml.load(resolved)
    for key in keys:
        tree.pop(key, None)
    out = io.StringIO()
    yaml.dump(tree, out)
    return out.getvalue()


def _one_line(error: Exception) -> str:
    # HyperPyYAML puts "Invalid argument to ..." before the message of every TypeError.
    last = error.args[-1] if isinstance(error, TypeError) and error.args else error
    if isinstance(error, KeyError):
        last = f"key {error}"
    return f"{type(error).__name__}: {' '.join(str(last).split())}"


def _failing_frame(error: Exception) -> dict | None:
    """Return the variables of HyperPyYAML's innermost constructor, that of the failing tag."""
    found = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        variables = frame.f_locals
        if "node" in variables and isinstance(variables.get("callable_string"), str):
            found = variables
        elif "node" in variables and isinstance(variables.get("module_name"), str):
            found = {"node": variables["node"], "callable_string": variables["module_name"]}
    return found


def _key_at(line: int, resolved: str) -> str:
    # HyperPyYAML writes the text again before it builds, so its line numbers are those of the new text.
    written = resolve_references(io.StringIO(resolved)).getvalue()
    keys = top_level_keys(written)
    return max((start, key) for key, start in keys.items() if start <= line)[1]


def _argument_hint(message: str, callable_string: str) -> str:
    unknown = re.search(r"unexpected keyword argument '(\w+)'", message)
    if not unknown:
        return ""
    try:
        known = inspect.signature(pydoc.locate(callable_string)).parameters
    except (TypeError, ValueError):
        return ""
    # The class may only have passed the argument on; then its own argument names do not help.
    return "" if unknown[1] in known else suggestion(unknown[1], known)
