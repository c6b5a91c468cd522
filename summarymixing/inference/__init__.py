"""From a run folder to text or labels, offline and as audio arrives."""

from summarymixing.inference.classifier import UtteranceClassifier
from summarymixing.inference.stream import Stream
from summarymixing.inference.transcriber import Transcriber

__all__ = ["Stream", "Transcriber", "UtteranceClassifier"]
