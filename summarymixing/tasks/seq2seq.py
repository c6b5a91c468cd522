"""Speech recognition with an attention decoder and CTC, trained and decoded jointly."""

import speechbrain as sb
import torch
import torch.nn.functional as F
from speechbrain.nnet.losses import kldiv_loss

from summarymixing.tasks.recognition import Recognition, ctc_frames, ctc_losses
from summarymixing.utils.distributed import gather


def shifted_tokens(tokens, token_counts, bos_index, eos_index):
    """Make the decoder's input tokens and the tokens that it must predict next.

    Parameters
    ----------
    tokens : torch.Tensor
        (B, U), zero at padding.
    token_counts : torch.Tensor
        (B,) int64, real tokens of each row, on the CPU.
    bos_index, eos_index : int
        Begin and end of sentence.

    Returns
    -------
    torch.Tensor
        (B, U + 1), ``bos_index`` and then the tokens.
    torch.Tensor
        (B, U + 1), the tokens and then ``eos_index``.

    Examples
    --------
    >>> shifted_tokens(torch.tensor([[5, 6], [7, 0]]), torch.tensor([2, 1]), 1, 2)
    (tensor([[1, 5, 6],
            [1, 7, 0]]), tensor([[5, 6, 2],
            [7, 2, 0]]))
    """
    inputs = F.pad(tokens, (1, 0), value=bos_index)
    ends = token_counts[:, None].to(tokens.device, non_blocking=True)
    outputs = F.pad(tokens, (0, 1)).scatter(1, ends, eos_index)
    return inputs, outputs


class Seq2Seq(Recognition):
    """Trains an :class:`~summarymixing.lobes.EncoderDecoder`, and scores it by joint beam search.

    The loss is ``ctc_weight * CTC + (1 - ctc_weight) * KL``, both sums over an utterance and means over the batch, in
    float32; KL is the divergence of the decoder from targets smoothed by ``label_smoothing``.

    Besides the keys of :class:`~summarymixing.tasks.recognition.Recognition` the YAML file has ``bos_index``,
    ``eos_index``, ``ctc_weight``, ``label_smoothing``, ``decoder`` and ``greedy_decoder`` (each a
    :class:`~summarymixing.decoding.BeamSearch`, for tests and for validation) and ``valid_search_interval``, the epochs
    from one validation with decoding to the next; other validations only report the accuracy of the next token.
    """

    def compute_forward(self, batch, stage):
        """Log-probabilities of CTC (B, T, V) and of the next token (B, U + 1, V), encoded frames; frame counts (B,)."""
        wavs, lengths = self.waveforms(batch, stage)
        inputs, _ = self.shifted(*self.targets(batch, stage))
        return self.network(stage)(wavs, lengths, inputs, self.chunks(stage))

    def shifted(self, tokens, token_counts):
        """Inputs and outputs of the decoder; see :func:`shifted_tokens`."""
        return shifted_tokens(tokens, token_counts, self.hparams.bos_index, self.hparams.eos_index)

    def compute_objectives(self, predictions, batch, stage):
        """The joint loss; outside training also count correct tokens and, in some epochs, decode."""
        (ctc, attention, encoded), frame_counts = predictions
        tokens, token_counts = self.targets(batch, stage)
        _, outputs = self.shifted(tokens, token_counts)
        counts = (token_counts + 1).to(self.device, non_blocking=True)  # with the end of sentence
        weight, smoothing = self.hparams.ctc_weight, self.hparams.label_smoothing
        ctc_part = ctc_losses(ctc, tokens, frame_counts, token_counts, self.hparams.blank_index)
        attention_part = kldiv_loss(
            attention,
            outputs,
            length=counts / outputs.shape[1],
            label_smoothing=smoothing,
            # Of each utterance outside training, where some may have none.
            reduction="batchmean" if stage == sb.Stage.TRAIN else "none",
        )
        if stage != sb.Stage.TRAIN:
            real = torch.arange(outputs.shape[1], device=self.device) < counts[:, None]
            self.right += int(((attention.argmax(-1) == outputs) & real).sum())
            self.tokens += int(real.sum())
            if self.searcher is not None:
                self.keep(batch, self.texts(self.searcher((encoded, frame_counts))[0]))
            attention_part = attention_part.reshape(len(outputs), -1).sum(1)
        if stage == sb.Stage.TRAIN:
            return weight * ctc_part.mean() + (1 - weight) * attention_part
        loss = weight * ctc_part + (1 - weight) * attention_part
        possible = token_counts > 0
        if weight > 0:
            possible &= frame_counts >= ctc_frames(tokens, token_counts)
        return self.mean_where(possible, loss, batch)

    def on_stage_start(self, stage, epoch=None):
        """Choose the searcher of this stage."""
        super().on_stage_start(stage, epoch)
        self.right = self.tokens = 0
        self.searcher = None
        if stage == sb.Stage.TEST:
            self.searcher = self.test_search or self.hparams.decoder
        elif stage == sb.Stage.VALID and epoch % self.hparams.valid_search_interval == 0:
            self.searcher = self.hparams.greedy_decoder

    def valid_metrics(self):
        """Accuracy of the next token in percent, given the reference tokens before it; error rates if decoded."""
        right, tokens = (sum(counts) for counts in zip(*gather((self.right, self.tokens)), strict=True))
        return {"accuracy": 100 * right / max(1, tokens), **super().valid_metrics()}
