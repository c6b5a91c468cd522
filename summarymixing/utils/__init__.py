"""Errors, files, seeds, processes and memory."""
