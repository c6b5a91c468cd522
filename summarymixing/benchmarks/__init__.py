"""The speed benchmark: mixers, levels and shapes measured side by side; ``tools/benchmark.py`` is its command."""
