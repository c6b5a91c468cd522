"""From waveforms to the frames of an encoder."""
