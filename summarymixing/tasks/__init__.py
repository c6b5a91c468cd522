"""Training objectives: one SpeechBrain Brain each, and the data that feeds them."""
