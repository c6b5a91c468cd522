"""The module that SpeechBrain's inference interfaces call as ``modules.encoder``."""

import torch
from torch import nn

from summarymixing.ops.masks import padding_mask_from_counts


class ModelView(nn.Module):
    """A model under the name ``modules.encoder``, which SpeechBrain's ``EncoderASR`` and ``EncoderDecoderASR`` call.

    It has no parameters, so that training, counting and averaging over processes see those of ``modules.model`` only
    once.

    Parameters
    ----------
    model : CTCModel, TransducerModel or EncoderDecoder
        The model that is called.
    blank_index : int, optional
        For CTC: index of the blank. The view then returns one tensor, as ``EncoderASR`` expects. At padding the blank
        has probability 1, so that a CTC decoder finds the same tokens as for the utterance alone, however it rounds
        relative lengths. Without it the view returns ``(output, frame counts)``, which ``EncoderDecoderASR`` passes to
        ``modules.decoder``.

    Examples
    --------
    >>> log_probs = torch.zeros(1, 2, 3), torch.tensor([1])
    >>> ModelView(lambda wavs, wav_lens: log_probs, blank_index=0)(torch.rand(1, 320)).tolist()
    [[[0.0, 0.0, 0.0], [0.0, -inf, -inf]]]
    """

    def __init__(self, model, blank_index=None):
        super().__init__()
        # In a tuple, which PyTorch does not search for modules: no parameter may appear twice in an experiment.
        self._model = (model,)
        self.blank_index = blank_index

    def forward(self, wavs, wav_lens=None, **options):
        """Call the model.

        Parameters
        ----------
        wavs, wav_lens, **options
            As the model takes them.

        Returns
        -------
        torch.Tensor or tuple
            See ``blank_index``.
        """
        (model,) = self._model
        output, counts = model(wavs, wav_lens, **options)
        if self.blank_index is None:
            return output, counts
        padding = padding_mask_from_counts(counts, output.shape[1], output.device)
        if padding is None:
            return output
        blank = output.new_full(output.shape[-1:], -torch.inf)
        blank[self.blank_index] = 0.0
        return torch.where(padding.unsqueeze(-1), blank, output)
