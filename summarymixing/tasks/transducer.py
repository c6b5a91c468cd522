"""Speech recognition with a transducer (RNN-T), offline and streaming from one model."""

import speechbrain as sb
import torch
from torchaudio.functional import rnnt_loss

from summarymixing.tasks.recognition import Recognition, ctc_losses
from summarymixing.utils.errors import InputError


def transducer_loss(logits, tokens, frame_counts, token_counts, blank_index=0):
    """Compute minus the log-probability of each transcript over all its alignments, a mean over the batch.

    It is computed in float32 also under autocast.

    Parameters
    ----------
    logits : torch.Tensor
        (B, T, U + 1, V), not normalised.
    tokens : torch.Tensor
        (B, U) targets, padded with any token.
    frame_counts, token_counts : torch.Tensor
        (B,) int64, real frames and tokens of each row, on the CPU.
    blank_index : int
        Index of the blank.

    Returns
    -------
    torch.Tensor
        A scalar.

    Examples
    --------
    >>> one_way = torch.zeros(1, 1, 1, 4)  # one frame, no token: the blank it must be, one of four
    >>> loss = transducer_loss(one_way, torch.zeros(1, 0), torch.tensor([1]), torch.tensor([0]))
    >>> round(float(loss.exp()), 4)
    4.0
    """
    # torchaudio needs tensors that end where the longest row ends.
    frames, length = int(frame_counts.max()), int(token_counts.max())
    with torch.autocast(logits.device.type, enabled=False):
        return rnnt_loss(
            logits[:, :frames, : length + 1].float().contiguous(),
            tokens[:, :length].int().contiguous(),
            frame_counts.int().to(logits.device, non_blocking=True),
            token_counts.int().to(logits.device, non_blocking=True),
            blank=blank_index,
        )


class Transducer(Recognition):
    """Trains a :class:`~summarymixing.lobes.TransducerModel`, and scores it by greedy decoding.

    The loss is ``ctc_weight * CTC + (1 - ctc_weight) * transducer`` in the first ``ctc_epochs`` epochs, then that of
    the transducer alone. Both are sums over an utterance and means over the batch.

    Besides the keys of :class:`~summarymixing.tasks.recognition.Recognition` the YAML file has ``ctc_weight``,
    ``ctc_epochs`` (the first epochs that use CTC) and ``decoder``
    (:class:`~summarymixing.decoding.transducer.TransducerSearcher`). :meth:`test` also takes another searcher.
    """

    def __init__(self, experiment, record):
        super().__init__(experiment, record)
        for key, context in (("precision", self.training_ctx), ("eval_precision", self.evaluation_ctx)):
            self._refuse_missing_lstm(key, context)

    def _refuse_missing_lstm(self, key, context):
        """Try the prediction network's LSTM, because oneDNN has none in 16 bits for some CPUs."""
        try:
            with context:
                self.hparams.model.predict_all(torch.zeros(1, 1, dtype=torch.long, device=self.device))
        except RuntimeError as error:
            if "primitive" not in str(error):
                raise
            raise InputError(
                f"--{key} {getattr(self, key)}: PyTorch has no LSTM of this precision on this CPU; use --{key} fp32"
            ) from error

    def compute_forward(self, batch, stage):
        """In training logits and CTC log-probabilities, otherwise the encoder's output; and the frame counts."""
        wavs, lengths = self.waveforms(batch, stage)
        tokens = self.targets(batch, stage)[0] if stage == sb.Stage.TRAIN else None
        return self.network(stage)(wavs, lengths, self.chunks(stage), tokens)

    def compute_objectives(self, predictions, batch, stage):
        """The loss, a mean over the batch; outside training that of the transducer alone, and the batch is decoded."""
        output, counts = predictions
        tokens, token_counts = self.targets(batch, stage)
        if stage == sb.Stage.TRAIN:
            return self._training_loss(*output, counts, tokens, token_counts)
        search = self.test_search if stage == sb.Stage.TEST else None
        self.keep(batch, self.texts((search or self.hparams.decoder)(predictions)[0]))
        losses = self._evaluation_losses(output, counts, tokens, token_counts)
        return self.mean_where((counts > 0) & (token_counts > 0), losses, batch)

    def _training_loss(self, logits, ctc_log_probs, counts, tokens, token_counts):
        blank = self.hparams.blank_index
        # Weight 0 instead of no term: with several processes every parameter needs a gradient.
        weight = self.hparams.ctc_weight if self.epoch <= self.hparams.ctc_epochs else 0.0
        loss = transducer_loss(logits, tokens, counts, token_counts, blank)
        ctc = ctc_losses(ctc_log_probs, tokens, counts, token_counts, blank).mean()
        return weight * ctc + (1 - weight) * loss

    def _evaluation_losses(self, encoded, counts, tokens, token_counts):
        """Losses (B,), computed row by row: logits (B, T, U + 1, V) of long utterances need gigabytes."""
        model, losses = self.hparams.model, []
        for row, (frames, length) in enumerate(zip(counts.tolist(), token_counts.tolist(), strict=True)):
            one = slice(row, row + 1)
            if frames == 0 or length == 0:
                losses.append(encoded.new_zeros((), dtype=torch.float32))
                continue
            target = tokens[one, :length]
            projected = model.encoder_proj(encoded[one, :frames]).unsqueeze(2)
            logits = model.join(projected, model.predict_all(target).unsqueeze(1))
            losses.append(transducer_loss(logits, target, counts[one], token_counts[one], self.hparams.blank_index))
        return torch.stack(losses)
