"""A document's elements become units: what is embedded, and what a chunk is made of.

Sentences, headings, list items, table rows and runs of code lines are units of their kind; what is longer
than ``MOST`` is split (``pieces``), what is tiny joins its neighbour. A unit's span covers the text as it
stands; the string to embed is that text with white space collapsed and without the markup that carries no
meaning: heading marks, bullets and item numbers, quote marks, cell borders, link targets. So wrapping a
paragraph anew, renumbering a list or mending a link embeds nothing.

A table's header row (``Element.context``) stays out of the strings of its rows: an edited header would embed
the whole table, and every row would carry the same words. It is context of the chunks that begin inside the table.

Everything here depends on the element itself and the one before it, so an edit changes the units it touches.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from zlib import crc32

from ingestor.chunking.length import LONGEST, length
from ingestor.chunking.lines import lines
from ingestor.chunking.pieces import cells, clauses, code_lines, split
from ingestor.chunking.sentences import sentences
from ingestor.model import Document, Element, ElementKind, Unit

# The longest unit: about 64 word pieces of English, so that any model reads it whole and the best unit of a
# chunk says where in the chunk the answer stands.
MOST = 260
# Below this (five or six word pieces) a sentence, item or row says nothing by itself.
TINY = 24
# A paragraph of one line up to this length without a stop is likely a title that the format does not mark.
_TITLE_MOST = 80
# A page of a PDF with fewer characters is a slide or a form; a page of prose has three times as many.
_SHORT_PAGE = 700

_HEADING_MARK = re.compile(r"^#{1,6} | #+$| (?:={2,}|-{2,})$")
_ITEM_MARK = re.compile(r"^[ \t]*(?:[-*+•‣◦][ \t]+|\(?\d{1,3}[.)][ \t]+)+(?:\[[ xX]\][ \t]+)?", re.MULTILINE)
_QUOTE_MARK = re.compile(r"^[ \t]*(?:>[ \t]?)+", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s+\"[^\"]*\")?\)")
_RULE = re.compile(r"^[ \t|]*+:?-{2,}+[-:| \t+]*+$", re.MULTILINE)
_FENCE = re.compile(r"^[ \t>]*(?:```+|~~~+)[^\n]*$", re.MULTILINE)
_TITLE_END = re.compile(r"[.!?,;…。！？，；।]\W*$")


class Joint(IntEnum):
    """What stands between a unit and the one before it, weakest first."""

    CLAUSE = 0
    SENTENCE = 1
    LINE = 2
    PARAGRAPH = 3
    PAGE = 4
    HEADING = 5
    SHORT_PAGE = 6  # one that is not full has ended
    TURN = 7  # of a mail: somebody else speaks, or only signs


_APART = frozenset({Joint.CLAUSE, Joint.PAGE, Joint.HEADING, Joint.SHORT_PAGE, Joint.TURN})
"""What tiny pieces are never joined across."""


class Lead(IntEnum):
    """How a unit leads to the next one."""

    NONE = 0
    INTRODUCES = 1  # ends with a colon
    TITLE = 2  # looks like a title: one short line without a stop
    HEADING = 3


@dataclass(kw_only=True, slots=True)  # frozen, making these took a third of the time of cutting a table
class Piece:
    """A unit and how it stands in the text: all that the cutter needs to know. Nobody changes one.

    ``size`` is the length of its text with markup, ``gap`` that of what stands before it. ``level`` is that
    of a heading, else 0.
    """

    unit: Unit
    size: int
    gap: int
    joint: Joint
    kind: ElementKind
    element: int
    lead: Lead = Lead.NONE
    level: int = 0


@dataclass(kw_only=True, slots=True)
class _Atom:
    start: int
    end: int
    joint: Joint
    element: int


def pieces(document: Document, most: int = MOST) -> list[Piece]:
    """The units of a document in order: disjoint, none empty, none longer than ``most``, covering all of its
    elements that is no white space."""
    text, elements = document.text, document.elements
    found: list[Piece] = []
    end_of_last = 0
    for atom in _joined(text, elements, _atoms(document, most), most):
        element = elements[atom.element]
        raw = " ".join(text[atom.start : atom.end].split())
        string = _embedded(text, atom, element.kind, raw)
        between = text[end_of_last : atom.start]
        size = length(raw)
        found.append(
            Piece(
                unit=Unit(
                    text=string, start=atom.start, end=atom.end, weight=size if string is raw else length(string)
                ),
                size=size,
                gap=1 if not between or between.isspace() else 1 + length(" ".join(between.split())),
                joint=atom.joint,
                kind=element.kind,
                element=atom.element,
                lead=_lead(text, element, atom, raw),
                level=(element.level or 1) if element.kind is ElementKind.HEADING else 0,
            )
        )
        end_of_last = atom.end
    return found


def _atoms(document: Document, most: int) -> Iterator[_Atom]:
    """Sentences, rows and lines of each element, none longer than ``most``."""
    text = document.text
    # The page of a PDF ends where the paper does; a slide or a sheet is a thing of its own.
    page_joint = Joint.PARAGRAPH if document.kind == "pdf" else Joint.PAGE
    short = _short_pages(document) if document.kind == "pdf" else frozenset()
    before: Element | None = None
    for index, element in enumerate(document.elements):
        joint = _joint(before, element, Joint.SHORT_PAGE if before and before.page in short else page_joint)
        some = False
        places = _PLACES.get(element.kind, clauses)
        rest = Joint.LINE if element.kind is ElementKind.CODE else Joint.CLAUSE
        for start, end, inner in _parts(text, element):
            first = True
            if (
                start < end
                and (end - start) * LONGEST <= most
                and not (text[start].isspace() or text[end - 1].isspace())
            ):
                spans: Iterable[tuple[int, int]] = ((start, end),)  # as nearly all are: nothing to split or to trim
            else:
                spans = split(text, start, end, most, places)
            for a, b in spans:
                own = inner if some else joint
                yield _Atom(start=a, end=b, joint=own if first else rest, element=index)
                some, first = True, False
        if some:
            before = element


def _short_pages(document: Document) -> frozenset[int | None]:
    """Slides that were printed, forms, scanned notes: many of them would go into one passage, cited by its first."""
    lengths: Counter[int | None] = Counter()
    for element in document.elements:
        lengths[element.page] += element.end - element.start
    return frozenset(page for page, size in lengths.items() if size < _SHORT_PAGE)


_PLACES = {ElementKind.TABLE: cells, ElementKind.CODE: code_lines}


def _joint(before: Element | None, element: Element, page_joint: Joint) -> Joint:
    if element.kind is ElementKind.HEADING:
        return Joint.HEADING
    if before is not None and before.kind is not element.kind and _is_turn(before.kind, element.kind):
        return Joint.TURN
    if before is not None and before.page != element.page:
        return page_joint
    if before is not None and before.kind is element.kind is ElementKind.LIST_ITEM:
        return Joint.LINE
    return Joint.PARAGRAPH


def _is_turn(before: ElementKind, kind: ElementKind) -> bool:
    """Whether another voice begins: a turn goes with what it announces, and everything else of a mail stays apart."""
    return kind is ElementKind.TURN or (before is not ElementKind.TURN and not _VOICES.isdisjoint((before, kind)))


_VOICES = frozenset({ElementKind.HISTORY, ElementKind.SIGNATURE})
_QUOTED = frozenset({ElementKind.QUOTE, ElementKind.HISTORY, ElementKind.TURN, ElementKind.SIGNATURE})


def _parts(text: str, element: Element) -> Iterator[tuple[int, int, Joint]]:
    """(start, end, joint to the part before) of what the element is made of."""
    start, end = element.start, element.end
    match element.kind:
        case ElementKind.HEADING | ElementKind.CODE | ElementKind.SIGNATURE:
            yield start, end, Joint.LINE
        case ElementKind.TABLE:
            yield from _rows(text, start, end)
        case ElementKind.PARAGRAPH | ElementKind.LIST_ITEM | ElementKind.QUOTE | ElementKind.TURN | ElementKind.HISTORY:
            if text.find("\n", start, end) < 0:
                for a, b in sentences(text, start, end):
                    yield a, b, Joint.SENTENCE
                return
            while start < end and text[start].isspace():
                start += 1
            for a, b, blank in lines(text, start, end):
                joint = Joint.PARAGRAPH if blank else Joint.LINE
                for c, d in sentences(text, a, b):
                    yield c, d, joint
                    joint = Joint.SENTENCE


def _rows(text: str, start: int, end: int) -> Iterator[tuple[int, int, Joint]]:
    """Rows of a table; a rule (``|---|---|``) belongs to the row above it."""
    begin = start
    while begin < end:
        stop = text.find("\n", begin, end)
        stop = end if stop < 0 else stop
        while stop < end:
            following = text.find("\n", stop + 1, end)
            following = end if following < 0 else following
            if text.find("--", stop + 1, following) < 0 or not _RULE.fullmatch(text, stop + 1, following):
                break
            stop = following
        yield begin, stop, Joint.LINE
        begin = stop + 1


def _joined(text: str, elements: Sequence[Element], atoms: Iterator[_Atom], most: int) -> Iterator[_Atom]:
    """Tiny atoms joined with their neighbours: a sentence with the next one of its element (the last with the
    one before), tiny items, rows, lines and paragraphs with each other. Where a run of tiny ones is parted the
    hash of the one that follows decides, so that an insertion moves no other group."""
    group: _Atom | None = None
    tiny = False  # the last atom of the group is
    for atom in atoms:
        small = atom.end - atom.start < TINY and length(text[atom.start : atom.end]) < TINY
        if (
            group is not None
            and (tiny or small)
            and _may_join(text, elements, group, atom, tiny, small)
            and length(text[group.start : atom.end]) <= most
        ):
            group.end = atom.end
            tiny = small
            continue
        if group is not None:
            yield group
        group, tiny = atom, small
    if group is not None:
        yield group


def _may_join(text: str, elements: Sequence[Element], group: _Atom, atom: _Atom, tiny: bool, small: bool) -> bool:
    kind = elements[group.element].kind
    if kind in (ElementKind.HEADING, ElementKind.CODE) or atom.joint in _APART:
        return False
    if kind in _QUOTED and group.element == atom.element and _says_nothing(text, atom):
        return True  # the empty line of a quoted mail
    if atom.joint is Joint.SENTENCE:
        if not tiny and atom.end < elements[atom.element].end:
            return False  # only the last one joins backwards
    elif not (tiny and small and kind is elements[atom.element].kind):
        return False
    return not (tiny and small and crc32(text[atom.start : atom.end].encode("utf-8", "surrogatepass")) % 4 == 0)


def _says_nothing(text: str, atom: _Atom) -> bool:
    return not any(sign.isalnum() for sign in text[atom.start : atom.end])


def _embedded(text: str, atom: _Atom, kind: ElementKind, raw: str) -> str:
    """The string to embed; ``raw`` itself where there is no markup to take away, never empty."""
    string = raw
    match kind:
        case ElementKind.HEADING:
            string = _HEADING_MARK.sub("", raw)
        case ElementKind.LIST_ITEM:
            string = _ITEM_MARK.sub("", text[atom.start : atom.end])
        case ElementKind.QUOTE | ElementKind.HISTORY | ElementKind.TURN | ElementKind.SIGNATURE:
            string = _QUOTE_MARK.sub("", text[atom.start : atom.end])
        case ElementKind.TABLE:
            if "|" in raw:  # a rule can only be told by its line
                string = row_text(text[atom.start : atom.end]) if "--" in raw else _cells(raw)
        case ElementKind.PARAGRAPH:
            if raw[0] in "-*+•‣◦(0123456789" and atom.joint is not Joint.SENTENCE:
                string = _ITEM_MARK.sub("", raw, count=1)
            elif ">" in raw:
                string = _QUOTE_MARK.sub("", text[atom.start : atom.end])
        case ElementKind.CODE:
            if "```" in raw or "~~~" in raw:
                string = _FENCE.sub("", text[atom.start : atom.end])
    if "](" in string and kind is not ElementKind.CODE:
        string = _LINK.sub(r"\1", string)
    if string is raw:
        return raw
    if kind is not ElementKind.TABLE or "  " in string:
        string = " ".join(string.split())
    return string if string and string != raw else raw


def row_text(text: str) -> str:
    """Rows of a table without rules and outer borders."""
    return _cells(" ".join((_RULE.sub("", text) if "--" in text else text).split()))


def _cells(line: str) -> str:
    """A row whose white space is single spaces, without outer borders."""
    return " | ".join(map(str.strip, line.split("|"))).strip(" |")


def _lead(text: str, element: Element, atom: _Atom, raw: str) -> Lead:
    if element.kind is ElementKind.HEADING:
        return Lead.HEADING
    if element.kind in (ElementKind.TABLE, ElementKind.CODE):
        return Lead.NONE
    if element.kind is ElementKind.TURN:
        return Lead.INTRODUCES
    if raw[-1] in ":：" or (element.kind in _QUOTED and raw.rstrip("> ").endswith((":", "："))):
        return Lead.INTRODUCES
    if (
        element.kind is ElementKind.PARAGRAPH
        and len(raw) <= _TITLE_MOST
        and atom.joint in (Joint.LINE, Joint.PARAGRAPH, Joint.PAGE, Joint.SHORT_PAGE)
        and (atom.end >= element.end or "\n" in text[atom.end : atom.end + 2])
        and "|" not in raw
        and not _TITLE_END.search(raw)
    ):
        return Lead.TITLE
    return Lead.NONE
