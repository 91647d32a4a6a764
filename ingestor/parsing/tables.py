"""Tables as text: one line a row, cells joined by ``" | "``, the header row apart as context."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_NUMBER = re.compile(r"[-+(]?[$€£]?\d[\d.,:/ %-]*\)?[%€]?")
CELL_GAP = " | "


def row_line(cells: Sequence[str]) -> str:
    """One row; white space inside a cell becomes single spaces, trailing empty cells go."""
    cleaned = [" ".join(cell.split()) for cell in cells]
    while cleaned and not cleaned[-1]:
        cleaned.pop()
    return CELL_GAP.join(cleaned)


def table_text(rows: Iterable[Sequence[str]]) -> tuple[str, str]:
    """(text, header line). Empty rows go; the header is empty where the first row reads like data."""
    kept = [row for row in rows if any(cell.strip() for cell in row)]
    if not kept:
        return "", ""
    header = row_line(kept[0]) if len(kept) > 1 and is_header(kept[0]) else ""
    return "\n".join(map(row_line, kept)), header


def is_header(row: Sequence[str]) -> bool:
    """Whether the first row names columns: at least two words, and no cell that is only a number."""
    cells = [cell.strip() for cell in row if cell.strip()]
    return len(cells) >= 2 and not any(_NUMBER.fullmatch(cell) for cell in cells)


def html_rows(markup: str) -> list[list[str]]:
    """The rows of an HTML table, a merged cell once, padded to keep its columns."""
    from lxml import html

    rows = []
    for row in html.fragment_fromstring(markup, create_parent="div").iter("tr"):
        cells: list[str] = []
        for cell in row.iterchildren("td", "th"):
            span = cell.get("colspan", "1")
            cells.append(" ".join(" ".join(cell.itertext()).split()))
            cells.extend([""] * (min(int(span), 100) - 1 if span.isdigit() else 0))
        rows.append(cells)
    return rows
