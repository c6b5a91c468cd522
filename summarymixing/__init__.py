"""SummaryMixing recipes: linear-time token mixers for SpeechBrain speech encoders."""

from summarymixing.utils import moved

__version__ = "0.1.0"

moved.install(__name__)
