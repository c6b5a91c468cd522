"""Objectives of self-supervised learning: the targets at masked frames, and the loss."""
