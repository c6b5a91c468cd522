"""A published result table, and beside each number what recorded runs hold; a cell that nobody ran is empty."""

from pathlib import Path

from summarymixing.commands.tables import main

if __name__ == "__main__":
    main(root=Path(__file__).resolve().parents[1])
