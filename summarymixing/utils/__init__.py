"""Helpers of all other packages: errors, files, seeds, processes, memory."""
