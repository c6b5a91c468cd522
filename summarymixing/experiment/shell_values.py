"""Turn the text that the shell passes into the value of a YAML key, according to the key's present value.

If the present value of a key is

- a text, the text is taken literally: ``--output_folder "runs/try #2"``, ``--experiment 1.10``;
- a boolean, the text must be true, false, yes, no, on or off;
- a number, the text must be a number or ``null``;
- a list of names or numbers, words are expected, ``--test_splits test-clean test-other``, or a YAML list,
  ``"[test-clean, test-other]"``;
- an object, YAML is expected: ``null``, the parts to change as ``"{part: value}"``, or another ``"!new:..."``;
- ``null`` or ``!PLACEHOLDER``, the text is taken literally if the key ends in a word of `NAMES`, so that a folder may
be
  called 2024. Otherwise it is read as a number, a boolean, or YAML with brackets or a tag, and as text if it is none of
  these.

``null`` means no value, except for texts and booleans. A tag, such as ``"!ref <width>"``, is YAML, except for texts,
names and booleans.
"""

from __future__ import annotations

import math
import re

import ruamel.yaml
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from summarymixing.experiment.yaml_build import resolve
from summarymixing.experiment.yaml_tree import key_nodes
from summarymixing.utils.errors import InputError

__all__ = ["NAMES", "TRUTH", "parse_values"]

#: The last words of keys whose values name a file, a folder, a split or a model.
NAMES = {"archive", "encoder", "file", "folder", "lm", "model", "path", "source", "split", "upstream"}

#: The words for booleans, in upper or lower case.
TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

_NOTHING = ("null", "~")


def parse_values(words: dict[str, list[str]], text: str, yaml_file: str) -> dict:
    """Parse the words that the shell passed for top-level keys.

    Parameters
    ----------
    words : dict of str to list of str
        The words after each ``--key``; each key is in the text.
    text : str
        The complete HyperPyYAML text that the words will change.
    yaml_file : str
        Its file, for error messages.

    Returns
    -------
    dict
        The value of each key; text is quoted, so that it is not read as a number.

    Raises
    ------
    InputError
        If a value does not suit its key.

    Examples
    --------
    >>> text = "folder: here\\nepochs: 5\\nsplits: [dev]\\nloud: false\\n"
    >>> words = {"folder": ["a #1"], "epochs": ["7"], "splits": ["dev", "test"], "loud": ["yes"]}
    >>> parse_values(words, text, "some.yaml")
    {'folder': 'a #1', 'epochs': 7, 'splits': ['dev', 'test'], 'loud': True}
    """
    nodes = key_nodes(text, yaml_file)
    values = {}
    for key, given in words.items():
        held = nodes[key]
        if held.tag == "!ref":
            held = _referred(key, text, yaml_file)
        try:
            values[key] = _parse(key, given, held)
        except ValueError as error:
            raise InputError(f"{yaml_file}: --{key}: {error}") from error
    return values


def _referred(key: str, text: str, yaml_file: str):
    """Follow the reference that a key holds; None if that needs a value that is still missing."""
    try:
        return key_nodes(resolve(text.replace("!PLACEHOLDER", "null"), yaml_file), yaml_file)[key]
    except InputError:
        return None


def _parse(key: str, words: list[str], held):
    text = " ".join(words)
    kind = _kind(held)
    if not words or (not text and kind != "str"):
        raise ValueError(f"needs a value, for example: --{key} {_example(kind)}")
    if kind == "list":
        return _list(key, words, held)
    if kind == "null" and key.rpartition("_")[2] in NAMES:
        return None if text in _NOTHING else DoubleQuotedScalarString(text)
    if kind in ("null", "object") or (text.startswith("!") and kind not in ("str", "bool")):
        return _yaml(key, text, held)
    return _scalar(text, kind)


def _kind(held) -> str:
    """Name what a key holds: str, bool, number, null, list or object."""
    if held is None:
        return "null"
    plain = held.tag.removeprefix("tag:yaml.org,2002:")
    if plain == "seq":
        return "list"
    if plain == "map" or plain.startswith(("!new:", "!name:")):
        return "object"
    if isinstance(held, ruamel.yaml.ScalarNode) and not plain.startswith("!"):
        return {"int": "number", "float": "number"}.get(plain, plain if plain in ("bool", "null") else "str")
    return "null"  # `!apply:` may return anything


def _example(kind: str) -> str:
    return {"bool": "yes", "number": "1", "list": "a b", "object": '"{part: value}"'}.get(kind, "a")


def _scalar(text: str, kind: str):
    """Parse one word for a key that holds one."""
    if kind == "str":
        return DoubleQuotedScalarString(text)
    if kind == "bool":
        if text.lower() not in TRUTH:
            raise ValueError(f"{text!r} is not a boolean; give one of {', '.join(TRUTH)}")
        return TRUTH[text.lower()]
    if kind == "number":
        return None if text in _NOTHING else _number(text)
    return _untyped(text)


def _number(text: str) -> int | float:
    for parse in (int, float):
        try:
            number = parse(text)
        except ValueError:
            continue
        if math.isfinite(number):
            return number
    raise ValueError(f"{text!r} is not a number; this key takes a number, such as 3 or 1e-3, or null")


def _untyped(text: str):
    """Parse one word for a key whose kind is not known."""
    if text in _NOTHING:
        return None
    if text.lower() in ("true", "false"):
        return TRUTH[text.lower()]
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", text, flags=re.IGNORECASE):
        return _number(text)
    return DoubleQuotedScalarString(text)


def _list(key: str, words: list[str], held):
    text = " ".join(words)
    if text in _NOTHING:
        return None
    if text[0] in "[!":
        return _yaml(key, text, held)
    kinds = {_kind(item) for item in held.value} - {"null"} or {"null"}  # a reference has no known kind
    if len(kinds) > 1 or kinds & {"list", "object"}:
        raise ValueError(f"{text!r} is not a list; this key takes YAML, such as --{key} '[...]', or null")
    kind = kinds.pop()
    return [_scalar(word, kind) for word in words]


def _yaml(key: str, text: str, held):
    """Parse YAML; its parts get the kinds of those that they replace."""
    if text[0] not in "[{!" and text not in _NOTHING:
        if _kind(held) == "null":
            return _untyped(text)
        raise ValueError(
            f"{text!r} does not suit this key, which holds an object; give the parts to change, --{key} "
            f"'{{part: value}}', or another object, --{key} '!new:...', or null"
        )
    try:
        node, value = ruamel.yaml.YAML().compose(text), ruamel.yaml.YAML().load(text)
    except YAMLError as error:
        raise ValueError(f"the value {text!r} is not valid YAML; quote it twice: '\"...\"'") from error
    return _by_kind(node, value, held)


def _by_kind(node, value, held):
    """Give the scalars in a parsed value the kinds of those that they replace."""
    if held is None or node.tag.startswith("!"):
        return value
    if isinstance(node, ruamel.yaml.ScalarNode):
        kind = _kind(held)
        return _scalar(node.value, kind) if kind in ("str", "bool", "number") else value
    if isinstance(node, ruamel.yaml.MappingNode) and isinstance(held, ruamel.yaml.MappingNode):
        parts = {part.value: item for part, item in held.value}
        for part, item in node.value:
            value[part.value] = _by_kind(item, value[part.value], parts.get(part.value))
    elif isinstance(node, ruamel.yaml.SequenceNode) and isinstance(held, ruamel.yaml.SequenceNode):
        kinds = {_kind(item) for item in held.value}
        if len(kinds) == 1:
            for place, item in enumerate(node.value):
                value[place] = _by_kind(item, value[place], held.value[0])
    return value
