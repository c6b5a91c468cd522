"""Tests of summarymixing.ops.running_sums against sums written out frame by frame."""

import pytest
import torch

from summarymixing.ops.running_sums import WIDEST_BAND, window_sums

LENGTHS = [0, 1, 2, 16, 17, 33, 97, 200]
REACHES = [0, 1, 16, 31, 32, WIDEST_BAND - 1, WIDEST_BAND, 129, 1000]


def written_out(x, behind, ahead):
    frames = x.shape[1]
    return torch.stack([x[:, max(0, t - behind) : t + ahead + 1].sum(1) for t in range(frames)], 1) if frames else x


@pytest.mark.parametrize("frames", LENGTHS)
@pytest.mark.parametrize("behind", REACHES)
@pytest.mark.parametrize("ahead", REACHES)
def test_window_sums_and_their_gradient(frames, behind, ahead):
    torch.manual_seed(0)
    x, weight = torch.randn(2, 2, frames, 3, dtype=torch.float64)
    found, expected = (x.clone().requires_grad_() for _ in range(2))
    sums, right = window_sums(found, behind, ahead), written_out(expected, behind, ahead)
    torch.testing.assert_close(sums, right)
    if frames:
        (sums * weight).sum().backward()
        (right * weight).sum().backward()
        torch.testing.assert_close(found.grad, expected.grad)


@pytest.mark.parametrize("reach", [2, WIDEST_BAND])
def test_window_sums_twice_differentiable(reach):
    x = torch.randn(1, WIDEST_BAND + 9, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(window_sums, (x, reach, 1))
    assert torch.autograd.gradgradcheck(window_sums, (x, reach, 1))


@pytest.mark.parametrize("reach", [2, WIDEST_BAND])
def test_a_frame_outside_has_no_part(reach):
    x = torch.zeros(1, 400, 1)
    x[0, 200] = 1e30
    touched = window_sums(x, reach, reach)[0, :, 0].nonzero()[:, 0].tolist()
    assert touched == list(range(200 - reach, 200 + reach + 1))


def test_window_sums_keep_their_precision_under_autocast():
    x = torch.rand(1, 300, 4)
    with torch.autocast("cpu", torch.bfloat16):
        for reach in (3, WIDEST_BAND):
            sums = window_sums(x, reach, reach)
            assert sums.dtype == torch.float32
            torch.testing.assert_close(sums, written_out(x.double(), reach, reach).float())


@pytest.mark.parametrize("reach", [2, WIDEST_BAND])
def test_window_sums_compile_in_one_graph(reach):
    x = torch.rand(2, 90, 4, requires_grad=True)
    compiled = torch.compile(lambda x: window_sums(x, reach, reach).sin(), fullgraph=True, backend="aot_eager")
    expected = written_out(x.detach(), reach, reach)
    found = compiled(x)
    torch.testing.assert_close(found, expected.sin())
    found.sum().backward()
    torch.testing.assert_close(x.grad, written_out(expected.cos(), reach, reach), atol=1e-4, rtol=1e-4)
