"""What the objectives of speech recognition share: augmented input, targets, transcripts, scores."""

import logging

import torch
from speechbrain.utils.distributed import if_main_process
from torch.nn.functional import ctc_loss

from summarymixing.metrics.wer import score, write_scored
from summarymixing.training.task import Task

logger = logging.getLogger(__name__)

#: Percent: a validation that is worse than this behind a quarter of the training is on the plateau. Letters by their
#: frequency alone score 72 to 75 % on real French speech, the first words that are heard about 65 %.
PLATEAU_CER = 70.0


def ctc_losses(log_probs, tokens, frame_counts, token_counts, blank_index=0):
    """CTC's loss of each utterance, the sum over its tokens.

    Parameters
    ----------
    log_probs : torch.Tensor
        (B, T, V).
    tokens : torch.Tensor
        (B, U) targets, padded with anything.
    frame_counts, token_counts : torch.Tensor
        (B,) int64, real frames and tokens of each row, on the CPU.
    blank_index : int
        The blank.

    Returns
    -------
    torch.Tensor
        (B,); zero where the frames are too few for the tokens.

    Examples
    --------
    >>> import torch
    >>> half = torch.full((2, 3, 2), 0.5).log()
    >>> losses = ctc_losses(half, torch.tensor([[1], [1]]), torch.tensor([1, 2]), torch.tensor([1, 1]))
    >>> [round(p, 3) for p in (-losses).exp().tolist()]  # of two frames one may be blank, or none
    [0.5, 0.75]
    """
    return ctc_loss(
        log_probs.transpose(0, 1), tokens, frame_counts, token_counts, blank_index, reduction="none", zero_infinity=True
    )


def ctc_frames(tokens, token_counts):
    """Frames that CTC needs for each transcript: one a token, one more between two equal ones.

    Parameters
    ----------
    tokens : torch.Tensor
        (B, U), padded with anything.
    token_counts : torch.Tensor
        (B,) real tokens of each row, on the CPU.

    Returns
    -------
    torch.Tensor
        (B,) float on the CPU; infinity for an empty transcript, which no training set holds.

    Examples
    --------
    >>> import torch
    >>> ctc_frames(torch.tensor([[5, 5, 6], [5, 5, 0], [7, 0, 0]]), torch.tensor([3, 2, 0])).tolist()
    [4.0, 3.0, inf]
    """
    tokens = tokens.cpu()
    inside = torch.arange(1, tokens.shape[1]) < token_counts[:, None]
    repeats = ((tokens[:, 1:] == tokens[:, :-1]) & inside).sum(1)
    return torch.where(token_counts > 0, token_counts + repeats, torch.inf)


class Recognition(Task):
    """A Task that turns waveforms into text.

    Besides the keys of :class:`~summarymixing.training.task.Task` the YAML file has ``tokenizer``, ``blank_index`` and
    ``chunk_sampler`` (SpeechBrain's ``DynChunkTrainConfigRandomSampler`` or null).
    """

    #: What decodes the present test set; None for the task's own way.
    test_search = None

    def targets(self, batch, stage):
        """Tokens (B, U) and their counts (B,) on the CPU, one row for each row of :meth:`waveforms`."""
        tokens, lengths = batch.tokens
        augment = self.augmenter(stage)
        if augment is not None:
            # It may return several versions of each utterance.
            tokens, lengths = augment.replicate_multiple_labels(tokens, lengths)
        return tokens.to(self.device, non_blocking=True), (lengths.cpu() * tokens.shape[1]).round().long()

    def chunks(self, stage):
        """What a frame may see in this batch: a ``DynChunkTrainConfig``, or None for everything."""
        sampler = self.hparams.chunk_sampler
        return None if sampler is None else sampler(stage)

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
        self._warn_of_a_plateau(result["cer"])
        return {"wer": result["wer"], "cer": result["cer"]}

    def _warn_of_a_plateau(self, cer):
        """Say so where a quarter of the training has taught nearly nothing, and what to try."""
        epochs = self.hparams.epoch_counter.limit
        if self.epoch is None or 4 * self.epoch < epochs or cer < PLATEAU_CER:
            return
        logger.warning(
            "epoch %d of %d: the character error rate of the validation is still %.0f %%: the model has not learnt to "
            "align. Try, one at a time: no augmentation of the waveforms until it does (clean_first_epochs, or "
            "augment: null), a lower lr (a half), a longer warm-up (twice), short utterances first "
            "(short_first_epochs: 2), more epochs or more data",
            self.epoch,
            epochs,
            cer,
        )

    def test(self, name, dataset, loader, search=None):
        """Decode and score a test set, and print the error rates.

        The run folder receives transcripts, alignments and metrics.

        Parameters
        ----------
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
        read = self.read_test_set(dataset, loader, name)
        result = {**score(self.scored), **read}
        if if_main_process():
            write_scored(self.run_folder, name, self.scored)
            experiment = self.record.data["experiment"]
            print(f"{experiment} {name}: WER {result['wer']:.2f} %, CER {result['cer']:.2f} %")
        self.record.metrics(name, **result)
        return result
