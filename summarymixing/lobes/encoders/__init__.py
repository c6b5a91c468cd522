"""Stacks of layers around any mixer."""
