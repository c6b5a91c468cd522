"""Waveform augmentation on the fly."""

import torch
from torch import nn


class ColouredNoise(nn.Module):
    """Adds Gaussian noise whose spectrum falls by a random slope, at a random level.

    SpeechBrain's ``AddNoise`` without noise recordings knows white noise alone, which is easy to tell from speech.

    Arguments
    ---------
    snr_low, snr_high : float
        Speech over noise power in dB, drawn uniformly for each utterance.
    slope_low, slope_high : float
        Noise power falls with frequency f as ``1 / f ** slope``: 0 is white, 1 pink, 2 brown.
    probability : float
        Share of utterances that get noise.
    sample_rate : int
        In Hz.

    Example
    -------
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

        Arguments
        ---------
        wavs : torch.Tensor
            (B, samples), zero at padding.
        lengths : torch.Tensor
            (B,) real length of each row over the longest.

        Returns
        -------
        torch.Tensor
            (B, samples); padding stays silent.
        """
        batch, samples = wavs.shape
        draws = torch.rand(3, batch, 1, device=wavs.device)
        snr = self.snr[0] + draws[0] * (self.snr[1] - self.snr[0])
        slope = self.slope[0] + draws[1] * (self.slope[1] - self.slope[0])
        # 1.024 s blocks, shaped and repeated end to end: the spectrum of noise needs no longer transform.
        block = 16384
        white = torch.randn(batch, -(-samples // block), block, device=wavs.device)
        spectrum = torch.fft.rfft(white)
        frequency = torch.fft.rfftfreq(block, 1 / self.sample_rate, device=wavs.device).clamp(min=50.0)
        spectrum = spectrum * (frequency ** (-slope / 2)).unsqueeze(1)
        noise = torch.fft.irfft(spectrum, block).flatten(1)[:, :samples]
        # Padding counts in neither power: the ratio is that of the utterance's own samples.
        real = torch.arange(samples, device=wavs.device) < (lengths * samples).round().unsqueeze(1)
        noise = noise * real
        ratio = wavs.square().sum(1, keepdim=True) / noise.square().sum(1, keepdim=True).clamp(min=1e-10)
        level = (ratio / 10 ** (snr / 10)).sqrt()
        return wavs + torch.where(draws[2] < self.probability, level, 0.0) * noise
