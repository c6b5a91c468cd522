"""YAML files that cannot be built end in one line that names the file, the key and the cause."""

import pytest
from hyperpyyaml import load_hyperpyyaml

from summarymixing.utils.errors import InputError


def test_placeholder_names_key_and_option(yaml_file):
    yaml_file.edit("width: 3", "width: 3\ndata_folder: !PLACEHOLDER")
    message = yaml_file.refused()
    assert message == (f"{yaml_file}: key 'data_folder' has no value yet; give it with --data_folder VALUE")
    assert yaml_file.load("--data_folder", "here").hparams["data_folder"] == "here"


def test_unknown_argument_of_a_class(yaml_file):
    yaml_file.edit("out_features: 2", "out_feature: 2")
    with pytest.raises(InputError) as caught:
        yaml_file.load()
    message = str(caught.value)
    assert f"{yaml_file}: key 'linear': torch.nn.Linear: TypeError: " in message
    assert "unexpected keyword argument 'out_feature' (did you mean 'out_features'?)" in message
    assert isinstance(caught.value.__cause__, TypeError)


def test_unknown_argument_deep_inside_names_the_argument(yaml_file):
    # A factory's bad argument shows only when the module that calls it is built.
    yaml_file.edit(
        "linear: !new:torch.nn.Linear\n  in_features: !ref <width>\n  out_features: 2\n",
        "factory: !name:torch.nn.Linear\n  nheads: 4\nblocks: !apply:functools.reduce [!ref <factory>, [3, 2]]\n",
    )
    message = yaml_file.refused()
    assert "key 'blocks'" in message
    assert "unexpected keyword argument 'nheads'" in message


def test_failing_key_is_found_below_others_and_inside_them(yaml_file):
    yaml_file.write_text(
        yaml_file.read_text()
        + "modules:\n  good: !new:torch.nn.Linear [2, 2]\n  bad: !new:torch.nn.Linear [2]\n"
        + "last: 1\n"
    )
    message = yaml_file.refused()
    assert f"{yaml_file}: key 'modules': torch.nn.Linear: TypeError" in message
    assert "out_features" in message


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("!new:torch.nn.Linaer", "key 'linear': torch.nn.Linaer: ImportError"),
        ("!name:torch.nn.Linaer", "key 'linear': torch.nn.Linaer: ImportError"),
        ("!apply:torch.nn.Linaer", "key 'linear': torch.nn.Linaer: ImportError"),
        ("!new:torch.nn.functional.relu", "key 'linear': torch.nn.functional.relu: ValueError"),
    ],
)
def test_misspelt_class(yaml_file, tag, reason):
    yaml_file.edit("!new:torch.nn.Linear", tag)
    assert f"{yaml_file}: {reason}" in yaml_file.refused()


def test_misspelt_module(yaml_file):
    yaml_file.edit("lr: 0.1", "lr: 0.1\ncode: !module:torch.nnn")
    assert f"{yaml_file}: key 'code': torch.nnn: ImportError" in yaml_file.refused()


def test_error_raised_by_a_class_keeps_its_cause(yaml_file):
    yaml_file.edit("lr: 0.1", "lr: 0.1\nn: !apply:math.sqrt [-1]")
    with pytest.raises(InputError, match="key 'n': math.sqrt: ValueError") as caught:
        yaml_file.load()
    assert isinstance(caught.value.__cause__, ValueError)


def test_reference_to_nothing(yaml_file):
    yaml_file.edit("in_features: !ref <width>", "in_features: !ref <wdith>")
    message = yaml_file.refused()
    assert str(yaml_file) in message and "wdith" in message


def test_missing_output_folder(yaml_file):
    yaml_file.edit("output_folder:", "out_folder:")
    assert f"{yaml_file}: key 'output_folder'" in yaml_file.refused()


def test_output_folder_that_is_a_file(yaml_file, tmp_path):
    (tmp_path / "taken").write_text("")
    message = yaml_file.refused("--output_folder", str(tmp_path / "taken"))
    assert "key 'output_folder'" in message and "is a file" in message


def test_include_is_refused(yaml_file):
    yaml_file.edit("lr: 0.1", "lr: 0.1\nmore: !include:more.yaml")
    assert f"{yaml_file}: `!include:` is not supported" in yaml_file.refused()


def test_the_record_of_a_run_holds_what_applyref_gives(yaml_file):
    """At any depth, so that the run needs no other file; an InputError of the function is said as it is."""
    yaml_file.edit("width: 3", "width: 3\nparts:\n  - {one: !applyref:sorted [[!ref <width>, 1]]}")
    experiment = yaml_file.load()
    assert "applyref" not in experiment.text
    assert load_hyperpyyaml(experiment.text)["parts"] == experiment.hparams["parts"] == [{"one": [1, 3]}]
    yaml_file.edit(
        "!applyref:sorted [[!ref <width>, 1]]", "!applyref:summarymixing.upstreams.encoder_folder.encoder_node [x]"
    )
    assert yaml_file.refused().startswith("x: no such folder; set the key pretrained_encoder")
