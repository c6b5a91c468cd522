"""One training loop for all objectives: the Brain, its schedulers, parameter groups and checks."""
