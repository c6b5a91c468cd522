"""Training objectives: one SpeechBrain Brain per objective."""
