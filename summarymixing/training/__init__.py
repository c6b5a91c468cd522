"""The training loop of all objectives: the Brain, schedulers, parameter groups, checks and alarms."""
