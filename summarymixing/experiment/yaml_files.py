"""Experiment YAML files: a variant names its base and holds only what makes it different.

A variant begins with ``base: other.yaml``. Its top-level keys replace the base's, whole value and
tag, on the text, before HyperPyYAML sees it: HyperPyYAML's own overrides would merge the two
mappings and keep the base's tag, so that ``!name:A`` would be built with the keys of B. The result
is one plain HyperPyYAML text.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from dataclasses import dataclass
from pathlib import Path

import ruamel.yaml
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from speechbrain.utils.run_opts import HELP_TEXTS, RunOptions

from summarymixing.utils.errors import InputError

BASE, EXPERIMENT = "base", "experiment"

#: Options that SpeechBrain itself reads, from the command line or from a top-level key of the YAML.
RUN_OPTIONS = (set(HELP_TEXTS) & set(RunOptions().as_dict())) | {
    "jit_module_keys",
    "compile_module_keys",
}

# The start of every reference: "<key>", "<key[sub]>" or "<key.attribute>".
_REFERENCE = re.compile(r"<([^<>\[\].\s]+)")


def resolve_yaml(path: str | Path) -> str:
    """Return the complete HyperPyYAML text of an experiment, with its chain of bases merged in.

    The order and comments of the base stay. Comment lines directly above a key belong to that key
    and are replaced with it. A key that is new in the variant is put before the first key that
    refers to it, because HyperPyYAML cannot follow a reference to a later reference. The key
    ``experiment`` becomes the name of the file without its suffix, unless the file itself sets it.

    A base that refers to a key which it lacks is no experiment by itself: it is shared by several,
    and any key may be new in them. Such new keys keep their order, and all stand before the first
    key of the base that refers to one it lacks.

    Parameters
    ----------
    path : str or pathlib.Path
        An experiment's YAML file.

    Returns
    -------
    str
        A text that ``hyperpyyaml.load_hyperpyyaml`` loads.

    Raises
    ------
    InputError
        For a missing file or base, a cycle of bases, a key written twice, a YAML syntax error, and
        a key of a variant that nothing uses.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "big.yaml").write_text("width: 512  # channels\\nlayers: 12\\n")
    >>> _ = (folder / "small.yaml").write_text("base: big.yaml\\nlayers: 2\\n")
    >>> print(resolve_yaml(folder / "small.yaml"), end="")
    experiment: small
    width: 512  # channels
    layers: 2
    """
    return _resolve(Path(path), [])


def top_level_keys(text: str, name: str = "YAML text") -> dict[str, int]:
    """Return the top-level keys of a YAML text and the line, counted from 0, where each starts.

    Parameters
    ----------
    text : str
        YAML text; its tags need not be known.
    name : str
        What to call the text in an error message, usually its path.

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


@dataclass
class _Block:
    """A top-level key: its comment, its own lines, and what separates it from the next key."""

    key: str
    comment: str
    body: str
    tail: str


def _resolve(path: Path, chain: list[Path]) -> str:
    here = path.resolve()
    if here in chain:
        names = " -> ".join(p.name for p in [*chain, here])
        raise InputError(f"{chain[-1]}: key 'base': the files are a cycle: {names}")
    text = _read(path)
    header, blocks = _split(text, str(path))
    own = {block.key: block for block in blocks}
    if BASE in own:
        header, blocks = _merge(path, header, blocks, [*chain, here])
    if EXPERIMENT not in own:
        # A base's own `experiment` would give all its variants one name, and so one run folder.
        line = f"{EXPERIMENT}: {_as_yaml_string(path.stem)}\n"
        old = next((block for block in blocks if block.key == EXPERIMENT), None)
        if old:
            old.body = line
        else:
            blocks.insert(0, _Block(EXPERIMENT, "", line, ""))
    merged = header + "".join(b.comment + b.body + b.tail for b in blocks)
    _compose(merged, f"{path} (merged with its base)" if BASE in own else str(path))
    return merged


def _merge(path: Path, header: str, own: list[_Block], chain: list[Path]) -> tuple[str, list[_Block]]:
    """Put the blocks of the variant `path` into those of its base."""
    base_value = _scalar_of(next(b for b in own if b.key == BASE), path)
    base = path.parent / base_value
    if not base.is_file():
        raise InputError(f"{path}: key 'base': there is no file {base}")
    base_header, blocks = _split(_resolve(base, chain), str(base))
    base_keys = {block.key for block in blocks}
    lacking = [place for place, block in enumerate(blocks) if _references(block) - base_keys]
    new = []
    for block in own:
        if block.key == BASE:
            continue
        if block.key in base_keys:
            old = next(b for b in blocks if b.key == block.key)
            _refuse_no_truth(block, old, path)
            old.comment, old.body = block.comment, block.body
        else:
            new.append(_Block(block.key, block.comment, block.body, block.tail if lacking else ""))

    if lacking:
        return header, [*blocks[: lacking[0]], *new, *blocks[lacking[0] :]]
    for block in new:
        _refuse_unused(block, blocks, new, path, base)
    referred = [b for b in new if any(b.key in _references(o) for o in [*blocks, *new])]
    for block in new:
        if block.key == EXPERIMENT:  # early, so that a folder name may contain it
            blocks.insert(0, block)
        elif block not in referred:
            blocks.append(block)
    pending = [b for b in referred if b.key != EXPERIMENT]
    while pending:
        # A key goes in after all the keys that refer to it, so that it can stand before the first.
        free = [b for b in pending if not any(b.key in _references(o) for o in pending if o != b)]
        block = (free or pending)[-1]
        pending.remove(block)
        users = [i for i, other in enumerate(blocks) if block.key in _references(other)]
        blocks.insert(users[0] if users else len(blocks), block)
    return base_header, blocks


def _refuse_no_truth(block: _Block, old: _Block, path) -> None:
    """Refuse words such as `no` where the base has true or false: YAML 1.2 takes them for text, which is true."""
    before, now = (key_nodes(b.body, str(path))[b.key] for b in (old, block))
    if before.tag.endswith(":bool") and now.tag.endswith((":str", ":int", ":float")):
        raise InputError(f"{path}: key '{block.key}': {now.value!r} is no truth value; write true or false")


def _refuse_unused(block: _Block, blocks: list[_Block], new: list[_Block], path, base) -> None:
    """Refuse a new key that nothing reads: it is a misspelt key of the base."""
    if block.key in RUN_OPTIONS | {EXPERIMENT} or block.key.startswith("__"):
        return
    if any(block.key in _references(other) for other in [*blocks, *new] if other is not block):
        return
    hint = suggestion(block.key, {b.key for b in blocks})
    raise InputError(f"{path}: key '{block.key}' is not in the base {base} and nothing refers to <{block.key}>{hint}")


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such YAML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot read this YAML file: {error}") from error
    return text if text.endswith("\n") or not text else text + "\n"


def _compose(text: str, name: str):
    """Parse to nodes only, so that tags and references mean nothing yet."""
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
        raise InputError(f"{name}: an experiment is a mapping `key: value`, this file is not")
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
    if node.tag.endswith((":float", ":int")):
        with contextlib.suppress(ValueError):
            return node.tag, float(node.value)
    return node.tag, node.value


def _split(text: str, name: str) -> tuple[str, list[_Block]]:
    """Split a text into what stands above its first key and one block a top-level key."""
    starts = list(top_level_keys(text, name).items())
    lines = text.splitlines(keepends=True)
    if starts and any(text.splitlines()[line][:1] in "{[" for _, line in starts):
        raise InputError(f"{name}: write the top level as lines `key: value`, without braces")
    header, blocks = "", []
    comment_start = 0
    for index, (key, start) in enumerate(starts):
        end = starts[index + 1][1] if index + 1 < len(starts) else len(lines)
        if index == 0:
            comment_start = _comment_above(lines, start, 0)
            header = "".join(lines[:comment_start])
        # The next key's comment starts where this block ends, unless there is no next key.
        stop = _comment_above(lines, end, start + 1) if end < len(lines) else end
        body_end = stop
        while body_end > start + 1 and (not lines[body_end - 1].strip() or lines[body_end - 1].startswith("#")):
            body_end -= 1
        blocks.append(
            _Block(
                key,
                comment="".join(lines[comment_start:start]),
                body="".join(lines[start:body_end]),
                tail="".join(lines[body_end:stop]),
            )
        )
        comment_start = stop
    return header, blocks


def _comment_above(lines: list[str], start: int, floor: int) -> int:
    while start > floor and lines[start - 1].startswith("#"):
        start -= 1
    return start


def _references(block: _Block) -> set[str]:
    """Return the keys that the values of a block refer to; comments do not count."""
    found: set[str] = set()

    def walk(node):
        if isinstance(node, ruamel.yaml.ScalarNode):
            found.update(_REFERENCE.findall(node.value))
        elif isinstance(node, ruamel.yaml.MappingNode):
            for _, value in node.value:
                walk(value)
        elif isinstance(node, ruamel.yaml.SequenceNode):
            for value in node.value:
                walk(value)

    try:
        walk(ruamel.yaml.YAML().compose(block.body))
    except YAMLError:  # an alias of an anchor in another block: read the bare text
        found.update(_REFERENCE.findall(block.body))
    return found


def _scalar_of(block: _Block, path: Path) -> str:
    value = ruamel.yaml.YAML(typ="safe").load(block.body)[block.key]
    if not isinstance(value, str):
        raise InputError(f"{path}: key '{block.key}' must be the name of a YAML file")
    return value


def _as_yaml_string(word: str) -> str:
    """Quote a word that YAML would read as a number, a truth value or nothing."""
    plain = re.fullmatch(r"[A-Za-z][\w.-]*", word) and isinstance(ruamel.yaml.YAML(typ="safe").load(word), str)
    return word if plain else '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
