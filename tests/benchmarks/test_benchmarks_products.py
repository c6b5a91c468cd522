"""The floors: products counted as FLOPs are counted, and the arithmetic that the project promises."""

import math

import pytest
import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from summarymixing.benchmarks import products
from summarymixing.benchmarks.cells import STEPS, Cell, Workbench
from summarymixing.benchmarks.products import CopyCall, FloorCall, Product, Shape
from summarymixing.benchmarks.registry import REGISTRY, entry

BASELINES = ["rope_attention", "regular_attention", "relpos_attention", "hypermixing", "fastformer", "identity"]
# What our own mixers may compute beside it: a mean as a product, with a row of ones or small triangles.
MEANS = 1.1


def counted(function, *arguments):
    # Only the plain backend of SDPA is counted.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        function(*arguments)
    return counter.get_total_flops() / 2


def macs(name, shape):
    return sum(product.macs for product in entry(name).products(shape))


@pytest.mark.parametrize("name", REGISTRY)
def test_products_are_what_a_mixer_computes(name):
    shape = Shape(2, 24, 64)
    actual = counted(entry(name).factory(64), torch.randn(2, 24, 64))
    expected = macs(name, shape)
    if name.startswith("plain"):
        repeated = (shape.all_frames - shape.utterances) * 64**2  # the summary, multiplied for every frame
        assert actual == expected + repeated
    elif name in BASELINES:
        assert actual == expected
    elif name == "decay" or name.startswith("windowed"):  # their means are made of small products, which a recursion
        # could avoid
        assert expected <= actual
    else:  # eight heads may be one dense product where that is faster
        dense = macs("summarymixing_1", shape) if name == "summarymixing_8" else expected
        assert expected <= actual <= MEANS * dense


@pytest.mark.parametrize("name", ["summarymixing_1", "fast", "windowed_5"])
def test_products_under_chunks(name):
    chunks, expected = DynChunkTrainConfig(5, 1), macs(name, Shape(2, 24, 64, 5))
    assert expected <= counted(entry(name).factory(64), torch.randn(2, 24, 64), None, chunks) <= MEANS * expected


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("blocks", [1, 3])
def test_floor_computes_its_products(backward, blocks, monkeypatch):
    monkeypatch.setattr(products, "LARGEST_OPERAND", 2 * 24 * 16 // blocks)
    listed = [Product(1, 24, 8, 16), Product(2, 24, 16, 16)]
    assert listed[1].blocks == blocks
    expected = sum(product.macs for product in listed) * (3 if backward else 1)
    assert counted(FloorCall(listed, backward, torch.float32, "cpu")) == expected


def test_backward_is_twice_the_forward():
    mixer, x = entry("plain_8").factory(64), torch.randn(2, 24, 64, requires_grad=True)
    assert counted(lambda: mixer(x).sum().backward()) == 3 * counted(mixer, x)


@pytest.mark.parametrize(("seconds", "ratio"), [(15, 1.2), (30, 1.26), (120, 1.7)])
def test_arithmetic_of_the_encoder_against_attention(seconds, ratio):
    shape = Shape(1, 25 * seconds, 512)
    work = [products.conformer_macs(entry(name).products, shape) for name in ("rope_attention", "summarymixing_8")]
    assert work[0] / work[1] == pytest.approx(ratio, abs=0.012)


def test_bytes_by_hand():
    # 3 frames of 2 features, 7 parameters, 2 bytes each.
    assert products.unavoidable_bytes(Shape(1, 3, 2), 7, False, 2) == 2 * (6 + 6 + 7)
    assert products.unavoidable_bytes(Shape(1, 3, 2), 7, True, 2) == 2 * (5 * 6 + 3 * 7)


def test_copy_moves_its_bytes():
    call = CopyCall(100, "cpu")
    call.source += 1
    call()
    assert call.target.nbytes == 50 and (call.target == 1).all()


@pytest.mark.parametrize(("backward", "per_element"), [(False, 5), (True, 10)])
def test_arithmetic_adds_every_activation(backward, per_element):
    cell = Cell("summarymixing_8", frames=24, rows=2, d_model=64, step=STEPS[backward])
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True) as profile:
        Workbench().prepare(cell.with_(level="arithmetic"))()
    calls = {event.key: event.count for event in profile.key_averages()}
    assert calls["aten::gelu"] + calls.get("aten::gelu_backward", 0) == per_element
    assert counted(Workbench().prepare(cell.with_(level="arithmetic"))) == counted(
        Workbench().prepare(cell.with_(level="floor"))
    )
    mixer, x = entry("summarymixing_8").factory(64), torch.randn(2, 24, 64)
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True, record_shapes=True
    ) as profile:
        mixer(x)
    gelus = [event for event in profile.events() if event.name == "aten::gelu"]
    assert [math.prod(event.input_shapes[0]) for event in gelus] == [2 * 24 * 64] * 5
