"""A suite: cells that are measured together, and the tables that are made from them."""

from __future__ import annotations

from dataclasses import dataclass, field

from summarymixing.benchmarks.cells import Cell
from summarymixing.benchmarks.comparisons import Table
from summarymixing.benchmarks.registry import entry
from summarymixing.benchmarks.streaming import StreamCell

FRAMES_A_SECOND = 25


@dataclass
class Suite:
    """Cells that are measured in one run.

    Attributes
    ----------
    name, title : str
        Name of the files; heading.
    cells : list of Cell or StreamCell
        All of one kind.
    tables : list of Table
        From these cells.
    rounds : tuple of int
        Fewest and most visits, unless others are asked for.
    budget_seconds : float
        Time for all visits, beyond the fewest, unless another is asked for.
    """

    name: str
    title: str
    cells: list = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    rounds: tuple[int, int] = (3, 50)
    budget_seconds: float = 240.0


@dataclass(frozen=True)
class Sizes:
    """Sizes of suites: full, or quick, which only shows that everything works.

    Examples
    --------
    >>> Sizes(quick=True).frames([500, 8000])
    [10, 160]
    """

    quick: bool = False

    @property
    def model(self) -> dict:
        """Attributes of every cell."""
        return {"d_model": 32, "layers": 2} if self.quick else {}

    def frames(self, frames) -> list[int]:
        """Lengths in frames."""
        return [max(10, count // 50) for count in frames] if self.quick else list(frames)


def frames_of(seconds: float) -> int:
    """Number of encoder frames in a number of seconds, at 25 frames per second.

    Examples
    --------
    >>> frames_of(30)
    750
    """
    return max(1, round(seconds * FRAMES_A_SECOND))


def chunk_labels(chunk_size: int, left_context_size: int | None) -> tuple[str, str]:
    """Name a chunk size and a left context.

    Examples
    --------
    >>> chunk_labels(16, 4)
    ('chunks of 16', 'left context 4')
    """
    return (
        f"chunks of {chunk_size}",
        "all of the past" if left_context_size is None else f"left context {left_context_size}",
    )


def chunk_label(cell: Cell | StreamCell) -> str:
    """Name the chunks of a cell; an empty text without chunks.

    Examples
    --------
    >>> chunk_label(Cell("summarymixing_1", 100, chunk_size=16))
    'chunks of 16, all of the past'
    """
    if cell.chunk_size is None:
        return ""
    return ", ".join(chunk_labels(cell.chunk_size, cell.left_context_size))


def mixer_label(cell: Cell | StreamCell) -> str:
    """Name the mixer of a cell and its chunks."""
    chunks = chunk_label(cell)
    return entry(cell.mixer).label + (f", {chunks}" if chunks else "")


def frames_label(cell: Cell) -> str:
    """Name the length of a cell.

    Examples
    --------
    >>> frames_label(Cell("summarymixing_1", 1000))
    'T = 1,000'
    """
    return f"T = {cell.frames:,}"
