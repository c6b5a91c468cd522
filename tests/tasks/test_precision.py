"""Mixed precision by one key: the network computes in bfloat16 or float16, losses and summaries in float32."""

import functools
from pathlib import Path

import pytest
import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.autocast import TorchAutocast

from summarymixing.experiment import RunRecord, load_experiment
from summarymixing.ops import means
from summarymixing.tasks import ctc, recognition, seq2seq, transducer
from summarymixing.utils.errors import InputError

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes/LibriSpeech/ASR"
SMALL = {
    "data_folder": "nowhere",
    "d_model": 32,
    "d_ffn": 64,
    "num_layers": 1,
    "kernel_size": 5,
    "channels": "[8, 8]",
    "vocab_size": 20,
    "augment": "null",
    "chunk_sampler": "null",
    "grad_accumulation_factor": 1,
}
#: Of each task: its class, its YAML file, its settings, the losses that its module calls.
TASKS = {
    "ctc": (ctc.CTC, "CTC/hparams/conformer.yaml", {}, {recognition: ["ctc_loss"]}),
    "seq2seq": (
        seq2seq.Seq2Seq,
        "transformer/hparams/conformer.yaml",
        {"nhead": 4, "num_decoder_layers": 1},
        {recognition: ["ctc_loss"], seq2seq: ["kldiv_loss"]},
    ),
    "transducer": (
        transducer.Transducer,
        "transducer/hparams/conformer_transducer.yaml",
        {"predictor_size": 16, "joint_size": 16},
        {recognition: ["ctc_loss"], transducer: ["rnnt_loss"]},
    ),
}
#: Frames that are summed: a bfloat16 sum of ones would stop at 256 of them.
SECONDS = 24


@functools.cache
def missing_lstm(dtype):
    """Why this CPU cannot train an LSTM in this type, or an empty text: oneDNN has no such primitive for some CPUs."""
    try:
        with torch.autocast("cpu", dtype=dtype):
            torch.nn.LSTM(2, 2)(torch.zeros(1, 1, 2))[0].float().sum().backward()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return ""


@pytest.fixture(params=TASKS)
def name(request):
    return request.param


@pytest.fixture
def needs(name):
    """Skip the test of a task whose network this CPU cannot run in a type."""

    def check(dtype):
        if name == "transducer" and missing_lstm(dtype):
            pytest.skip(f"no LSTM in {dtype} on this CPU: {missing_lstm(dtype)}")

    return check


@pytest.fixture
def prepare(tmp_path):
    """Make a task ready for its first step, without data."""

    def make(name, device="cpu", **settings):
        task_class, yaml_file, own, _ = TASKS[name]
        keys = {**SMALL, **own, "output_folder": tmp_path / name, **settings}
        words = [word for key, value in keys.items() for word in (f"--{key}", str(value))]
        experiment = load_experiment([str(RECIPES / yaml_file), *words, "--device", device])
        task = task_class(experiment, RunRecord.open(experiment.run_folder))
        task.on_fit_start()
        task.modules.train()
        task.epoch = task.step = 1
        return task

    return make


@pytest.fixture
def witness(monkeypatch):
    """Notes the types that go into the losses and come out, and how far summaries are off."""
    losses, errors = {}, []

    def watch(name, function):
        def watched(log_probs, *arguments, **options):
            loss = function(log_probs, *arguments, **options)
            losses.setdefault(name, set()).update({log_probs.dtype, loss.dtype})
            return loss

        return watched

    losses_of = {(module, name) for *_, used in TASKS.values() for module, names in used.items() for name in names}
    for module, name in losses_of:
        monkeypatch.setattr(module, name, watch(name, getattr(module, name)))

    def utterance_mean(s, padding_mask=None, original=means.utterance_mean):
        found = original(s, padding_mask)
        exact = original(s.detach().double(), padding_mask)
        # All that may be lost is the rounding of the result to its own type.
        relative = (found.detach() - exact).abs() / exact.abs().clamp(min=1e-2)
        errors.append(float(relative.max()) / torch.finfo(s.dtype).eps)
        return found

    monkeypatch.setattr(means, "utterance_mean", utterance_mean)
    return losses, errors


def batch_of_noise():
    generator = torch.Generator().manual_seed(0)
    rows = []
    for index, seconds in enumerate((SECONDS, SECONDS // 2)):
        wave = 0.1 * torch.randn(16000 * seconds, generator=generator)
        tokens = torch.randint(3, 20, (8 - index,), generator=generator)
        rows.append({"id": str(index), "duration": float(seconds), "sig": wave, "tokens": tokens, "wrd": "A"})
    return PaddedBatch(rows)


def parameters(task):
    return [parameter.detach().clone() for parameter in task.modules.parameters()]


def network_types(task):
    """Types in which the linear layers of the encoder compute, noted as they do."""
    types = set()
    for module in task.hparams.model.speech_encoder.encoder.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(lambda module, inputs, output: types.add(output.dtype))
    return types


def check_two_steps(task, name, witness, dtype):
    """Two steps of training: what is computed in which type, and that it learns something finite."""
    losses, errors = witness
    types, batch, before = network_types(task), batch_of_noise().to(task.device), parameters(task)
    for _ in range(2):
        loss = task.fit_batch(batch)
        assert loss.isfinite() and loss.dtype == torch.float32
        task.step += 1
    assert types == {dtype}
    expected = [loss for names in TASKS[name][3].values() for loss in names]
    assert losses == {loss: {torch.float32} for loss in expected}
    assert errors and max(errors) <= 1
    after = parameters(task)
    assert all(new.isfinite().all() and new.dtype == torch.float32 for new in after)
    assert any(not torch.equal(new, old) for new, old in zip(after, before, strict=True))


@pytest.mark.slow
def test_bf16_by_one_key(prepare, name, witness, needs):
    needs(torch.bfloat16)
    task = prepare(name, precision="bf16")
    check_two_steps(task, name, witness, torch.bfloat16)
    assert not task.scaler.is_enabled()


@pytest.mark.slow
def test_bf16_evaluation_by_one_key(prepare, name, witness, needs):
    needs(torch.bfloat16)
    task = prepare(name, eval_precision="bf16")
    types = network_types(task)
    task.modules.eval()
    task.searcher, task.right, task.tokens, task.scored = None, 0, 0, []
    task.keep = lambda batch, texts: None
    task.texts = lambda decoded: []
    assert task.evaluate_batch(batch_of_noise(), sb.Stage.VALID).dtype == torch.float32
    assert types == {torch.bfloat16}
    assert set().union(*witness[0].values()) == {torch.float32}


def in_float16(task):
    """What SpeechBrain sets up for --precision fp16 on a GPU, on the CPU; it starts with a larger scale."""
    task.training_ctx = TorchAutocast(device_type="cpu", dtype=torch.float16)
    task.scaler = torch.GradScaler("cpu", init_scale=4.0)
    return task


@pytest.mark.slow
def test_float16_with_loss_scaling(prepare, name, witness, needs):
    needs(torch.float16)
    check_two_steps(in_float16(prepare(name)), name, witness, torch.float16)


@pytest.mark.slow
def test_float16_leaves_out_a_step_that_overflows(prepare, name, needs):
    needs(torch.float16)
    task, batch = in_float16(prepare(name)), batch_of_noise()
    before = parameters(task)
    hook = next(task.modules.parameters()).register_hook(lambda gradient: gradient * torch.inf)
    assert task.fit_batch(batch).isfinite()
    hook.remove()
    assert all(torch.equal(new, old) for new, old in zip(parameters(task), before, strict=True))
    assert task.scaler.get_scale() == 2
    task.step += 1
    task.fit_batch(batch)
    assert any(not torch.equal(new, old) for new, old in zip(parameters(task), before, strict=True))


def test_fp16_on_a_cpu_is_an_error_in_one_line(prepare):
    with pytest.raises(InputError, match="not yet supported on CPU") as caught:
        prepare("ctc", precision="fp16")
    assert "bf16" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["precision", "eval_precision"])
def test_a_type_that_the_cpu_has_no_lstm_for_is_an_error_in_one_line(prepare, monkeypatch, tmp_path, key):
    """Raised as oneDNN raises it, whatever this CPU has."""

    def forward(*arguments):
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("could not create a primitive descriptor for the LSTM forward propagation primitive.")
        return original(*arguments)

    original = torch.nn.LSTM.forward
    monkeypatch.setattr(torch.nn.LSTM, "forward", forward)
    with pytest.raises(InputError, match=f"--{key} bf16: .*on this CPU.*; use --{key} fp32") as caught:
        prepare("transducer", **{key: "bf16"})
    assert "\n" not in str(caught.value)
    prepare("transducer", output_folder=tmp_path / "cured")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("precision, dtype", [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_mixed_precision_on_a_gpu(prepare, name, witness, precision, dtype):
    task = prepare(name, device="cuda", precision=precision)
    assert task.scaler.is_enabled() == (precision == "fp16") == ("scaler" in task.checkpointer.recoverables)
    check_two_steps(task, name, witness, dtype)
