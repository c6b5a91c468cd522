"""Sinusoidal positions with no maximum length."""

import math

import pytest
import torch
from speechbrain.lobes.models.transformer.Transformer import PositionalEncoding

from summarymixing.ops.positions import SinusoidalPositions


@pytest.mark.parametrize("d_model", [2, 16, 144, 512])
@pytest.mark.parametrize("frames", [1, 7, 2500])
def test_equals_speechbrain(d_model, frames):
    x = torch.zeros(3, frames, d_model)
    expected = PositionalEncoding(d_model, 2500)(x)
    # SpeechBrain multiplies position and frequency in float32: 2,500 radians are known to 2500 * 2 ** -24.
    torch.testing.assert_close(SinusoidalPositions(d_model)(x), expected, rtol=0, atol=5e-4)
    torch.testing.assert_close(
        SinusoidalPositions(d_model)(x)[:, :50], PositionalEncoding(d_model, 2500)(x)[:, :50], rtol=0, atol=1e-5
    )


def test_goes_on_where_the_table_ends():
    frame = 90000  # an hour of 40 ms
    with pytest.raises(RuntimeError):
        torch.zeros(1, 2501, 16) + PositionalEncoding(16, 2500)(torch.zeros(1, 2501, 16))
    row = SinusoidalPositions(16)(torch.zeros(1, frame + 1, 16))[0, frame].tolist()
    for i in range(8):
        angle = frame / 10000 ** (2 * i / 16)
        assert row[2 * i] == pytest.approx(math.sin(angle), abs=1e-6)
        assert row[2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-6)


@pytest.mark.parametrize("start", [1, 16, 2490, 90000])
def test_start_continues_a_stream(start):
    positions = SinusoidalPositions(16)
    whole = positions(torch.zeros(1, start + 20, 16))
    assert torch.equal(positions(torch.zeros(2, 20, 16), start), whole[:, start:])


def test_dtype_follows_the_input():
    positions = SinusoidalPositions(16)
    for dtype in (torch.float64, torch.bfloat16):
        assert positions(torch.zeros(1, 9, 16, dtype=dtype)).dtype == dtype
    exact = positions(torch.zeros(1, 2500, 16, dtype=torch.float64))
    assert (positions(torch.zeros(1, 2500, 16, dtype=torch.bfloat16)) - exact).abs().max() < 0.005


def test_odd_size_is_refused():
    with pytest.raises(ValueError, match="even d_model, got 15"):
        SinusoidalPositions(15)


def test_has_no_state():
    assert SinusoidalPositions(16).state_dict() == {}
