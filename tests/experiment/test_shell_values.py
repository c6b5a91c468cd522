"""What the shell passes: a value is what its key now holds, whatever YAML would make of the words."""

import pytest
from hyperpyyaml import load_hyperpyyaml

from summarymixing.experiment import resolve_yaml
from summarymixing.experiment.shell_values import parse_values
from summarymixing.experiment.yaml_tree import key_nodes

#: Text that YAML reads as something else, or cannot read.
AWKWARD = [
    *("try #2", "1.10", "007", "2024", "2024-01-01", "12:30", "1e3", "0x10", "1_000", ".5", "no", "on", "true", "null"),
    *("~", "[x", "{a: 1}", "a: b", "*x", "&x", "!x", "!ref x", "%x", "@x", "`x`", "- x", "? x", "|", "'x", '"x"'),
    *("a\\b", "$HOME", "é", "日本", " x ", "a  b", "x:", "=", "<<", "a,b", "\ttab"),
]
#: Every null key of the YAML files, and whether it takes a name as it is.
NULL_KEYS = {
    **dict.fromkeys(["data_folder", "tokenizer_source", "test_archive", "ngram_lm", "language_model"], True),
    **dict.fromkeys(["pretrained_encoder", "upstream", "manifest_folder", "valid_split"], True),
    **dict.fromkeys(["max_batch_ex", "ctc_candidates", "vocab_size", "train_minutes", "average_decay"], False),
    **dict.fromkeys(["augment", "chunk_sampler", "mixer", "parameter_groups", "test_choice"], False),
    **dict.fromkeys(["squeeze", "query_pool", "key_pool"], False),
}


def recorded(experiment):
    """The values that another program reads in the record of a run."""
    return load_hyperpyyaml((experiment.run_folder / "hyperparams.yaml").read_text())


@pytest.mark.parametrize("text", AWKWARD)
def test_text_is_taken_as_it_is(yaml_file, text):
    yaml_file.edit(
        "width: 3", "width: 3\nwords: here\nmore: !ref <words>\nlater_file: null\nlater_folder: !PLACEHOLDER"
    )
    experiment = yaml_file.load(f"--words={text}", f"--later_file=x{text}", f"--later_folder={text}/x")
    for values in (experiment.hparams, recorded(experiment)):
        assert values["words"] == values["more"] == text
        assert (values["later_file"], values["later_folder"]) == (f"x{text}", f"{text}/x")


@pytest.mark.parametrize("name", ["try #2", "1.10", "2024", "no", "a: b", "[x]"])
def test_a_folder_and_an_experiment_may_have_any_name(yaml_file, tmp_path, name):
    experiment = yaml_file.load("--experiment", name)
    assert experiment.name == name and experiment.run_folder == tmp_path / "runs" / name / "1234"
    folder = tmp_path / "other" / name
    experiment = yaml_file.load("--output_folder", str(folder))
    assert experiment.run_folder == folder and recorded(experiment)["output_folder"] == str(folder)


def test_a_name_that_is_not_utf8_is_kept(yaml_file, tmp_path):
    name = b"caf\xe9".decode(errors="surrogateescape")
    experiment = yaml_file.load("--output_folder", str(tmp_path / name))
    assert experiment.run_folder.name == name and recorded(experiment)["output_folder"] == str(tmp_path / name)


@pytest.mark.parametrize(
    ("word", "value"),
    [(word, True) for word in ("true", "True", "yes", "YES", "on")]
    + [(word, False) for word in ("false", "False", "no", "No", "off")],
)
def test_truth_values(yaml_file, word, value):
    yaml_file.edit("width: 3", "width: 3\nfrozen: true\nparts: {loud: false}")
    experiment = yaml_file.load("--frozen", word, "--parts", f"{{loud: {word}}}")
    for values in (experiment.hparams, recorded(experiment)):
        assert values["frozen"] is values["parts"]["loud"] is value


@pytest.mark.parametrize("word", ["1", "0", "y", "n", "null", "nope", "!ref <seed>", "[true]"])
def test_what_is_no_truth_value_is_refused(yaml_file, word):
    yaml_file.edit("width: 3", "width: 3\nfrozen: true\nparts: {loud: false}")
    message = yaml_file.refused("--frozen", word)
    assert message == f"{yaml_file}: --frozen: {word!r} is not a boolean; give one of true, yes, on, false, no, off"
    if word != "!ref <seed>" and word != "[true]":
        assert f"--parts: {word!r} is not a boolean" in yaml_file.refused("--parts", f"{{loud: {word}}}")


@pytest.mark.parametrize(
    ("word", "value"), [("3", 3), ("1e-3", 0.001), ("-2.5", -2.5), (".5", 0.5), ("010", 10), ("null", None)]
)
def test_numbers(yaml_file, word, value):
    experiment = yaml_file.load("--lr", word)
    for values in (experiment.hparams, recorded(experiment)):
        assert values["lr"] == value and type(values["lr"]) is type(value)


@pytest.mark.parametrize("word", ["much", "0.1 #", "1,5", "nan", "inf", "true", "2024-01-01", "[1]", "0x10", "3 4"])
def test_what_is_no_number_is_refused(yaml_file, word):
    assert f"--lr: {word!r} is not a number" in yaml_file.refused("--lr", word)


@pytest.mark.parametrize(
    ("words", "splits"),
    [
        (["test-clean"], ["test-clean"]),
        (["test-clean", "2024"], ["test-clean", "2024"]),
        (["[test-clean, 2024, no, 1.10]"], ["test-clean", "2024", "no", "1.10"]),
        (["[]"], []),
        (["null"], None),
    ],
)
def test_lists_of_names(yaml_file, words, splits):
    yaml_file.edit("width: 3", "width: 3\nsplits: [a, b]\nsizes: [1, !ref <width>]")
    experiment = yaml_file.load("--splits", *words, "--sizes", "4", "5")
    for values in (experiment.hparams, recorded(experiment)):
        assert values["splits"] == splits and values["sizes"] == [4, 5]


def test_a_variant_gives_a_truth_value_where_its_base_does(yaml_file, tmp_path):
    yaml_file.edit("width: 3", "width: 3\nfrozen: true")
    variant = type(yaml_file)(tmp_path / "variant.yaml")
    # YAML 1.2 takes `no` for a word, which is true.
    variant.write_text("base: !applyref:summarymixing.variant_of [tiny.yaml]\nfrozen: no\n")
    assert variant.refused() == f"{variant}: key 'frozen': 'no' is not a boolean; write true or false"


@pytest.mark.slow
def test_every_null_key_of_a_yaml_file_takes_what_it_means(experiment_files):
    seen = set()
    for file in experiment_files:
        text = resolve_yaml(file)
        null = {key for key, node in key_nodes(text).items() if node.tag.endswith((":null", "PLACEHOLDER"))}
        for key in null - seen:
            value = parse_values({key: ["2024"]}, text, str(file))[key]
            assert value == ("2024" if NULL_KEYS[key] else 2024), f"{file}: {key}"
            assert parse_values({key: ["null"]}, text, str(file))[key] is None
            assert parse_values({key: ["a #b"]}, text, str(file))[key] == "a #b"
        seen |= null
    assert seen == set(NULL_KEYS)


def test_a_key_that_follows_a_null_key_is_like_it(yaml_file):
    yaml_file.edit(
        "width: 3", "width: 3\nfolder: !PLACEHOLDER\nlanguage_model: null\nvocabulary_source: !ref <language_model>"
    )
    words = ["--folder", "2024", "--vocabulary_source"]
    assert yaml_file.load(*words, "007").hparams["vocabulary_source"] == "007"
    assert yaml_file.load(*words, "null").hparams["vocabulary_source"] is None


def test_an_object_takes_null_its_parts_or_another(yaml_file):
    assert yaml_file.load("--opt_class", "null").hparams["opt_class"] is None
    assert "which holds an object" in yaml_file.refused("--opt_class", "adam")
    assert "'fast' is not a number" in yaml_file.refused("--opt_class", "{momentum: fast}")
