"""CTC beam search with an optional n-gram language model."""

import importlib.util
import math
from pathlib import Path

from speechbrain.decoders.ctc import CTCBeamSearcher

from summarymixing.utils.errors import InputError


class _Searcher(CTCBeamSearcher):
    """SpeechBrain's searcher, but it also scores the end of the sentence with the language model."""

    _at_end = False

    def finalize_decoding(self, beams, cached_lm_scores, cached_p_lm_scores, force_next_word=False, is_end=False):
        self._at_end = is_end
        try:
            return super().finalize_decoding(beams, cached_lm_scores, cached_p_lm_scores, force_next_word, is_end)
        finally:
            self._at_end = False

    def get_lm_beams(self, beams, cached_lm_scores, cached_partial_token_scores, is_eos=False):
        is_eos = is_eos or self._at_end
        if is_eos and self.lm is not None:
            for beam in beams:
                # After its last word a beam has no next word, and SpeechBrain would score the word "".
                if not beam.next_word and (beam.text, True) not in cached_lm_scores:
                    score, state = cached_lm_scores[beam.text, False]
                    cached_lm_scores[beam.text, True] = score + self._end_score(state.state), state
        return super().get_lm_beams(beams, cached_lm_scores, cached_partial_token_scores, is_eos)

    def _end_score(self, state):
        log10 = self.kenlm_model.BaseScore(state, "</s>", type(state)())
        return self.alpha * log10 * math.log(10)


def ctc_beam_search(tokenizer, blank_index=0, beam_size=100, language_model=None, lm_weight=0.5, word_score=1.5):
    """Make SpeechBrain's ``CTCBeamSearcher`` for a sentencepiece tokenizer; it also scores the end of the sentence.

    Parameters
    ----------
    tokenizer : sentencepiece.SentencePieceProcessor
        Its pieces are the outputs of the model.
    blank_index : int
        Index of the blank.
    beam_size : int
        Number of hypotheses.
    language_model : str or pathlib.Path, optional
        An n-gram model over words, ``.arpa`` or KenLM's binary format; needs the packages kenlm and pygtrie.
    lm_weight, word_score : float
        Weight of the language model; score added per word, because the language model prefers few words. Both are used
        only with a language model.

    Returns
    -------
    speechbrain.decoders.ctc.CTCBeamSearcher
        ``searcher(log_probs, lengths)`` returns a list of hypotheses for each utterance, the best first.

    Raises
    ------
    InputError
        As in :func:`check_language_model`; also if KenLM cannot read the file, or if the tokenizer's pieces cannot
        spell any word of the language model.

    Examples
    --------
    >>> import io, sentencepiece, torch
    >>> model = io.BytesIO()
    >>> sentencepiece.SentencePieceTrainer.Train(
    ...     sentence_iterator=iter(["A B A"]), model_writer=model, vocab_size=4, model_type="char",
    ...     bos_id=-1, eos_id=-1, minloglevel=2)
    >>> tokenizer = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    >>> search = ctc_beam_search(tokenizer, beam_size=3)
    >>> frames = torch.tensor(tokenizer.encode("A B"))
    >>> search(torch.nn.functional.one_hot(frames, 4).float().mul(9).log_softmax(-1)[None], torch.ones(1))[0][0].text
    'A B'
    """
    check_language_model(language_model, beam_size)
    pieces = [tokenizer.id_to_piece(index) for index in range(tokenizer.get_piece_size())]
    try:
        words = _words(language_model)
        searcher = _Searcher(
            blank_index=blank_index,
            vocab_list=pieces,
            beam_size=beam_size,
            kenlm_model_path=None if language_model is None else str(language_model),
            alpha=lm_weight,
            beta=word_score,
            unigrams=words,
        )
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{language_model}: key ngram_lm: KenLM cannot read this file ({reason})") from error
    # Otherwise every word would be unknown to the language model, which SpeechBrain does not notice.
    if words and all(tokenizer.unk_id() in tokenizer.encode(word) for word in words):
        raise InputError(
            f"{language_model}: key ngram_lm: the tokenizer has no pieces for any of its words, such as "
            f"{max(words, key=len)!r}; give a model whose words are spelt as in the transcripts (LibriSpeech's are in "
            "capitals), or null"
        )
    return searcher


def _words(language_model):
    """The words of an ARPA file; None without a model, and for a binary one, which does not list its words."""
    if language_model is None or not str(language_model).endswith(".arpa"):
        return None
    from speechbrain.integrations.decoders.kenlm_scorer import load_unigram_set_from_arpa  # needs kenlm and pygtrie

    return load_unigram_set_from_arpa(str(language_model))


def check_language_model(language_model, beam_size):
    """Refuse an n-gram model that is missing or cannot be used.

    Parameters
    ----------
    language_model : str or pathlib.Path or None
        The key ``ngram_lm``.
    beam_size : int
        The key ``test_beam_size``.

    Raises
    ------
    InputError
        If the file or a package is missing, or decoding is greedy.

    Examples
    --------
    >>> check_language_model(None, beam_size=1)
    """
    if language_model is None:
        return
    if not Path(language_model).is_file():
        raise InputError(f"{language_model}: no such file; correct the key ngram_lm, or set it to null")
    if beam_size < 2:
        raise InputError(
            f"{language_model}: key ngram_lm needs beam search: set the key test_beam_size, now {beam_size}, to 100"
        )
    missing = [name for name in ("kenlm", "pygtrie") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"{language_model}: key ngram_lm needs {' and '.join(missing)}; run: pip install {' '.join(missing)}, "
            "or set ngram_lm to null"
        )
