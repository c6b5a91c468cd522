"""What the objectives of speech recognition share: augmented input, targets, transcripts, scores."""

import time

import speechbrain as sb
from speechbrain.utils.distributed import if_main_process

from summarymixing.tasks.base import Task
from summarymixing.tasks.processes import gather, process_count
from summarymixing.tasks.scoring import score, write_scored


class Recognition(Task):
    """A Task that turns waveforms into text.

    Besides the keys of :class:`~summarymixing.tasks.base.Task` the YAML file has ``tokenizer``, ``blank_index`` and
    ``chunk_sampler`` (SpeechBrain's ``DynChunkTrainConfigRandomSampler`` or null).
    """

    #: What decodes the test set at hand; None for the task's own way.
    test_search = None

    def targets(self, batch, stage):
        """Tokens (B, U) and their relative lengths, one row for each row of :meth:`waveforms`."""
        tokens, lengths = batch.tokens
        if stage == sb.Stage.TRAIN and self.hparams.augment is not None:
            # An Augmenter may return several versions of each utterance.
            tokens, lengths = self.hparams.augment.replicate_multiple_labels(tokens, lengths)
        return tokens.to(self.device), lengths.to(self.device)

    def chunks(self, stage):
        """What a frame may see in this batch: a ``DynChunkTrainConfig``, or None for everything."""
        sampler = self.hparams.chunk_sampler
        return None if sampler is None else sampler(stage)

    def frame_lengths(self, wavs, lengths, num_frames):
        """Frame counts over the frames of the batch: rounding these times T gives the counts back."""
        model = self.hparams.model  # not wrapped for several processes
        return model.frame_counts(model.encoder.sample_counts(wavs, lengths)) / num_frames

    def keep(self, batch, texts):
        """Remember the transcripts of a batch until the end of the stage."""
        for row, text in enumerate(texts):
            self.scored.append(
                {
                    "ID": batch.id[row],
                    "duration": float(batch.duration[row]),
                    "reference": batch.wrd[row],
                    "hypothesis": text,
                }
            )

    def texts(self, decoded):
        """Transcripts of lists of tokens."""
        return [self.hparams.tokenizer.decode_ids(tokens) for tokens in decoded]

    def on_stage_start(self, stage, epoch=None):
        """Forget what was decoded before."""
        super().on_stage_start(stage, epoch)
        self.scored = []

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Put together what the processes have decoded."""
        self.scored = [row for share in gather(self.scored) for row in share]
        super().on_stage_end(stage, stage_loss, epoch)

    def valid_metrics(self):
        """Word and character error rates in percent, if anything was decoded."""
        if not self.scored:
            return {}
        result = score(self.scored)
        return {"wer": result["wer"], "cer": result["cer"]}

    def test(self, name, dataset, loader, search=None):
        """Decode and score a test set, and print the error rates.

        The run folder receives transcripts, alignments and metrics.

        Arguments
        ---------
        name : str
            Name under which the results are filed.
        dataset : DynamicItemDataset
            The test set.
        loader : dict
            DataLoader arguments.
        search : callable, optional
            Decodes, in place of the task's own way.

        Returns
        -------
        dict
            ``wer`` and ``cer`` in percent, ``loss``, ``rtf`` (seconds that one process decodes for a second of audio).
        """
        self.test_search = search
        started = time.perf_counter()
        self.evaluate(dataset, test_loader_kwargs=self.share_of(dataset, loader))
        seconds = (time.perf_counter() - started) * process_count()
        audio = sum(row["duration"] for row in self.scored)
        result = {**score(self.scored), "loss": self.test_loss, "rtf": seconds / audio, "audio_seconds": audio}
        if if_main_process():
            write_scored(self.run_folder, name, self.scored)
            experiment = self.record.data["experiment"]
            print(f"{experiment} {name}: WER {result['wer']:.2f} %, CER {result['cer']:.2f} %")
        self.record.metrics(name, **result)
        return result
