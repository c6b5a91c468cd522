"""Small models on top of a trained encoder's hidden states."""

import torch
from torch import nn


class BiLSTM(nn.Module):
    """A bidirectional LSTM that ends where each utterance ends.

    Parameters
    ----------
    input_size : int
        Features in.
    hidden_size : int
        Features of each direction.
    num_layers : int
        Layers.
    dropout : float
        On the input of each layer.

    Examples
    --------
    >>> lstm = BiLSTM(64, hidden_size=32)
    >>> lstm(torch.rand(2, 50, 64), torch.tensor([50, 20])).shape, lstm.output_size
    (torch.Size([2, 50, 64]), 64)
    """

    def __init__(self, input_size, hidden_size=256, num_layers=2, dropout=0.2):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        sizes = [input_size, *[2 * hidden_size] * (num_layers - 1)]
        self.ahead = nn.ModuleList(nn.LSTM(size, hidden_size, batch_first=True) for size in sizes)
        self.back = nn.ModuleList(nn.LSTM(size, hidden_size, batch_first=True) for size in sizes)
        self.output_size = 2 * hidden_size

    def forward(self, x, counts):
        """Read a padded batch.

        Parameters
        ----------
        x : torch.Tensor
            (B, T, input_size).
        counts : torch.Tensor
            (B,) int64, real frames of each row, on the CPU.

        Returns
        -------
        torch.Tensor
            (B, T, output_size), zero at padding.
        """
        # Each row's real frames from the last to the first, by their numbers: packed sequences would wait for a GPU.
        time = torch.arange(x.shape[1])
        real = time < counts[:, None]
        turned = torch.where(real, counts[:, None] - 1 - time, time).to(x.device, non_blocking=True).unsqueeze(-1)
        for ahead, back in zip(self.ahead, self.back, strict=True):
            x = self.dropout(x)
            backwards = back(x.gather(1, turned.expand_as(x)))[0]
            x = torch.cat([ahead(x)[0], backwards.gather(1, turned.expand_as(backwards))], dim=-1)
        return x.masked_fill(~real.to(x.device, non_blocking=True).unsqueeze(-1), 0.0)


class UpstreamCTC(nn.Module):
    """A weighted sum of all hidden states of an encoder, a head, a linear layer, CTC (2602.09043, section 3).

    Parameters
    ----------
    upstream : summarymixing.upstreams.Upstream
        The encoder.
    featurizer : callable
        ``featurizer(num_states)`` gives what sums the states, :class:`~summarymixing.upstreams.Featurizer`.
    head : callable
        ``head(d_model)`` gives a module like :class:`BiLSTM`.
    vocab_size : int
        Tokens, the blank included.
    blank_index : int
        The blank among them.

    Examples
    --------
    >>> from summarymixing.upstreams import Featurizer, Upstream
    >>> class Means(Upstream):
    ...     def encode(self, wavs, wav_lens):
    ...         frames = wavs.unfold(1, 160, 160).mean(-1, keepdim=True)
    ...         return [frames, frames], torch.full((len(wavs),), frames.shape[1])
    >>> model = UpstreamCTC(Means(16000, 0.01, d_model=1, num_layers=1), Featurizer, BiLSTM, vocab_size=30)
    >>> log_probs, frames = model(torch.rand(2, 1600))
    >>> log_probs.shape, frames.tolist()
    (torch.Size([2, 10, 30]), [10, 10])
    """

    def __init__(self, upstream, featurizer, head, vocab_size, blank_index=0):
        super().__init__()
        self.upstream = upstream
        self.featurizer = featurizer(upstream.num_layers + 1)
        self.head = head(upstream.d_model)
        self.output = nn.Linear(self.head.output_size, vocab_size)
        self.blank_index = blank_index

    @property
    def speech_encoder(self):
        """The upstream, by the name that recognisers have for what is below their own layers."""
        return self.upstream

    def frame_counts(self, sample_counts):
        """Frames of utterances of so many samples."""
        return self.upstream.frame_counts(sample_counts)

    def forward(self, wavs, wav_lens=None, chunks=None):
        """Log-probabilities of a padded batch.

        Parameters
        ----------
        wavs : torch.Tensor
            (B, samples) in [-1, 1], at the upstream's sampling rate.
        wav_lens : torch.Tensor, optional
            (B,) real length of each row over the longest, on the CPU.
        chunks : None
            A trained encoder takes whole utterances.

        Returns
        -------
        torch.Tensor
            (B, T, vocab_size), float32. At padding they mean nothing.
        torch.Tensor
            (B,) int64 frame counts, on the CPU.

        Raises
        ------
        ValueError
            If there are ``chunks``.
        """
        if chunks is not None:
            raise ValueError("a model on an upstream does not stream: decode offline.")
        states, counts = self.upstream(wavs, wav_lens)
        x = self.head(self.featurizer(states), counts)
        return torch.log_softmax(self.output(x), dim=-1, dtype=torch.float32), counts
