"""Excel workbooks: each sheet a section and a page, its blocks of rows as tables.

Read with openpyxl: unstructured reads through pandas, which drops cells that say NA and rewrites numbers
and dates.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterable, Iterator
from typing import Any

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.archive import archive_title, open_archive
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.formats import Format
from ingestor.parsing.tables import table_text
from ingestor.parsing.titles import best_title

# Text of more cells than this has no use as a passage, and its rows no end in memory.
_CELLS = 2_000_000


def parse_xlsx(request: ParseRequest) -> Document:
    """``page`` is the sheet from 1, the section its name; values are those last calculated."""
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(request.content), read_only=True, data_only=True)
    assembly = Assembly()
    budget = _CELLS
    for page, sheet in enumerate(book.worksheets, start=1):
        sheet.reset_dimensions()  # a file may claim a million empty rows
        rows = []
        for row in sheet.iter_rows():
            cells = [_cell_text(cell) for cell in row]
            budget -= len(cells)
            if budget < 0:
                raise ParseFailure(
                    ParseReason.TOO_LARGE,
                    f"The workbook has more than {_CELLS:,} cells.",
                    hint="Split it, or exclude it.",
                )
            rows.append(cells)
        blocks = list(_blocks(rows))
        if not blocks:
            continue
        assembly.close_sections()
        assembly.heading(sheet.title, 1, page=page)
        for block in blocks:
            _add_block(assembly, block, page)
    book.close()
    if not any(e.level is None for e in assembly.elements):
        assembly = Assembly()  # names of empty sheets are no text
    with open_archive(request.content, Format.XLSX.value) as archive:
        own = archive_title(archive)
    return assembly.document(title=best_title((own,)), kind=Format.XLSX.value)


def _add_block(assembly: Assembly, block: list[list[str]], page: int) -> None:
    """Rows of one cell above a table are its caption or notes; the rest is the table."""
    while block and _filled(block[0]) == 1 and (len(block) == 1 or _filled(block[1]) != 1 or _is_prose(block[0])):
        assembly.block(ElementKind.PARAGRAPH, next(cell for cell in block.pop(0) if cell.strip()), page=page)
    if block:
        text, header = table_text(block)
        assembly.block(ElementKind.TABLE, text, page=page, context=header)


def _blocks(rows: Iterable[list[str]]) -> Iterator[list[list[str]]]:
    """Runs of rows between empty ones, without the columns that are empty on the left."""
    block: list[list[str]] = []
    for row in (*rows, []):
        if any(cell.strip() for cell in row):
            block.append(row)
        elif block:
            margin = min(next(i for i, cell in enumerate(r) if cell.strip()) for r in block)
            yield [r[margin:] for r in block]
            block = []


def _filled(row: list[str]) -> int:
    return sum(1 for cell in row if cell.strip())


def _is_prose(row: list[str]) -> bool:
    return len("".join(row).split()) > 8


def _cell_text(cell: Any) -> str:
    """The value as a person reads it, without the cell's cosmetics, except percent."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        if "%" in (cell.number_format or ""):
            return f"{round(value * 100, 6):g}%"
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(sep=" ")
    return str(value)
