"""Text tables."""

from collections.abc import Sequence


def align(rows: Sequence[Sequence[str]], *, markdown: bool = True) -> str:
    """Returns rows as an aligned table; the first is the head, the first column is aligned to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = ["-" * widths[0], *("-" * (width - markdown) + ":" * markdown for width in widths[1:])]
    return "\n".join(_line(row, widths, markdown) for row in (rows[0], rule, *rows[1:]))


def _line(cells: Sequence[str], widths: Sequence[int], markdown: bool) -> str:
    rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    padded = [cells[0].ljust(widths[0]), *rest]
    return f"| {' | '.join(padded)} |" if markdown else "  ".join(padded).rstrip()
