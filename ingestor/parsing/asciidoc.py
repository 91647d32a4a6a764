"""AsciiDoc: its own text is the canonical text, read line by line.

The processors for AsciiDoc are programs of other languages, and what they give is HTML without lines. Its block
structure is told by how each line begins, so that is what is read. Nothing is included, evaluated or fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.anchors import Anchors
from ingestor.parsing.blocks import Block, elements_of, heading
from ingestor.parsing.formats import Format
from ingestor.parsing.keywords import of_asciidoc
from ingestor.parsing.text import decode
from ingestor.parsing.titles import best_title

_LONGEST = 2000  # characters; beyond it a line is text and nothing else, whatever it looks like
_SECTION = re.compile(r"(={1,6}|#{1,6})\s+(\S.*)")
_UNDERLINES = {"=": 1, "-": 2, "~": 3, "^": 4, "+": 5}
_VERBATIM = re.compile(r"(-{4,}|\.{4,}|\+{4,}|/{4,}|`{3,})(?:[\w-]+)?\s*$")
_CONTAINER = re.compile(r"(={4,}|\*{4,}|_{4,}|--)\s*$")
_TABLE = re.compile(r"([|,:!]={3,})\s*$")
_ATTRIBUTES = re.compile(r"\[(?!\[)[^\]]*\]\s*$")
_ANCHOR = re.compile(r"\[\[([A-Za-z_:][\w:.-]*)(?:,[^\]]*)?\]\]\s*$")
_HEADER_ROW = re.compile(r"%header|opt(?:ion)?s=.*header")
_SHORT_ANCHOR = re.compile(r"\[[\w-]*#([\w:.-]+)")
_INLINE_ANCHOR = re.compile(r"\[\[([A-Za-z_:][\w:.-]*)(?:,[^\]]*)?\]\]")
_CAPTION = re.compile(r"\.[^\s.].*")
_ENTRY = re.compile(r":!?[\w][\w-]*!?:(?:\s|$)")
_SILENT = re.compile(r"//(?!/)|(?:ifdef|ifndef|ifeval|endif|include|toc)::\S*\[.*\]\s*$|'{3,}\s*$|<{3,}\s*$|\+\s*$")
_ITEM = re.compile(r"\s*(?:\*{1,5}|-|\.{1,5}|\d+\.|[A-Za-z]\.|<\d+>|<\.>)\s+\S|\s*\S.*?(?:::{1,3}|;;)(?:\s|$)")
_MACRO = re.compile(r"(?:image|video|audio)::\S*\[([^\],]*)[^\]]*\]\s*$")
_LINK = re.compile(r"(?:https?://|link:|mailto:|xref:)[^\s\[]*\[([^\]]*)\]|<<[^,>]*,([^>]*)>>")
_MARKS = re.compile(r"(?<!\w)([*_`#]{1,2})(?=\S)(.+?)(?<=\S)\1(?!\w)")


def parse_asciidoc(request: ParseRequest) -> Document:
    """Elements with heading path, level and anchor; ``has_lines`` is true. Attributes and comments are no elements."""
    text = decode(request.content)
    reader = _Reader(lines=text.split("\n"))
    elements = elements_of(text, reader.blocks())
    first = next((element.section[-1] for element in elements if element.level is not None), "")
    return Document(
        text=text,
        elements=elements,
        title=best_title((reader.title, first)),
        kind=Format.ASCIIDOC.value,
        has_lines=True,
        tags=of_asciidoc(reader.lines),
    )


@dataclass(slots=True)
class _Reader:
    lines: list[str]
    title: str = ""
    _anchors: Anchors = field(default_factory=Anchors)
    _anchor: str | None = None  # given for the block that follows
    _header_row: bool = False
    _open: list[str] = field(default_factory=list)  # delimiters of the blocks that we stand in
    _run: int | None = None  # where the paragraph or item that is open began
    _kind: ElementKind = ElementKind.PARAGRAPH

    def blocks(self) -> Iterator[Block]:
        number = self._header()
        if number:
            yield heading(0, 1, level=1, title=self.title, anchor=self._anchors.of(self.title))
        while number < len(self.lines):
            line = self.lines[number]
            if not line.strip():
                yield from self._close(number)
                number += 1
            elif len(line) > _LONGEST:
                yield from self._text(number, line)
                number += 1
            elif (verbatim := _VERBATIM.match(line)) is not None:
                yield from self._close(number)
                end = self._until(verbatim[1], number)
                if not line.startswith("/"):
                    yield Block(kind=ElementKind.CODE, first=number, last=end)
                number = end
            elif (table := _TABLE.match(line)) is not None:
                yield from self._close(number)
                end = self._until(table[1], number)
                yield from self._table(number + 1, end)
                number = end
            elif (section := self._section(number)) is not None:
                yield from self._close(number)
                yield section
                self._anchor = None
                number = section.last
            elif self._structure(line):
                yield from self._close(number)
                number += 1
            else:
                yield from self._text(number, line)
                number += 1
        yield from self._close(len(self.lines))

    def _header(self) -> int:
        """The lines of the document's head: its title, and up to the first empty line who wrote it and what is set."""
        first = self.lines[0]
        if len(first) > _LONGEST or not (found := _SECTION.match(first)) or len(found[1]) > 1:
            return 0
        self.title = _words(_untrailed(found))
        return next((at for at, line in enumerate(self.lines) if not line.strip()), len(self.lines))

    def _until(self, delimiter: str, number: int) -> int:
        """The line after the one that closes a block; the end where none does, as AsciiDoc has it."""
        for at in range(number + 1, len(self.lines)):
            if self.lines[at].rstrip() == delimiter:
                return at + 1
        return len(self.lines)

    def _section(self, number: int) -> Block | None:
        line = self.lines[number]
        if (found := _SECTION.match(line)) is not None and self._run is None:
            level, title, last = len(found[1]), _untrailed(found), number + 1
        elif self._run is None and self._is_underline(number + 1) and any(c.isalnum() for c in line):
            level, title, last = _UNDERLINES[self.lines[number + 1][0]], line, number + 2
        else:
            return None
        given = _INLINE_ANCHOR.search(title)
        words = _words(_INLINE_ANCHOR.sub("", title))
        if not self.title and level == 1:
            self.title = words
        anchor = self._anchor or (given[1] if given else None) or self._anchors.of(words)
        return heading(number, last, level=level, title=words, anchor=anchor)

    def _is_underline(self, number: int) -> bool:
        """Whether a line makes a title of the line above: of one sign, and as long as that."""
        if not 0 < number < len(self.lines):
            return False
        above, line = self.lines[number - 1].rstrip(), self.lines[number].rstrip()
        if len(line) < 3 or line[0] not in _UNDERLINES or line.strip(line[0]):
            return False
        alone = number < 2 or not self.lines[number - 2].strip() or _ANCHOR.match(self.lines[number - 2]) is not None
        return alone and abs(len(above) - len(line)) <= 1 and above[:1] not in {".", "[", ""}

    def _structure(self, line: str) -> bool:
        """Whether a line says how to read the others and is no content itself."""
        if (anchor := _ANCHOR.match(line)) is not None:
            self._anchor = anchor[1]
            return True
        if _ATTRIBUTES.match(line):
            short = _SHORT_ANCHOR.match(line)
            self._anchor = short[1] if short else self._anchor
            self._header_row = self._header_row or _HEADER_ROW.search(line) is not None
            return True
        if (container := _CONTAINER.match(line)) is not None:
            delimiter = container[1]
            if delimiter in self._open:
                del self._open[self._open.index(delimiter) :]
            else:
                self._open.append(delimiter)
            return True
        if (macro := _MACRO.match(line)) is not None:
            return not macro[1].strip()  # a picture is content by the words that stand for it
        if self._run is None and _ENTRY.match(line):
            return True
        return _SILENT.match(line) is not None

    def _text(self, number: int, line: str) -> Iterator[Block]:
        """A line of a paragraph or of a list: opens one, or goes on."""
        self._anchor, self._header_row = None, False
        kind = ElementKind.PARAGRAPH
        if any(delimiter.startswith("_") for delimiter in self._open):
            kind = ElementKind.QUOTE
        if _ITEM.match(line):
            kind = ElementKind.LIST_ITEM
        elif self._run is not None:
            return
        elif line[0].isspace():
            kind = ElementKind.CODE
        elif _CAPTION.match(line):
            yield Block(kind=kind, first=number, last=number + 1)
            return
        yield from self._close(number)
        self._run, self._kind = number, kind

    def _close(self, number: int) -> Iterator[Block]:
        if self._run is not None:
            yield Block(kind=self._kind, first=self._run, last=number)
        self._run = None

    def _table(self, first: int, end: int) -> Iterator[Block]:
        """The rows between the delimiters; the header is the first line where an empty one follows, or it is said."""
        last = end - 1 if end <= len(self.lines) and _TABLE.match(self.lines[end - 1]) else end
        while first < last and not self.lines[first].strip():
            first += 1
        named = self._header_row or (first + 1 < last and not self.lines[first + 1].strip())
        self._header_row = False
        if first < last:
            context = self.lines[first].strip() if named else ""
            yield Block(kind=ElementKind.TABLE, first=first, last=last, context=context)


def _untrailed(section: re.Match[str]) -> str:
    """A title without the marks that may close it as well."""
    title = section[2].rstrip()
    return title.removesuffix(section[1]).rstrip() if title.endswith(" " + section[1]) else title


def _words(line: str) -> str:
    """A heading without its marks and the targets of its links."""
    line = _LINK.sub(lambda link: link[1] or link[2] or "", line)
    return " ".join(_MARKS.sub(r"\2", line).split())
