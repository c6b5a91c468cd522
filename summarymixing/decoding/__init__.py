"""Decoding: greedy and beam search for CTC, transducers and encoder-decoders; language models."""

from summarymixing.decoding.beam_search import BeamSearch
from summarymixing.decoding.ctc import GreedyCTC, ctc_greedy_tokens
from summarymixing.decoding.language_model import load_language_model
from summarymixing.decoding.ngram import ctc_beam_search
from summarymixing.decoding.transducer import GreedyTransducer, TransducerSearcher, transducer_beam_search

__all__ = [
    "BeamSearch",
    "GreedyCTC",
    "GreedyTransducer",
    "TransducerSearcher",
    "ctc_beam_search",
    "ctc_greedy_tokens",
    "load_language_model",
    "transducer_beam_search",
]
