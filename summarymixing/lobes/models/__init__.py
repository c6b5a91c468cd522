"""Whole models: waveform in, output and frame counts out."""
