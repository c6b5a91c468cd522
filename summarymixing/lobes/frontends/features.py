"""Features that do not depend on the batch: log-mel, the waveform itself, and their normalisation."""

import torch
import torch.nn.functional as F
from speechbrain.processing.features import STFT, Filterbank, mean_std_update, spectral_magnitude
from speechbrain.utils.distributed import is_distributed_initialized
from torch import nn

from summarymixing.ops.masks import padding_mask_from_counts


class _Filters(Filterbank):
    """SpeechBrain's filterbank, whose matrix is kept on the device on which it is used.

    SpeechBrain creates the matrix again on the CPU at each call; copying it waits for all queued work of the GPU.
    """

    def __init__(self, **options):
        super().__init__(**options)
        self.matrix = None  # created at the first use, because a model may be built on the meta device

    def forward(self, spectrogram):
        if self.matrix is None:
            places = (edges.repeat(self.n_stft, 1).transpose(0, 1) for edges in (self.f_central, self.band))
            self.matrix = super()._create_fbank_matrix(*places)
        if self.matrix.device != spectrogram.device:
            self.matrix = self.matrix.to(spectrogram.device)
        return super().forward(spectrogram)

    def _create_fbank_matrix(self, f_central_mat, band_mat):
        return self.matrix


class LogMel(nn.Module):
    """Log-mel energies in dB from SpeechBrain's STFT and filterbank.

    There are two differences from SpeechBrain's ``Fbank``. Energies are not clipped relative to the loudest frame of
    the utterance, which a stream does not know. Samples after the end of an utterance are set to zero.

    Parameters
    ----------
    n_mels : int
        Features per frame.
    sample_rate : int
        Hz.
    n_fft : int
        Samples.
    win_length, hop_length : float
        Milliseconds.
    floor : float
        Smallest energy, for audio in [-1, 1]: lower energies are set to it before the logarithm. 1e-10 is -100 dB.

    Examples
    --------
    >>> features, frames = LogMel()(torch.rand(2, 16000), torch.tensor([16000, 8000]))
    >>> features.shape, frames.tolist()
    (torch.Size([2, 101, 80]), [101, 51])
    """

    def __init__(self, n_mels=80, sample_rate=16000, n_fft=400, win_length=25, hop_length=10, floor=1e-10):
        super().__init__()
        self.sample_rate = sample_rate
        self.output_size = n_mels
        self.stft = STFT(
            sample_rate=sample_rate,
            n_fft=n_fft,
            win_length=win_length,
            hop_length=hop_length,
            center=False,
        )
        # 1,000 dB below the maximum clips nothing, because energies are clamped to the floor long before.
        self.filterbank = _Filters(
            n_mels=n_mels,
            n_fft=n_fft,
            sample_rate=sample_rate,
            f_max=sample_rate / 2,
            amin=floor,
            top_db=1000.0,
        )
        self.window = n_fft
        self.hop = self.stft.hop_length

    def frame_counts(self, sample_counts):
        """Frames for a number (int or tensor) of samples: ``1 + samples // hop``."""
        return 1 + sample_counts // self.hop

    def forward(self, wavs, sample_counts):
        """Features of a padded batch.

        Parameters
        ----------
        wavs : torch.Tensor
            (B, samples) in [-1, 1].
        sample_counts : torch.Tensor
            (B,) int64, real samples of each row, on the CPU.

        Returns
        -------
        torch.Tensor
            (B, T, n_mels), in dB.
        torch.Tensor
            (B,) int64 frame counts, on the CPU.
        """
        behind = padding_mask_from_counts(sample_counts, wavs.shape[1], wavs.device)
        silenced = wavs if behind is None else wavs.masked_fill(behind, 0.0)
        padded = F.pad(silenced, (self.window // 2, self.window // 2))
        return self._log_mel(padded), self.frame_counts(sample_counts)

    def _log_mel(self, samples):
        if self.stft.window.device != samples.device:
            self.stft.window = self.stft.window.to(samples.device)  # once; SpeechBrain does it at each call
        with torch.autocast(samples.device.type, enabled=False):
            return self.filterbank(spectral_magnitude(self.stft(samples.float())))

    def initial_state(self, batch_size):
        """Samples that the next frame needs from before, (B, n); a stream starts with half a window of silence."""
        return self.filterbank.f_central.new_zeros(batch_size, self.window // 2)

    def stream(self, samples, state, final=False):
        """Compute the features of the windows that ``samples`` completes.

        Parameters
        ----------
        samples : torch.Tensor
            (B, n), the next samples.
        state : torch.Tensor
            From :meth:`initial_state` or the last call.
        final : bool
            Whether the stream ends here.

        Returns
        -------
        torch.Tensor
            (B, m, n_mels), m may be 0.
        torch.Tensor
            The new state.
        """
        samples = torch.cat([state.to(samples.device), samples], dim=1)
        if final:
            samples = F.pad(samples, (0, self.window // 2))
        frames = max(0, (samples.shape[1] - self.window) // self.hop + 1)
        if frames == 0:
            return samples.new_zeros(samples.shape[0], 0, self.output_size), samples
        used = (frames - 1) * self.hop + self.window
        return self._log_mel(samples[:, :used]), samples[:, frames * self.hop :].clone()


class Waveform(nn.Module):
    """The samples themselves, one feature per frame, for front ends that start from the waveform.

    Parameters
    ----------
    sample_rate : int
        Hz.

    Examples
    --------
    >>> features, frames = Waveform()(torch.rand(2, 16000), torch.tensor([16000, 8000]))
    >>> features.shape, frames.tolist()
    (torch.Size([2, 16000, 1]), [16000, 8000])
    """

    output_size = hop = 1

    def __init__(self, sample_rate=16000):
        super().__init__()
        self.sample_rate = sample_rate

    def frame_counts(self, sample_counts):
        """Frames for a number (int or tensor) of samples: the same number."""
        return sample_counts

    def forward(self, wavs, sample_counts):
        """(B, samples) to (B, samples, 1), and the counts."""
        return wavs.unsqueeze(-1), sample_counts


class UtteranceNormalization(nn.Module):
    """Mean 0 and variance 1 of each feature over the real frames of each utterance.

    For log-mel features this is SpeechBrain's ``InputNormalization(norm_type="sentence")``; for the waveform it is the
    normalisation of all samples with which wav2vec 2.0 begins. A stream knows these statistics only after its end.

    Examples
    --------
    >>> x = torch.randn(4, 50, 2) * 3 + 5
    >>> y = UtteranceNormalization()(x)
    >>> bool((y.mean(1).abs() < 1e-5).all()), bool((y.var(1, correction=0) - 1 < 1e-4).all())
    (True, True)
    """

    def forward(self, x, padding_mask=None):
        """Normalise (B, T, F); ``padding_mask`` (B, T) bool, True = padding. Constant features become 0."""
        if padding_mask is None:
            behind, counts = torch.zeros((), dtype=torch.bool, device=x.device), x.shape[1]
        else:
            behind = padding_mask.unsqueeze(-1)
            counts = (~behind).sum(1, keepdim=True).clamp(min=1)
        mean = x.masked_fill(behind, 0.0).sum(1, keepdim=True) / counts
        centred = (x - mean).masked_fill(behind, 0.0)
        variance = centred.square().sum(1, keepdim=True) / counts
        return centred / variance.sqrt().clamp(min=1e-5)


class GlobalNormalization(nn.Module):
    """Normalise each feature by mean and variance over the real frames of the first training batches, then frozen.

    The running statistics are updated by SpeechBrain's ``mean_std_update`` (which also sums over processes). They are
    buffers, so that they are in the model's state dict.

    Parameters
    ----------
    size : int
        Features F.
    num_batches : int
        Number of training batches that update the statistics.

    Examples
    --------
    >>> norm = GlobalNormalization(2)
    >>> x = torch.randn(4, 50, 2) * 3 + 5
    >>> y = norm(x)
    >>> bool((y.mean((0, 1)).abs() < 1e-4).all())
    True
    """

    def __init__(self, size, num_batches=500):
        super().__init__()
        self.num_batches = num_batches
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("batches", torch.zeros(()))
        self._seen = None  # `batches` on the CPU: reading it from a GPU at each step would wait for the GPU

    def _load_from_state_dict(self, *arguments):
        super()._load_from_state_dict(*arguments)
        self._seen = None

    def forward(self, x, padding_mask=None):
        """Normalise (B, T, size); ``padding_mask`` (B, T) bool, True = padding, which the statistics leave out."""
        if self.training:
            self._seen = int(self.batches) if self._seen is None else self._seen
            if self._seen < self.num_batches:
                self._update(x.detach().float(), padding_mask)
        return (x - self.mean) / self.std.clamp(min=1e-5)

    @torch.no_grad()
    def _update(self, x, padding_mask):
        if padding_mask is None:
            valid = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        else:
            valid = ~padding_mask
            x = x.masked_fill(padding_mask.unsqueeze(-1), 0.0)  # SpeechBrain multiplies by 0, which keeps a NaN
        finite = x.isfinite().all().int()
        if is_distributed_initialized():  # the update waits for all processes, so all of them must take it or none
            torch.distributed.all_reduce(finite, torch.distributed.ReduceOp.MIN)
        if not finite:
            return  # one bad batch would stay in the statistics forever
        count, mean, std = mean_std_update(x, valid.unsqueeze(-1), (0, 1), int(self.count), self.mean, self.std)
        self.count.fill_(count)
        self.mean.copy_(mean)
        self.std.copy_(std)
        self.batches.add_(1)
        self._seen += 1
