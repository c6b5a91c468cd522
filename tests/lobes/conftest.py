"""Every encoder around every mixer, small, and what the tests of lobes share."""

import dataclasses
import functools
from types import SimpleNamespace

import pytest
import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing import lobes, mixers
from summarymixing.mixers import reference

D = 16
KERNEL = 5
REACH = KERNEL // 2

partial = functools.partial
CHUNKABLE = {
    "mean": mixers.SummaryMixing,
    "decay": partial(mixers.SummaryMixing, summary="decay", decay=0.9),
    "layernorm": partial(mixers.SummaryMixing, use_layernorm=True),
    "heads": partial(mixers.SummaryMixing, nhead=4),
    "lite": mixers.SummaryMixingLite,
    "fast": mixers.SummaryMixingFast,
    "windowed": partial(mixers.WindowedSummaryMixing, half_width=5),
    "regular": partial(mixers.RegularAttention, nhead=4),
    "relpos": partial(mixers.RelPosAttention, nhead=4),
    "rope": partial(mixers.RoPEAttention, nhead=4),
    "identity": mixers.Identity,
}
OFFLINE = {
    "causal": partial(mixers.SummaryMixing, summary="causal"),
    "hypermixing": partial(mixers.HyperMixing, nhead=4),
    "fastformer": partial(mixers.Fastformer, nhead=4),
}
#: Its factors are not drawn here.
POOLED = {"pooled": partial(mixers.PooledAttention, nhead=4, query_pool=2, key_pool=3)}
ENCODERS = {
    "conformer": partial(lobes.ConformerEncoder, d_ffn=24, kernel_size=KERNEL),
    "branchformer": partial(lobes.BranchformerEncoder, kernel_size=KERNEL, csgu_linear_units=24),
    "transformer": partial(lobes.TransformerEncoder, d_ffn=24),
}


def randomise(module):
    """Make every parameter random: a gate of 1 or a bias of 0, as initialised, hides what it multiplies or adds."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return module.eval()


@dataclasses.dataclass
class Case:
    """An encoder around a mixer: ``case.make(num_layers)`` builds it."""

    encoder: str
    mixer: str

    def make(self, num_layers=2, **kwargs):
        torch.manual_seed(0)
        factory = {**CHUNKABLE, **OFFLINE, **POOLED}[self.mixer]
        return randomise(ENCODERS[self.encoder](num_layers, d_model=D, mixer=factory, **kwargs))

    @property
    def chunkable(self):
        return self.mixer in CHUNKABLE

    def layer_sees(self, num_frames, chunks):
        """Which frames u (columns) one layer's frame t (rows) depends on, from the definitions; (T, T) bool."""
        t = torch.arange(num_frames)
        mixed = torch.eye(num_frames, dtype=torch.bool)
        if self.mixer != "identity":
            mixed = reference.visible(num_frames, chunks)
        size = num_frames if chunks is None else chunks.chunk_size
        chunk_end = (t // size + 1) * size
        near = (t[:, None] - t[None, :]).abs() <= REACH
        convolved = near & (t[None, :] < chunk_end[:, None])
        if self.encoder == "conformer":  # the convolution reads what the mixer wrote
            return (convolved.float() @ mixed.float()) > 0
        return mixed | convolved if self.encoder == "branchformer" else mixed | torch.eye(num_frames, dtype=torch.bool)


def pytest_generate_tests(metafunc):
    """Parametrise by argument name: ``case``, ``chunk_case``, ``offline_case``, ``chunks``."""
    subsets = {"case": {**CHUNKABLE, **OFFLINE}, "chunk_case": CHUNKABLE, "offline_case": OFFLINE}
    for argument, names in subsets.items():
        if argument in metafunc.fixturenames:
            cases = [Case(encoder, mixer) for encoder in ENCODERS for mixer in names]
            metafunc.parametrize(argument, cases, ids=lambda case: f"{case.encoder}-{case.mixer}")
    if "chunks" in metafunc.fixturenames:
        grid = [(size, left) for size in (1, 4, 7, 16) for left in (0, 1, 4, None)]
        metafunc.parametrize("chunks", [DynChunkTrainConfig(*pair) for pair in grid], ids=[str(pair) for pair in grid])


def ragged(*lengths, d_model=D):
    """Utterances of these lengths in one batch, (B, T, D), and its padding mask."""
    generator = torch.Generator().manual_seed(sum(lengths))
    x = torch.randn(len(lengths), max(lengths), d_model, generator=generator) + 0.2
    return x, torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]


def speech_encoder(mixer=mixers.SummaryMixing, two_dimensional=False, positions=False, num_batches=1):
    """A small SpeechEncoder with random weights, whose normalisation knows its features."""
    torch.manual_seed(0)
    features = lobes.LogMel(n_mels=20)
    model = lobes.SpeechEncoder(
        features,
        lobes.GlobalNormalization(20, num_batches),
        lobes.ConvolutionalFrontEnd(20, channels=(8, 8), two_dimensional=two_dimensional),
        lobes.ConformerEncoder(2, D, 24, mixer, kernel_size=KERNEL),
        positions=positions,
    )
    randomise(model)
    model.normalize.train()
    model.normalize(features(noise(16000), torch.tensor([16000]))[0])
    return model.eval()


def latent_encoder(waveform, mixer=mixers.SummaryMixing):
    """A small SpeechEncoder as self-supervised learning has it, over the waveform or over log-mel features."""
    torch.manual_seed(0)
    features = lobes.Waveform() if waveform else lobes.LogMel(n_mels=20)
    front_end = lobes.LatentExtractor(1, 8) if waveform else lobes.LatentExtractor(20, 8, (3, 3), (2, 1))
    encoder = lobes.ConformerEncoder(2, D, 24, mixer, kernel_size=KERNEL)
    model = lobes.SpeechEncoder(features, lobes.UtteranceNormalization(), front_end, encoder, positions=True)
    return randomise(model)


def noise(*lengths):
    """Noise of these many samples whose loudness changes every 50 ms, zero-padded to (B, samples)."""
    generator = torch.Generator().manual_seed(sum(lengths))
    samples = max(lengths)
    steps = -(-samples // 800)
    loudness = torch.rand(len(lengths), steps, generator=generator).repeat_interleave(800, dim=1)[:, :samples]
    wavs = 0.3 * loudness * torch.randn(len(lengths), samples, generator=generator)
    return wavs.masked_fill(torch.arange(samples) >= torch.tensor(lengths)[:, None], 0.0)


@pytest.fixture
def tools():
    """The functions above, for the test files."""
    return SimpleNamespace(
        D=D,
        KERNEL=KERNEL,
        REACH=REACH,
        CHUNKABLE=CHUNKABLE,
        ENCODERS=ENCODERS,
        Case=Case,
        ragged=ragged,
        randomise=randomise,
        speech_encoder=speech_encoder,
        latent_encoder=latent_encoder,
        noise=noise,
    )
