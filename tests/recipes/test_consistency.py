"""The recipe test lists, the repository and the READMEs name the same things, and every key of a YAML file is used."""

import ast
import fnmatch
import glob
import re
import runpy
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from summarymixing.experiment import resolve_yaml
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.experiment.run_options import RUN_OPTIONS
from summarymixing.experiment.yaml_build import resolve
from summarymixing.experiment.yaml_tree import comparable

ROOT = Path(__file__).parents[2]
#: SpeechBrain's.
COLUMNS = (
    "Task,Dataset,Script_file,Hparam_file,Data_prep_file,Readme_file,Result_url,HF_repo,test_debug_flags,"
    "test_debug_checks,performance"
).split(",")
#: Keys by which a variant swaps one mixer for another.
SWAP = {"base", "mixer", "merge", "positions", "chunk_sampler", "trained", "encoder_lr", "reinitialise"}
#: Keys by which a variant makes a model one of several costs.
ON_DEMAND = {"base", "mixer", "encoder", "squeeze", "query_pool", "key_pool"}
#: Variants that are another network than their base.
ANOTHER_NETWORK = {
    "upstream",
    "contextnet",
    "transformer_mhsa",
    "branchformer_summarymixing_decoder",
    "waveform_summarymixing",
}
#: Keys by which a variant swaps one corpus for another.
DATA = {"base", "prepare", "locale", "output_folder", "train_splits", "valid_split", "test_splits"}
#: Sizes of a base that lead nowhere once these files have replaced what they are the sizes of.
LEFT_BY_THE_BASE = {
    "hparams/branchformer*.yaml": {"d_ffn"},
    "*/transformer/hparams/transformer_mhsa.yaml": {"kernel_size"},
    "*/transformer/hparams/contextnet.yaml": {
        "kernel_size",
        "channels",
        "two_dimensional",
        "num_layers",
        "mixer",
        "activation",
    },
    "*/wav2vec2/hparams/waveform_summarymixing.yaml": {"n_mels"},
    "*/hparams/upstream.yaml": {
        "activation",
        "channels",
        "encoder",
        "kernel_size",
        "mixer",
        "n_mels",
        "normalization_batches",
        "num_layers",
        "positions",
        "two_dimensional",
    },
    "*/SLURP/SLU/direct/hparams/upstream.yaml": {"front_end"},
    "*/SLURP/SLU/classification/hparams/upstream.yaml": {"d_model", "nhead"},
    "*/KWS/hparams/upstream.yaml": {"d_model", "nhead"},
}


def test_every_yaml_file_is_listed_once(experiments):
    folders = [ROOT / "hparams", *(ROOT / "recipes").rglob("hparams")]
    present = [path.relative_to(ROOT).as_posix() for folder in folders for path in folder.rglob("*.yaml")]
    assert sorted(row["Hparam_file"] for row in experiments) == sorted(present)


def test_a_row_has_speechbrains_columns_and_names_files(experiment):
    assert list(experiment) == COLUMNS and None not in experiment.values()
    assert experiment["Task"] and (Path(__file__).parent / f"{experiment['Dataset']}.csv").is_file()
    for column in ("Script_file", "Hparam_file", "Data_prep_file", "Readme_file"):
        assert (ROOT / experiment[column]).is_file(), experiment[column]
    assert experiment["test_debug_flags"] and experiment["test_debug_checks"].startswith("file_exists=[")


def read_keys(script):
    """Keys of `hparams` that a script and the modules of the package that it imports read by themselves."""
    files, keys = [script, ROOT / "summarymixing/inference/transcriber.py"], set()
    for file in files:  # grows
        code = file.read_text()
        keys.update(re.findall(r'hparams(?:(?:\.get\()?[.\["\']{1,2}|, ")(\w+)', code))
        modules = re.findall(r"^from (summarymixing[\w.]*) import", code, re.M)
        found = [ROOT / f"{module.replace('.', '/')}.py" for module in modules]
        files += [file for file in dict.fromkeys(found) if file.is_file() and file not in files]
    return keys


def test_every_key_is_used(experiment, settings_of):
    """What the code or SpeechBrain reads is used, and what these refer to, and so on."""
    name = experiment["Hparam_file"]
    values = settings_of(name)
    refers = {key: set(re.findall(r"<(\w+)", str(value))) for key, value in values.items()}
    # What runs when the file is loaded, and what SpeechBrain's inference interfaces load.
    read = read_keys(ROOT / experiment["Script_file"]) | RUN_OPTIONS | {"pretrainer", "audio_normalizer"}
    read |= {"__set_seed", "__resumable", "__neutral"}
    used, todo = set(), list(read & refers.keys())
    while todo:
        key = todo.pop()
        if key not in used:
            used.add(key)
            todo += refers[key]
    left = set().union(*[keys for files, keys in LEFT_BY_THE_BASE.items() if fnmatch.fnmatch(name, files)])
    assert refers.keys() - used == left


def test_a_variant_is_short(experiments):
    files = [ROOT / row["Hparam_file"] for row in experiments]
    own = {file: YAML(typ="rt").load(file.read_text()) for file in files}
    bases = {file.parent / keys["base"][0] for file, keys in own.items() if "base" in keys}
    for file in own.keys() - bases:
        assert "base" in own[file], file
        another_network = file.stem in ANOTHER_NETWORK and len(own[file]) <= 6
        assert another_network or any(set(own[file]) <= keys for keys in (SWAP, DATA, ON_DEMAND)), file


def test_no_recipe_repeats_the_shared_bookkeeping(experiments):
    shared = comparable((ROOT / "recipes/bookkeeping.yaml").read_text())
    own = {row["Hparam_file"]: comparable((ROOT / row["Hparam_file"]).read_text()) for row in experiments}
    over_it = {name: keys for name, keys in own.items() if "bookkeeping.yaml" in str(keys.get("base"))}
    assert all("base" in keys for keys in own.values())
    for name, keys in over_it.items():
        assert not [key for key in keys.keys() & shared.keys() if keys[key] == shared[key]], name


def test_a_readme_names_its_experiments(experiment):
    text = (ROOT / experiment["Readme_file"]).read_text()
    stem = Path(experiment["Hparam_file"]).stem
    family, _, variant = stem.partition("_")
    in_table = f"`hparams/{family}_…`" in text and f"`{variant}`" in text
    assert f"{stem}.yaml" in text or f"`{stem}`" in text or in_table
    assert Path(experiment["Script_file"]).name in text


def named_paths(text):
    """Links, and in code whatever has a file's suffix or begins with a folder of the repository."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    text = re.sub(r"--output \S+", "", text)  # is yet to be written
    code = " ".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.S))
    words = [word.rstrip(".") for word in re.findall(r"[\w./*…-]+", code)]
    is_path = re.compile(r"(hparams|recipes|results|summarymixing|tests|tools)/|[^…]*\.(py|yaml|md|csv|json|png)$")
    placeholder = re.compile(r"…|\b(RUN|SPLIT|FILE|FOLDER|EXPERIMENT|SEED)\b")
    return links + [word for word in words if is_path.match(word) and not placeholder.search(word)]


def test_every_path_in_a_readme_exists(experiments):
    checks = [row["test_debug_checks"] for row in experiments]
    of_a_run = {name for check in checks for name in re.search(r"\[(.*)\]", check)[1].split(",")}
    for readme in sorted({ROOT / row["Readme_file"] for row in experiments}):
        paths = named_paths(readme.read_text())
        assert len(paths) > 3, readme
        for path in paths:
            there = [glob.glob(str(folder / path)) for folder in (ROOT, readme.parent, readme.parent / "hparams")]
            assert any(there) or fnmatch.filter(of_a_run, path), f"{readme} names {path}"


def test_every_program_says_what_it_does(experiments, refused, monkeypatch, capsys):
    scripts = sorted({row["Script_file"] for row in experiments})
    tools = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tools").glob("*.py"))
    for program in scripts + tools:
        summary, _, rest = (ast.get_docstring(ast.parse((ROOT / program).read_text())) or "").partition("\n")
        assert summary and (rest.startswith("\n") or not rest), f"{program}: its docstring begins with no summary"
        assert program in tools or not rest, f"{program}: its docstring is longer than a line"
        if program == "tools/check_env.py":
            continue  # takes no arguments
        monkeypatch.setattr(sys, "argv", [program, "--help"])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / program), run_name="__main__")
        assert not ended.value.code and "usage:" in capsys.readouterr().out, program
    for script in scripts:
        assert "the first argument must be the YAML file of an experiment" in refused(script)


@pytest.mark.slow
def test_yaml_files_name_the_files_of_a_run_as_the_code_does(experiments, encoder_run):
    """Loggers and checkpointers are made in YAML; whoever reads them finds them through RunFolder."""
    bases = {row["Script_file"]: row["Hparam_file"] for row in experiments}
    for yaml in bases.values():
        run = RunFolder(f"runs/{Path(yaml).stem}")
        given = {"output_folder": str(run), "data_folder": "data", "locale": "fr"}
        given |= {"pretrained_encoder": str(encoder_run), "upstream": str(encoder_run)}
        values = YAML().load(resolve(resolve_yaml(ROOT / yaml), yaml, given))
        assert Path(values["train_logger"]["save_file"]) == run.train_log
        assert Path(values["checkpointer"]["checkpoints_dir"]) == run.checkpoints


@pytest.mark.parametrize("script", [ROOT / "train.py", *sorted((ROOT / "recipes").rglob("train.py"))], ids=str)
def test_a_script_says_what_it_does_to_its_process(script):
    """Loading an experiment starts no process group and changes no allocator, so each script must."""
    lines = [line.strip().partition("  #")[0] for line in script.read_text().splitlines()]
    loads = lines.index("experiment = load_experiment(sys.argv[1:])")
    assert lines[loads + 1 : loads + 3] == ["ddp_init_group(experiment.run_opts)", "keep_freed_memory()"]
