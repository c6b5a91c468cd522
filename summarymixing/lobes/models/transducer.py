"""A whole transducer recogniser: speech encoder, prediction network and joint network."""

import torch
import torch.nn.functional as F
from speechbrain.nnet.embedding import Embedding
from speechbrain.nnet.RNN import LSTM
from speechbrain.nnet.transducer.transducer_joint import Transducer_joint
from torch import nn

from summarymixing.lobes.models.speech_model import SpeechModel


class TransducerModel(SpeechModel):
    """A speech encoder, a prediction network (LSTM) over the tokens so far, and a joint network over both.

    The prediction and joint networks are those of SpeechBrain's LibriSpeech recipe. Tokens enter the LSTM as one-hot
    vectors. The blank, which also begins every transcript, enters as zeros. Both sides are projected and summed.

    Parameters
    ----------
    encoder : SpeechEncoder
        Front end and encoder: waveform to frames.
    vocab_size : int
        Number of tokens, the blank included.
    blank_index : int
        Index of the blank.
    predictor_size : int
        Features of the LSTM.
    joint_size : int
        Features of the joint network, in which both sides are summed.
    embedding_dropout, predictor_dropout : float
        Dropout probabilities on the LSTM's input and on its output.
    activation : type
        Activation class after the sum.

    Examples
    --------
    >>> from summarymixing.lobes import (
    ...     ConformerEncoder, ConvolutionalFrontEnd, GlobalNormalization, LogMel, SpeechEncoder
    ... )
    >>> encoder = SpeechEncoder(
    ...     LogMel(), GlobalNormalization(80), ConvolutionalFrontEnd(80), ConformerEncoder(1, 64, 128)
    ... )
    >>> model = TransducerModel(encoder, vocab_size=30).eval()
    >>> encoded, frames = model(torch.rand(2, 16000), torch.tensor([1.0, 0.5]))
    >>> encoded.shape, frames.tolist()
    (torch.Size([2, 26, 64]), [26, 13])
    >>> (logits, ctc_log_probs), frames = model(torch.rand(1, 16000), tokens=torch.tensor([[4, 2, 7]]))
    >>> logits.shape, ctc_log_probs.shape, frames.tolist()
    (torch.Size([1, 26, 4, 30]), torch.Size([1, 26, 30]), [26])
    """

    def __init__(
        self,
        encoder,
        vocab_size,
        blank_index=0,
        predictor_size=512,
        joint_size=640,
        embedding_dropout=0.0,
        predictor_dropout=0.0,
        activation=nn.GELU,
    ):
        super().__init__(encoder)
        self.blank_index = blank_index
        self.embedding = Embedding(vocab_size, consider_as_one_hot=True, blank_id=blank_index)
        self.embedding_dropout = nn.Dropout(embedding_dropout)
        self.lstm = LSTM(predictor_size, input_size=vocab_size - 1)
        self.predictor_dropout = nn.Dropout(predictor_dropout)
        self.encoder_proj = nn.Linear(encoder.d_model, joint_size, bias=False)
        self.predictor_proj = nn.Linear(predictor_size, joint_size, bias=False)
        self.joint = Transducer_joint(joint="sum", nonlinearity=activation)
        self.output = nn.Linear(joint_size, vocab_size, bias=False)
        self.ctc_output = nn.Linear(joint_size, vocab_size)

    def forward(self, wavs, wav_lens=None, chunks=None, tokens=None):
        """Encode; with ``tokens`` also compute everything that the losses need.

        Training does both in one call, because DistributedDataParallel only averages the gradients of parameters that
        were used in the forward call of the module that it wraps.

        Parameters
        ----------
        wavs, wav_lens, chunks
            As in :class:`~summarymixing.lobes.SpeechEncoder`.
        tokens : torch.Tensor, optional
            (B, U) targets without a start token, padded with any token.

        Returns
        -------
        torch.Tensor or tuple of torch.Tensor
            Without ``tokens``: the encoder's output (B, T, D), zero at padding. With ``tokens``: logits (B, T, U + 1,
            V) and log-probabilities (B, T, V) of the auxiliary CTC output.
        torch.Tensor
            (B,) int64 frame counts, on the CPU.
        """
        encoded, counts = self.speech_encoder(wavs, wav_lens, chunks)
        if tokens is None:
            return encoded, counts
        frames = self.encoder_proj(encoded)
        logits = self.join(frames.unsqueeze(2), self.predict_all(tokens).unsqueeze(1))
        return (logits, torch.log_softmax(self.ctc_output(frames), dim=-1, dtype=torch.float32)), counts

    def predict(self, tokens, state=None):
        """Run the prediction network over the next tokens.

        Parameters
        ----------
        tokens : torch.Tensor
            (B, U), the next tokens.
        state : tuple of torch.Tensor, optional
            From the last call; None before the first token, which must be the blank.

        Returns
        -------
        torch.Tensor
            (B, U, joint_size).
        tuple of torch.Tensor
            The new state, two of (1, B, predictor_size).
        """
        x, state = self.lstm(self.embedding_dropout(self.embedding(tokens)), state)
        return self.predictor_proj(self.predictor_dropout(x)), state

    def predict_all(self, tokens):
        """The prediction network's output before the first of (B, U) tokens and after each, (B, U + 1, joint_size)."""
        return self.predict(F.pad(tokens, (1, 0), value=self.blank_index))[0]

    def join(self, frames, predicted):
        """Logits of every pair of a projected frame and a prediction; the leading dimensions broadcast."""
        return self.output(self.joint(frames, predicted))

    def make_streaming_context(self, chunks, batch_size=1):
        """Create a context for :meth:`forward_streaming`; as :meth:`.SpeechEncoder.make_streaming_context`."""
        return self.speech_encoder.make_streaming_context(chunks, batch_size)

    def forward_streaming(self, samples, context, final=False):
        """Encoder output (B, m, D) of the frames that the next samples (B, n) complete.

        The arguments are those of :meth:`.SpeechEncoder.forward_streaming`.
        """
        return self.speech_encoder.forward_streaming(samples, context, final)
