"""The command-line programs: ``summarymixing-*`` once installed, and the scripts of the same names in ``tools/``."""
