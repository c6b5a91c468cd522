"""Tables and plots of recorded runs, and of published ones."""
