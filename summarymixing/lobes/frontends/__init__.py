"""Front ends: from waveforms to the input frames of an encoder."""
