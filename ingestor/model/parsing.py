"""What parsing yields and cutting makes of it: elements, documents, units, passages."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class ElementKind(StrEnum):
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE = "table"
    CODE = "code"
    QUOTE = "quote"
    # Of mails: who said what follows and when, what an earlier mail said, and a name with its address.
    TURN = "turn"
    HISTORY = "history"
    SIGNATURE = "signature"


@dataclass(frozen=True, kw_only=True, slots=True)
class Element:
    """A piece of parser output: ``[start, end)`` of the canonical text, in order, never overlapping.

    ``section`` is the heading path above the element (a heading's own path includes itself). ``level``
    counts headings from 1. ``page`` counts from 1 (PDF page, slide, sheet). ``anchor`` is a fragment
    id of the nearest heading where the format has one. ``context`` is text that belongs to each part
    of the element when it is cut (a table's header row, a list's lead-in).
    """

    kind: ElementKind
    start: int
    end: int
    section: tuple[str, ...] = ()
    level: int | None = None
    page: int | None = None
    anchor: str | None = None
    context: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """A part of an item that is a document of its own. ``name`` is for people and for finding the type; nothing is
    ever written under it. ``content`` None: it was left out, for being too large or one too many."""

    name: str
    content: bytes | None = field(repr=False)
    media_type: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A parsed item: canonical text and its elements. Gaps between elements are white space or markup.

    ``title`` is the document's own; empty where it has none and is called by its file's name. ``named``: the title is
    what its source calls the item (the name of a wiki's page), so that a rename changes it.

    ``has_lines`` is true where line numbers of ``text`` are those of the source file. ``attachments`` are in order;
    the engine makes each a document. ``tags`` are what it says that it is about, in the places that its format has for
    that. ``cpu_s`` is what parsing it took of a processor, where that was measured.
    """

    text: str
    elements: tuple[Element, ...]
    title: str
    kind: str
    named: bool = False
    has_lines: bool = False
    language: str | None = None
    attachments: tuple[Attachment, ...] = ()
    tags: tuple[str, ...] = ()
    cpu_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class ParseRequest:
    """One item's content on its way to a parser. ``name`` helps to find the type, no more."""

    name: str
    content: bytes = field(repr=False)
    media_type: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """What is embedded: ``text`` is exactly the string given to the embedder. ``[start, end)`` of the
    canonical text. ``weight`` is its length in the cutter's measure, its share in a chunk's vector."""

    text: str
    start: int
    end: int
    weight: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A chunk as the cutter makes it, before it has an identity. ``lines`` counts from 1, inclusive. ``context`` is
    what stands with it outside of its span, the nearest last: each a string to embed and to find it by. ``called`` is
    the name of its document, which it is found by and which is not embedded, so that a rename embeds nothing."""

    start: int
    end: int
    text: str
    units: tuple[Unit, ...]
    length: int
    section: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    called: str = ""
    page: int | None = None
    lines: tuple[int, int] | None = None
    anchor: str | None = None
    reason: str = ""
