"""Functions without weights: means over time, running sums, positions, masks, random draws of self-supervision."""
