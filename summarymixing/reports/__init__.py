"""Tables and plots of recorded runs, and tables of published numbers."""
