"""Every mixer once, and what its tests share. (Fixtures: test files cannot import each other.)"""

import dataclasses
import functools
from types import SimpleNamespace

import pytest
import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch import nn

from summarymixing import mixers

D = 16


@dataclasses.dataclass
class Case:
    """A mixer to test: ``case.make(nhead)`` builds it."""

    name: str
    factory: object
    chunkable: bool = True
    linear: bool = True  # no T x T tensor
    double: bool = True  # runs in float64; SpeechBrain's RelPosMHAXL forces a float32 softmax and cannot

    def make(self, nhead=4, d_model=D, dtype=torch.float32):
        """A mixer whose every parameter, biases and norms too, is random: a zero bias could hide a missing one."""
        torch.manual_seed(0)
        kwargs = {} if self.factory is mixers.Identity else {"nhead": nhead}
        mixer = self.factory(d_model, **kwargs)
        with torch.no_grad():
            for parameter in mixer.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        return mixer.to(dtype)


partial = functools.partial
ATTENTION = {"linear": False}
CASES = [
    Case("summary_mixing", mixers.SummaryMixing),
    Case("summary_mixing_layernorm", partial(mixers.SummaryMixing, use_layernorm=True)),
    Case(
        "summary_mixing_sizes",
        partial(
            mixers.SummaryMixing,
            local_proj_hid_dim=[24, 8],
            local_proj_out_dim=8,
            summary_hid_dim=[],
            summary_out_dim=24,
            activation=nn.SiLU,
        ),
    ),
    Case("summary_mixing_decay", partial(mixers.SummaryMixing, summary="decay", decay=0.9)),
    Case("summary_mixing_causal", partial(mixers.SummaryMixing, summary="causal"), chunkable=False),
    Case("lite", mixers.SummaryMixingLite),
    Case("lite_decay", partial(mixers.SummaryMixingLite, summary="decay", decay=0.9, use_layernorm=True)),
    Case("fast", partial(mixers.SummaryMixingFast, summary_out_dim=24)),
    Case("windowed", partial(mixers.WindowedSummaryMixing, half_width=5)),
    Case("windowed_layernorm", partial(mixers.WindowedSummaryMixing, half_width=20, use_layernorm=True)),
    Case("windowed_paper", partial(mixers.WindowedSummaryMixing, edge="paper")),
    Case(
        "windowed_two_summaries",
        partial(mixers.WindowedSummaryMixing, shared_summary=False, summary_hid_dim=[24], summary_out_dim=8),
    ),
    Case("regular_attention", mixers.RegularAttention, **ATTENTION),
    Case("relpos_attention", mixers.RelPosAttention, double=False, **ATTENTION),
    Case("rope_attention_head", partial(mixers.RoPEAttention, scale="head"), **ATTENTION),
    Case("rope_attention_model", partial(mixers.RoPEAttention, scale="model"), **ATTENTION),
    Case("pooled_attention", partial(mixers.PooledAttention, query_pool=2, key_pool=3), **ATTENTION),
    Case("pooled_attention_keys", partial(mixers.PooledAttention, query_pool=1, key_pool=4), **ATTENTION),
    Case("hypermixing", mixers.HyperMixing, chunkable=False),
    Case("fastformer", mixers.Fastformer, chunkable=False),
    Case("identity", mixers.Identity),
]


def pytest_generate_tests(metafunc):
    """Parametrise by argument name: ``case`` (``chunk_case``, ...), ``nhead`` and ``length``, ``chunks``."""
    subsets = {
        "case": CASES,
        "chunk_case": [case for case in CASES if case.chunkable],
        "offline_case": [case for case in CASES if not case.chunkable],
        "linear_case": [case for case in CASES if case.linear],
        "double_case": [case for case in CASES if case.double],
    }
    for argument, cases in subsets.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, cases, ids=lambda case: case.name)
    if "length" in metafunc.fixturenames:
        sizes = [(length, nhead) for length in (1, 2, 3, 63, 111) for nhead in (1, 4, 8)]
        heavy = [pytest.param(1000, nhead, marks=pytest.mark.slow) for nhead in (1, 8)]
        metafunc.parametrize("length, nhead", [*sizes, (1000, 4), *heavy])
    if "chunks" in metafunc.fixturenames:
        grid = [(size, left) for size in (1, 3, 8, 16, 1000) for left in (0, 1, 4, None)]
        metafunc.parametrize("chunks", [DynChunkTrainConfig(*pair) for pair in grid], ids=[str(pair) for pair in grid])


def ragged(length, d_model=D, dtype=torch.float32):
    """Three utterances of about ``length``, two thirds of it, and one frame; (3, T, D), and the padding mask."""
    lengths = torch.tensor([length, max(1, 2 * length // 3), 1])
    generator = torch.Generator().manual_seed(length)
    x = torch.randn(3, length, d_model, generator=generator) + 0.2
    return x.to(dtype), torch.arange(length) >= lengths[:, None]


def differentiate(forward, mixer, x, padding_mask=None):
    """Output of ``forward(x)``, and the gradients of a random weighting of its real frames.

    Returns
    -------
    dict of torch.Tensor
        "output", "x" (the input's gradient), and the gradient of every parameter by its name.
    """
    x = x.clone().requires_grad_()
    mixer.zero_grad()
    output = forward(x)
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1)).to(output)
    if padding_mask is not None:
        # A loss takes real frames only; a product with zero would let a NaN through.
        output_used, weights = output[~padding_mask], weights[~padding_mask]
    else:
        output_used = output
    (output_used * weights).sum().backward()
    gradients = {name: parameter.grad for name, parameter in mixer.named_parameters()}
    return {"output": output.detach(), "x": x.grad, **gradients}


def assert_same(actual, expected, tolerance):
    """Each tensor of ``actual`` equals that of ``expected``, relative to the latter's largest entry.

    A gradient far smaller than the others, say of a bias that softmax cancels, is held to a tenth of the largest of
    all: in float32 nothing but rounding is left of it.
    """
    assert actual.keys() == expected.keys()
    gradients = [value for name, value in expected.items() if name != "output" and value is not None]
    largest = max(value.abs().max().item() for value in gradients)
    for name, value in expected.items():
        if value is None:
            assert actual[name] is None, name
            continue
        assert actual[name].isfinite().all(), name
        assert actual[name].shape == value.shape, name
        scale = value.abs().max().item()
        scale = max(scale, 0.1 * largest) if name != "output" else scale
        error = (actual[name].double() - value.double()).abs().max().item()
        assert error <= tolerance * scale, f"{name}: off by {error:.2e}, scale {scale:.2e}"


@pytest.fixture
def tools():
    """The functions above, for the test files."""
    return SimpleNamespace(D=D, cases=CASES, ragged=ragged, differentiate=differentiate, assert_same=assert_same)
