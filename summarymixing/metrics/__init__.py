"""Error rates, semantic frames and confidence intervals."""
