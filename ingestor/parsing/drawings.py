"""What office files draw apart from their text: charts and diagrams, the same parts in Word, slides and workbooks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingestor.model import ElementKind
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.tables import table_text

if TYPE_CHECKING:
    from lxml.etree import _Element

FIGURES = {"chart": "id", "relIds": "dm"}
"""What stands for a chart or a diagram, and its attribute that names the relation to its part."""

_CATEGORIES = frozenset({"cat", "xVal"})
_VALUES = frozenset({"val", "yVal"})


def local_name(node: _Element) -> str:
    """Without its namespace: office files have two for each, transitional and strict."""
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""


def attribute(node: _Element, name: str) -> str:
    """By its local name; empty where it is not there."""
    return next((str(value) for key, value in node.attrib.items() if str(key).rpartition("}")[2] == name), "")


def add_figure(assembly: Assembly, root: _Element, page: int | None) -> None:
    """A chart as its titles and its data, a diagram as its paragraphs."""
    if local_name(root) != "chartSpace":
        for text in paragraphs(root):
            assembly.block(ElementKind.PARAGRAPH, text, page=page)
        return
    titles, data, header = _chart(root)
    assembly.block(ElementKind.PARAGRAPH, titles, page=page)
    assembly.block(ElementKind.TABLE, data, page=page, context=header)


def paragraphs(root: _Element) -> Iterator[str]:
    """The paragraphs of DrawingML text (diagrams, shapes, titles of charts), those without words left out."""
    for node in root.iter():
        if local_name(node) == "p" and (text := "".join(_line(node)).strip()):
            yield text


def _chart(root: _Element) -> tuple[str, str, str]:
    """(its titles, its data as a table, the header of that): categories in the first row, then each series."""
    titles = "\n".join(paragraphs(root))
    rows: list[list[str]] = []
    for series in (node for node in root.iter() if local_name(node) == "ser"):
        parts = {local_name(child): child for child in series}
        name = " ".join(_points(parts["tx"])) if "tx" in parts else ""
        categories = [point for key in _CATEGORIES if key in parts for point in _points(parts[key])]
        values = [point for key in _VALUES if key in parts for point in _points(parts[key])]
        if categories and ["", *categories] not in rows:
            rows.append(["", *categories])
        rows.append([name, *values])
    return (titles, *table_text(rows))


def _line(paragraph: _Element) -> Iterator[str]:
    for node in paragraph.iter():
        name = local_name(node)
        if name == "t":
            yield node.text or ""
        elif name in {"br", "tab"}:
            yield " "


def _points(node: _Element) -> list[str]:
    """The values that were last shown, cells without one empty."""
    found: dict[int, str] = {}
    count = itertools.count()
    for point in node.iter():
        if local_name(point) == "pt":
            index = attribute(point, "idx")
            value = next((child.text or "" for child in point if local_name(child) == "v"), "")
            found[int(index) if index.isdecimal() else next(count)] = value
    return [value for _, value in sorted(found.items())]
