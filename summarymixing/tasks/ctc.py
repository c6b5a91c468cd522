"""Speech recognition with connectionist temporal classification."""

import speechbrain as sb

from summarymixing.decoding.ctc import ctc_greedy_tokens
from summarymixing.tasks.recognition import Recognition, ctc_frames, ctc_losses


class CTC(Recognition):
    """Trains a :class:`~summarymixing.lobes.CTCModel`, and scores it by greedy decoding.

    :meth:`test` also takes a searcher, for example from :func:`~summarymixing.decoding.ngram.ctc_beam_search`.

    Parameters
    ----------
    experiment, record
        As for :class:`~summarymixing.training.task.Task`.
    """

    def compute_forward(self, batch, stage):
        """Log-probabilities (B, T, V) of a batch, and its frame counts (B,)."""
        wavs, lengths = self.waveforms(batch, stage)
        return self.network(stage)(wavs, lengths, self.chunks(stage))

    def compute_objectives(self, predictions, batch, stage):
        """The CTC loss divided by the number of tokens, a mean over the batch.

        Outside training the mean is over the utterances whose transcript is possible, and the batch is also decoded.
        """
        log_probs, counts = predictions
        tokens, token_counts = self.targets(batch, stage)
        losses = ctc_losses(log_probs, tokens, counts, token_counts, self.hparams.blank_index)
        losses = losses / token_counts.clamp(min=1).to(losses.device, non_blocking=True)
        if stage == sb.Stage.TRAIN:
            return losses.mean()
        if stage == sb.Stage.TEST and self.test_search is not None:
            # SpeechBrain's searcher takes counts / T and rounds down.
            found = self.test_search(log_probs, (counts + 0.5) / log_probs.shape[1])
            self.keep(batch, [hypotheses[0].text for hypotheses in found])
        else:
            self.keep(batch, self.texts(ctc_greedy_tokens(predictions, blank_index=self.hparams.blank_index)))
        return self.mean_where(counts >= ctc_frames(tokens, token_counts), losses, batch)
