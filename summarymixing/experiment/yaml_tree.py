"""YAML as a tree: ruamel's round-trip mapping, which keeps tags, references and comments.

One rule applies in variant files and on the command line: a mapping without a tag changes only the parts that it names;
every other value replaces the old one, together with its tag.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import re

import ruamel.yaml
from ruamel.yaml.comments import CommentedMap, TaggedScalar
from ruamel.yaml.error import CommentMark, MarkedYAMLError, YAMLError
from ruamel.yaml.tokens import CommentToken

from summarymixing.utils.errors import InputError

# The start of every reference: "<key>", "<key[sub]>" or "<key.attribute>".
_REFERENCE = re.compile(r"<([^<>\[\].\s]+)")
# Tags of objects that take arguments.
_CALLS = ("!new:", "!name:", "!apply:")
# Comments that ruamel misplaces. A comment after a tag at the end of a line is written below it, far to the right. A
# comment around a key of a list or an item with a tag removes the end of that line: `- !new:A b: 1`.
_BLANK = r"(?: *(?:#.*)?\n)"
_BEHIND = re.compile(
    rf"^( *)((?:- +)?(?:(?:[\w.]+: +)?![\w:.]+|[\w.]+:(?= +#.*\n{_BLANK}* *- ))) +(#.*\n)", re.MULTILINE
)
_BELOW = re.compile(
    rf"^( *)((?:- +)?[\w.]+:(?: +![\w:.]+)? *\n(?={_BLANK}+ *- )|- .*![\w:.]+ *\n)({_BLANK}+)", re.MULTILINE
)


def load_tree(text: str, name: str = "YAML text") -> CommentedMap:
    """Load a YAML text; blank and comment lines above a top-level key belong to that key.

    Parameters
    ----------
    text : str
        YAML text; its tags need not be known.
    name : str
        What to call the text in an error message, usually its path.

    Returns
    -------
    ruamel.yaml.comments.CommentedMap

    Raises
    ------
    InputError
        If the YAML has a syntax error, a key is written twice, or the text is not a mapping of lines ``key: value``.

    Examples
    --------
    >>> tree = load_tree("a: 1\\n\\n# above b\\nb: !ref <a>\\n")
    >>> tree["a"] = "else"
    >>> print(dump_tree(tree), end="")
    a: else
    <BLANKLINE>
    # above b
    b: !ref <a>
    """
    node = _compose(text, name)
    moved = _move_comments(text)
    if moved != text:
        again = _compose(moved, name)
        if _plain(again) == _plain(node):  # otherwise the apparent comment was a part of a value
            text, node = moved, again
    lines = text.splitlines(keepends=True)
    starts = {key.value: key.start_mark.line for key, _ in node.value} if node else {}
    if any(lines[start][:1] in ("{", "[") for start in starts.values()):
        raise InputError(f"{name}: write the top level as lines `key: value`, without braces")
    above = {}
    for key, start in starts.items():
        first = start
        while first and (lines[first - 1].startswith("#") or not lines[first - 1].strip()):
            first -= 1
        above[key] = "".join(lines[first:start])
        lines[first:start] = [""] * (start - first)
    tree = _yaml().load("".join(lines)) or CommentedMap()
    for key, comment in above.items():
        # Indented comments at the end of the value before are with this key already.
        set_comment_above(tree, key, comment_above(tree, key) + comment)
    return tree


def dump_tree(tree: CommentedMap) -> str:
    """Return the YAML text of a tree.

    Parameters
    ----------
    tree : ruamel.yaml.comments.CommentedMap
        From `load_tree`.

    Returns
    -------
    str

    Examples
    --------
    >>> dump_tree(load_tree("a: 1.0e-3  # small\\nb: !new:A {c: !ref <a>}\\n"))
    'a: 1.0e-3  # small\\nb: !new:A {c: !ref <a>}\\n'
    """
    out = io.StringIO()
    _yaml().dump(tree, out)
    return out.getvalue()


def put(tree: CommentedMap, key: str, value) -> None:
    """Set a key of a tree: a mapping without a tag changes only the parts that it names, all else replaces the value.

    Parameters
    ----------
    tree : ruamel.yaml.comments.CommentedMap
        Changed in place.
    key : str
        An existing or a new key.
    value : object
        As loaded by ruamel.yaml.

    Raises
    ------
    ValueError
        If the value cannot replace the old one.

    Examples
    --------
    >>> tree = load_tree("mixer: !name:A\\n  nhead: 1\\n  size: 8\\n")
    >>> put(tree, "mixer", {"nhead": 4})
    >>> dump_tree(tree)
    'mixer: !name:A\\n  nhead: 4\\n  size: 8\\n'
    >>> put(tree, "mixer", load_tree("x: !name:B {nhead: 2}")["x"])
    >>> dump_tree(tree)
    'mixer: !name:B {nhead: 2}\\n'
    """
    old, old_tag = tree.get(key), tag_of(tree.get(key))
    if isinstance(value, dict) and not tag_of(value):
        if isinstance(old, dict):
            for part, item in value.items():
                put(old, part, item)
            return
        if old_tag.startswith(_CALLS) and isinstance(old, TaggedScalar) and not old.value:  # no arguments so far
            value = CommentedMap(value)
            value.yaml_set_ctag(old.tag)
        elif old_tag and old_tag != "!PLACEHOLDER":
            raise ValueError(
                f"a mapping without a tag changes named arguments, but '{key}' is {old_tag} without any; "
                "give the whole value, with its tag"
            )
    elif isinstance(old, bool) and isinstance(value, str | int | float) and not isinstance(value, bool):
        raise ValueError(f"{value!r} is not a boolean; write true or false")  # in YAML 1.2 `no` is a text, so true
    tree[key] = value
    if isinstance(old, dict | list | TaggedScalar) or isinstance(value, dict | list):
        comments = tree.ca.items.get(key, [None, None])
        comments[2:] = [None, None]  # those inside the old value


def tag_of(value) -> str:
    """Return the tag of a value in a tree, or an empty text.

    Examples
    --------
    >>> tag_of(load_tree("a: !ref <b>")["a"]), tag_of(3)
    ('!ref', '')
    """
    return getattr(getattr(value, "tag", None), "value", None) or ""


def comment_above(tree: CommentedMap, key: str) -> str:
    """Return the blank and comment lines above a top-level key of a tree from `load_tree`.

    Examples
    --------
    >>> comment_above(load_tree("# one\\n\\n# two\\na: 1\\n"), "a")
    '# one\\n\\n# two\\n'
    """
    tokens = tree.ca.items.get(key, [None, None])[1] or []
    return "".join(token.value for token in tokens)


def set_comment_above(tree: CommentedMap, key: str, comment: str) -> None:
    """Set the blank and comment lines above a top-level key."""
    tree.ca.items.setdefault(key, [None] * 4)[1] = [CommentToken(comment, CommentMark(0), None)] if comment else None


def references(value) -> set[str]:
    """Return the top-level keys that a value of a tree refers to.

    Examples
    --------
    >>> sorted(references(load_tree("a: {b: !ref <b> * 2, c: [!ref <d.e>/x]}")))
    ['b', 'd']
    """
    if isinstance(value, dict | list):
        return set().union(*map(references, value.values() if isinstance(value, dict) else value))
    text = value.value if isinstance(value, TaggedScalar) else value
    return set(_REFERENCE.findall(text)) if isinstance(text, str) else set()


def top_level_keys(text: str, name: str = "YAML text") -> dict[str, int]:
    """Return the top-level keys of a YAML text and the line, counted from 0, where each starts.

    Examples
    --------
    >>> top_level_keys("a: 1\\nb:\\n  c: !ref <a>\\n")
    {'a': 0, 'b': 1}
    """
    node = _compose(text, name)
    return {key.value: key.start_mark.line for key, _ in node.value} if node else {}


def key_nodes(text: str, name: str = "YAML text") -> dict:
    """Return the top-level keys of a YAML text with the nodes that they hold.

    Examples
    --------
    >>> key_nodes("a: 1.10\\n")["a"].value
    '1.10'
    """
    node = _compose(text, name)
    return {key.value: value for key, value in node.value} if node else {}


def comparable(text: str, name: str = "YAML text") -> dict:
    """Return the top-level keys of a YAML text with values that can be compared by ``==``.

    Tags count; comments, quotes and the way a number is written do not.

    Examples
    --------
    >>> comparable("a: 1e-3  # small") == comparable("a: 0.001")
    True
    >>> comparable("a: !new:A {b: 1}") == comparable("a: !new:B {b: 1}")
    False
    """
    return {key: _plain(node) for key, node in key_nodes(text, name).items()}


def suggestion(word: str, known) -> str:
    """Return ``" (did you mean 'x'?)"`` for the known word closest to `word`, or nothing.

    Examples
    --------
    >>> suggestion("sed", ["seed", "lr"])
    " (did you mean 'seed'?)"
    """
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _move_comments(text: str) -> str:
    """Move comments that ruamel would misplace to the line above."""
    moved, before = _BEHIND.sub(r"\1\3\1\2\n", text), None
    while moved != before:
        before = moved
        moved = _BELOW.sub(lambda found: re.sub("(?m)^ *#", f"{found[1]}#", found[3]) + found[1] + found[2], moved)
    return moved


class _Representer(ruamel.yaml.representer.RoundTripRepresenter):
    """Writes None as ``null``; ruamel writes nothing."""


_Representer.add_representer(type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", "null"))


def _yaml() -> ruamel.yaml.YAML:
    yaml = ruamel.yaml.YAML()
    yaml.Representer = _Representer
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096  # never fold a long value
    return yaml


def _compose(text: str, name: str):
    """Parse to nodes only, without interpreting tags and references."""
    try:
        node = ruamel.yaml.YAML().compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        problem = " ".join(str(error.problem or error.context).split())
        raise InputError(f"{name}{line}: not valid YAML: {problem}") from error
    except YAMLError as error:
        raise InputError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from error
    if node is not None and not isinstance(node, ruamel.yaml.MappingNode):
        raise InputError(f"{name}: an experiment is a mapping of lines `key: value`, but this file is not")
    _refuse_duplicates(node, name)
    return node


def _refuse_duplicates(node, name: str) -> None:
    if isinstance(node, ruamel.yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in lines and key.value != "<<":
                raise InputError(
                    f"{name}, line {line}: key '{key.value}' is written twice (first in line {lines[key.value]})"
                )
            if isinstance(key.value, str):
                lines[key.value] = line
            _refuse_duplicates(value, name)
    elif isinstance(node, ruamel.yaml.SequenceNode):
        for value in node.value:
            _refuse_duplicates(value, name)


def _plain(node):
    if isinstance(node, ruamel.yaml.MappingNode):
        return node.tag, {_plain(key): _plain(value) for key, value in node.value}
    if isinstance(node, ruamel.yaml.SequenceNode):
        return node.tag, tuple(_plain(value) for value in node.value)
    if node.tag.endswith(":null"):
        return node.tag, None
    if node.tag.endswith((":float", ":int")):
        with contextlib.suppress(ValueError):
            return node.tag, float(node.value)
    return node.tag, node.value
