"""Coloured noise: level, colour, chance; recorded noise and shifts."""

import numpy as np
import pytest
import soundfile
import torch

from summarymixing.data.augmentation import BackgroundNoise, ColouredNoise, TimeShift
from summarymixing.utils.errors import InputError

SECOND = 16000


def speech(*lengths):
    """Loud for half of each utterance, of these many samples, and zeros behind; and the relative lengths."""
    generator = torch.Generator().manual_seed(0)
    wavs = 0.1 * torch.randn(len(lengths), max(lengths), generator=generator)
    wavs[:, 1::2] *= 0.1
    behind = torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]
    return wavs.masked_fill(behind, 0.0), torch.tensor(lengths) / max(lengths)


def power(x):
    return x.square().mean(-1)


@pytest.mark.parametrize("snr", [-5.0, 0.0, 12.5, 30.0])
@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_snr_is_as_asked(snr, slope):
    torch.manual_seed(0)
    lengths = (20 * SECOND, 5 * SECOND)
    wavs, relative = speech(*lengths)
    noise = ColouredNoise(snr, snr, slope, slope)(wavs, relative) - wavs
    for row, length in enumerate(lengths):
        found = 10 * torch.log10(power(wavs[row, :length]) / power(noise[row, :length]))
        assert found.item() == pytest.approx(snr, abs=0.01)
        assert not noise[row, length:].any()


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_spectrum_falls_by_the_slope(slope):
    torch.manual_seed(0)
    wavs, relative = speech(20 * SECOND)
    noise = ColouredNoise(0, 0, slope, slope)(wavs, relative) - wavs
    window = torch.hann_window(4096)
    spectrum = torch.stft(noise, 4096, window=window, return_complex=True)[0].abs().square().mean(1)
    frequency = torch.arange(2049) * SECOND / 4096
    used = (frequency > 100) & (frequency < 7500)
    x, y = frequency[used].log(), spectrum[used].log()
    fitted = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    assert -fitted.item() == pytest.approx(slope, abs=0.1)


def test_draws_cover_their_ranges():
    torch.manual_seed(0)
    wavs, relative = speech(*[SECOND] * 200)
    noise = ColouredNoise(5, 15, 0, 0)(wavs, relative) - wavs
    snr = 10 * torch.log10(power(wavs) / power(noise))
    assert 5 <= snr.min() + 0.1 and snr.min() < 6 and 14 < snr.max() and snr.max() - 0.1 <= 15
    assert snr.mean().item() == pytest.approx(10, abs=0.7)


@pytest.mark.parametrize("probability, low, high", [(0.0, 0, 0), (1.0, 200, 200), (0.3, 40, 80)])
def test_share_of_noisy_utterances(probability, low, high):
    torch.manual_seed(0)
    wavs, relative = speech(*[800] * 200)
    noisy = ColouredNoise(probability=probability)(wavs, relative)
    changed = (noisy != wavs).any(1).sum().item()
    assert low <= changed <= high
    assert noisy.shape == wavs.shape and noisy.isfinite().all()


def test_deterministic_by_seed():
    wavs, relative = speech(8000, 3000)
    augment, found = ColouredNoise(), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(augment(wavs, relative))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_rows_have_their_own_noise():
    torch.manual_seed(0)
    wavs, relative = speech(8000, 8000)
    noise = ColouredNoise(0, 0, 0, 0)(wavs, relative) - wavs
    assert torch.corrcoef(noise)[0, 1].abs() < 0.05


def test_level_does_not_depend_on_padding():
    """The power of speech is taken over its own samples, however far the batch pads it."""
    levels = []
    for longest in (4 * SECOND, 16 * SECOND):
        torch.manual_seed(0)
        wavs, relative = speech(4 * SECOND, longest)
        wavs[0] = 0.0
        wavs[0, : 4 * SECOND] = speech(4 * SECOND)[0]
        noise = ColouredNoise(10, 10, 0, 0)(wavs, relative) - wavs
        levels.append(power(noise[0, : 4 * SECOND]).item())
    assert levels[0] == pytest.approx(levels[1], rel=0.02)


def test_silence_stays_silent():
    wavs = torch.zeros(2, 800)
    assert (ColouredNoise()(wavs, torch.tensor([1.0, 0.5])) == 0).all()
    assert ColouredNoise()(torch.zeros(1, 1), torch.ones(1)).isfinite().all()


def test_input_is_left_alone():
    wavs, relative = speech(8000, 3000)
    before = wavs.clone()
    ColouredNoise()(wavs, relative)
    assert torch.equal(wavs, before)


@pytest.fixture
def noises(tmp_path):
    """Two recordings of 10 s that count: a sample's value is its place; the second is negative."""
    for name, sign in (("a", 1), ("b", -1)):
        places = sign * (np.arange(160000) + 1) / 200000
        soundfile.write(tmp_path / f"{name}.wav", places.astype(np.float32), 16000, subtype="FLOAT")
    return tmp_path


def test_background_noise_is_a_piece_of_the_training_part(noises):
    torch.manual_seed(0)
    lengths = torch.ones(400)
    lengths[::2] = 0.5
    added = BackgroundNoise(noises, volume=1.0, probability=0.75)(torch.zeros(400, 1000), lengths)
    assert (added[::2, 500:] == 0).all()  # padding stays silent
    noisy = added.abs().sum(1) > 0
    assert 0.68 < noisy.float().mean() < 0.82
    assert 0.35 < (added[noisy].sum(1) > 0).float().mean() < 0.65  # both recordings
    volumes = []
    for row in added[1::2][noisy[1::2]].abs().double():
        step = (row[-1] - row[0]) / 999
        if step > 0:  # a piece that begins again is none of these
            volumes.append(float(step * 200000))
            start = row[0] / step
            assert 0.9 < start and start + 999 < 128002  # of 160000: not the last fifth
    assert 0 <= min(volumes) < 0.1 and 0.9 < max(volumes) <= 1.001 and 0.4 < np.mean(volumes) < 0.6


def test_a_short_noise_begins_again(tmp_path):
    soundfile.write(tmp_path / "click.wav", np.arange(1, 101) / 200, 16000, subtype="FLOAT")
    torch.manual_seed(0)
    added = BackgroundNoise(tmp_path, volume=1.0, probability=1.0)(torch.zeros(1, 800), torch.ones(1))[0]
    period = added.view(10, 80)  # of the 100 samples training may use the first 80
    torch.testing.assert_close(period, period[:1].expand(10, 80))
    assert period[0].max() / period[0].min() == pytest.approx(80)


def test_no_noise_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no .wav file of background noise; set the key augment to null"):
        BackgroundNoise(tmp_path)(torch.zeros(1, 10), torch.ones(1))


def test_shifts_stay_in_the_utterance():
    wavs = torch.zeros(300, 64)
    wavs[:, :40] = torch.arange(1.0, 41)
    lengths = torch.full((300,), 40 / 64)
    lengths[0], wavs[0] = 1.0, torch.arange(1.0, 65)
    torch.manual_seed(0)
    shifted = TimeShift(10 / 16000)(wavs, lengths)
    shifts = set()
    for before, after, count in zip(wavs, shifted, (lengths * 64).round().long().tolist(), strict=True):
        shift = next(s for s in range(-10, 11) if int(after[20]) == 21 - s)
        expected = np.zeros(64)
        for time in range(count):
            if 0 <= time - shift < count:
                expected[time] = before[time - shift]
        np.testing.assert_array_equal(after.numpy(), expected)
        shifts.add(shift)
    assert shifts == set(range(-10, 11))


def test_the_seed_draws_noise_and_shift(noises):
    wavs, lengths = torch.randn(4, 1600), torch.ones(4)
    for augment in (BackgroundNoise(noises), TimeShift()):
        outputs = []
        for seed in (1, 2, 1):
            torch.manual_seed(seed)
            outputs.append(augment(wavs, lengths))
        assert torch.equal(outputs[0], outputs[2]) and not torch.equal(outputs[0], outputs[1])
