"""Tables from rows of text: Markdown for files, columns for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

#: In a terminal's table, a heading is wrapped if it is wider than this and than the cells below it.
NARROWEST_HEADING = 10


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows of text as a Markdown table.

    Parameters
    ----------
    rows : sequence of sequence of str
        The header first.

    Returns
    -------
    str
        Without a newline at the end.

    Examples
    --------
    >>> print(markdown_table([["a", "bc"], ["1", "2.50"]]))
    | a   | bc   |
    |-----|------|
    | 1   | 2.50 |
    """
    return tabulate(rows, headers="firstrow", tablefmt="github", disable_numparse=True)


def terminal_table(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows of text in columns, long headings over several lines.

    Parameters
    ----------
    rows : sequence of sequence of str
        The header first.

    Returns
    -------
    str
        Without a newline at the end.

    Examples
    --------
    >>> print(terminal_table([["run", "word error rate (%)"], ["conformer", "12.34"]]))
    run        word error
               rate (%)
    ---------  ------------
    conformer  12.34
    """
    widths = [max([NARROWEST_HEADING, *map(len, cells)]) for _, *cells in zip(*rows, strict=True)]
    table = tabulate(rows, headers="firstrow", tablefmt="simple", disable_numparse=True, maxheadercolwidths=widths)
    return "\n".join(line.rstrip() for line in table.splitlines())
