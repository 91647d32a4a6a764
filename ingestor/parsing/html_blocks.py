"""The blocks of a cleaned HTML tree, in order: headings, paragraphs, items, tables, code, quotes.

What is no known inline element ends the run of text before it, so no word is ever joined to another's, and none is
lost because it stands in an element that nobody expected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingestor.model import ElementKind
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.tables import table_text

if TYPE_CHECKING:
    from lxml.html import HtmlElement

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q rb rp rt ruby s samp small span"
    " button strike strong sub sup time tt u var wbr nobr blink math img input output meter progress".split()
)
# Says the formula once more, in another notation.
_LEFT_OUT = frozenset({"annotation", "annotation-xml", "head", "title", "rp", "datalist"})
_MATH_ITEMS = frozenset({"mi", "mn", "mo", "mtext", "ms"})
_SPAN = 100
_WHITE = re.compile(r"[ \t\n\r\f\u200b]+")


def add_blocks(assembly: Assembly, root: HtmlElement) -> list[tuple[int, str]]:
    """Append what ``root`` holds to ``assembly``; returns its headings as (level, text)."""
    reader = _Reader(assembly=assembly)
    reader.block(root)
    reader.flush()
    return reader.headings


@dataclass(slots=True)
class _Reader:
    assembly: Assembly
    headings: list[tuple[int, str]] = field(default_factory=list)
    _run: list[str] = field(default_factory=list)
    _quotes: int = 0
    _fresh_item: bool = False  # an item was opened and has shown no text yet

    def block(self, node: HtmlElement) -> None:
        self._text(node.text)
        for child in node:
            if not isinstance(child.tag, str) or child.tag in _LEFT_OUT:
                pass
            elif child.tag == "br":
                self._run.append(" ")
            elif child.tag in _INLINE and not _holds_blocks(child):
                self._run += inline(child)
            else:
                self.flush()
                self._open(child)
                self.flush()
            self._text(child.tail)

    def flush(self) -> None:
        """What has been collected becomes one element."""
        text = _WHITE.sub(" ", "".join(self._run)).strip()
        self._run.clear()
        if not text:
            return
        kind = ElementKind.QUOTE if self._quotes else ElementKind.PARAGRAPH
        self.assembly.block(ElementKind.LIST_ITEM if self._fresh_item else kind, text)
        self._fresh_item = False

    def _open(self, node: HtmlElement) -> None:
        match node.tag:
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
                self._heading(node)
            case "pre" | "xmp" | "listing":
                self.assembly.block(ElementKind.CODE, "".join(preformatted(node)))
                self._fresh_item = False
            case "table":
                text, header = table_text(_rows(node))
                self.assembly.block(ElementKind.TABLE, text, context=header)
                self._fresh_item = False
            case "blockquote":
                self._quotes += 1
                self.block(node)
                self.flush()
                self._quotes -= 1
            case "li":
                self._fresh_item = True
                self.block(node)
                self.flush()
                self._fresh_item = False
            case _:
                self.block(node)

    def _heading(self, node: HtmlElement) -> None:
        text = _WHITE.sub(" ", "".join(inline(node))).strip()
        level = int(node.tag[1])
        if text:
            self.headings.append((level, text))
        self.assembly.heading(text, level, anchor=_fragment(node))
        self._fresh_item = False

    def _text(self, text: str | None) -> None:
        if text:
            self._run.append(text)


def inline(node: HtmlElement) -> Iterator[str]:
    """The words of an element that is part of a line; the words for a picture stand in its place."""
    if node.tag == "img":
        yield f" {node.get('alt') or ''} "
    elif node.tag == "math":
        yield from _formula(node)
    else:
        yield node.text or ""
        for child in node:
            if isinstance(child.tag, str) and child.tag not in _LEFT_OUT:
                gap = "" if child.tag in _INLINE else " "
                yield gap
                yield from inline(child)
                yield gap
            yield child.tail or ""


def preformatted(node: HtmlElement) -> Iterator[str]:
    yield node.text or ""
    for child in node:
        if child.tag == "br":
            yield "\n"
        elif isinstance(child.tag, str):
            yield from preformatted(child)
        yield child.tail or ""


def _formula(node: HtmlElement) -> Iterator[str]:
    """Its symbols, set apart; without its other notations."""
    for child in node.iter():
        if child.tag in _MATH_ITEMS and not any(above.tag in _LEFT_OUT for above in child.iterancestors()):
            yield f" {child.text_content().strip()} "


def _holds_blocks(node: HtmlElement) -> bool:
    """A link around a paragraph, a font around half the page."""
    if node.tag == "math" or not len(node):
        return False
    return any(isinstance(below.tag, str) and below.tag not in _INLINE and below.tag != "br" for below in node.iter())


def _rows(table: HtmlElement) -> Iterator[list[str]]:
    """A merged cell stands once; empty ones keep the columns of what is beside and below it."""
    open_below: dict[int, int] = {}  # column -> rows that a cell above still covers
    for row in table.iter("tr"):
        cells: list[str] = []
        for cell in row.iterchildren("td", "th"):
            _skip_covered(cells, open_below)
            width, height = _span(cell, "colspan"), _span(cell, "rowspan")
            if height > 1:
                open_below.update(dict.fromkeys(range(len(cells), len(cells) + width), height - 1))
            cells += ["".join(inline(cell)), *[""] * (width - 1)]
        _skip_covered(cells, open_below)
        yield cells


def _skip_covered(cells: list[str], open_below: dict[int, int]) -> None:
    while (left := open_below.get(len(cells), 0)) > 0:
        open_below[len(cells)] = left - 1
        cells.append("")


def _span(cell: HtmlElement, name: str) -> int:
    value = cell.get(name) or "1"
    return max(1, min(int(value), _SPAN)) if value.isdecimal() and len(value) < 6 else 1


def _fragment(heading: HtmlElement) -> str | None:
    """The heading's own id, one inside it, or that of the section that it opens."""
    if heading.get("id"):
        return str(heading.get("id"))
    for node in heading.iter("a", "span"):
        if node.get("id") or node.get("name"):
            return str(node.get("id") or node.get("name"))
    parent = heading.getparent()
    if parent is not None and parent.tag in {"section", "div"} and parent.get("id"):
        first = next((child for child in parent if isinstance(child.tag, str)), None)
        if first is heading:
            return str(parent.get("id"))
    return None
