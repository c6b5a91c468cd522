"""Rehearsal: the models of the recipes on a GPU that is not there, augmentation, forward pass and loss."""

import re
import shlex
from pathlib import Path

import pytest
import soundfile
import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.encoder import CategoricalEncoder

from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.experiment.yaml_files import resolve_yaml
from summarymixing.mixers.summary import SummaryMixing
from summarymixing.tasks.classification import Classification
from summarymixing.tasks.ctc import CTC
from summarymixing.tasks.pretraining import Pretraining
from summarymixing.tasks.seq2seq import Seq2Seq
from summarymixing.tasks.transducer import Transducer
from summarymixing.tasks.understanding import Understanding
from tests.recipes.fake_gpu import FakeGPU, HiddenWait

ROOT = Path(__file__).parents[2]
#: The task of each recipe script.
TASKS = {
    "train.py": CTC,
    "recipes/LibriSpeech/ASR/CTC/train.py": CTC,
    "recipes/LibriSpeech/ASR/finetune/train.py": CTC,
    "recipes/LibriSpeech/ASR/transducer/train.py": Transducer,
    "recipes/LibriSpeech/ASR/transformer/train.py": Seq2Seq,
    "recipes/LibriSpeech/self-supervised-learning/wav2vec2/train.py": Pretraining,
    "recipes/CommonVoice/ASR/transformer/train.py": Seq2Seq,
    "recipes/CommonVoice/ASR/lowresource/train.py": CTC,
    "recipes/SLURP/SLU/direct/train.py": Understanding,
    "recipes/SLURP/SLU/classification/train.py": Classification,
    "recipes/GoogleSpeechCommands/KWS/train.py": Classification,
}
#: Each recipe script, and each encoder, mixer, decoder, pooling and augmentation of the recipes. A script and a mixer
#: do not know of each other, so that not all pairs are here.
MODELS = [
    "hparams/branchformer_cnn_only.yaml",
    "hparams/branchformer_fastformer.yaml",
    "hparams/branchformer_hypermixing.yaml",
    "hparams/branchformer_mhsa.yaml",
    "hparams/branchformer_mhsa_relpos.yaml",
    "hparams/branchformer_summarymixing_lite.yaml",
    "hparams/branchformer_windowed.yaml",
    "hparams/conformer_mhsa_relpos.yaml",
    "hparams/conformer_mhsa_stochastic.yaml",
    "hparams/conformer_summarymixing.yaml",
    "hparams/conformer_summarymixing_stochastic.yaml",
    "recipes/LibriSpeech/ASR/CTC/hparams/conformer_mhsa.yaml",
    "recipes/LibriSpeech/ASR/finetune/hparams/small.yaml",
    "recipes/LibriSpeech/ASR/transducer/hparams/conformer_transducer_mhsa.yaml",
    "recipes/LibriSpeech/ASR/transducer/hparams/conformer_transducer_summarymixing_fast.yaml",
    "recipes/LibriSpeech/ASR/transformer/hparams/branchformer_summarymixing_decoder.yaml",
    "recipes/LibriSpeech/ASR/transformer/hparams/conformer_summarymixing.yaml",
    "recipes/LibriSpeech/ASR/transformer/hparams/contextnet.yaml",
    "recipes/LibriSpeech/ASR/transformer/hparams/transformer_mhsa.yaml",
    "recipes/LibriSpeech/self-supervised-learning/wav2vec2/hparams/conformer_mhsa.yaml",
    "recipes/LibriSpeech/self-supervised-learning/wav2vec2/hparams/small_windowed.yaml",
    "recipes/LibriSpeech/self-supervised-learning/wav2vec2/hparams/waveform_summarymixing.yaml",
    "recipes/CommonVoice/ASR/transformer/hparams/small_summarymixing.yaml",
    "recipes/CommonVoice/ASR/lowresource/hparams/windowed.yaml",
    "recipes/SLURP/SLU/direct/hparams/conformer_summarymixing.yaml",
    "recipes/SLURP/SLU/classification/hparams/branchformer_summarymixing.yaml",
    "recipes/GoogleSpeechCommands/KWS/hparams/conformer_mhsa.yaml",
]


def relative_lengths(shape):
    return torch.linspace(1.0, 0.6, shape.numel()).view(shape)


#: Who may wait at every training step, what it is told, and why it may. SpeechBrain reads the loss of a step before it
#: begins the next, so that nothing is left to wait for until the encoder has begun.
EVERY_STEP = {
    # Draws on the device how many augmentations there are, and takes rows by numbers on the CPU.
    "speechbrain.augment.augmenter:Augmenter.forward": 2,
    "speechbrain.augment.augmenter:Augmenter.augment": 2,
    # SpeechBrain's augmentations want lengths on the device, the model wants them on the CPU.
    "summarymixing.training.task:Task.waveforms": relative_lengths,
    # Draws on the device how many drops there are, and compares their lengths.
    "speechbrain.augment.freq_domain:SpectrogramDrop.forward": 2,
    # Inside PyTorch's and torchaudio's CUDA kernels; the whole model is on its way by then.
    "summarymixing.tasks.recognition:ctc_losses": 1,
    "torchaudio.functional.functional:RnntLoss.forward": 1,
}
#: Who may wait once: what is moved to the device, or made there, when it is first needed.
ONCE = {
    "summarymixing.lobes.frontends.features:LogMel._log_mel": 1,
    "summarymixing.lobes.frontends.features:_Filters.forward": 1,
    "summarymixing.mixers.attention:RoPEAttention._rotate": 1,
    "summarymixing.data.augmentation:BackgroundNoise._read": 1,
    "summarymixing.data.augmentation:BackgroundNoise._read.<locals>.<listcomp>": 1,
    "summarymixing.data.augmentation:augment_on": 1,
    # Asks how many batches a checkpoint has; then, while it gathers statistics, whether a batch is finite.
    "summarymixing.lobes.frontends.features:GlobalNormalization.forward": 0,
    "summarymixing.lobes.frontends.features:GlobalNormalization._update": 1,
    "speechbrain.processing.features:gaussian_statistics": 1,
    "speechbrain.processing.features:combine_gaussian_statistics_distributed": 1,
}


@pytest.fixture
def rehearse(experiments, encoder_run, tmp_path):
    """Two training steps and an evaluation of a listed YAML file; returns who has waited in each."""
    (tmp_path / "_background_noise_").mkdir()
    soundfile.write(tmp_path / "_background_noise_/hum.wav", torch.rand(40000).numpy(), 16000)

    def prepare(yaml, words):
        (row,) = [row for row in experiments if row["Hparam_file"] == yaml]
        sizes = shlex.split(row["test_debug_flags"].replace("--num_layers=2", "--num_layers=1"))
        folders = [f"--data_folder={tmp_path}", f"--output_folder={tmp_path}/run"]
        if "finetune" in yaml:
            folders.append(f"--pretrained_encoder={encoder_run}")
        if "lowresource" in yaml:
            folders.append(f"--upstream={encoder_run}")
        experiment = load_experiment([str(ROOT / yaml), *sizes, *folders, *words, "--device", "cpu"])
        targets = getattr(experiment.hparams["model"], "targets", ())
        for target in targets:
            classes = CategoricalEncoder()
            classes.update_from_iterable(["yes", "no"])
            classes.save(tmp_path / f"run/labels_{target}.txt")
        task = TASKS[row["Script_file"]](experiment, RunRecord.open(experiment.run_folder))
        return task, dict.fromkeys(targets, "yes")

    def call(yaml, *words):
        task, labels = prepare(yaml, words)
        waveforms = [torch.rand(32000), torch.rand(24000)]
        tokens = [torch.randint(3, 20, (5,)), torch.randint(3, 20, (4,))]
        rows = [
            {"id": str(i), "duration": 1.0, "wrd": "a", "sig": waveforms[i], "tokens": tokens[i], **labels}
            for i in range(2)
        ]
        batch, waits = PaddedBatch(rows), []
        # PyTorch asks the driver of the GPU whether cuDNN takes an LSTM.
        with FakeGPU() as gpu, torch.backends.cudnn.flags(enabled=False):
            task.device, task.epoch = "cuda", 4  # behind the epochs without augmentation
            model = gpu.put(task.hparams.model)
            if hasattr(model.speech_encoder, "normalize"):  # an upstream has one within, of its own
                model.speech_encoder.normalize.num_batches = 1  # which the first step gathers
            for allowed in (ONCE | EVERY_STEP, EVERY_STEP):
                gpu.allowed, gpu.waits = allowed, set()
                model.train()
                predictions = task.compute_forward(batch, sb.Stage.TRAIN)
                loss = task.compute_objectives(predictions, batch, sb.Stage.TRAIN)
                assert loss.device.type == "cuda" and loss.shape == () and loss.requires_grad
                waits.append(gpu.waits)
                if getattr(task.hparams, "chunk_sampler", None) is not None:
                    task.hparams.chunk_sampler.chunkwise_prob = 1.0
            gpu.allowed = {}
            model.eval()
            with torch.no_grad():
                task.compute_forward(batch, sb.Stage.VALID)
        return waits

    return call


#: Who has waited for each model, at the first step and at the second.
WAITED = {}


@pytest.mark.slow
@pytest.mark.parametrize("yaml", MODELS)
def test_no_tensor_is_on_the_wrong_device_and_nobody_waits_without_leave(rehearse, yaml):
    WAITED[yaml] = rehearse(yaml)


def test_the_other_objective_of_small_pretraining(rehearse):
    yaml = "recipes/LibriSpeech/self-supervised-learning/wav2vec2/hparams/small_summarymixing.yaml"
    first, second = rehearse(yaml, "--objective=contrastive")
    assert not second


def test_whoever_may_wait_does():
    """A leave that nobody takes would hide a new wait."""
    if set(WAITED) == set(MODELS):  # unless only some of the tests above were asked for
        first, second = (set().union(*waits) for waits in zip(*WAITED.values(), strict=True))
        assert set(ONCE) <= first and set(EVERY_STEP) == second


@pytest.mark.slow
def test_every_part_of_the_recipes_is_rehearsed(experiments):
    def parts(yaml):
        found = re.findall(r"!(?:new|name):((?:summarymixing|speechbrain)\.[\w.]+)", resolve_yaml(ROOT / yaml))
        return {part for part in found if re.search(r"\.(lobes|mixers|augment|augmentation)\.", part)}

    rehearsed = set().union(*map(parts, MODELS))
    assert {part for row in experiments for part in parts(row["Hparam_file"])} == rehearsed
    scripts = {row["Script_file"] for row in experiments if row["Hparam_file"] in MODELS}
    assert scripts == set(TASKS) == {row["Script_file"] for row in experiments}


def wait_for_value(x):
    return x.sum().item()


#: Faults, each with what is said of it.
FAULTS = {
    "a tensor on the CPU": (lambda x: x + torch.ones(4), RuntimeError, "two different devices cuda:0, cpu"),
    "an index on the CPU": (lambda x: x[torch.tensor([0])], HiddenWait, "aten::index"),
    "item": (wait_for_value, HiddenWait, "test_fake_gpu:wait_for_value waits for the GPU"),
    "a truth value": (lambda x: 1 if (x > 0).any() else 0, HiddenWait, "aten::_local_scalar_dense"),
    "tolist": (lambda x: x.tolist(), HiddenWait, "aten::_local_scalar_dense"),
    "nonzero": (lambda x: x.nonzero(), HiddenWait, "aten::nonzero"),
    "a mask": (lambda x: x[x > 0], HiddenWait, "aten::"),
    "values at a mask": (lambda x: x.index_put((x > 0,), x[0]), HiddenWait, "aten::index_put"),
    "a copy to the CPU": (lambda x: x.cpu(), HiddenWait, "aten::_to_copy"),
    "a copy into the CPU": (lambda x: torch.zeros(3, 4).copy_(x), HiddenWait, "aten::copy_"),
    "a copy to the GPU": (lambda x: torch.ones(4).to(x.device), HiddenWait, "aten::_to_copy"),
    "a tensor from a list": (lambda x: torch.tensor([1, 2], device=x.device), HiddenWait, "aten::_to_copy"),
    "a number on the CPU": (lambda x: torch.where(x > 0, x, torch.tensor(0.0)), HiddenWait, "aten::where"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault):
    function, kind, text = FAULTS[fault]
    with FakeGPU(), pytest.raises(kind, match=text):
        function(torch.rand(3, 4, device="cuda"))


#: Nothing of this waits.
INNOCENT = {
    "a copy behind the program": lambda x: torch.ones(4).to("cuda", non_blocking=True) + x,
    "a number": lambda x: torch.where(x > 0, x, 0.0) * 2 + torch.tensor(1.0),
    "a value at a mask": lambda x: x.masked_fill(x > 0, 0.0).index_put((x > 0,), torch.zeros((), device="cuda")),
    "the CPU alone": lambda x: x * torch.tensor([1.0, 2.0])[torch.tensor([True, False])].tolist()[0],
}


@pytest.mark.parametrize("name", INNOCENT)
def test_what_does_not_wait_is_left_alone(name):
    with FakeGPU() as gpu:
        assert INNOCENT[name](torch.rand(3, 4, device="cuda")).device.type == "cuda"
    assert not gpu.waits


def test_a_fault_in_a_model_is_found(rehearse, monkeypatch):
    """By its name, in a part of the encoder."""
    original = SummaryMixing.mix

    def cpu_tensor(self, x, *others):
        return original(self, x, *others) + torch.zeros(x.shape[-1])

    def wait(self, x, *others):
        return original(self, x, *others) * (1.0 if x.isfinite().all() else 0.0)

    for fault, kind, text in ((cpu_tensor, RuntimeError, "two different devices"), (wait, HiddenWait, "<locals>.wait")):
        monkeypatch.setattr(SummaryMixing, "mix", fault)
        with pytest.raises(kind, match=text):
            rehearse("hparams/conformer_summarymixing.yaml")


def test_speeds_are_changed_on_the_device(rehearse, monkeypatch):
    """SpeechBrain's own way takes every batch to the CPU and back."""
    monkeypatch.setattr("summarymixing.training.task.augment_on", lambda *_: None)
    with pytest.raises(HiddenWait, match="SpeedPerturb.forward waits for the GPU"):
        rehearse("recipes/LibriSpeech/ASR/CTC/hparams/conformer_mhsa.yaml")
