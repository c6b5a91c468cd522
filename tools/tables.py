"""A published result table, with the results of recorded runs beside each number; cells without a run are empty."""

from pathlib import Path

from summarymixing.commands.tables import main

if __name__ == "__main__":
    main(root=Path(__file__).resolve().parents[1])
