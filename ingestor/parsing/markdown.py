"""Markdown: its own text is the canonical text, so spans, lines and offsets are those of the file.

markdown-it finds the blocks and their lines (CommonMark with tables); inline markup is read only where a
heading needs its words. Front matter gives the title and the tags, and is no element.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from ingestor.model import Document, Element, ElementKind, ParseRequest
from ingestor.parsing.anchors import Anchors
from ingestor.parsing.blocks import Block, elements_of, heading
from ingestor.parsing.formats import Format
from ingestor.parsing.keywords import of_front_matter
from ingestor.parsing.text import decode
from ingestor.parsing.titles import best_title

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title[ \t]*:[ \t]*(.+?)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_EXPLICIT_ID = re.compile(r"\s*\{\s*#([\w:.-]+)[^{}]*\}\s*$")
_TAGS = re.compile(r"<!--.*?-->|<[^>]*>", re.DOTALL)
# Deeper nesting than any author writes; the parser recurses, and drops what lies below its limit.
_NESTING = 60


def parse_markdown(request: ParseRequest) -> Document:
    """Elements with heading path, level and anchor; ``has_lines`` is true."""
    return read_markdown(decode(request.content))


def read_markdown(text: str) -> Document:
    """The document of a canonical text."""
    matter, front_title = _front_matter(text)
    source = "\n" * matter.count("\n") + text[len(matter) :]
    env: dict[str, Any] = {}
    reader = _Reader(text=text, env=env, first_line=matter.count("\n"))
    reader.read(_block_parser().parse(source, env))
    elements = reader.result()
    first = next((e.section[-1] for e in elements if e.level == 1), "")
    return Document(
        text=text,
        elements=elements,
        title=best_title((front_title, first)),
        kind=Format.MARKDOWN.value,
        has_lines=True,
        tags=of_front_matter(matter),
    )


@dataclass(slots=True)
class _Reader:
    """Turns tokens into blocks, then blocks into elements."""

    text: str
    env: dict[str, Any]
    first_line: int
    lines: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    anchors: Anchors = field(default_factory=Anchors)

    def read(self, tokens: Sequence[Token]) -> None:
        self.lines = self.text.split("\n")
        quotes = 0
        fresh_item = False  # an item was opened and has shown no text yet
        for index, token in enumerate(tokens):
            if token.type == "blockquote_open":
                quotes += 1
            elif token.type == "blockquote_close":
                quotes -= 1
            elif token.type == "list_item_open":
                fresh_item = True
            elif token.type == "list_item_close":
                fresh_item = False
            elif token.map is not None and (block := self._leaf(tokens, index, quotes, fresh_item)) is not None:
                self.blocks.append(block)
                fresh_item = False

    def result(self) -> tuple[Element, ...]:
        """Elements in order, with those lines that no block claimed (nested too deeply) as paragraphs."""
        return elements_of(self.text, (*self.blocks, *self._unclaimed()))

    def _leaf(self, tokens: Sequence[Token], index: int, quotes: int, fresh_item: bool) -> Block | None:
        token = tokens[index]
        if token.map is None:
            return None
        first, last = token.map
        if token.type == "heading_open":
            title, explicit = self._heading_words(tokens[index + 1].content)
            if not title:
                return None
            if quotes or token.level:  # inside a quote or a list a heading opens no section
                kind = ElementKind.QUOTE if quotes else ElementKind.LIST_ITEM
                return Block(kind=kind, first=first, last=last)
            anchor = explicit or self.anchors.of(title)
            level = int(token.tag[1:])
            return heading(first, last, level=level, title=title, anchor=anchor)
        if token.type == "paragraph_open":
            kind = ElementKind.LIST_ITEM if fresh_item else ElementKind.QUOTE if quotes else ElementKind.PARAGRAPH
            return Block(kind=kind, first=first, last=last)
        if token.type in {"fence", "code_block"}:
            return Block(kind=ElementKind.CODE, first=first, last=last) if token.content.strip() else None
        if token.type == "table_open":
            return Block(
                kind=ElementKind.TABLE, first=first, last=last, context=self.lines[first].lstrip("> \t").rstrip()
            )
        if token.type == "html_block" and _TAGS.sub("", token.content).strip():
            return Block(kind=ElementKind.PARAGRAPH, first=first, last=last)
        return None

    def _unclaimed(self) -> Iterator[Block]:
        """Lines with words in them that no token covers. Link definitions and markup are covered."""
        claimed = bytearray(len(self.lines))
        claimed[: self.first_line] = b"\1" * self.first_line
        for block in self.blocks:
            claimed[block.first : block.last] = b"\1" * (block.last - block.first)
        for name in ("references", "duplicate_refs"):
            found = self.env.get(name, {})
            for reference in found.values() if isinstance(found, dict) else found:
                first, last = reference["map"]
                claimed[first:last] = b"\1" * (last - first)
        run: int | None = None
        for number, line in enumerate((*self.lines, "")):
            wanted = number < len(self.lines) and not claimed[number] and _has_words(_TAGS.sub("", line))
            if wanted and run is None:
                run = number
            elif not wanted and run is not None:
                yield Block(kind=ElementKind.PARAGRAPH, first=run, last=number)
                run = None

    def _heading_words(self, content: str) -> tuple[str, str | None]:
        """A heading without its markup, and the id that its author gave it (``{#id}``)."""
        explicit = _EXPLICIT_ID.search(content)
        if explicit:
            content = content[: explicit.start()]
        return " ".join(_plain(content, self.env).split()), explicit[1] if explicit else None


def _front_matter(text: str) -> tuple[str, str]:
    """(the front matter with its fences, its title). Only the title line is read: YAML is not needed
    for it, and a YAML document can be a bomb."""
    match = _FRONT_MATTER.match(text)
    if match is None or (match[1] or "").lstrip().startswith("#") or ":" not in (match[1] or ":"):
        return "", ""  # a thematic break, then text
    title = _FRONT_TITLE.search(match[1] or "")
    words = title[1] if title else ""
    if len(words) >= 2 and words[0] == words[-1] and words[0] in "\"'":
        words = words[1:-1]
    return match[0], words


def _plain(content: str, env: dict[str, Any]) -> str:
    if not any(mark in content for mark in "*_`[]<>\\&!~"):
        return content
    words = []
    for token in _inline_parser().parseInline(content, env)[0].children or ():
        if token.type in {"text", "code_inline"} or token.type == "image":
            words.append(token.content)
        elif token.type in {"softbreak", "hardbreak"}:
            words.append(" ")
    return "".join(words)


def _has_words(line: str) -> bool:
    return any(unicodedata.category(c)[0] in "LN" for c in line)


@cache
def _block_parser() -> MarkdownIt:
    """Blocks and their lines are all that is asked of a document: its inline markup is left alone."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"maxNesting": _NESTING}).enable("table")
    parser.core.ruler.disable(["inline", "text_join"])
    return parser


@cache
def _inline_parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark")
