"""Speech recognition with connectionist temporal classification."""

import speechbrain as sb
from speechbrain.nnet.losses import ctc_loss

from summarymixing.decoding import ctc_greedy_tokens
from summarymixing.tasks.recognition import Recognition, ctc_frames


class CTC(Recognition):
    """Trains a :class:`~summarymixing.lobes.CTCModel`, and scores it by greedy decoding.

    :meth:`test` also takes a searcher, such as :func:`~summarymixing.ngram.ctc_beam_search` makes.
    """

    def compute_forward(self, batch, stage):
        """Log-probabilities (B, T, V) of a batch, and its lengths over T."""
        wavs, lengths = self.waveforms(batch, stage)
        log_probs = self.network(stage)(wavs, lengths, self.chunks(stage))
        return log_probs, self.frame_lengths(wavs, lengths, log_probs.shape[1])

    def compute_objectives(self, predictions, batch, stage):
        """The CTC loss, a mean over the batch; outside training also decode."""
        log_probs, lengths = predictions
        tokens, token_lengths = self.targets(batch, stage)
        loss = self.ctc_loss(log_probs, tokens, lengths, token_lengths, batch, stage)
        if stage == sb.Stage.TEST and self.test_search is not None:
            # Without lengths, which the searcher rounds down: at padding the blank is certain.
            self.keep(batch, [hypotheses[0].text for hypotheses in self.test_search(log_probs)])
        elif stage != sb.Stage.TRAIN:
            self.keep(batch, self.texts(ctc_greedy_tokens(log_probs, blank_index=self.hparams.blank_index)))
        return loss

    def ctc_loss(self, log_probs, tokens, lengths, token_lengths, batch, stage):
        """CTC's loss a token, a mean over the batch; outside training over its possible transcripts alone."""
        blank = self.hparams.blank_index
        if stage == sb.Stage.TRAIN:
            return ctc_loss(log_probs, tokens, lengths, token_lengths, blank)
        losses = ctc_loss(log_probs, tokens, lengths, token_lengths, blank, reduction="none")
        counts = (token_lengths * tokens.shape[1]).round().long()
        frames = (lengths * log_probs.shape[1]).round()
        return self.mean_where(frames >= ctc_frames(tokens, counts), losses / counts.clamp(min=1), batch)
