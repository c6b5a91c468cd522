"""From log-probabilities to tokens, offline and as frames arrive."""


def ctc_greedy_tokens(log_probs, wav_lens=None, blank_index=0):
    """Best token a frame, repeats merged, blanks dropped.

    Padding must already be blank, as :class:`~summarymixing.lobes.CTCModel` makes it: lengths then do not matter,
    and an utterance reads the same in any batch.

    Arguments
    ---------
    log_probs : torch.Tensor
        (B, T, V).
    wav_lens : torch.Tensor, optional
        Given by SpeechBrain's ``EncoderASR`` and not used: rounding relative lengths would cost some utterances
        their last frame.
    blank_index : int
        The blank.

    Returns
    -------
    list of list of int
        Tokens of each utterance.

    Example
    -------
    >>> import torch
    >>> best = torch.tensor([[1, 1, 0, 1, 2, 2, 0]])
    >>> ctc_greedy_tokens(torch.nn.functional.one_hot(best, 3).float())
    [[1, 1, 2]]
    """
    return [GreedyCTC(blank_index).decode(row) for row in log_probs]


class GreedyCTC:
    """Greedy CTC decoding of one stream: tokens grow with the frames.

    Arguments
    ---------
    blank_index : int
        The blank.

    Example
    -------
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
        """Take in frames (T, V); return all the tokens so far."""
        for token in log_probs.argmax(-1).tolist():
            if token != self.previous and token != self.blank_index:
                self.tokens.append(token)
            self.previous = token
        return self.tokens
