"""Ratios and slopes from the cells of one run, compared with their limits, and withheld while tests fail."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from summarymixing.benchmarks.cells import Cell
from summarymixing.benchmarks.timing import quantiles

#: Below this a process's memory is only noise of the allocator and the page tables.
SMALLEST_GROWTH = 2**20


@dataclass(frozen=True)
class Ratio:
    """``numerator`` over the largest of ``denominators``, in seconds or memory.

    Attributes
    ----------
    row, column : str
        Place in the table.
    numerator : Cell
        Measured in the same run as the others.
    denominators : tuple of Cell
        More than one where a floor is the larger of two.
    quantity : str
        "seconds" or "memory".
    expected : float, optional
        The ratio predicted by counting multiply-accumulates.
    """

    row: str
    column: str
    numerator: Cell
    denominators: tuple[Cell, ...]
    quantity: str = "seconds"
    expected: float | None = None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells it needs."""
        return (self.numerator, *self.denominators)

    def value(self, results) -> dict:
        """The ratio of the medians; for seconds over the rounds that visited both, with quantiles of their ratios."""
        pair = self.numerator, self._largest(results)
        if self.quantity == "seconds":
            rounds = list(zip(*(results[cell]["seconds"]["all"] for cell in pair), strict=False))
            over, under = (float(np.median(seconds)) for seconds in zip(*rounds, strict=True))
            spread = quantiles([a / b for a, b in rounds])
            found = {"value": over / under, "q10": spread["q10"], "q90": spread["q90"]}
        else:
            over, under = (_measure(results, cell, self.quantity) for cell in pair)
            found = {"value": over / under}
        if self.expected is not None:
            found["expected"] = self.expected
        return found

    def _largest(self, results):
        return max(self.denominators, key=lambda cell: _measure(results, cell, self.quantity))


@dataclass(frozen=True)
class Slope:
    """Growth with the length: the exponent a in ``quantity ~ length ** a``, by least squares on logarithms.

    Attributes
    ----------
    row, column : str
        Place in the table.
    cells : tuple of Cell
        Cells that differ only in their length.
    quantity : str
        "seconds" or "memory" (growth above the process before the call).
    """

    row: str
    column: str
    cells: tuple[Cell, ...]
    quantity: str = "seconds"

    def value(self, results) -> dict:
        """``value``, the slope."""
        sizes = [cell.frames * cell.rows for cell in self.cells]
        return {"value": slope(sizes, [_measure(results, cell, self.quantity) for cell in self.cells])}


def slope(x, y) -> float:
    """Least-squares slope of log y over log x.

    Examples
    --------
    >>> round(slope([1, 10, 100], [5, 50, 500]), 6)
    1.0
    """
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


@dataclass
class Table:
    """Numbers of one kind, and their limits.

    Attributes
    ----------
    title : str
        Names numerator and denominator.
    numbers : list of Ratio or Slope
        In the order of rows and columns.
    at_most, at_least : float, optional
        Limits that each number should keep.
    """

    title: str
    numbers: list = field(default_factory=list)
    at_most: float | None = None
    at_least: float | None = None

    def evaluate(self, results, failing=()) -> dict:
        """The table as plain data.

        Parameters
        ----------
        results : dict
            From `summarymixing.benchmarks.measure.measure_cells`.
        failing : collection of str
            Mixers whose tests fail.

        Returns
        -------
        dict
            ``title``, ``at_most``, ``at_least`` and ``numbers``: each with ``row``, ``column`` and either ``value``
            and ``kept`` (whether the limits are, None without) or ``withheld``, the reason why there is none.
        """
        numbers = [self._evaluate(number, results, failing) for number in self.numbers]
        return {"title": self.title, "at_most": self.at_most, "at_least": self.at_least, "numbers": numbers}

    def _evaluate(self, number, results, failing):
        place = {"row": number.row, "column": number.column}
        if any(cell.mixer in failing for cell in number.cells):
            return {**place, "withheld": "tests fail"}
        for cell in number.cells:
            found = results[cell]
            if found["reason"] is not None:
                return {**place, "withheld": "out of memory" if found["oom"] else "failed"}
            if _measure(results, cell, number.quantity) is None:
                return {**place, "withheld": "not measured"}
        found = number.value(results)
        kept = None
        if self.at_most is not None or self.at_least is not None:
            above = self.at_least is None or found["value"] >= self.at_least
            kept = above and (self.at_most is None or found["value"] <= self.at_most)
        return {**place, **found, "kept": kept}


def _measure(results, cell, quantity):
    found = results[cell][quantity]
    if found is None:
        return None
    return found["median"] if quantity == "seconds" else max(found["growth_bytes"], SMALLEST_GROWTH)
