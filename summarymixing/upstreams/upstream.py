"""The contract of a trained encoder, whoever made it."""

import torch
from torch import nn


class Upstream(nn.Module):
    """Waveforms to the hidden states of every layer.

    Subclasses give :meth:`encode`. Whatever uses an upstream asks only for the four attributes, before it has seen a
    waveform, and calls it.

    A frozen upstream is in evaluation mode and has no gradient, whatever ``train()`` is called on what holds it. To
    train it after some steps, leave it unfrozen and name it in the YAML key ``parameter_groups`` with
    ``frozen_until``.

    Parameters
    ----------
    sample_rate : int
        Samples a second of the waveforms.
    frame_seconds : float
        Seconds from one frame to the next.
    d_model : int
        Features of each state.
    num_layers : int
        Layers; there is one state more.
    frozen : bool
        Never train it.

    Examples
    --------
    >>> class Means(Upstream):
    ...     def encode(self, wavs, wav_lens):
    ...         frames = wavs.unfold(1, 160, 160).mean(-1, keepdim=True)
    ...         return [frames, frames], torch.full((len(wavs),), frames.shape[1])
    >>> states, counts = Means(16000, 0.01, d_model=1, num_layers=1)(torch.rand(2, 1600))
    >>> len(states), states[0].shape, counts.tolist()
    (2, torch.Size([2, 10, 1]), [10, 10])
    """

    def __init__(self, sample_rate, frame_seconds, d_model, num_layers, frozen=True):
        super().__init__()
        self.sample_rate, self.frame_seconds = sample_rate, frame_seconds
        self.d_model, self.num_layers = d_model, num_layers
        self.frozen = frozen
        self._trained = None  # all of it

    def train(self, mode=True):
        """As PyTorch's; what is frozen stays in evaluation mode, without gradients."""
        if self.frozen:
            self.requires_grad_(False)
        if self._trained is None:
            return super().train(mode and not self.frozen)
        super().train(False)
        for part in self._trained:
            part.train(mode)
        return self

    def train_only(self, parts):
        """Train these parts of it, and freeze all others.

        Parameters
        ----------
        parts : iterable of torch.nn.Module
            Of this upstream; none of them freezes it.
        """
        self._trained = tuple(parts)
        self.requires_grad_(False)
        for part in self._trained:
            part.requires_grad_(True)
        self.frozen = not self._trained
        self.train(self.training)

    def frame_counts(self, sample_counts):
        """Frames of utterances of so many samples, not more than :meth:`forward` gives; int or torch.Tensor."""
        return sample_counts // round(self.frame_seconds * self.sample_rate)

    def encode(self, wavs, wav_lens):
        """What :meth:`forward` returns; to be given by a subclass."""
        raise NotImplementedError

    def forward(self, wavs, wav_lens=None):
        """Encode a padded batch.

        Parameters
        ----------
        wavs : torch.Tensor
            (B, samples) in [-1, 1], at ``sample_rate``.
        wav_lens : torch.Tensor, optional
            (B,) real length of each row over the longest; all whole by default.

        Returns
        -------
        list of torch.Tensor
            ``num_layers + 1`` of (B, T, ``d_model``), zero at padding: what enters the first layer, then the output of
            each layer, the last one as the encoder gives it out. A layer that is skipped repeats its input.
        torch.Tensor
            (B,) int64 frame counts, on the CPU.

        Raises
        ------
        RuntimeError
            If the encoder gives another number of states than it promised.
        """
        if self.frozen:
            self.train(False)
            with torch.no_grad():
                states, counts = self.encode(wavs, wav_lens)
        else:
            states, counts = self.encode(wavs, wav_lens)
        if len(states) != self.num_layers + 1:
            raise RuntimeError(f"{type(self).__name__} gave {len(states)} states for {self.num_layers} layers")
        return states, counts.cpu()
