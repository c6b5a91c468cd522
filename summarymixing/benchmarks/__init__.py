"""The speed benchmark: mixers, levels and shapes measured side by side; ``summarymixing-benchmark`` is its command."""
