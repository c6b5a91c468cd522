"""Experiment YAML files: a variant names its base and holds only what differs from it.

A variant begins with ``base: !applyref:summarymixing.variant_of [other.yaml]``, a path relative to the variant. Its
keys are merged into the base's tree by the rule of `summarymixing.experiment.yaml_tree`; the result is one plain
HyperPyYAML text. HyperPyYAML's own overrides are not used: they merge all mappings and keep the base's tag, so that
``!name:A`` would be built with the keys of B.
"""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml.comments import CommentedMap

from summarymixing.experiment.key_lists import EXPERIMENT
from summarymixing.experiment.run_options import RUN_OPTIONS
from summarymixing.experiment.yaml_tree import (
    comment_above,
    dump_tree,
    load_tree,
    put,
    references,
    set_comment_above,
    suggestion,
    tag_of,
)
from summarymixing.utils.errors import InputError

BASE = "base"

#: HyperPyYAML calls this function first, which is an error; without a tag it would load a variant as if complete.
BASE_TAG = "!applyref:summarymixing.variant_of"


def resolve_yaml(path: str | Path) -> str:
    """Return the complete HyperPyYAML text of an experiment, with its chain of bases merged in.

    The base keeps its order and comments. Comment lines directly above a key belong to that key
    and are replaced with it. A key that is new in the variant is put before the first key that
    refers to it, because HyperPyYAML cannot follow a reference to a later reference. The key
    ``experiment`` becomes the name of the file without its suffix, unless the file itself sets it.

    A base that refers to a key which it lacks is incomplete: several experiments share it, and may add any key. Their
    new keys keep their order and headings, and are put before the first key of the base that refers to a missing key.
    The comment at the beginning of the file is also that of the experiment.

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
        If a file or base is missing, bases form a cycle, a key is written twice, there is a YAML
        syntax error, or nothing uses a key of a variant.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "big.yaml").write_text("width: 512  # channels\\nlayers: 12\\n")
    >>> _ = (folder / "small.yaml").write_text("base: !applyref:summarymixing.variant_of [big.yaml]\\nlayers: 2\\n")
    >>> print(resolve_yaml(folder / "small.yaml"), end="")
    experiment: small
    width: 512  # channels
    layers: 2
    """
    return dump_tree(_resolve(Path(path), []))


def _resolve(path: Path, chain: list[Path]) -> CommentedMap:
    here = path.resolve()
    if here in chain:
        names = " -> ".join(p.name for p in [*chain, here])
        raise InputError(f"{chain[-1]}: key 'base': the files form a cycle: {names}; name another base")
    own = load_tree(_read(path), str(path))
    named = EXPERIMENT in own
    tree = _merge(path, own, [*chain, here]) if BASE in own else own
    if not named:
        # The base's own `experiment` would give all its variants the same name and run folder.
        _put_first(tree, EXPERIMENT, path.stem)
    return tree


def _merge(path: Path, own: CommentedMap, chain: list[Path]) -> CommentedMap:
    """Put the keys of the variant `path` into the tree of its base."""
    base = path.parent / _base_name(own[BASE], path)
    if not base.is_file():
        raise InputError(f"{path}: key 'base': there is no file {base}")
    tree = _resolve(base, chain)
    lacking = [key for key, value in tree.items() if references(value) - tree.keys()]
    new = {key: value for key, value in own.items() if key not in tree and key != BASE}
    for key, value in own.items():
        if key in tree:
            try:
                put(tree, key, value)
            except ValueError as error:
                raise InputError(f"{path}: key '{key}': {error}") from error
            _take_comments(tree, own, key)
    if lacking:
        for key, value in new.items():
            tree.insert(list(tree).index(lacking[0]), key, value)
            tree.ca.items[key] = list(own.ca.items.get(key, [None] * 4))
        set_comment_above(tree, next(iter(tree)), _header(comment_above(own, next(iter(own))))[0])
        return tree
    for key in new:
        _refuse_unused(key, tree, new, path, base)
    _put_before_users(tree, new)
    for key in new:
        _take_comments(tree, own, key)
    return tree


def _base_name(value, path: Path) -> str:
    if tag_of(value) == BASE_TAG and isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return value[0]
    name = value if isinstance(value, str) and value else "FILE.yaml"
    raise InputError(
        f"{path}: key 'base' must name one YAML file, with a tag that lets plain HyperPyYAML refuse this file: "
        f"write `base: {BASE_TAG} [{name}]`"
    )


def _put_before_users(tree: CommentedMap, new: dict) -> None:
    """Put new keys into a tree: each before the first key that refers to it, or last."""

    def users(key, values):
        return [other for other, value in values.items() if other != key and key in references(value)]

    pending = {}
    for key, value in new.items():
        if key == EXPERIMENT:  # early, so that a folder name may contain it
            _put_first(tree, key, value)
        elif users(key, {**tree, **new}):
            pending[key] = value
        else:
            tree[key] = value
    while pending:
        # A key goes in after all the keys that refer to it, so that it can stand before the first.
        free = [key for key in pending if not users(key, pending)]
        key = (free or list(pending))[-1]
        first = users(key, tree)[:1]
        tree.insert(list(tree).index(first[0]) if first else len(tree), key, pending.pop(key))


def _put_first(tree: CommentedMap, key: str, value) -> None:
    """Set a key; a new key is put below the comment at the beginning of the file."""
    if key not in tree:
        first = next(iter(tree), None)
        header, comment = _header(comment_above(tree, first)) if first else ("", "")
        tree.insert(0, key, value)
        set_comment_above(tree, key, header)
        if first:
            set_comment_above(tree, first, comment)
    tree[key] = value


def _take_comments(tree: CommentedMap, own: CommentedMap, key: str) -> None:
    """Give a key the comments of the variant; the base's heading, above a blank line, stays."""
    header, comment = _header(comment_above(tree, key))
    own_comment = _header(comment_above(own, key))[1]
    if tree[key] is own[key]:  # and not only parts of it
        tree.ca.items[key] = list(own.ca.items.get(key, [None] * 4))
        comment = ""
    set_comment_above(tree, key, header + (own_comment or comment))


def _header(comment: str) -> tuple[str, str]:
    """Separate the lines up to the last blank one from those directly above a key."""
    lines = comment.splitlines(keepends=True)
    last = max((place for place, line in enumerate(lines) if not line.strip()), default=-1) + 1
    return "".join(lines[:last]), "".join(lines[last:])


def _refuse_unused(key: str, tree: CommentedMap, new: dict, path, base) -> None:
    """Refuse a new key that nothing reads: probably it is a misspelt key of the base."""
    if key in RUN_OPTIONS | {EXPERIMENT} or key.startswith("__"):
        return
    if any(key in references(value) for other, value in [*tree.items(), *new.items()] if other != key):
        return
    hint = suggestion(key, tree)
    raise InputError(f"{path}: key '{key}' is not in the base {base} and nothing refers to <{key}>{hint}")


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such YAML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot read this YAML file: {error}") from error
    return text if text.endswith("\n") or not text else text + "\n"
