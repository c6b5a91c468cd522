"""The base class of speech recognition objectives: targets, transcripts, scores; and the loss of CTC."""

import logging

import torch
from speechbrain.utils.distributed import if_main_process
from torch.nn.functional import ctc_loss

from summarymixing.metrics.wer import score, write_scored
from summarymixing.training.task import Task

logger = logging.getLogger(__name__)

#: A character error rate in % that is above this after a quarter of the training means that CTC is on its plateau. On
#: real French speech, predicting letters by their frequency gives 72 to 75 %, the first recognised words about 65 %.
PLATEAU_CER = 70.0


def ctc_losses(log_probs, tokens, frame_counts, token_counts, blank_index=0):
    """Compute the CTC loss of each utterance, not divided by its number of tokens.

    Parameters
    ----------
    log_probs : torch.Tensor
        (B, T, V).
    tokens : torch.Tensor
        (B, U) targets, padded with any token.
    frame_counts, token_counts : torch.Tensor
        (B,) int64, real frames and tokens of each row, on the CPU.
    blank_index : int
        Index of the blank.

    Returns
    -------
    torch.Tensor
        (B,); zero if an utterance has too few frames for its tokens.

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
    """Count the frames that CTC needs for each transcript: one per token, and one between two equal tokens.

    Parameters
    ----------
    tokens : torch.Tensor
        (B, U), padded with any token.
    token_counts : torch.Tensor
        (B,) real tokens of each row, on the CPU.

    Returns
    -------
    torch.Tensor
        (B,) float on the CPU; infinity for an empty transcript, which never occurs in a training set.

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
    """The base class of tasks that turn waveforms into text.

    Besides the keys of :class:`~summarymixing.training.task.Task` the YAML file has ``tokenizer``, ``blank_index`` and
    ``chunk_sampler`` (SpeechBrain's ``DynChunkTrainConfigRandomSampler`` or null).
    """

    #: Decodes the current test set; None for the task's default.
    test_search = None

    def targets(self, batch, stage):
        """Tokens (B, U) and their counts (B,) on the CPU, one row for each row of :meth:`waveforms`."""
        tokens, lengths = batch.tokens
        augment = self.augmenter(stage)
        if augment is not None:
            # The augmenter may return several versions of each utterance.
            tokens, lengths = augment.replicate_multiple_labels(tokens, lengths)
        return tokens.to(self.device, non_blocking=True), (lengths.cpu() * tokens.shape[1]).round().long()

    def chunks(self, stage):
        """Draw what a frame may see in this batch: a ``DynChunkTrainConfig``, or None for the whole utterance."""
        sampler = self.hparams.chunk_sampler
        return None if sampler is None else sampler(stage)

    def keep(self, batch, texts):
        """Store the transcripts of a batch until the end of the stage."""
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
        """Decode lists of tokens to transcripts, a list of str."""
        return [self.hparams.tokenizer.decode_ids(tokens) for tokens in decoded]

    def valid_metrics(self):
        """Word and character error rates in percent; empty if nothing was decoded."""
        if not self.scored:
            return {}
        result = score(self.scored)
        self._warn_of_a_plateau(result["cer"])
        return {"wer": result["wer"], "cer": result["cer"]}

    def _warn_of_a_plateau(self, cer):
        """Warn if the model has learned nearly nothing after a quarter of the training, and say what to try."""
        epochs = self.hparams.epoch_counter.limit
        if self.epoch is None or 4 * self.epoch < epochs or cer < PLATEAU_CER:
            return
        logger.warning(
            "epoch %d of %d: the character error rate of the validation set is still %.0f %%: the model has not "
            "learned to align. Try one change at a time: no augmentation of waveforms at first (clean_first_epochs, "
            "or augment: null), half the learning rate (lr), twice the warm-up, short utterances first "
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
            Decodes instead of the task's default.

        Returns
        -------
        dict
            ``wer`` and ``cer`` in percent, ``loss``, ``rtf`` (seconds of one process per second of audio).
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
