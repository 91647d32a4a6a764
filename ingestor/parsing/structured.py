"""JSON and XML as text that can be read: ``key: value`` lines in the order of the file.

Read with json and lxml: unstructured sorts keys, escapes every letter beyond ASCII, takes data that look
like its own output for that, and loses text that follows a child element. Where a file is not well formed
its own text is taken instead: it is still what the source holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.formats import Format
from ingestor.parsing.html import declared_charset
from ingestor.parsing.text import decode, parse_text

if TYPE_CHECKING:
    from lxml.etree import _Element

# A value that renders to less than this stays one element; a larger one is taken apart by its keys.
_ELEMENT = 1500
_DEPTH = 200


def parse_json(request: ParseRequest) -> Document:
    """Blocks led by the keys above them; numbers stand as they were written."""
    text = decode(request.content)
    try:
        values = list(_values(text))
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        return replace(parse_text(request), kind=Format.JSON.value)
    assembly = Assembly()
    for value in values:
        for path, block in _pieces(value, ()):
            _add(assembly, path, block)
    return assembly.document(title="", kind=Format.JSON.value)


def parse_xml(request: ParseRequest) -> Document:
    """Paragraphs of mixed content whole, records as lines; no entity is expanded, nothing is loaded."""
    from lxml import etree

    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(decode(request.content, declared_charset(request.content)).encode(), parser)
    except (etree.XMLSyntaxError, ValueError):
        return replace(parse_text(request), kind=Format.XML.value)
    assembly = Assembly()
    for block in _xml_blocks(root, 0):
        assembly.block(ElementKind.PARAGRAPH, block)
    return assembly.document(title="", kind=Format.XML.value)


def _values(text: str) -> Iterator[Any]:
    """The value, or those of a file of one value a line."""

    def load(piece: str) -> Any:
        return json.loads(piece, parse_int=str, parse_float=str, parse_constant=str)

    try:
        yield load(text)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        yield from [load(line) for line in lines]


def _pieces(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """(keys above, lines) in order: whole where small, by its parts where large."""
    if len(path) > _DEPTH:
        raise _too_deep()
    lines = "\n".join(_lines(value, 0))
    if len(lines) <= _ELEMENT or not isinstance(value, dict | list):
        yield path, lines
        return
    if isinstance(value, list):
        for item in value:
            yield from _pieces(item, path)
        return
    small: list[str] = []
    for key, item in value.items():
        rendered = list(_lines({key: item}, 0))
        if sum(map(len, rendered)) <= _ELEMENT // 4 and not isinstance(item, dict | list):
            small += rendered
            continue
        if small:
            yield path, "\n".join(small)
            small = []
        yield from _pieces(item, (*path, key))
    if small:
        yield path, "\n".join(small)


def _lines(value: Any, depth: int) -> Iterator[str]:
    if depth > _DEPTH:
        raise _too_deep()
    pad = "  " * depth
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, dict | list) and item:
                yield f"{pad}{key}:"
                yield from _lines(item, depth + 1)
            else:
                yield f"{pad}{key}: {_scalar(item)}"
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list) and item:
                nested = list(_lines(item, depth + 1))
                yield f"{pad}- {nested[0].lstrip()}"
                yield from nested[1:]
            else:
                yield f"{pad}- {_scalar(item)}"
    else:
        yield pad + _scalar(value)


def _scalar(value: Any) -> str:
    """As JSON says it, without its quotes; an empty object or list as its brackets."""
    if isinstance(value, str):
        return value
    return json.dumps(value)


def _add(assembly: Assembly, path: tuple[str, ...], block: str) -> None:
    """Keys are not headings (they repeat, and are no text of their own): they lead the block."""
    assembly.block(ElementKind.PARAGRAPH, f"{' > '.join(path)}:\n{block}" if path and block.strip() else block)


def _too_deep() -> ParseFailure:
    return ParseFailure(
        ParseReason.EXPANSION, "The file is nested too deeply to be read.", hint="Check the file, or exclude it."
    )


def _xml_blocks(element: _Element, depth: int) -> Iterator[str]:
    """Leaves with a common parent as one block of lines, mixed content as a paragraph."""
    if depth > _DEPTH:
        raise _too_deep()
    if _has_own_text(element):
        yield _record_line(element)
        return
    attributes = _attributes(element)
    lines = [f"{_tag(element)} ({attributes})"] if attributes else []
    for child in element:
        if not isinstance(child.tag, str):
            continue
        if _has_own_text(child) and len(child):  # prose with markup in it
            yield from ["\n".join(lines)] if lines else []
            lines = []
            yield " ".join("".join(child.itertext()).split())
        elif not len(child):
            line = _record_line(child)
            lines += [line] if line else []
        else:
            yield from ["\n".join(lines)] if lines else []
            lines = []
            yield from _xml_blocks(child, depth + 1)
    if lines:
        yield "\n".join(lines)


def _has_own_text(element: _Element) -> bool:
    return bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)


def _record_line(element: _Element) -> str:
    text = " ".join("".join(element.itertext()).split())
    attributes = _attributes(element)
    if not text and not attributes:
        return ""
    return f"{_tag(element)}{f' ({attributes})' if attributes else ''}{f': {text}' if text else ''}"


def _attributes(element: _Element) -> str:
    return ", ".join(f"{_local(str(name))}: {value}" for name, value in element.attrib.items() if str(value).strip())


def _tag(element: _Element) -> str:
    return _local(str(element.tag))


def _local(name: str) -> str:
    return name.rpartition("}")[2]
