"""Encoders: stacks of layers around any mixer."""
