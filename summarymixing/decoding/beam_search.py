"""Joint CTC/attention beam search with an optional language model; the batch does not change its result."""

import torch
from speechbrain.decoders.scorer import CTCScorer, ScorerBuilder, TransformerLMScorer
from speechbrain.decoders.seq2seq import S2STransformerBeamSearcher
from torch import nn

from summarymixing.decoding.incremental_decoder import IncrementalDecoder
from summarymixing.decoding.language_model import load_language_model
from summarymixing.ops.masks import frames_and_counts


class BeamSearch(nn.Module):
    """SpeechBrain's ``S2STransformerBeamSearcher``, optionally with ``CTCScorer`` and ``TransformerLMScorer``.

    It is called with the output of the model, frames and their counts; SpeechBrain's ``EncoderDecoderASR`` also passes
    relative lengths.

    Parameters
    ----------
    model : EncoderDecoder
        The model whose decoder and outputs are used. This module itself has no parameters.
    bos_index, eos_index, blank_index : int
        Tokens: begin of sentence, end of sentence, CTC's blank.
    beam_size : int
        Number of hypotheses; 1 is greedy.
    ctc_weight : float
        Weight of CTC's score, from 0 to less than 1; the decoder has the rest. 0 leaves CTC out.
    temperature : float
        Divisor of the decoder's logits.
    max_decode_ratio : float
        Largest number of tokens of a hypothesis, divided by the number of encoder frames.
    ctc_candidates : int, optional
        Number of tokens per step that CTC scores, the best by the other scores; by default all, which takes much more
        memory.
    language_model : str, optional
        A local folder, or the name of a hub repository, that holds ``lm.ckpt``. It is loaded at the first use, or by
        :meth:`load`.
    make_language_model : callable, optional
        ``make_language_model(vocab=...)`` returns SpeechBrain's ``TransformerLM``.
    lm_weight, lm_temperature : float
        Weight of the language model's score; divisor of its logits.

    Raises
    ------
    ValueError
        If ``ctc_weight`` is not from 0 to less than 1, or a size, ratio, temperature or weight is out of range.

    Examples
    --------
    >>> from summarymixing.lobes import (
    ...     ConformerEncoder, ConvolutionalFrontEnd, EncoderDecoder, GlobalNormalization, LogMel, SpeechEncoder,
    ...     TransformerDecoder
    ... )
    >>> encoder = SpeechEncoder(
    ...     LogMel(), GlobalNormalization(80), ConvolutionalFrontEnd(80), ConformerEncoder(1, 64, 128)
    ... )
    >>> model = EncoderDecoder(encoder, TransformerDecoder(30, 64, 4, 128, num_layers=1), vocab_size=30).eval()
    >>> search = BeamSearch(model, bos_index=1, eos_index=2, beam_size=2, max_decode_ratio=0.2)
    >>> tokens, lengths, scores, log_probs = search(model(torch.rand(2, 16000)))
    >>> len(tokens)
    2
    """

    def __init__(
        self,
        model,
        bos_index,
        eos_index,
        blank_index=0,
        beam_size=10,
        ctc_weight=0.4,
        temperature=1.0,
        max_decode_ratio=1.0,
        ctc_candidates=None,
        language_model=None,
        make_language_model=None,
        lm_weight=0.0,
        lm_temperature=1.0,
    ):
        super().__init__()
        _check(beam_size, ctc_weight, temperature, max_decode_ratio, ctc_candidates, lm_weight, lm_temperature)
        # In a tuple, which PyTorch does not search for modules: no parameter may appear twice in an experiment.
        self._model = (model,)
        self._searcher = None
        self.blank_index = blank_index
        self.ctc_weight = ctc_weight
        self.ctc_candidates = ctc_candidates
        self.language_model = language_model
        self.make_language_model = make_language_model
        self.lm_weight = lm_weight
        self.lm_temperature = lm_temperature
        self.settings = {
            "bos_index": bos_index,
            "eos_index": eos_index,
            "beam_size": beam_size,
            "temperature": temperature,
            "min_decode_ratio": 0.0,
            "max_decode_ratio": max_decode_ratio,
            "using_eos_threshold": False,
            "length_normalization": True,
        }

    def load(self):
        """Load the language model, if there is one, and create the searcher.

        Raises
        ------
        InputError
            If the language model cannot be found, or does not fit.
        """
        (model,) = self._model
        full, partial, weights, scale = [], [], {}, 1
        if self.language_model is not None:
            vocab_size = model.output.out_features
            lm = load_language_model(self.language_model, self.make_language_model, vocab_size)
            full.append(TransformerLMScorer(lm, self.lm_temperature))
            weights["transformerlm"] = self.lm_weight
        if self.ctc_weight > 0:
            ctc = CTCScorer(model.ctc_output, self.blank_index, self.settings["eos_index"])
            if self.ctc_candidates is None:
                full.append(ctc)
            else:
                partial.append(ctc)
                scale = self.ctc_candidates / self.settings["beam_size"]
            weights["ctc"] = self.ctc_weight
        scorer = ScorerBuilder(weights, full, partial, scale) if weights else None
        searcher = _Searcher([model.decoder, model.output], scorer=scorer, **self.settings)
        self._searcher = (searcher,)

    @torch.no_grad()
    def forward(self, encoder_out, wav_lens=None):
        """Decode a padded batch; each utterance gets the result that it would get alone.

        Parameters
        ----------
        encoder_out, wav_lens
            As :func:`~summarymixing.ops.masks.frames_and_counts` takes them.

        Returns
        -------
        list of list of int
            Best hypothesis of each utterance, without begin and end of sentence.
        torch.Tensor
            (B,) relative lengths of these hypotheses.
        torch.Tensor
            (B,) their scores.
        torch.Tensor
            Log-probabilities of their tokens.
        """
        if self._searcher is None:
            self.load()
        (searcher,) = self._searcher
        frames, counts = frames_and_counts(encoder_out, wav_lens)
        counts = counts.clamp(min=1)
        longest = int(counts.max())
        # SpeechBrain's searcher takes counts / T, and rounds them back to counts.
        lengths = (counts / longest).to(frames.device, non_blocking=True)
        with torch.autocast(frames.device.type, enabled=False):
            return searcher(frames[:, :longest].float(), lengths)


def _check(beam_size, ctc_weight, temperature, max_decode_ratio, ctc_candidates, lm_weight, lm_temperature):
    """Refuse values for which the scores have no meaning."""
    if beam_size < 1 or (ctc_candidates is not None and ctc_candidates < 1):
        raise ValueError(f"beam_size={beam_size} and ctc_candidates={ctc_candidates} must be at least 1.")
    if not 0 <= ctc_weight < 1:
        # Without the decoder's score SpeechBrain's search does not end; CTC alone is decoded by ctc_beam_search.
        raise ValueError(
            f"ctc_weight={ctc_weight} must be from 0 to less than 1: the decoder needs some weight, such as 0.01."
        )
    if not (temperature > 0 and lm_temperature > 0 and max_decode_ratio > 0 and lm_weight >= 0):
        raise ValueError(
            f"temperature={temperature}, lm_temperature={lm_temperature} and max_decode_ratio={max_decode_ratio} must "
            f"be more than 0, and lm_weight={lm_weight} must be 0 or more."
        )


class _Searcher(S2STransformerBeamSearcher):
    """SpeechBrain's searcher with an incremental decoder; each utterance's own length limits its number of tokens."""

    def set_n_out(self):
        return self.fc.out_features

    def init_beam_search_data(self, enc_states, wav_len):
        data = super().init_beam_search_data(enc_states, wav_len)
        counts = data[-1][:: self.beam_size]
        self.decoder = IncrementalDecoder(self.model, enc_states, counts, self.beam_size)
        limits = (data[-1] * self.max_decode_ratio).long().clamp(min=1)  # of each hypothesis
        self.last_steps = limits - 1
        # For a short utterance and a small ratio SpeechBrain computes 0 steps, which fails.
        self.max_decode_steps = int(limits.max())
        return data

    def forward_step(self, inp_tokens, memory, enc_states, enc_lens):
        states, memory = self.decoder.step(inp_tokens, memory)
        return self.softmax(self.fc(states) / self.temperature), memory, None

    def permute_mem(self, memory, index):
        return [past.index_select(0, index) for past in memory]

    def _set_eos_minus_inf_step(self, log_probs, step, min_decode_steps):
        """At its last step a hypothesis can only end."""
        ended = (self.last_steps <= step).unsqueeze(1)
        others = torch.arange(log_probs.shape[1], device=log_probs.device) != self.eos_index
        return log_probs.masked_fill(ended & others, self.minus_inf)
