"""Objectives of self-supervised learning: what is predicted at masked frames, and its loss."""
