"""From waveform to encoder output in one module: features, normalisation, front end, encoder."""

from dataclasses import dataclass

import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch import nn

from summarymixing.lobes.encoders.stack import EncoderStreamingContext
from summarymixing.lobes.frontends.features import UtteranceNormalization
from summarymixing.ops.masks import padding_mask_from_counts, sample_counts
from summarymixing.ops.positions import SinusoidalPositions


@dataclass
class SpeechStreamingContext:
    """The streaming state of a :class:`SpeechEncoder`."""

    chunks: DynChunkTrainConfig
    encoder: EncoderStreamingContext
    features: torch.Tensor
    front_end: list
    waiting: torch.Tensor  # (B, n, F), front-end frames that do not fill a chunk yet


class SpeechEncoder(nn.Module):
    """Waveform in, encoder frames out; the output of an utterance is equal alone, padded and in any batch.

    Frame counts are computed from sample counts by the formulas of the features and the front end, never by rounding a
    relative length of frames.

    Parameters
    ----------
    features : LogMel or Waveform
        From waveform to features.
    normalize : GlobalNormalization or UtteranceNormalization
        Feature normalisation.
    front_end : ConvolutionalFrontEnd or LatentExtractor
        Subsampling.
    encoder : torch.nn.Module
        One of this package's encoders; its ``d_model`` is the output size D of this module.
    dropout : float
        Dropout probability on the encoder's input, before positions are added.
    positions : torch.nn.Module or bool, optional
        ``positions(x, start)`` returns the positions, (1 or B, T, D), that are added to the encoder's input; ``start``
        is the number of the first frame. True means :class:`~summarymixing.ops.positions.SinusoidalPositions`.
    augment : list of callable, optional
        Augmentations such as SpectrogramDrop, applied to the normalised features in training.

    Examples
    --------
    >>> from summarymixing.lobes import ConformerEncoder, ConvolutionalFrontEnd, GlobalNormalization, LogMel
    >>> encoder = SpeechEncoder(
    ...     LogMel(), GlobalNormalization(80), ConvolutionalFrontEnd(80), ConformerEncoder(1, 64, 128)
    ... ).eval()
    >>> out, frames = encoder(torch.rand(2, 16000), torch.tensor([1.0, 0.5]))
    >>> out.shape, frames.tolist()
    (torch.Size([2, 26, 64]), [26, 13])
    """

    def __init__(self, features, normalize, front_end, encoder, dropout=0.0, positions=None, augment=None):
        super().__init__()
        self.features = features
        self.normalize = normalize
        self.front_end = front_end
        self.input_proj = nn.Linear(front_end.output_size, encoder.d_model)
        self.dropout = nn.Dropout(dropout)
        self.positions = SinusoidalPositions(encoder.d_model) if positions is True else positions or None
        self.encoder = encoder
        self.augment = nn.ModuleList(augment or [])
        self.d_model = encoder.d_model

    @property
    def sample_rate(self):
        """Sample rate of the waveforms in Hz."""
        return self.features.sample_rate

    @property
    def frame_seconds(self):
        """Seconds from one encoder frame to the next."""
        return self.features.hop * self.front_end.stride / self.sample_rate

    @property
    def num_layers(self):
        """Number of the encoder's layers."""
        return len(self.encoder.layers)

    def frame_counts(self, sample_counts):
        """Encoder frames for a number (int or tensor) of samples."""
        return self.front_end.frame_counts(self.features.frame_counts(sample_counts))

    def forward(self, wavs, wav_lens=None, chunks=None):
        """Encode a padded batch.

        Parameters
        ----------
        wavs : torch.Tensor
            (B, samples) in [-1, 1] at the features' sample rate.
        wav_lens : torch.Tensor, optional
            (B,) real length of each row divided by that of the longest, on the CPU, as from SpeechBrain's loaders.
        chunks : DynChunkTrainConfig, optional
            Chunk size in encoder frames, left context in chunks or None for all of the past; without it every frame
            sees the whole utterance.

        Returns
        -------
        torch.Tensor
            (B, T, D), zero at padding.
        torch.Tensor
            (B,) int64 frame counts, on the CPU.
        """
        return self.encode_frames(*self.extract_frames(*self.extract_features(wavs, wav_lens)), chunks)

    def hidden_states(self, wavs, wav_lens=None, chunks=None):
        """Encode a padded batch and return the output of every layer.

        Parameters
        ----------
        wavs, wav_lens, chunks
            As in :meth:`forward`.

        Returns
        -------
        list of torch.Tensor
            ``num_layers + 1`` tensors (B, T, D), zero at padding: the encoder's input, the output of each layer except
            the last, and the output of :meth:`forward`. In training a layer that LayerDrop skips repeats its input.
        torch.Tensor
            (B,) int64 frame counts, on the CPU.
        """
        frames, counts = self.extract_frames(*self.extract_features(wavs, wav_lens))
        padding_mask = padding_mask_from_counts(counts, frames.shape[1], frames.device)
        x = self._encoder_input(frames, 0)
        output, states = self.encoder.encode(x, padding_mask, chunks)
        states = [*states[:-1], output]
        if padding_mask is not None:
            states = [state.masked_fill(padding_mask.unsqueeze(-1), 0.0) for state in states]
        return states, counts

    def extract_features(self, wavs, wav_lens=None):
        """The first of the three steps of :meth:`forward`: normalised features.

        Parameters
        ----------
        wavs, wav_lens
            As in :meth:`forward`.

        Returns
        -------
        torch.Tensor
            (B, M, F).
        torch.Tensor
            (B,) int64 counts of feature frames, on the CPU.
        """
        x, counts = self.features(wavs, sample_counts(wavs, wav_lens))
        return self.normalize(x, padding_mask_from_counts(counts, x.shape[1], x.device)), counts

    def extract_frames(self, features, feature_counts):
        """The second step: augmentation, in training, and the front end.

        Parameters
        ----------
        features, feature_counts : torch.Tensor
            As returned by :meth:`extract_features`.

        Returns
        -------
        torch.Tensor
            (B, T, front_end.output_size), zero at padding.
        torch.Tensor
            (B,) int64 frame counts, on the CPU.
        """
        if self.training:
            for augment in self.augment:
                features = augment(features)
        return self.front_end(features, feature_counts)

    def encode_frames(self, frames, counts, chunks=None, replace=None):
        """The third step: the encoder.

        Parameters
        ----------
        frames, counts : torch.Tensor
            As returned by :meth:`extract_frames`.
        chunks : DynChunkTrainConfig, optional
            As in :meth:`forward`.
        replace : callable, optional
            ``replace(x)`` returns the frames, (B, T, D), that replace the projected frames x before positions are
            added.

        Returns
        -------
        torch.Tensor
            (B, T, D), zero at padding.
        torch.Tensor
            ``counts``.
        """
        padding_mask = padding_mask_from_counts(counts, frames.shape[1], frames.device)
        x = self._encoder_input(frames, 0, replace)
        return self.encoder(x, src_key_padding_mask=padding_mask, dynchunktrain_config=chunks)[0], counts

    def _encoder_input(self, x, start, replace=None):
        x = self.dropout(self.input_proj(x))
        if replace is not None:
            x = replace(x)
        return x if self.positions is None else x + self.positions(x, start)

    def make_streaming_context(self, chunks, batch_size=1):
        """Create a context for :meth:`forward_streaming`.

        Parameters
        ----------
        chunks : DynChunkTrainConfig
            Chunk size in encoder frames, left context in chunks or None for all of the past.
        batch_size : int
            Number of streams that are processed together.

        Returns
        -------
        SpeechStreamingContext

        Raises
        ------
        ValueError
            If the normalisation, the front end or a mixer needs whole utterances.
        """
        if isinstance(self.normalize, UtteranceNormalization):
            raise ValueError("UtteranceNormalization cannot stream; use GlobalNormalization for a streaming model.")
        waiting = self.input_proj.weight.new_zeros(batch_size, 0, self.front_end.output_size)
        return SpeechStreamingContext(
            chunks,
            self.encoder.make_streaming_context(chunks),
            self.features.initial_state(batch_size),
            self.front_end.initial_state(batch_size),
            waiting,
        )

    def forward_streaming(self, samples, context, final=False):
        """Encode the chunks that the next samples complete; equal to :meth:`forward` with the context's ``chunks``.

        Parameters
        ----------
        samples : torch.Tensor
            (B, n) in [-1, 1] at the features' sample rate, any n.
        context : SpeechStreamingContext
            From :meth:`make_streaming_context`; changed in place.
        final : bool
            Whether the stream ends here; the last frames, which need not fill a chunk, are then encoded too.

        Returns
        -------
        torch.Tensor
            (B, m, D): complete chunks, and if ``final`` a shorter last one; m may be 0.
        """
        x, context.features = self.features.stream(samples, context.features, final)
        x = self.front_end.stream(self.normalize(x), context.front_end, final)
        context.waiting = torch.cat([context.waiting, x], dim=1)
        size = context.chunks.chunk_size
        ready = context.waiting.shape[1] if final else context.waiting.shape[1] // size * size
        # Copied, because a slice would keep all of the frames alive.
        now, context.waiting = context.waiting[:, :ready], context.waiting[:, ready:].clone()
        outputs = [now.new_zeros(now.shape[0], 0, self.d_model)]
        for start in range(0, ready, size):
            chunk = self._encoder_input(now[:, start : start + size], context.encoder.frames)
            outputs.append(self.encoder.forward_streaming(chunk, context.encoder)[0])
        return torch.cat(outputs, dim=1)
