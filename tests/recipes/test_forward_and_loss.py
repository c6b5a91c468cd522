"""Every listed experiment, built small in this process: it loads, and a training step has finite gradients."""

from pathlib import Path

import pytest
import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.encoder import CategoricalEncoder

from summarymixing.experiment import RunFolder, RunRecord, load_experiment
from summarymixing.experiment.yaml_tree import key_nodes
from summarymixing.tasks.classification import Classification
from summarymixing.tasks.ctc import CTC
from summarymixing.tasks.pretraining import Pretraining
from summarymixing.tasks.seq2seq import Seq2Seq
from summarymixing.tasks.transducer import Transducer
from summarymixing.tasks.understanding import Understanding

#: By a row's Task.
TASKS = {
    "ASR-CTC": CTC,
    "SSL-ASR": CTC,
    "SSL-CTC": CTC,
    "ASR-Transformers": Seq2Seq,
    "ASR-Transducers": Transducer,
    "SSL": Pretraining,
    "SLU-direct": Understanding,
    "KWS": Classification,
    "SLU-classification": Classification,
}
SECONDS = (4, 3)


def write_labels(experiment):
    """Two classes for each target, as the recipe finds them in the training set."""
    for target in experiment.hparams["model"].targets:
        encoder = CategoricalEncoder()
        encoder.update_from_iterable(["one", "two"])
        encoder.save(RunFolder(experiment.run_folder).labels(target))


def batch_of(experiment):
    """Noise of two lengths, with tokens or labels."""
    targets = getattr(experiment.hparams["model"], "targets", ())
    rows = [{"id": str(n), "sig": 0.1 * torch.randn(16000 * n), "duration": n} for n in SECONDS]
    for row, label in zip(rows, ("one", "two"), strict=True):
        row |= dict.fromkeys(targets, label) if targets else {"tokens": torch.randint(3, 40, (3 * row["duration"],))}
    return PaddedBatch(rows)


@pytest.mark.slow
def test_it_loads_and_a_training_step_has_finite_gradients(experiment, command_line, tmp_path):
    """Every parameter gets a gradient, or several processes would wait for it forever."""
    loaded = load_experiment(command_line(experiment["Hparam_file"], output_folder=tmp_path / "run", device="cpu"))
    assert loaded.name == Path(experiment["Hparam_file"]).stem
    nodes = key_nodes(loaded.text)
    rates = [value for key, value in nodes["audio_normalizer"].value if key.value == "sample_rate"]
    assert [(rate.tag, rate.value) for rate in rates] == [("!ref", "<sample_rate>")]  # of the audio to transcribe
    assert nodes["checkpointer"].tag.startswith("!name:")  # loading a run makes no folder
    task_class, model = TASKS[experiment["Task"]], loaded.hparams["model"]
    if task_class is Classification:
        write_labels(loaded)
    task = task_class(loaded, RunRecord.open(loaded.run_folder))
    task.epoch = 1
    task.modules.train()
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    assert trained
    sampler = loaded.hparams.get("chunk_sampler")
    # Whole utterances, and chunk-wise ones where the experiment trains on both.
    for share in (0.0,) if sampler is None else (0.0, 1.0):
        if sampler is not None:
            sampler.chunkwise_prob = share
        torch.manual_seed(0)
        batch = batch_of(loaded)
        loss = task.compute_objectives(task.compute_forward(batch, sb.Stage.TRAIN), batch, sb.Stage.TRAIN)
        assert loss.isfinite() and loss > 0, share
        task.modules.zero_grad()
        loss.backward()
        assert not [name for name, value in trained.items() if value.grad is None], share
        assert all(value.grad.isfinite().all() for value in trained.values()), share
        assert any(value.grad.abs().sum() > 0 for value in trained.values()), share
