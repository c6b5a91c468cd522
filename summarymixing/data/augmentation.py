"""Waveform augmentation on the fly."""

from pathlib import Path

import torch
from speechbrain.augment.time_domain import SpeedPerturb
from torch import nn

from summarymixing.corpora.audio import read_audio
from summarymixing.corpora.speech_commands import NOISE_PARTS
from summarymixing.utils.errors import InputError


def augment_on(augmenter, device):
    """Make SpeechBrain's ``SpeedPerturb`` resample on the device of the waveforms.

    By default it moves them to the CPU, and the GPU waits for that at every step.

    Parameters
    ----------
    augmenter : speechbrain.augment.augmenter.Augmenter
        Changed in place.
    device : str or torch.device
        Device of the waveforms.

    Examples
    --------
    >>> from speechbrain.augment.augmenter import Augmenter
    >>> speed = SpeedPerturb(16000, speeds=[95, 105])
    >>> augment_on(Augmenter(min_augmentations=1, max_augmentations=1, augmentations=[speed]), "meta")
    >>> speed(torch.rand(2, 9500, device="meta")).device
    device(type='meta')
    """
    for augmentation in augmenter.augmentations.values():
        if isinstance(augmentation, SpeedPerturb):
            augmentation.device = device
            for resample in augmentation.resamplers:
                resample.resampler.to(device)


class ColouredNoise(nn.Module):
    """Adds Gaussian noise whose spectrum falls by a random slope, at a random level.

    SpeechBrain's ``AddNoise`` without recordings adds only white noise, which is easy to distinguish from speech.

    Parameters
    ----------
    snr_low, snr_high : float
        Signal-to-noise ratio in dB, drawn uniformly for each utterance.
    slope_low, slope_high : float
        Noise power falls with frequency f as ``1 / f ** slope``: 0 is white, 1 pink, 2 brown.
    probability : float
        Fraction of utterances that get noise.
    sample_rate : int
        Hz.

    Examples
    --------
    >>> noisy = ColouredNoise(snr_low=5, snr_high=15)(torch.rand(2, 16000), torch.tensor([1.0, 0.5]))
    >>> noisy.shape
    torch.Size([2, 16000])
    """

    def __init__(self, snr_low=0.0, snr_high=30.0, slope_low=0.0, slope_high=2.0, probability=1.0, sample_rate=16000):
        super().__init__()
        self.snr = (snr_low, snr_high)
        self.slope = (slope_low, slope_high)
        self.probability = probability
        self.sample_rate = sample_rate

    def forward(self, wavs, lengths):
        """Add noise.

        Parameters
        ----------
        wavs : torch.Tensor
            (B, samples), zero at padding.
        lengths : torch.Tensor
            (B,) real length of each row divided by that of the longest.

        Returns
        -------
        torch.Tensor
            (B, samples); padding stays silent.
        """
        batch, samples = wavs.shape
        draws = torch.rand(3, batch, 1, device=wavs.device)
        snr = self.snr[0] + draws[0] * (self.snr[1] - self.snr[0])
        slope = self.slope[0] + draws[1] * (self.slope[1] - self.slope[0])
        # Blocks of 1.024 s, filtered one by one: noise needs no longer transform.
        block = 16384
        white = torch.randn(batch, -(-samples // block), block, device=wavs.device)
        spectrum = torch.fft.rfft(white)
        frequency = torch.fft.rfftfreq(block, 1 / self.sample_rate, device=wavs.device).clamp(min=50.0)
        spectrum = spectrum * (frequency ** (-slope / 2)).unsqueeze(1)
        noise = torch.fft.irfft(spectrum, block).flatten(1)[:, :samples]
        # Padding is left out of both powers: the ratio is over the utterance's own samples.
        real = torch.arange(samples, device=wavs.device) < _sample_counts(wavs, lengths)
        noise = noise * real
        ratio = wavs.square().sum(1, keepdim=True) / noise.square().sum(1, keepdim=True).clamp(min=1e-10)
        level = (ratio / 10 ** (snr / 10)).sqrt()
        return wavs + torch.where(draws[2] < self.probability, level, 0.0) * noise


class BackgroundNoise(nn.Module):
    """Adds a random part of recorded noise, at a random volume.

    SpeechBrain's ``AddNoise`` reads recordings in its own order, which a resumed run would start again. Here everything
    is drawn from the generator of the step, each utterance gets another part, and the volume follows the published
    protocol of Speech Commands: a random factor that does not depend on the volume of the speech.

    Parameters
    ----------
    folder : str
        Folder of .wav files, read at the first call. Only the part of each file that belongs to Speech Commands'
        training set is used; the silence of the other splits comes from the rest.
    volume : float
        The noise is multiplied by a factor drawn uniformly from 0 to this.
    probability : float
        Fraction of utterances that get noise.
    sample_rate : int
        Hz.

    Raises
    ------
    InputError
        At the first call, if the folder holds no .wav file.

    Examples
    --------
    >>> import soundfile, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> soundfile.write(folder + "/hum.wav", torch.rand(160000).numpy(), 16000)
    >>> BackgroundNoise(folder)(torch.zeros(2, 16000), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 16000])
    """

    def __init__(self, folder, volume=0.1, probability=0.8, sample_rate=16000):
        super().__init__()
        self.folder, self.volume, self.probability, self.sample_rate = folder, volume, probability, sample_rate
        self.noise = None

    def _read(self, device):
        first, last = NOISE_PARTS["train"]
        recordings = [read_audio(path, self.sample_rate) for path in sorted(Path(self.folder).glob("*.wav"))]
        if not recordings:
            raise InputError(f"{self.folder}: holds no .wav file of background noise; set the key augment to null")
        recordings = [noise[int(first * len(noise)) : int(last * len(noise))].to(device) for noise in recordings]
        self.sizes = torch.tensor([len(noise) for noise in recordings], device=device)
        self.noise = torch.cat(recordings)

    def forward(self, wavs, lengths):
        """Add noise to waveforms (B, samples), zero at padding, of relative lengths (B,); padding stays zero."""
        if self.noise is None:
            self._read(wavs.device)
        batch, samples = wavs.shape
        draws = torch.rand(3, batch, 1, device=wavs.device)
        which = torch.randint(len(self.sizes), (batch, 1), device=wavs.device)
        size, offset = self.sizes[which], (self.sizes.cumsum(0) - self.sizes)[which]
        times = torch.arange(samples, device=wavs.device)
        # From a random place on; a recording that is too short is repeated.
        noise = self.noise[offset + ((draws[0] * size).long() + times) % size]
        volume = torch.where(draws[1] < self.probability, draws[2] * self.volume, 0.0)
        return wavs + volume * noise * (times < _sample_counts(wavs, lengths))


class TimeShift(nn.Module):
    """Shifts each utterance by a random time within its own length, and fills the gap with zeros.

    Parameters
    ----------
    seconds : float
        Largest shift to either side.
    sample_rate : int
        Hz.

    Examples
    --------
    >>> TimeShift(0.1)(torch.ones(2, 16000), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 16000])
    """

    def __init__(self, seconds=0.1, sample_rate=16000):
        super().__init__()
        self.samples = round(seconds * sample_rate)

    def forward(self, wavs, lengths):
        """Shift waveforms (B, samples) of relative lengths (B,); returns (B, samples)."""
        batch, samples = wavs.shape
        shift = torch.randint(-self.samples, self.samples + 1, (batch, 1), device=wavs.device)
        source = torch.arange(samples, device=wavs.device) - shift
        counts = _sample_counts(wavs, lengths)
        inside = (source >= 0) & (source < counts) & (torch.arange(samples, device=wavs.device) < counts)
        return wavs.gather(1, source.clamp(0, samples - 1)) * inside


def _sample_counts(wavs, lengths):
    return (lengths * wavs.shape[1]).round().long().unsqueeze(1)
