"""OpenDocument spreadsheets and presentations, out of their ``content.xml``.

A cell holds the text that its program showed, so numbers, dates and percents read as people saw them. pandoc
reads neither format, and a library that opens them brings no more than this tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.archive import archive_keywords, archive_title, open_archive
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.formats import Format
from ingestor.parsing.spreadsheet import SheetBudget, add_sheet
from ingestor.parsing.tables import table_text
from ingestor.parsing.titles import best_title

if TYPE_CHECKING:
    from lxml.etree import _Element

_OASIS = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}"
_OFFICE, _TABLE, _TEXT = _OASIS % "office", _OASIS % "table", _OASIS % "text"
_DRAW, _SHOW = _OASIS % "drawing", _OASIS % "presentation"
_WHITE = {f"{_TEXT}s": " ", f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}
# Comments of reviewers, and what a program shows of its own on each slide (date, number).
_LEFT_OUT = frozenset({f"{_OFFICE}annotation", f"{_OFFICE}annotation-end"})
_FURNITURE = frozenset({"header", "footer", "date-time", "page-number"})
_DEPTH = 200


def parse_ods(request: ParseRequest) -> Document:
    """``page`` is the sheet from 1, the section its name."""
    body, own, tags = _body(request, Format.ODS)
    assembly = Assembly()
    budget = SheetBudget()
    for page, sheet in enumerate(body.iter(f"{_TABLE}table"), start=1):
        add_sheet(assembly, sheet.get(f"{_TABLE}name") or "", _rows(sheet, budget), page=page)
    return assembly.document(title=best_title((own,)), kind=Format.ODS.value, tags=tags)


def parse_odp(request: ParseRequest) -> Document:
    """``page`` is the slide; its title is its only heading and stands first, its notes last."""
    body, own, tags = _body(request, Format.ODP)
    assembly = Assembly()
    for page, slide in enumerate(body.iter(f"{_DRAW}page"), start=1):
        assembly.close_sections()
        titles = [node for node in slide if node.get(f"{_SHOW}class") == "title"]
        for title in titles:
            assembly.heading(" ".join(text for _, text in _blocks(title, 0)), 1, page=page)
        notes = slide.find(f"{_SHOW}notes")
        for node in slide:
            if node not in titles and node is not notes and node.get(f"{_SHOW}class") not in _FURNITURE:
                _add(assembly, node, page)
        for node in () if notes is None else notes:
            if node.get(f"{_SHOW}class") == "notes":
                _add(assembly, node, page)
    return assembly.document(title=best_title((own, assembly.first_heading())), kind=Format.ODP.value, tags=tags)


def _body(request: ParseRequest, fmt: Format) -> tuple[_Element, str, tuple[str, ...]]:
    """(content.xml, the document's own title, its keywords). No entity is expanded, nothing is loaded."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    with open_archive(request.content, fmt.value) as archive:
        own, tags = archive_title(archive), archive_keywords(archive)
        content = archive.read("content.xml")
    return etree.fromstring(content, parser), own, tags


def _rows(sheet: _Element, budget: SheetBudget) -> Iterator[list[str]]:
    for row in sheet.iter(f"{_TABLE}table-row"):
        cells = _cells(row)
        # A sheet ends in a row that is repeated a million times and holds nothing.
        for _ in range(_repeated(row, "rows") if cells else 1):
            budget.take(len(cells))
            yield cells


def _cells(row: _Element) -> list[str]:
    """Without the empty cells at the end, which are repeated up to the last column there could be."""
    cells: list[str] = []
    empty = 0
    for cell in row.iterchildren(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
        count = _repeated(cell, "columns")
        text = "\n".join(_words(part) for part in cell.iterchildren(f"{_TEXT}p"))
        if not text.strip():
            empty += count
            continue
        cells += [""] * empty + [text] * count
        empty = 0
    return cells


def _repeated(node: _Element, what: str) -> int:
    value = node.get(f"{_TABLE}number-{what}-repeated") or "1"
    return min(int(value), 2**20) if value.isdigit() else 1


def _add(assembly: Assembly, node: _Element, page: int) -> None:
    for kind, text in _blocks(node, 0):
        header = text.partition("\n")[0] if kind is ElementKind.TABLE else ""
        assembly.block(kind, text, page=page, context=header)


def _blocks(node: _Element, depth: int, *, item: bool = False) -> Iterator[tuple[ElementKind, str]]:
    """Paragraphs, items and tables below ``node``, in order."""
    if depth > _DEPTH:
        raise ParseFailure(
            ParseReason.EXPANSION, "The file is nested too deeply to be read.", hint="Check the file, or exclude it."
        )
    if node.tag in _LEFT_OUT or not isinstance(node.tag, str):
        return
    if node.tag in {f"{_TEXT}p", f"{_TEXT}h"}:
        yield ElementKind.LIST_ITEM if item else ElementKind.PARAGRAPH, _words(node)
    elif node.tag == f"{_TABLE}table":
        text, _ = table_text([_cells(row) for row in node.iter(f"{_TABLE}table-row")])
        yield ElementKind.TABLE, text
    else:
        inside = item or node.tag in {f"{_TEXT}list-item", f"{_TEXT}list-header"}
        for child in node:
            yield from _blocks(child, depth + 1, item=inside)


def _words(node: _Element) -> str:
    """The text of a paragraph: white space of the markup is one space, what the markup names is kept."""
    pieces = [" ".join(f"x{node.text or ''}x".split())[1:-1]]
    for child in node:
        if isinstance(child.tag, str) and child.tag not in _LEFT_OUT:
            if child.tag in _WHITE:
                count = child.get(f"{_TEXT}c") or "1"
                pieces.append(_WHITE[child.tag] * (min(int(count), 100) if count.isdigit() else 1))
            else:
                pieces.append(_words(child))
        pieces.append(" ".join(f"x{child.tail or ''}x".split())[1:-1])
    return "".join(pieces)
