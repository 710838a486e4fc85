"""Tables: columns of text for a terminal, and the same as HTML for a notebook.

In: rows of cells. Out: text, or an object that shows itself.
Never: shows a cell unescaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


def align(rows: Sequence[Sequence[str]], *, right: bool = True) -> str:
    """Columns as text, the first to the left, the others to the right or the left; an empty row becomes a rule."""
    widths = [max(map(len, column)) for column in zip(*(row for row in rows if row), strict=True)]
    lines = []
    for row in rows:
        first, *others = row or ["-" * width for width in widths]
        set_others = [
            cell.rjust(width) if right else cell.ljust(width) for cell, width in zip(others, widths[1:], strict=True)
        ]
        lines.append("  ".join([first.ljust(widths[0]), *set_others]).rstrip())
    return "\n".join(lines)


def say(value: float, digits: int) -> str:
    """A figure with so many places, a real minus, and no minus before a nought."""
    text = f"{value:,.{digits}f}"
    return text.replace("-", "−") if float(text.replace(",", "")) else text.removeprefix("-")


class Table:
    """Rows that a notebook shows in place of an object; the first column is text, the others are set to the right."""

    def __init__(self, header: Sequence[str], rows: Iterable[Sequence[object]], *, right: bool = True) -> None:
        self.header = list(header)
        self.rows = [[str(cell) for cell in row] for row in rows]
        self.right = right
        if any(len(row) != len(self.header) for row in self.rows):
            raise ValueError(f"a row has a cell for each of {', '.join(self.header)}")

    def __repr__(self) -> str:
        return align([self.header, *self.rows], right=self.right)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        lines = [self._line("th", self.header), *(self._line("td", row) for row in self.rows)]
        return {"text/html": f"<table>{''.join(lines)}</table>", "text/plain": repr(self)}

    def _line(self, tag: str, row: Sequence[str]) -> str:
        aligned = ["left", *["right" if self.right else "left"] * (len(row) - 1)]
        # Both: GitHub drops styles, and JupyterLab's own override the attribute.
        cells = [
            f'<{tag} align="{side}" style="text-align: {side}">{html.escape(cell, quote=False)}</{tag}>'
            for side, cell in zip(aligned, row, strict=True)
        ]
        return f"<tr>{''.join(cells)}</tr>"
