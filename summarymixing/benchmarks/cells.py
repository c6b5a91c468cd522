"""A cell of the benchmark: one mixer in one setting, and the call that is timed for it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from dataclasses import dataclass

import torch
from speechbrain.nnet.losses import ctc_loss
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing import lobes
from summarymixing.benchmarks.products import CopyCall, FloorCall, Shape, random_tensor, unavoidable_bytes
from summarymixing.benchmarks.registry import entry
from summarymixing.decoding.ctc import ctc_greedy_tokens
from summarymixing.lobes.encoders.conformer import ConformerEncoderLayer
from summarymixing.utils.errors import InputError

FRAME_SECONDS = 0.04
SAMPLES_A_FRAME = 640
#: Levels that measure what a mixer cannot avoid, and their names.
BOUNDS = {"floor": "matrix products alone", "arithmetic": "products, activations", "copy": "copy of its bytes"}
LEVELS = ("mixer", "layer", "encoder", "training", "decoding", *BOUNDS)
STEPS = ("forward", "forward+backward")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "autocast": torch.float32}
MODES = ("eager", "compile")
KERNEL_SIZE, MELS, VOCABULARY = 31, 80, 1000
#: Frames of the input of a first trial, after which one-time allocations of libraries are done.
FIRST_FRAMES = 16


@dataclass(frozen=True)
class Cell:
    """One measurement of the benchmark: a mixer in one setting.

    Attributes
    ----------
    mixer : str
        Name in `summarymixing.benchmarks.registry.REGISTRY`.
    frames, rows : int
        Length T of each utterance and their number B.
    level : str
        "mixer"; "layer" and "encoder" (Conformer, feed-forward size 4 D, kernel 31); "training" (waveform, log-mel,
        front end, encoder, CTC loss, backward, AdamW); "decoding" (waveform to greedy tokens); "floor",
        "arithmetic", "copy".
    step : str
        "forward" (no gradients) or "forward+backward" (gradients of the input too).
    chunked : bool
        Whether frames see chunks only.
    chunk_size, left_context_size : int, optional
        Frames; chunks, None for all of the past.
    dtype : str
        "float32"; "bfloat16", weights and input cast; "autocast", bfloat16 over float32 weights and input.
    mode : str
        "eager" or "compile" (`torch.compile`, dynamic lengths).
    device : str
        "cpu" or "cuda".
    d_model, layers : int
        D, and the layers of an encoder.

    Examples
    --------
    >>> cell = Cell("summarymixing_1", frames=750)
    >>> cell.seconds_of_audio, cell.step
    (30.0, 'forward')
    """

    mixer: str
    frames: int
    rows: int = 1
    level: str = "mixer"
    step: str = "forward"
    chunk_size: int | None = None
    left_context_size: int | None = None
    dtype: str = "float32"
    mode: str = "eager"
    device: str = "cpu"
    d_model: int = 512
    layers: int = 12

    def __post_init__(self):
        for name, allowed in (("level", LEVELS), ("step", STEPS), ("dtype", tuple(DTYPES)), ("mode", MODES)):
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} {getattr(self, name)!r}: choose from {', '.join(allowed)}")
        if min(self.frames, self.rows, self.layers, self.d_model) < 1:
            raise InputError("frames, rows, layers and d_model must be at least 1")
        found = entry(self.mixer)
        if self.chunk_size is not None and not found.chunkable:
            raise InputError(f"{self.mixer} takes no chunks; leave it out, or measure without --chunks")
        if self.chunk_size is not None and self.level in ("training", "decoding", "copy"):
            raise InputError(f"level {self.level} is measured without chunks; leave --chunks out")
        if self.level == "training" and self.step != "forward+backward":
            raise InputError("level training is a whole training step; use --steps forward+backward")
        if self.level == "decoding" and self.step != "forward":
            raise InputError("level decoding has no backward; use --steps forward")
        if self.level in ("training", "decoding") and self.dtype == "bfloat16":
            raise InputError(f"level {self.level} begins with log-mel features in float32; use --dtypes autocast")

    @property
    def seconds_of_audio(self) -> float:
        """Length of one utterance, in seconds."""
        return self.frames * FRAME_SECONDS

    @property
    def compiled(self) -> bool:
        """Whether its module is compiled."""
        return self.mode == "compile"

    @property
    def memory_in_process(self) -> bool:
        """Whether its memory is measured in a separate process; not if compiled, where the compiler's memory counts."""
        return self.level not in BOUNDS and not self.compiled

    @property
    def backward(self) -> bool:
        """Whether gradients are computed."""
        return self.step == "forward+backward"

    @property
    def chunks(self) -> DynChunkTrainConfig | None:
        """The chunks as mixers take them."""
        return None if self.chunk_size is None else DynChunkTrainConfig(self.chunk_size, self.left_context_size)

    @property
    def shape(self) -> Shape:
        """The shape on which its matrix products depend."""
        return Shape(self.rows, self.frames, self.d_model, self.chunk_size)

    def with_(self, **changes) -> Cell:
        """A copy of the cell with some attributes changed."""
        return dataclasses.replace(self, **changes)


class Workbench:
    """Builds models and inputs of cells; cells share them where possible.

    Parameters
    ----------
    seed : int
        Of weights and inputs.

    Examples
    --------
    >>> call = Workbench().prepare(Cell("summarymixing_1", frames=20, d_model=16, step="forward+backward"))
    >>> call()
    """

    def __init__(self, seed: int = 0):
        self.seed = seed
        self._module = functools.cache(self._build)
        self._random = functools.cache(self._make_random)

    def prepare(self, cell: Cell):
        """Return the callable that is timed for a cell; it takes no arguments and leaves no gradients."""
        if cell.level in ("floor", "arithmetic"):
            dtype = torch.float32 if cell.dtype == "float32" else torch.bfloat16
            found = entry(cell.mixer)
            activated = found.activations if cell.level == "arithmetic" else 0
            shapes = [(cell.rows, cell.frames, cell.d_model)] * activated
            return FloorCall(found.products(cell.shape), cell.backward, dtype, cell.device, shapes, self._random)
        if cell.level == "copy":
            parameters = sum(p.numel() for p in entry(cell.mixer).factory(cell.d_model).parameters())
            itemsize = DTYPES[cell.dtype].itemsize
            return CopyCall(unavoidable_bytes(cell.shape, parameters, cell.backward, itemsize), cell.device)
        eager, module = self._module(*_module_key(cell))
        if cell.level in ("training", "decoding"):
            make = self._training_call if cell.level == "training" else self._decoding_call
        else:
            make = self._gradient_call if cell.backward else self._forward_call
        make(cell.with_(frames=FIRST_FRAMES, rows=1), eager)()
        return make(cell, module)

    def _build(self, mixer, level, d_model, layers, dtype, mode, device, train):
        """The module, and what is called in its place: itself or compiled."""
        torch.manual_seed(self.seed)
        factory, d_ffn = entry(mixer).factory, 4 * d_model
        if level == "mixer":
            module = factory(d_model)
        elif level == "layer":
            module = ConformerEncoderLayer(d_model, d_ffn, factory, KERNEL_SIZE)
        else:
            module = lobes.ConformerEncoder(layers, d_model, d_ffn, factory, KERNEL_SIZE)
        if level in ("training", "decoding"):
            front_end = lobes.ConvolutionalFrontEnd(MELS)
            speech = lobes.SpeechEncoder(lobes.LogMel(), lobes.GlobalNormalization(MELS), front_end, module)
            module = lobes.CTCModel(speech, VOCABULARY)
        module = module.to(device, torch.bfloat16 if dtype == "bfloat16" else None).train(train)
        return module, compiled(module) if mode == "compile" else module

    def _make_random(self, shape, dtype, device, number=0):
        return random_tensor(shape, dtype, device, self.seed + number)

    def _input(self, cell):
        dtype = torch.bfloat16 if cell.dtype == "bfloat16" else torch.float32
        return self._random((cell.rows, cell.frames, cell.d_model), dtype, cell.device)

    def _forward_call(self, cell, module):
        x, forward, cast = self._input(cell), _forward(cell, module), _precision(cell)

        @torch.no_grad()
        def call():
            with cast():
                forward(x)

        return call

    def _gradient_call(self, cell, module):
        # A new tensor over the same memory: the input of one cell must not require gradients in another's forward.
        x = self._input(cell).detach().requires_grad_()
        parameters, forward, cast = list(module.parameters()), _forward(cell, module), _precision(cell)
        # The gradient exists before the call, as that of a next layer would.
        with torch.no_grad(), cast():
            eager = getattr(module, "_orig_mod", module)
            dtype = _forward(cell, eager)(x[:1, :FIRST_FRAMES]).dtype
        gradient = self._random((cell.rows, cell.frames, cell.d_model), dtype, cell.device, 1)

        def call():
            with cast():
                y = forward(x)
            y.backward(gradient)
            x.grad = None
            for parameter in parameters:
                parameter.grad = None

        return call

    def _wavs(self, cell):
        return 0.1 * self._random((cell.rows, cell.frames * SAMPLES_A_FRAME), torch.float32, cell.device)

    def _training_call(self, cell, module):
        wavs, cast, lengths = self._wavs(cell), _precision(cell), torch.ones(cell.rows, device=cell.device)
        count = max(1, cell.frames // 8)  # about three tokens a second
        generator = torch.Generator().manual_seed(self.seed)
        tokens = torch.randint(1, VOCABULARY, (cell.rows, count), generator=generator).to(cell.device)
        # Its state is part of the first step's memory, as in training.
        optimizer = torch.optim.AdamW(module.parameters(), lr=1e-5, fused=True)

        def call():
            with cast():
                log_probs, _ = module(wavs)
            ctc_loss(log_probs, tokens, lengths, lengths, 0).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        return call

    def _decoding_call(self, cell, module):
        wavs, cast = self._wavs(cell), _precision(cell)

        @torch.no_grad()
        def call():
            with cast():
                output = module(wavs)
            ctc_greedy_tokens(output)

        return call


def compiled(module: torch.nn.Module) -> torch.nn.Module:
    """Apply `torch.compile` for all lengths, with an error where it would silently fall back to eager.

    All mixers share one ``forward``, which is compiled for each of them, more often than the default limit of eight.
    """
    config = torch._dynamo.config
    config.recompile_limit = config.accumulated_recompile_limit = 10_000
    config.fail_on_recompile_limit_hit = True
    return torch.compile(module, dynamic=True)


def _module_key(cell):
    return cell.mixer, cell.level, cell.d_model, cell.layers, cell.dtype, cell.mode, cell.device, cell.backward


def _forward(cell, module):
    chunks = cell.chunks
    if cell.level == "encoder":
        return lambda x: module(x, dynchunktrain_config=chunks)[0]
    return lambda x: module(x, None, chunks)


def _precision(cell):
    if cell.dtype == "autocast":
        return lambda: torch.autocast(cell.device, torch.bfloat16)
    return contextlib.nullcontext
