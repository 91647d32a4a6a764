"""Workbooks: each sheet a section and a page, its blocks of rows as tables.

Read with openpyxl, and xlrd for the format of before 2007: unstructured reads through pandas, which drops cells
that say NA and rewrites numbers and dates.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.archive import archive_keywords, archive_title, encrypted, open_archive
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.drawings import add_figure, attribute, local_name
from ingestor.parsing.formats import Format
from ingestor.parsing.ooxml import Package
from ingestor.parsing.tables import table_text
from ingestor.parsing.titles import best_title

if TYPE_CHECKING:
    from lxml.etree import _Element

# Text of more cells than this has no use as a passage, and its rows no end in memory.
_CELLS = 2_000_000


def parse_xlsx(request: ParseRequest) -> Document:
    """``page`` is the sheet from 1, the section its name; values are those last calculated."""
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(request.content), read_only=True, data_only=True)
    with open_archive(request.content, Format.XLSX.value) as archive:
        own, tags = archive_title(archive), archive_keywords(archive)
        drawn = _drawings(Package(archive))
    assembly = Assembly()
    budget = SheetBudget()
    for page, sheet in enumerate(book.worksheets, start=1):
        sheet.reset_dimensions()  # a file may claim a million empty rows
        rows = []
        for row in sheet.iter_rows():
            budget.take(len(row))
            rows.append([_cell_text(cell.value, cell.number_format) for cell in row])
        before = len(assembly.elements)
        add_sheet(assembly, sheet.title, rows, page=page)
        figures = drawn.get(sheet.title, ())
        if figures and len(assembly.elements) == before:  # a sheet of nothing but a chart
            assembly.close_sections()
            assembly.heading(sheet.title, 1, page=page)
        for figure in figures:
            add_figure(assembly, figure, page)
    book.close()
    return assembly.document(title=best_title((own,)), kind=Format.XLSX.value, tags=tags)


def _drawings(package: Package) -> dict[str, list[_Element]]:
    """What is drawn on the sheets, by their names: shapes with text, then charts. openpyxl drops both."""
    main = package.main("xl/workbook.xml")
    sheets = package.relations(main)
    book = package.part(main)
    found: dict[str, list[_Element]] = {}
    for node in () if book is None else book.iter():
        if local_name(node) != "sheet" or attribute(node, "id") not in sheets:
            continue
        name, (_, sheet) = attribute(node, "name"), sheets[attribute(node, "id")]
        for part in (part for kind, part in package.relations(sheet).values() if kind == "drawing"):
            charts = (part for kind, part in package.relations(part).values() if kind == "chart")
            parts = map(package.part, (part, *charts))
            found.setdefault(name, []).extend(root for root in parts if root is not None)
    return found


def parse_xls(request: ParseRequest) -> Document:
    """As ``parse_xlsx``, for workbooks of Excel 5 to 2003."""
    import xlrd

    try:
        book = xlrd.open_workbook(
            file_contents=_records(request.content), formatting_info=True, ragged_rows=True, logfile=io.StringIO()
        )
    except xlrd.XLRDError as error:
        if "encrypted" in str(error):
            raise encrypted(Format.XLS.value) from error
        raise
    assembly = Assembly()
    budget = SheetBudget()
    for page, sheet in enumerate(book.sheets(), start=1):
        rows = []
        for number in range(sheet.nrows):
            row = sheet.row(number)
            budget.take(len(row))
            rows.append([_old_cell_text(book, cell) for cell in row])
        add_sheet(assembly, sheet.name, rows, page=page)
    return assembly.document(title="", kind=Format.XLS.value)


def _records(content: bytes) -> bytes:
    """The workbook's stream out of its container. xlrd, given the container, follows a chain that leads into itself
    without an end."""
    import olefile

    with olefile.OleFileIO(io.BytesIO(content)) as ole:
        return bytes(ole.openstream("Workbook" if ole.exists("Workbook") else "Book").read())


class SheetBudget:
    """Counts the cells of a workbook down; ``take`` raises ``ParseFailure`` (too_large) at the end."""

    def __init__(self) -> None:
        self._left = _CELLS

    def take(self, cells: int) -> None:
        self._left -= cells + 1  # a row without cells is not free either
        if self._left < 0:
            raise ParseFailure(
                ParseReason.TOO_LARGE,
                f"The workbook has more than {_CELLS:,} cells.",
                hint="Split it, or exclude it.",
            )


def add_sheet(assembly: Assembly, name: str, rows: Iterable[list[str]], *, page: int) -> None:
    """A section of the sheet's name; a sheet without text adds nothing, not even its name."""
    blocks = list(_blocks(rows))
    if not blocks:
        return
    assembly.close_sections()
    assembly.heading(name, 1, page=page)
    for block in blocks:
        _add_block(assembly, block, page)


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


def _cell_text(value: Any, number_format: str | None) -> str:
    """The value as a person reads it, without the cell's cosmetics, except percent."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        if "%" in (number_format or ""):
            return f"{round(value * 100, 6):g}%"
        # The fifteen digits that spreadsheets show: 0.1 + 0.2 is 0.3.
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(sep=" ")
    return str(value)


def _old_cell_text(book: Any, cell: Any) -> str:
    import xlrd

    match cell.ctype:
        case xlrd.XL_CELL_DATE:
            try:
                return _cell_text(xlrd.xldate_as_datetime(cell.value, book.datemode), None)
            except (xlrd.XLDateError, ValueError, OverflowError):
                return _cell_text(cell.value, None)
        case xlrd.XL_CELL_BOOLEAN:
            return _cell_text(bool(cell.value), None)
        case xlrd.XL_CELL_ERROR:
            return str(xlrd.error_text_from_code.get(cell.value, ""))
        case xlrd.XL_CELL_NUMBER:
            return _cell_text(cell.value, _old_format(book, cell.xf_index))
        case _:
            return str(cell.value)


def _old_format(book: Any, index: int | None) -> str:
    """The number format of a cell; empty where the file does not say."""
    if index is None or not 0 <= index < len(book.xf_list):
        return ""
    found = book.format_map.get(book.xf_list[index].format_key)
    return "" if found is None else str(found.format_str)
