"""A mapping without a tag changes parts, everything else replaces: in a variant as on the command line."""

import pytest
from hyperpyyaml import load_hyperpyyaml

from summarymixing.experiment import resolve_yaml
from summarymixing.experiment.load import read_settings
from summarymixing.experiment.yaml_tree import comparable, dump_tree, load_tree, put
from summarymixing.utils.errors import InputError

BASE = """\
size: 8
mixer: !name:builtins.dict
  nhead: 1
  inner: !name:builtins.dict {a: 1, b: 2}
plain: !name:builtins.dict
targets: {scenario: 18, action: 46}
listed: !name:builtins.dict [[]]
referred: !ref <mixer>
nothing: null
given: !PLACEHOLDER
loud: true
sizes: [1, 2]
"""


@pytest.fixture
def both_ways(tmp_path):
    """Return what a variant with ``key: value`` gives, and the same on the command line; or both messages."""
    (tmp_path / "big.yaml").write_text(BASE)

    def read(key, value):
        variant = tmp_path / "v.yaml"
        variant.write_text(f"base: !applyref:summarymixing.variant_of [big.yaml]\nexperiment: big\n{key}: {value}\n")
        found = []
        for words in ([str(variant)], [str(tmp_path / "big.yaml"), f"--{key}", value]):
            try:
                found.append(comparable(read_settings(words).text)[key])
            except InputError as error:
                found.append(str(error))
        return found

    return read


@pytest.mark.parametrize(
    ("key", "value", "whole"),
    [
        ("mixer", "{nhead: 4}", "!name:builtins.dict {nhead: 4, inner: !name:builtins.dict {a: 1, b: 2}}"),
        ("mixer", "{new: 4}", "!name:builtins.dict {nhead: 1, inner: !name:builtins.dict {a: 1, b: 2}, new: 4}"),
        ("mixer", "{inner: {b: 3}}", "!name:builtins.dict {nhead: 1, inner: !name:builtins.dict {a: 1, b: 3}}"),
        ("mixer", "{inner: !name:builtins.list }", "!name:builtins.dict {nhead: 1, inner: !name:builtins.list }"),
        ("mixer", "{inner: !name:X {c: 1}}", "!name:builtins.dict {nhead: 1, inner: !name:X {c: 1}}"),
        ("mixer", "{inner: null}", "!name:builtins.dict {nhead: 1, inner: null}"),
        ("mixer", "!name:builtins.dict {nhead: 4}", "!name:builtins.dict {nhead: 4}"),
        ("mixer", "!new:builtins.dict", "!new:builtins.dict"),
        ("mixer", "null", "null"),
        ("plain", "{nhead: 4}", "!name:builtins.dict {nhead: 4}"),
        ("targets", "{action: 3}", "{scenario: 18, action: 3}"),
        ("nothing", "{encoder: {lr: 1.0e-5}}", "{encoder: {lr: 1.0e-5}}"),
        ("given", "{a: 1}", "{a: 1}"),
        ("referred", "!ref <targets>", "!ref <targets>"),
        ("sizes", "[3]", "[3]"),
        ("sizes", "!new:builtins.list", "!new:builtins.list"),
        ("size", "!ref <size> * 2", "!ref <size> * 2"),
    ],
)
def test_a_value_means_the_same_in_a_file_and_on_the_command_line(both_ways, key, value, whole):
    in_file, on_command_line = both_ways(key, value)
    assert in_file == on_command_line == comparable(f"{key}: {whole}")[key]


@pytest.mark.parametrize(
    ("key", "tag"), [("listed", "!name:builtins.dict"), ("referred", "!ref")], ids=["positional", "reference"]
)
def test_parts_of_what_has_none_are_refused(both_ways, key, tag):
    for message in both_ways(key, "{nhead: 4}"):
        assert f"'{key}' is {tag} without any; give the whole value, with its tag" in message


@pytest.mark.parametrize("value", ["no", "3", "off"])
def test_what_is_no_truth_value_is_refused_inside_an_object_too(value):
    tree = load_tree("a: {loud: true}\n")
    with pytest.raises(ValueError, match=f"'?{value}'? is not a boolean; write true or false"):
        put(tree, "a", load_tree(f"a: {{loud: {value}}}\n")["a"])


def test_a_replaced_value_leaves_the_comments_of_its_neighbours():
    text = "# one\na: !new:A\n  # inside\n  b: 1  # behind\n\n# --- Part\n\n# two\nc: 3  # three\n"
    tree = load_tree(text)
    assert dump_tree(tree) == text
    put(tree, "a", [7])
    put(tree, "c", 4)
    assert dump_tree(tree) == "# one\na:\n  - 7\n\n# --- Part\n\n# two\nc: 4  # three\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: !name:A  # why\nb: 1\n", "# why\na: !name:A\nb: 1\n"),
        ("a:\n  # why\n  # so\n  - !new:A\n    b: 1\nc: 1\n", "# why\n# so\na:\n  - !new:A\n    b: 1\nc: 1\n"),
        ("a: !new:A\n  b: !new:B  # why\n    c: 1\n", "a: !new:A\n  # why\n  b: !new:B\n    c: 1\n"),
        ("a: !PLACEHOLDER  # why\n# of b\nb: '!x # y'\n", "# why\na: !PLACEHOLDER\n# of b\nb: '!x # y'\n"),
    ],
)
def test_a_comment_behind_a_tag_stays_with_it(text, expected):
    assert dump_tree(load_tree(text)) == expected == dump_tree(load_tree(expected))


@pytest.mark.parametrize(
    "text",
    [
        "a:\n  # 1\n  - !new:builtins.dict\n    b: 1\n",
        "a:\n# 1\n- !new:builtins.dict\n  b: 1\n",
        "a:\n\n  - !new:builtins.dict\n    b: 1\n",
        "a:\n  - !new:builtins.dict\n    # 1\n    b:\n      # 2\n      - !new:builtins.dict\n\n        c: 1  # 3\n",
        "a: |\n  b:\n\n  # 1\n  - !new:c  # 2\n\nd: 1  # 3\n",
        "a:  # 1\n  # 2\n  - !new:builtins.dict  # 3\n    # 4\n    b: !new:builtins.dict  # 5\n      # 6\n      c: 1\n",
        "a:\n  - 1\n  # 1\n  - !new:builtins.dict  # 2\n    b: !new:builtins.dict  # 3\n      c: 1\n    # 4\n",
        "a: !new:builtins.dict  # 1\n  # 2\n  b:\n    # 3\n    - !new:builtins.dict\n      c: 1\n    # 4\n# 5\nd: 1\n",
    ],
)
def test_comments_around_tags_change_no_value(text):
    """Plain HyperPyYAML itself reads the first of these as a mapping with a key `!new:builtins.dict b`."""
    dumped = dump_tree(load_tree(text))
    assert comparable(dumped) == comparable(text) and dump_tree(load_tree(dumped)) == dumped
    if "|" not in text:
        bare = [line.partition("#")[0].rstrip() for line in text.splitlines()]
        assert load_hyperpyyaml(dumped) == load_hyperpyyaml("\n".join(line for line in bare if line))
    assert sorted(set(dumped) & set("123456")) == sorted(set(text) & set("123456"))


def test_every_file_of_the_repository_keeps_its_values_and_comments(experiment_files):
    def words(text):
        return sorted(line.partition("# ")[2] for line in text.splitlines() if "# " in line)

    for file in experiment_files:
        text = file.read_text()
        dumped = dump_tree(load_tree(text))
        assert comparable(dumped) == comparable(text) and words(dumped) == words(text), file


def test_anchors_and_long_values_stay(tmp_path):
    long = "word " * 100
    (tmp_path / "big.yaml").write_text(f"a: &x {{k: 1}}\nb: *x\nc: {long}\nd: 1\n")
    (tmp_path / "v.yaml").write_text("base: !applyref:summarymixing.variant_of [big.yaml]\nd: 2\n")
    hparams = load_hyperpyyaml(resolve_yaml(tmp_path / "v.yaml"))
    assert (hparams["b"], hparams["c"], hparams["d"]) == ({"k": 1}, long.strip(), 2)
