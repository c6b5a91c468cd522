"""One owner of a run's file names, one way to load it and to say what is missing."""

import functools
import operator

import pytest
import torch
from ruamel.yaml import YAML

from summarymixing.benchmarks.speed import load_model
from summarymixing.data.tokenizer import train_tokenizer
from summarymixing.experiment.record import RunRecord
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.inference import Transcriber, UtteranceClassifier
from summarymixing.reports.comparison import read_run
from summarymixing.upstreams.pretrained import load_encoder
from summarymixing.utils.errors import InputError

#: Objects of every kind before, in and after the trained ones; those that training alone needs leave a trace.
YAML_TEXT = """\
output_folder: {trained_in}
width: 4
sample_rate: !ref <width> * 2000
test_splits: [clean, other]
__made: !apply:os.mkdir [!ref <output_folder>/made_by_apply]
checkpointer: !new:speechbrain.utils.checkpoints.Checkpointer
  checkpoints_dir: !ref <output_folder>/save
layer: !new:torch.nn.Linear [!ref <width>, 2]
model: !new:torch.nn.Sequential [!ref <layer>, !new:torch.nn.Dropout [0.5]]
modules:
  encoder: !ref <model>
decoding_function: !name:torch.argmax
  dim: -1
nested:
  plain: 1
  made: [!apply:os.mkdir [!ref <output_folder>/made_in_a_list]]
"""


@pytest.fixture
def run(tmp_path):
    """A finished run that has been moved since it was trained."""
    run = RunFolder(tmp_path / "moved" / "run")
    run.write_text(YAML_TEXT.format(trained_in=tmp_path / "gone"))
    model = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Dropout(0.5))
    torch.save(model.state_dict(), run.model)
    return run


def files_below(folder):
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def refusal(call):
    with pytest.raises(InputError) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_loading_builds_what_was_trained_and_nothing_else(run, tmp_path):
    before = files_below(tmp_path)
    hparams = run.load()
    assert files_below(tmp_path) == before
    assert set(hparams) >= {"output_folder", "width", "sample_rate", "test_splits", "model", "modules"}
    assert not set(hparams) & {"__made", "checkpointer", "nested"}
    assert hparams["output_folder"] == str(run.path) and hparams["sample_rate"] == 8000
    assert hparams["modules"]["encoder"] is hparams["model"] and not hparams["model"].training
    saved = torch.load(run.model)
    assert all(torch.equal(value, saved[name]) for name, value in hparams["model"].state_dict().items())
    assert hparams["decoding_function"](torch.tensor([1.0, 3.0])) == 1


READERS = {
    "transcriber": Transcriber,
    "classifier": UtteranceClassifier,
    "encoder": functools.partial(load_encoder, torch.nn.Linear(1, 1)),
    "comparison": read_run,
    "record": RunRecord.read,
    "speed": load_model,
    "load": lambda folder: RunFolder(folder).load(),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_every_reader_says_the_same_of_no_run(reader, tmp_path):
    cures = ("give the folder of a finished run", "set the key pretrained_encoder to the folder of a finished run")
    message = refusal(lambda: reader(tmp_path / "nowhere"))
    assert message in [f"{tmp_path / 'nowhere'}: no such folder; {cure}" for cure in cures]
    message = refusal(lambda: reader(tmp_path))
    file, _, rest = message.partition(": ")
    assert file in [str(RunFolder(tmp_path).hyperparams), str(RunFolder(tmp_path).record)]
    assert rest in [f"missing, so {tmp_path} holds no finished run; train it to the end, or {cure}" for cure in cures]
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_missing_is_named_and_putting_it_back_helps(run):
    for file in (run.hyperparams, run.model):
        content = file.read_bytes()
        file.unlink()
        assert refusal(run.load).startswith(f"{file}: missing, so {run} holds no finished run; train it to the end")
        file.write_bytes(content)
    assert refusal(lambda: run.load(run.tokenizer)).startswith(f"{run.tokenizer}: missing")
    run.load()


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 cut"], ids=["empty", "text", "cut"])
def test_damaged_weights_are_named(run, content):
    run.model.write_bytes(content)
    assert refusal(run.load).startswith(f"{run.model}: not the weights of a model (")


def test_something_else_saved_by_torch_is_named(run):
    torch.save([1, 2], run.model)
    assert refusal(run.load).startswith(f"{run.model}: not the weights of a model (")


def test_weights_of_another_model_are_named(run):
    torch.save(torch.nn.Linear(3, 3).state_dict(), run.model)
    assert f"{run.model}: does not fit the model of {run.hyperparams}" in refusal(run.load)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a: \xff\n", "cannot read this file"),
        (b"a: [1\n", ""),
        (b"- 1\n", ""),
        (b"a: !ref <b>\n", ""),
        (b"", "is empty"),
        (b"width: 1\n", "has no key 'model'"),
        (b"model: !new:torch.nn.Linear [1, 1]\n", "has no key 'modules'"),
        (b"model: !new:torch.nn.Nothing\n", "torch.nn.Nothing"),
    ],
)
def test_settings_that_cannot_be_used_are_named(run, content, reason):
    run.hyperparams.write_bytes(content)
    message = refusal(run.load)
    assert message.startswith(str(run.hyperparams)) and reason in message


def test_a_run_of_recognition_is_no_classification(run):
    assert f"{run.hyperparams}: its model has no targets" in refusal(lambda: UtteranceClassifier(run))
    assert not run.is_classification
    run.labels("command").write_text("")
    assert run.is_classification


def test_values_of_a_moved_run(run, tmp_path):
    assert run.values()["output_folder"] == str(run.path)
    assert run.values(moved=False)["output_folder"] == str(tmp_path / "gone")
    assert run.values()["sample_rate"] == 8000
    assert run.settings()["width"] == run.settings()["width"] != run.settings()["sample_rate"]


def test_a_record_is_read_without_beginning_one(run):
    record = RunRecord.open(run, argv=["train.py"], seed=3)
    before = files_below(run.path)
    assert RunRecord.read(run).data == record.data and files_below(run.path) == before
    assert [str(found) for found in RunFolder.find(run.path.parent)] == [str(run)]


def test_checkpoints_elsewhere_keep_the_tokenizer(tmp_path):
    """It was trained on the text that those checkpoints learned; another text would give other tokens."""
    run, elsewhere = RunFolder(tmp_path / "run"), tmp_path / "elsewhere"
    run.write_text(f"output_folder: {run}\nsave_folder: {elsewhere}\n")
    run.manifests.mkdir()
    run.manifest("train").write_text("ID,wrd\na,ONE TWO\n")
    train_tokenizer(run.manifest("train"), run.tokenizer, None, "char")
    run.manifest("train").write_text("ID,wrd\na,THREE FOUR\n")
    assert not run.has_trained
    train_tokenizer(run.manifest("train"), run.tokenizer, None, "char")
    (elsewhere / "CKPT+1").mkdir(parents=True)
    assert run.has_trained
    before = run.tokenizer.read_bytes()
    run.manifest("train").write_text("ID,wrd\na,FIVE SIX\n")
    assert "this run was trained on other transcripts" in refusal(
        lambda: train_tokenizer(run.manifest("train"), run.tokenizer, None, "char")
    )
    assert run.tokenizer.read_bytes() == before


def test_the_files_have_the_names_that_readme_and_older_runs_have(tmp_path):
    run = RunFolder(tmp_path)
    names = "hyperparams record log train_log tensorboard checkpoints model tokenizer manifests streaming"
    of_run = [path.name for path in operator.attrgetter(*names.split())(run)]
    assert (
        of_run
        == (
            "hyperparams.yaml run.json log.txt train_log.txt tensorboard save model.ckpt tokenizer.ckpt manifests "
            "streaming.json"
        ).split()
    )
    of_tests = [run.transcripts("t"), run.alignments("t"), run.predictions("t"), run.slurp_predictions("t")]
    assert [path.name for path in [*of_tests, run.confusion("t", "x"), run.labels("x")]] == (
        "transcripts_t.csv wer_t.txt predictions_t.csv predictions_t.jsonl confusion_t_x.csv labels_x.txt"
    ).split()
    assert run.manifest("t") == tmp_path / "manifests" / "t.csv"


def test_texts_are_written_once_noted(run):
    run.write_text(run.text())
    assert run.text().count("yamllint") == 1 and YAML().load(run.text())["width"] == 4
