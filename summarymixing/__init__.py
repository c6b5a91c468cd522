"""SummaryMixing recipes: linear-time token mixers for SpeechBrain speech encoders."""

__version__ = "0.1.0"
