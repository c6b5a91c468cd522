"""Tests of summarymixing.experiment.yaml_files: a variant's keys are put into the tree of its base."""

import pytest
from hyperpyyaml import load_hyperpyyaml, resolve_references

from summarymixing.experiment import resolve_yaml
from summarymixing.utils.errors import InputError

BASE = """\
# A model
# of two parts

# seconds
length: 20

###### Model ######

width: 4  # channels
mixer: !name:collections.OrderedDict
  kind: attention  # the usual
  nhead: 2
# built from the mixer
model: !new:collections.Counter
  width: !ref <width>
  # !ref <commented>
  mixer: 1
"""


def of(base):
    """Begin a variant."""
    return f"base: !applyref:summarymixing.variant_of [{base}]\n"


@pytest.fixture
def write(tmp_path):
    def write_file(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write_file


def refused(path):
    with pytest.raises(InputError) as caught:
        resolve_yaml(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_base_alone_is_itself_with_a_name(write):
    text = resolve_yaml(write("big.yaml", BASE))
    assert text == BASE.replace("# seconds", "experiment: big\n# seconds")


def test_variant_replaces_value_and_tag_in_the_bases_order(write):
    write("big.yaml", BASE)
    text = resolve_yaml(
        write(
            "small.yaml",
            "# Small\n" + of("big.yaml") + "# another mixer\nmixer: !new:collections.Counter\n  n: 7\n",
        )
    )
    expected = BASE.replace("# seconds", "experiment: small\n# seconds").replace(
        "mixer: !name:collections.OrderedDict\n  kind: attention  # the usual\n  nhead: 2\n",
        "# another mixer\nmixer: !new:collections.Counter\n  n: 7\n",
    )
    assert text == expected
    assert load_hyperpyyaml(text)["mixer"] == {"n": 7}


def test_comment_above_a_key_is_replaced_with_it_and_others_stay(write):
    write("big.yaml", BASE)
    text = resolve_yaml(write("s.yaml", of("big.yaml") + "length: 5\nmodel: 1"))
    assert "# seconds" not in text and "# built from" not in text
    assert "# A model\n# of two parts\n" in text and "###### Model ######" in text
    assert load_hyperpyyaml(text)["model"] == 1


def test_comments_follow_the_value_that_they_are_of(write):
    b = "# --- Part\n\n# of b\nb:  # two\n  x: 1  # in\n"
    write("big.yaml", f"# File\n\n# of a\na: 1  # one\n\n{b}# of c\nc: 3\n")
    variant = "# a is\na: 2  # more\n# b too\nb: [7]\nc: 4\n"
    assert resolve_yaml(write("v.yaml", of("big.yaml") + variant)) == (
        "# File\n\nexperiment: v\n# a is\na: 2  # more\n\n# --- Part\n\n# b too\nb: [7]\nc: 4\n"
    )
    assert resolve_yaml(write("w.yaml", of("big.yaml") + "b: {x: 2}\n")) == (
        f"# File\n\nexperiment: w\n# of a\na: 1  # one\n\n{b.replace('x: 1', 'x: 2')}# of c\nc: 3\n"
    )


def test_chain_of_bases_in_other_folders(write):
    write("common/big.yaml", BASE)
    write("a/middle.yaml", of("../common/big.yaml") + "width: 5\nlength: 1\n")
    hparams = load_hyperpyyaml(resolve_yaml(write("a/last.yaml", of("middle.yaml") + "length: 2\n")))
    assert (hparams["width"], hparams["length"], hparams["experiment"]) == (5, 2, "last")


@pytest.mark.parametrize(
    ("name", "base", "variant", "expected"),
    [
        ("v.yaml", "experiment: big\n", "", "v"),
        ("v.yaml", "", "experiment: chosen\n", "chosen"),
        ("v.yaml", "experiment: big\n", "experiment: chosen\n", "chosen"),
        ("10.yaml", "", "", "10"),
        ("true.yaml", "", "", "true"),
        ("1e5.yaml", "", "", "1e5"),
    ],
)
def test_experiment_is_the_files_own_name(write, name, base, variant, expected):
    write("big.yaml", "folder: !ref runs/<experiment>\n" + base)
    hparams = load_hyperpyyaml(resolve_yaml(write(name, of("big.yaml") + variant)))
    assert hparams["experiment"] == expected
    assert hparams["folder"] == f"runs/{expected}"


def test_new_keys_stand_before_what_refers_to_them(write):
    # HyperPyYAML cannot follow a reference to a reference that stands further down.
    write("big.yaml", BASE)
    text = resolve_yaml(
        write(
            "v.yaml",
            of("big.yaml") + "half: !ref <quarter> * 2\n"
            "quarter: !ref <width>\n"
            "mixer: !new:collections.Counter\n  a: !ref <half>\n  b: !ref <also[x]>\n"
            "also: {x: !ref <half>}\n",
        )
    )
    assert load_hyperpyyaml(text)["mixer"] == {"a": 8, "b": 8}


def test_hyperpyyaml_still_needs_that_order():
    with pytest.raises(Exception, match="!ref"):
        load_hyperpyyaml("a: !ref <b>\nb: !ref <c>\nc: 1\n")


SHARED = """\
# What several experiments share

seed: 1
folder: !ref runs/<experiment>/<seed>

epochs: !new:collections.Counter
  limit: !ref <number>
kept: !ref <model>
"""


def test_a_base_that_lacks_keys_takes_any_new_one_and_keeps_their_order(write):
    write("shared/files.yaml", SHARED)
    own = "a: 1\n\n# --- Model\nwidth: 4\nmodel: !new:collections.Counter\n  width: !ref <width>\n\nnumber: 3\n"
    text = resolve_yaml(write("big.yaml", f"# A recipe\n\n{of('shared/files.yaml')}seed: 2  # ours\n\n{own}"))
    start, end = SHARED.split("\n\n")[1:]
    assert text == f"# A recipe\n\nexperiment: big\n{start.replace('seed: 1', 'seed: 2  # ours')}\n\n{own}\n{end}"
    hparams = load_hyperpyyaml(text)
    assert hparams["kept"] is hparams["model"] and hparams["epochs"] == {"limit": 3}
    assert hparams["folder"] == "runs/big/2"


def test_a_variant_of_a_recipe_over_a_shared_base_may_have_no_unused_key(write):
    write("shared.yaml", SHARED)
    write("big.yaml", of("shared.yaml") + "model: 1\nnumber: 3\nread_by_code: 4\n")
    hparams = load_hyperpyyaml(resolve_yaml(write("v.yaml", of("big.yaml") + "read_by_code: 5\nseed: 3\n")))
    assert (hparams["read_by_code"], hparams["folder"], hparams["kept"]) == (5, "runs/v/3", 1)
    message = refused(write("w.yaml", of("big.yaml") + "read_by_kode: 5\n"))
    assert "key 'read_by_kode'" in message and "did you mean 'read_by_code'?" in message


def test_run_options_and_hidden_keys_may_be_new(write):
    write("big.yaml", BASE)
    text = resolve_yaml(write("v.yaml", of("big.yaml") + "precision: bf16\n__x: 1\nmax_grad_norm: 1.0\n"))
    assert text.endswith("precision: bf16\n__x: 1\nmax_grad_norm: 1.0\n")


def test_block_text_and_flow_values_keep_their_lines(write):
    write("big.yaml", "note: |\n  width: 3\n  # no comment\n\n  end\nflow: {a: 1,\nb: 2}\nz: 0\n")
    hparams = load_hyperpyyaml(resolve_yaml(write("v.yaml", of("big.yaml") + "z: 1\n")))
    assert hparams["note"] == "width: 3\n# no comment\n\nend\n"
    assert (hparams["flow"], hparams["z"]) == ({"a": 1, "b": 2}, 1)


def test_missing_file(tmp_path):
    assert refused(tmp_path / "no.yaml") == f"{tmp_path / 'no.yaml'}: there is no such YAML file"


def test_folder_in_place_of_a_file(tmp_path):
    assert f"{tmp_path}: cannot read this YAML file" in refused(tmp_path)


def test_missing_base(write, tmp_path):
    variant = write("v.yaml", of("no.yaml"))
    assert refused(variant) == f"{variant}: key 'base': there is no file {tmp_path / 'no.yaml'}"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("big.yaml", "big.yaml"),
        *((value, "FILE.yaml") for value in ("3", "[big.yaml]", "", "!ref <big.yaml>", "!include:big.yaml")),
        *((f"!applyref:summarymixing.variant_of {value}", "FILE.yaml") for value in ("", "[]", "[3]", "[a, b]")),
    ],
)
def test_a_base_that_plain_hyperpyyaml_would_not_see_is_refused(write, value, name):
    big, variant = write("big.yaml", BASE), write("v.yaml", f"base: {value}\nwidth: 5\n")
    message = refused(variant)
    assert message.startswith(f"{variant}: key 'base' must name one YAML file")
    cure = f"`base: !applyref:summarymixing.variant_of [{name}]`"
    assert message.endswith(f"write {cure}")
    variant.write_text(cure.strip("`").replace("FILE", "big") + "\nwidth: 5\n")
    assert big.exists() and load_hyperpyyaml(resolve_yaml(variant))["width"] == 5


@pytest.mark.parametrize("rest", ["width: 5\n", "width: !ref <absent>\n", "model: !new:no.such.Model\n"])
def test_plain_hyperpyyaml_refuses_a_variant_and_says_what_to_use(write, rest):
    with open(write("v.yaml", of("big.yaml") + rest)) as file, pytest.raises(InputError) as caught:
        load_hyperpyyaml(file)
    message = str(caught.value)
    assert "variant of big.yaml" in message and "resolve_yaml(FILE)" in message and "tools/show_config.py" in message


def test_no_file_of_the_repository_is_half_an_experiment(experiment_files):
    files = [file for file in experiment_files if "\nbase:" in f"\n{file.read_text()}"]
    assert len(files) > 20
    for file in files:
        with open(file) as stream, pytest.raises(InputError, match="is a variant of"):
            resolve_references(stream, {"data_folder": "x"})


def test_cycle_of_bases(write, tmp_path):
    write("a.yaml", of("b.yaml"))
    message = refused(write("b.yaml", of("a.yaml")))
    assert str(tmp_path) in message and "key 'base'" in message
    assert "b.yaml -> a.yaml -> b.yaml" in message


@pytest.mark.parametrize(
    ("text", "line", "first"),
    [("a: 1\nb: 2\na: 3\n", 3, 1), ("a:\n  x: 1\n  y: 2\n  x: 3\nb: 1\n", 4, 2)],
)
def test_duplicate_key(write, text, line, first):
    path = write("d.yaml", text)
    message = refused(path)
    assert f"{path}, line {line}: key '" in message
    assert f"is written twice (first in line {first})" in message


def test_misspelt_key_of_a_variant(write, tmp_path):
    write("big.yaml", BASE)
    variant = write("v.yaml", of("big.yaml") + "mixre: 1\n")
    message = refused(variant)
    assert f"{variant}: key 'mixre' is not in the base {tmp_path / 'big.yaml'}" in message
    assert "nothing refers to <mixre> (did you mean 'mixer'?)" in message


def test_reference_in_a_comment_or_to_oneself_is_no_use(write):
    write("big.yaml", BASE)
    for line in ("commented: 1", "loop: !ref <loop>"):
        assert "nothing refers to" in refused(write("v.yaml", of("big.yaml") + f"{line}\n"))


@pytest.mark.parametrize(("text", "line"), [("a: 1\nb: [1, 2\nc: 3\n", 3), ("a: 1\n\tb: 2\n", 2), ("a: *none\n", 1)])
def test_yaml_that_cannot_be_parsed(write, text, line):
    path = write("bad.yaml", text)
    assert f"{path}, line {line}: not valid YAML: " in refused(path)


def test_unparsable_base_is_the_file_named(write):
    base = write("bad.yaml", "a: 1\nb: ]\n")
    assert refused(write("v.yaml", of("bad.yaml") + "a: 2\n")).startswith(f"{base}, line 2:")


def test_file_that_is_no_mapping(write):
    path = write("list.yaml", "- 1\n- 2\n")
    assert f"{path}: an experiment is a mapping" in refused(path)


def test_top_level_in_braces(write):
    path = write("flow.yaml", "{a: 1, b: 2}\n")
    assert f"{path}: write the top level as lines" in refused(path)


def test_file_that_is_not_text(write, tmp_path):
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00a")
    assert f"{path}: cannot read this YAML file" in refused(path)
