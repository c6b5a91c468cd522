"""Greedy CTC decoding of whole utterances and of streams."""

import torch


def ctc_greedy_tokens(log_probs, wav_lens=None, blank_index=0):
    """Take the best token of each frame, merge repeats and remove blanks.

    Parameters
    ----------
    log_probs : tuple of torch.Tensor, or torch.Tensor
        The output of a :class:`~summarymixing.lobes.CTCModel`: (B, T, V) and the frame counts (B,). Or (B, T, V) alone;
        then every frame is decoded, and padding must be blank, as :class:`~summarymixing.lobes.ModelView` makes it.
    wav_lens : torch.Tensor, optional
        Passed by SpeechBrain's ``EncoderASR`` and not used: rounding relative lengths would remove the last frame of
        some utterances.
    blank_index : int
        Index of the blank.

    Returns
    -------
    list of list of int
        Tokens of each utterance.

    Examples
    --------
    >>> import torch
    >>> best = torch.nn.functional.one_hot(torch.tensor([[1, 1, 0, 1, 2, 2, 0]]), 3).float()
    >>> ctc_greedy_tokens(best), ctc_greedy_tokens((best, torch.tensor([4])))
    ([[1, 1, 2]], [[1, 1]])
    """
    if not isinstance(log_probs, torch.Tensor):
        log_probs = (row[:count] for row, count in zip(log_probs[0], log_probs[1].tolist(), strict=True))
    return [GreedyCTC(blank_index).decode(row) for row in log_probs]


class GreedyCTC:
    """Greedy CTC decoding of one stream, whose list of tokens grows with its frames.

    Parameters
    ----------
    blank_index : int
        Index of the blank.

    Examples
    --------
    >>> import torch
    >>> decoder = GreedyCTC()
    >>> decoder.decode(torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    [1]
    >>> decoder.decode(torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]))
    [1, 1]
    """

    def __init__(self, blank_index=0):
        self.blank_index = blank_index
        self.previous = blank_index
        self.tokens = []

    def decode(self, log_probs):
        """Decode the next frames, log-probabilities (T, V); returns the list of all tokens so far."""
        for token in log_probs.argmax(-1).tolist():
            if token != self.previous and token != self.blank_index:
                self.tokens.append(token)
            self.previous = token
        return self.tokens
