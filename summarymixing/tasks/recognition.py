"""What the objectives of speech recognition share: augmented input, targets, transcripts, scores."""

import speechbrain as sb
from speechbrain.utils.distributed import if_main_process

from summarymixing.tasks.base import Task
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
        read = self.read_test_set(dataset, loader)
        result = {**score(self.scored), **read}
        if if_main_process():
            write_scored(self.run_folder, name, self.scored)
            experiment = self.record.data["experiment"]
            print(f"{experiment} {name}: WER {result['wer']:.2f} %, CER {result['cer']:.2f} %")
        self.record.metrics(name, **result)
        return result
