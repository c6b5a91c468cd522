"""Training objectives: one SpeechBrain Brain each."""
