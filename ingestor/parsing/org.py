"""Org: its own text is the canonical text, read line by line.

The libraries for Org give headings with their properties, and bodies as strings without a place; pandoc gives
everything but the lines. The block structure of Org is told by how each line begins, so that is what is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.blocks import Block, elements_of, heading
from ingestor.parsing.formats import Format
from ingestor.parsing.keywords import listed
from ingestor.parsing.text import decode
from ingestor.parsing.titles import best_title

_STARS = re.compile(r"(\*+)\s+(.*)")
_STATE = re.compile(r"(?:(?:TODO|DONE|NEXT|WAITING|CANCELLED|CANCELED)\s+)?(?:\[#[A-Za-z0-9]\]\s*)?(?:COMMENT\s+)?")
_TAGS = re.compile(r"\s+:[\w@#%:]+:\s*$")
_LINK = re.compile(r"\[\[[^\[\]]+\]\[([^\[\]]+)\]\]|\[\[([^\[\]]+)\]\]")
_BEGIN = re.compile(r"\s*#\+begin_(\w+)", re.IGNORECASE)
_TITLE = re.compile(r"\s*#\+title:\s*(.*)", re.IGNORECASE)
_FILE_TAGS = re.compile(r"\s*#\+filetags:\s*(.*)", re.IGNORECASE)
_KEYWORDS = re.compile(r"\s*#\+keywords:\s*(.*)", re.IGNORECASE)
_KEYWORD = re.compile(r"\s*#\+\w+:|\s*#(?:\s|$)|\s*(?:CLOSED|DEADLINE|SCHEDULED|CLOCK):")
_DRAWER = re.compile(r"\s*:[\w-]+:\s*$")
_DRAWER_END = re.compile(r"\s*:end:\s*$", re.IGNORECASE)
_ITEM = re.compile(r"(\s*)(?:[-+]|\d+[.)]|[A-Za-z][.)]|(?<=\s)\*)(?:\s|$)")
_CAPTION = re.compile(r"\s*#\+caption(?:\[[^\]]*\])?:\s*\S", re.IGNORECASE)
_RULE = re.compile(r"\s*-{5,}\s*$")
_FIXED = re.compile(r"\s*:(?:\s|$)")
_CODE = frozenset({"src", "example", "export"})
_SILENT = frozenset({"comment"})


def parse_org(request: ParseRequest) -> Document:
    """Elements with heading path; ``has_lines`` is true. Keywords, drawers and comments are no elements."""
    text = decode(request.content)
    reader = _Reader(lines=text.split("\n"))
    elements = elements_of(text, reader.blocks())
    first = next((e.section[-1] for e in elements if e.level is not None), "")
    return Document(
        text=text,
        elements=elements,
        title=best_title((reader.title, first)),
        kind=Format.ORG.value,
        has_lines=True,
        tags=tuple(reader.tags),
    )


@dataclass(slots=True)
class _Reader:
    lines: list[str]
    title: str = ""
    tags: list[str] = field(default_factory=list)
    _run: int | None = field(default=None)  # where the paragraph, item or table that is open began
    _kind: ElementKind = field(default=ElementKind.PARAGRAPH)
    _never_closed: dict[str, int] = field(default_factory=dict)

    def blocks(self) -> Iterator[Block]:
        number = 0
        while number < len(self.lines):
            line = self.lines[number]
            after = self._special(number)
            if after is None:
                yield from self._text(number, line)
                number += 1
                continue
            yield from self._close(number)
            kind, end = after
            if (stars := _STARS.match(line)) is not None:
                title = _words(stars[2])
                if title:
                    yield heading(number, end, level=len(stars[1]), title=title)
            elif kind is not None:
                yield Block(kind=kind, first=number, last=end)
            elif (begun := _BEGIN.match(line)) is not None and end - number > 1 and begun[1].lower() not in _SILENT:
                # Quotes, centred and special blocks: what they hold is Org again, between two silent lines.
                quoted = begun[1].lower() in {"quote", "verse"}
                yield Block(kind=ElementKind.QUOTE if quoted else ElementKind.PARAGRAPH, first=number + 1, last=end - 1)
            number = end
        yield from self._close(len(self.lines))

    def _special(self, number: int) -> tuple[ElementKind | None, int] | None:
        """(kind, end) of what a line begins that is neither text, list nor table; None for those."""
        line = self.lines[number]
        if _STARS.match(line):
            return ElementKind.HEADING, number + 1
        if begun := _BEGIN.match(line):
            end = self._end(number, rf"\s*#\+end_{begun[1].lower()}\s*$")
            if end is not None:
                return (ElementKind.CODE if begun[1].lower() in _CODE else None), end
        if found := _TITLE.match(line):
            self.title = self.title or found[1].strip()
        if found := _FILE_TAGS.match(line):
            self.tags += found[1].split(":") if ":" in found[1] else found[1].split()
        if found := _KEYWORDS.match(line):
            self.tags += listed(found[1])
        if _DRAWER.match(line) and not _DRAWER_END.match(line):
            end = self._end(number, _DRAWER_END.pattern)
            if end is not None:
                return None, end
        if _CAPTION.match(line):
            return ElementKind.PARAGRAPH, number + 1
        if _FIXED.match(line):
            end = number
            while end < len(self.lines) and _FIXED.match(self.lines[end]):
                end += 1
            return ElementKind.CODE, end
        if _KEYWORD.match(line) or _RULE.match(line):
            return None, number + 1
        return None

    def _end(self, number: int, pattern: str) -> int | None:
        """The line after the one that closes what ``number`` opened; a heading closes nothing and ends the look."""
        if number < self._never_closed.get(pattern, 0):
            return None
        closing = re.compile(pattern, re.IGNORECASE)
        at = number + 1
        while at < len(self.lines) and not _STARS.match(self.lines[at]):
            if closing.match(self.lines[at]):
                return at + 1
            at += 1
        # Whoever asks again before that line gets the same answer: a file of nothing but openings stays cheap.
        self._never_closed[pattern] = at
        return None

    def _text(self, number: int, line: str) -> Iterator[Block]:
        """A line of a paragraph, a list or a table: opens one, goes on, or ends it (an empty line)."""
        if not line.strip():
            yield from self._close(number)
            return
        if _ITEM.match(line):
            kind, opens = ElementKind.LIST_ITEM, True
        elif line.lstrip().startswith("|"):
            kind, opens = ElementKind.TABLE, self._kind is not ElementKind.TABLE
        elif self._kind is ElementKind.LIST_ITEM and line[:1].isspace():
            kind, opens = ElementKind.LIST_ITEM, False
        else:
            kind, opens = ElementKind.PARAGRAPH, self._kind is not ElementKind.PARAGRAPH
        if opens or self._run is None:
            yield from self._close(number)
            self._run, self._kind = (
                number,
                kind if opens or kind is not ElementKind.LIST_ITEM else ElementKind.PARAGRAPH,
            )

    def _close(self, number: int) -> Iterator[Block]:
        if self._run is not None:
            context = ""
            if self._kind is ElementKind.TABLE:
                context = self._header(self._run, number)
            yield Block(kind=self._kind, first=self._run, last=number, context=context)
        self._run = None
        self._kind = ElementKind.PARAGRAPH

    def _header(self, first: int, last: int) -> str:
        """The row above the first rule of a table."""
        ruled = last - first > 1 and self.lines[first + 1].lstrip().startswith("|-")
        return self.lines[first].strip() if ruled else ""


def _words(line: str) -> str:
    """A heading without its state, priority, tags, and the targets of its links."""
    line = _TAGS.sub("", line)
    state = _STATE.match(line)
    line = line[state.end() :] if state else line
    return " ".join(_LINK.sub(lambda link: link[1] or link[2], line).split())
