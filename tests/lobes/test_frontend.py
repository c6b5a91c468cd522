"""The convolutional front end: sizes, padding, streams."""

import pytest
import torch

from summarymixing.lobes import ConvolutionalFrontEnd
from summarymixing.ops.masks import padding_mask_from_counts

SHAPES = {
    "2d": {},
    "1d": {"two_dimensional": False},
    "2d_kernel_5": {"kernel_size": 5},
    "1d_kernel_7": {"two_dimensional": False, "kernel_size": 7},
    "1d_three_blocks": {"two_dimensional": False, "channels": (6, 6, 6), "strides": (2, 1, 3)},
    "2d_one_block": {"channels": (6,), "strides": (3,)},
}


@pytest.fixture(params=SHAPES)
def front_end(request, tools):
    torch.manual_seed(0)
    return tools.randomise(ConvolutionalFrontEnd(11, **{"channels": (6, 5), **SHAPES[request.param]}))


@torch.no_grad()
def test_frame_counts_equal_real_sizes(front_end):
    counts = torch.arange(1, 60)
    expected = front_end.frame_counts(counts)
    assert [front_end.frame_counts(n) for n in counts.tolist()] == front_end.frame_counts(counts).tolist()
    for n, count in zip(counts.tolist(), expected.tolist(), strict=True):
        output, frames = front_end(torch.rand(1, n, 11), torch.tensor([n]))
        assert output.shape == (1, count, front_end.output_size) and frames.tolist() == [count]


@torch.no_grad()
@pytest.mark.parametrize("filling", [7.0, float("nan"), float("inf")], ids=str)
def test_alone_equals_in_batch(front_end, filling, tools):
    lengths = torch.tensor([43, 30, 6, 1])
    x, padding_mask = tools.ragged(*lengths.tolist(), d_model=11)
    output, frames = front_end(x.masked_fill(padding_mask.unsqueeze(-1), filling), lengths)
    real = torch.arange(output.shape[1]) < frames[:, None]
    assert 0.2 < output[real].abs().mean() < 2
    assert (output[~real] == 0).all()
    for row, length in enumerate(lengths):
        alone, count = front_end(x[row : row + 1, :length], lengths[row : row + 1])
        assert count == frames[row] == alone.shape[1]
        torch.testing.assert_close(output[row, : frames[row]], alone[0], rtol=0, atol=1e-5)


def test_gradients_do_not_feel_padding(front_end, tools):
    lengths = torch.tensor([43, 30, 6, 1])
    x, padding_mask = tools.ragged(*lengths.tolist(), d_model=11)
    dirty = x.masked_fill(padding_mask.unsqueeze(-1), float("nan")).requires_grad_()
    front_end(dirty, lengths)[0].square().sum().backward()
    assert dirty.grad.isfinite().all() and (dirty.grad[padding_mask] == 0).all()
    assert all(p.grad.isfinite().all() for p in front_end.parameters())


@torch.no_grad()
@pytest.mark.parametrize("block", [1, 2, 5, 50])
@pytest.mark.parametrize("frames", [1, 2, 5, 43])
def test_stream_equals_offline(front_end, block, frames, tools):
    x, _ = tools.ragged(frames, frames, d_model=11)
    expected, _ = front_end(x, torch.tensor([frames, frames]))
    state = front_end.initial_state(2)
    parts = [front_end.stream(part, state) for part in x.split(block, dim=1)]
    parts.append(front_end.stream(x[:, :0], state, final=True))
    torch.testing.assert_close(torch.cat(parts, dim=1), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_stream_may_end_with_its_last_frames(front_end, tools):
    x, _ = tools.ragged(20, d_model=11)
    state = front_end.initial_state(1)
    parts = [front_end.stream(x[:, :13], state), front_end.stream(x[:, 13:], state, final=True)]
    expected, _ = front_end(x, torch.tensor([20]))
    torch.testing.assert_close(torch.cat(parts, dim=1), expected, rtol=0, atol=1e-5)


def test_output_frame_is_centred_on_its_input_frame():
    front_end = ConvolutionalFrontEnd(11, channels=(6,), strides=(2,), two_dimensional=False)
    x = torch.rand(1, 20, 11, requires_grad=True)
    output, _ = front_end(x, torch.tensor([20]))
    for j in range(10):
        (gradient,) = torch.autograd.grad((output[0, j] * torch.randn(6)).sum(), x, retain_graph=True)
        reached = (gradient[0] != 0).any(-1).nonzero().flatten().tolist()
        assert reached == [u for u in (2 * j - 1, 2 * j, 2 * j + 1) if 0 <= u < 20]


@pytest.mark.parametrize("bad", [{"channels": (4, 4, 4)}, {"strides": (2,)}, {"kernel_size": 4}], ids=str)
def test_bad_settings_are_refused(bad):
    with pytest.raises(ValueError, match="channels=.*kernel_size="):
        ConvolutionalFrontEnd(11, **bad)


def test_mask_from_counts():
    assert padding_mask_from_counts(torch.tensor([3, 3]), 3) is None
    mask = padding_mask_from_counts(torch.tensor([0, 2, 3]), 3)
    assert mask.tolist() == [[True, True, True], [False, False, True], [False, False, False]]
