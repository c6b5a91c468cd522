"""Speech recognition with connectionist temporal classification."""

import time

import speechbrain as sb
from speechbrain.nnet.losses import ctc_loss

from summarymixing.decoding import ctc_greedy_tokens
from summarymixing.tasks.base import Task
from summarymixing.tasks.scoring import score, write_scored


class CTC(Task):
    """Trains a :class:`~summarymixing.lobes.CTCModel`, and scores it by greedy decoding.

    Besides the keys of :class:`~summarymixing.tasks.base.Task` the YAML file has ``tokenizer``, ``blank_index``,
    ``augment`` (SpeechBrain's ``Augmenter`` of waveforms, or null) and ``chunk_sampler`` (SpeechBrain's
    ``DynChunkTrainConfigRandomSampler`` or null).
    """

    def compute_forward(self, batch, stage):
        """Log-probabilities (B, T, V) of a batch, and its lengths over T."""
        wavs, lengths = batch.sig
        wavs, lengths = wavs.to(self.device), lengths.to(self.device)
        if stage == sb.Stage.TRAIN and self.hparams.augment is not None:
            wavs, lengths = self.hparams.augment(wavs, lengths)
        sampler = self.hparams.chunk_sampler
        chunks = None if sampler is None else sampler(stage)
        log_probs = self.modules.encoder(wavs, lengths, chunks)
        model = self.hparams.model  # not wrapped for several processes
        frames = model.frame_counts(model.encoder.sample_counts(wavs, lengths))
        # As exact as a count: rounding this times T gives the count back.
        return log_probs, frames / log_probs.shape[1]

    def compute_objectives(self, predictions, batch, stage):
        """The CTC loss, a mean over the batch; outside training also decode."""
        log_probs, lengths = predictions
        tokens, token_lengths = batch.tokens
        if stage == sb.Stage.TRAIN and self.hparams.augment is not None:
            # An Augmenter may return several versions of each utterance.
            tokens, token_lengths = self.hparams.augment.replicate_multiple_labels(tokens, token_lengths)
        loss = ctc_loss(
            log_probs, tokens.to(self.device), lengths, token_lengths.to(self.device), self.hparams.blank_index
        )
        if stage != sb.Stage.TRAIN:
            for row, decoded in enumerate(ctc_greedy_tokens(log_probs, blank_index=self.hparams.blank_index)):
                self.scored.append(
                    {
                        "ID": batch.id[row],
                        "duration": float(batch.duration[row]),
                        "reference": batch.wrd[row],
                        "hypothesis": self.hparams.tokenizer.decode_ids(decoded),
                    }
                )
        return loss

    def on_stage_start(self, stage, epoch=None):
        """Forget what was decoded before."""
        super().on_stage_start(stage, epoch)
        self.scored = []

    def valid_metrics(self):
        """Word and character error rates in percent."""
        result = score(self.scored)
        return {"wer": result["wer"], "cer": result["cer"]}

    def test(self, split, dataset, loader):
        """Decode and score a test set; the run folder receives transcripts, alignments and metrics.

        Arguments
        ---------
        split : str
            Name under which the results are filed.
        dataset : DynamicItemDataset
            The test set.
        loader : dict
            DataLoader arguments.

        Returns
        -------
        dict
            ``wer`` and ``cer`` in percent, ``loss``, ``rtf`` (seconds of decoding for a second of audio).
        """
        started = time.perf_counter()
        loss = self.evaluate(dataset, test_loader_kwargs=dict(loader))
        seconds = time.perf_counter() - started
        audio = sum(row["duration"] for row in self.scored)
        result = {**score(self.scored), "loss": loss, "rtf": seconds / audio, "audio_seconds": audio}
        write_scored(self.run_folder, split, self.scored)
        self.record.metrics(split, **result)
        return result
