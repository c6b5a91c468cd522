"""Published result tables beside the results of recorded runs."""
