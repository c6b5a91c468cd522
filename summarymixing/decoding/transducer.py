"""Transducer decoding: greedy search, also of streams, and beam search."""

import math

import torch
from torch import nn

from summarymixing.ops.masks import frames_and_counts

#: Most tokens per frame: a badly trained transducer might never predict the blank.
MAX_SYMBOLS = 5


class GreedyTransducer:
    """Greedy transducer decoding of a batch of streams, whose lists of tokens grow with their frames.

    At each frame the best token is taken and fed back until the best token is the blank. SpeechBrain's searcher does
    the same but ignores lengths, so that padding adds tokens.

    Parameters
    ----------
    model : summarymixing.lobes.TransducerModel
        The model, in evaluation mode.
    batch_size : int
        Number of streams.
    max_symbols : int
        Most tokens per frame.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> toy = SimpleNamespace(  # takes what each frame says, once
    ...     blank_index=0,
    ...     encoder_proj=lambda frames: frames,
    ...     predict=lambda tokens, state=None: (torch.nn.functional.one_hot(tokens, 3).float(), ()),
    ...     join=lambda frame, predicted: frame - 2 * predicted * torch.tensor([0.0, 1.0, 1.0]),
    ... )
    >>> decoder = GreedyTransducer(toy)
    >>> decoder.decode(torch.tensor([[[0.5, 1.0, 0.0], [1.0, 0.0, 0.5]]]))
    [[1]]
    >>> decoder.decode(torch.tensor([[[0.5, 0.0, 1.0]]]))
    [[1, 2]]
    """

    def __init__(self, model, batch_size=1, max_symbols=MAX_SYMBOLS):
        self.model = model
        self.max_symbols = max_symbols
        self.tokens = [[] for _ in range(batch_size)]
        self.predicted = self.state = None

    @torch.no_grad()
    def decode(self, encoded, counts=None):
        """Decode the next frames.

        Parameters
        ----------
        encoded : torch.Tensor
            (B, T, D), the next output of the encoder; T may be 0.
        counts : torch.Tensor, optional
            (B,) real frames of each row; by default T for each.

        Returns
        -------
        list of list of int
            All tokens of each stream so far.
        """
        model, frames = self.model, self.model.encoder_proj(encoded)
        if self.predicted is None:
            start = torch.full((len(self.tokens), 1), model.blank_index, device=encoded.device)
            predicted, self.state = model.predict(start)
            self.predicted = predicted[:, 0]
        if counts is None:
            counts = torch.full((len(self.tokens),), encoded.shape[1])
        counts = counts.to(encoded.device, non_blocking=True)
        for t in range(frames.shape[1]):
            active = counts > t
            for _ in range(self.max_symbols):
                best = model.join(frames[:, t], self.predicted).argmax(-1)
                active = active & (best != model.blank_index)
                if not active.any():
                    break
                for row in active.nonzero()[:, 0].tolist():
                    self.tokens[row].append(int(best[row]))
                self._advance(best, active)
        return self.tokens

    def _advance(self, tokens, active):
        """Feed back one token in each row that is ``active``."""
        predicted, state = self.model.predict(tokens[:, None], self.state)
        self.predicted = torch.where(active[:, None], predicted[:, 0], self.predicted)
        self.state = tuple(torch.where(active[:, None], new, old) for new, old in zip(state, self.state, strict=True))


@torch.no_grad()
def transducer_beam_search(model, encoded, beam_size, max_symbols=MAX_SYMBOLS):
    """Find the most probable token sequences of one utterance by time-synchronous beam search.

    The probability of a sequence is the sum over all its alignments in the beam. SpeechBrain's searcher keeps every
    alignment as a separate hypothesis, and does not end if the blank is never among the best tokens of a frame.

    Parameters
    ----------
    model : summarymixing.lobes.TransducerModel
        The model, in evaluation mode.
    encoded : torch.Tensor
        (T, D), output of the encoder without padding.
    beam_size : int
        Number of hypotheses.
    max_symbols : int
        Most tokens per frame.

    Returns
    -------
    list of tuple
        ``(tokens, log-probability)``, the best first; at most ``beam_size``.
    """
    frames = model.encoder_proj(encoded)
    network = _PredictorCache(model, encoded.device)
    beam = {(): 0.0}
    for frame in frames:
        open_hypotheses, finished = beam, {}
        for symbols in range(max_symbols + 1):
            hypotheses = list(open_hypotheses)
            log_probs = model.join(frame.expand(len(hypotheses), -1), network.outputs(hypotheses))
            scores = torch.log_softmax(log_probs, -1, dtype=torch.float64)
            scores += torch.tensor(list(open_hypotheses.values()), dtype=torch.float64, device=scores.device)[:, None]
            # The blank ends a hypothesis at this frame; several alignments may end in the same hypothesis.
            for hypothesis, score in zip(hypotheses, scores[:, model.blank_index].tolist(), strict=True):
                finished[hypothesis] = _log_add(finished.get(hypothesis), score)
            if symbols == max_symbols:
                break
            scores[:, model.blank_index] = -torch.inf
            best, places = scores.flatten().topk(min(beam_size, scores.numel() - len(hypotheses)))
            threshold = sorted(finished.values(), reverse=True)[:beam_size]
            open_hypotheses = {
                (*hypotheses[place // scores.shape[1]], place % scores.shape[1]): score
                for score, place in zip(best.tolist(), places.tolist(), strict=True)
                # One more token never makes a hypothesis more probable.
                if len(threshold) < beam_size or score > threshold[-1]
            }
            if not open_hypotheses:
                break
        beam = dict(sorted(finished.items(), key=lambda item: item[1], reverse=True)[:beam_size])
        network.forget_all_but(beam)
    return list(beam.items())


class _PredictorCache:
    """Outputs and states of the prediction network after token sequences, each computed once."""

    def __init__(self, model, device):
        self.model, self.device = model, device
        self.known = {}

    def outputs(self, hypotheses):
        """Outputs after each sequence, (N, joint_size); the sequence without its last token must be known."""
        new = [hypothesis for hypothesis in hypotheses if hypothesis not in self.known]
        if new:
            last = [hypothesis[-1] if hypothesis else self.model.blank_index for hypothesis in new]
            state = None
            if new != [()]:
                parents = [self.known[hypothesis[:-1]][1] for hypothesis in new]
                state = tuple(torch.cat(parts, dim=1) for parts in zip(*parents, strict=True))
            outputs, state = self.model.predict(torch.tensor(last, device=self.device)[:, None], state)
            for row, hypothesis in enumerate(new):
                self.known[hypothesis] = outputs[row, 0], tuple(part[:, row : row + 1] for part in state)
        return torch.stack([self.known[hypothesis][0] for hypothesis in hypotheses])

    def forget_all_but(self, hypotheses):
        """Free the states of all other sequences, which cannot be extended any more."""
        self.known = {hypothesis: self.known[hypothesis] for hypothesis in hypotheses}


def _log_add(a, b):
    """log(exp(a) + exp(b)); None means -inf."""
    if a is None:
        return b
    high, low = max(a, b), min(a, b)
    return high + math.log1p(math.exp(low - high))


class TransducerSearcher(nn.Module):
    """Greedy or beam search over a padded batch, with the interface of SpeechBrain's searchers.

    Parameters
    ----------
    model : summarymixing.lobes.TransducerModel
        The model, in evaluation mode.
    beam_size : int
        Number of hypotheses; 1 is greedy.
    max_symbols : int
        Most tokens per frame.

    Raises
    ------
    ValueError
        If a size is below 1.
    """

    def __init__(self, model, beam_size=1, max_symbols=MAX_SYMBOLS):
        super().__init__()
        if beam_size < 1 or max_symbols < 1:
            raise ValueError(f"beam_size={beam_size} and max_symbols={max_symbols} must be at least 1.")
        # In a tuple, which PyTorch does not search for modules: the parameters belong to `modules.model` only, and are
        # counted, and averaged over processes, once.
        self._model = (model,)
        self.beam_size = beam_size
        self.max_symbols = max_symbols

    def forward(self, encoded, wav_lens=None):
        """Decode a padded batch.

        Parameters
        ----------
        encoded, wav_lens
            As :func:`~summarymixing.ops.masks.frames_and_counts` takes them.

        Returns
        -------
        list of list of int
            The best tokens of each utterance.
        None
            In place of the mean score of SpeechBrain's searchers.
        list of list of list of int, or None
            All hypotheses of each utterance; None if greedy.
        list of list of float, or None
            Their log-probabilities; None if greedy.
        """
        (model,) = self._model
        encoded, counts = frames_and_counts(encoded, wav_lens)
        if self.beam_size == 1:
            return GreedyTransducer(model, len(encoded), self.max_symbols).decode(encoded, counts), None, None, None
        found = [
            transducer_beam_search(model, row[:count], self.beam_size, self.max_symbols)
            for row, count in zip(encoded, counts.tolist(), strict=True)
        ]
        tokens = [[list(hypothesis) for hypothesis, _ in beam] for beam in found]
        return [beam[0] for beam in tokens], None, tokens, [[score for _, score in beam] for beam in found]
