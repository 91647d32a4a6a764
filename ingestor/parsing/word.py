"""Word documents, out of their XML: all that a reader sees, in the order in which it stands.

Body, tables, text boxes and notes where they are anchored, headers and footers once each. unstructured reads the
body's paragraphs and tables only, and what lies in a text box or a footnote is lost; a library that opens the file
brings no more than this tree. Headings come from styles and outline levels, never from a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingestor.errors import ParseFailure, ParseReason
from ingestor.model import Document, ElementKind, ParseRequest
from ingestor.parsing.archive import archive_keywords, archive_title, open_archive
from ingestor.parsing.assembly import Assembly
from ingestor.parsing.drawings import FIGURES, add_figure, attribute, local_name
from ingestor.parsing.formats import Format
from ingestor.parsing.ooxml import Package
from ingestor.parsing.tables import table_text
from ingestor.parsing.titles import best_title

if TYPE_CHECKING:
    from lxml.etree import _Element

_DEPTH = 200
_SPAN = 100
_HEADING_LEVELS = 9
# Revisions that took text away, the second form of what an older program could not show, fields' instructions.
_GONE = frozenset({"del", "moveFrom", "Fallback", "instrText", "delText", "rt", "pPr", "rPr", "sdtPr"})
_AS_TEXT = {"tab": "\t", "ptab": "\t", "cr": "\n", "noBreakHyphen": "-"}
_PICTURES = frozenset({"drawing", "pict", "object"})
_NOTES = {"footnoteReference": "footnotes", "endnoteReference": "endnotes"}
# Fields whose result is another one on each page.
_PAGE_FIELDS = frozenset({"PAGE", "NUMPAGES", "SECTIONPAGES"})
_CODE = frozenset({"source code", "html preformatted", "macro text"})
_QUOTES = frozenset({"quote", "intense quote", "block text"})


def parse_docx(request: ParseRequest) -> Document:
    """Headings from styles, list items, tables with their rows; pages where Word recorded breaks."""
    with open_archive(request.content, Format.DOCX.value) as archive:
        assembly = Assembly()
        _Reader(Package(archive), assembly).read()
        own, tags = archive_title(archive), archive_keywords(archive)
    return assembly.document(title=best_title((own, assembly.first_heading())), kind=Format.DOCX.value, tags=tags)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Style:
    name: str
    parent: str
    outline: int | None
    listed: bool | None


@dataclass(slots=True)
class _Words:
    """The text of a paragraph as it is read, the page on which it begins, and what hangs on it."""

    page: int | None
    pieces: list[str] = field(default_factory=list)
    boxes: list[_Element] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)  # the relations of charts and diagrams
    # For each field that is open whether its result is left out; None while its instruction is read.
    fields: list[bool | None] = field(default_factory=list)
    instruction: str = ""


class _Reader:
    def __init__(self, package: Package, assembly: Assembly) -> None:
        self._package = package
        self._assembly = assembly
        self._main = package.main("word/document.xml")
        self._related = package.relations(self._main)
        self._styles = _styles(self._only("styles"))
        self._notes = {kind: _notes(self._only(kind)) for kind in _NOTES.values()}
        self._page: int | None = None

    def read(self) -> None:
        root = self._package.part(self._main)
        if root is None:
            return
        body = next((node for node in root if local_name(node) == "body"), root)
        heads, feet = self._margins(root)
        for text in heads:
            self._assembly.block(ElementKind.PARAGRAPH, text)
        if next((node for node in body.iter() if local_name(node) == "lastRenderedPageBreak"), None) is not None:
            self._page = 1
        self._blocks(body, 0)
        self._assembly.close_sections()
        for text in feet:
            self._assembly.block(ElementKind.PARAGRAPH, text)

    def _only(self, kind: str) -> _Element | None:
        """The one part of its kind: styles, footnotes, endnotes."""
        return self._package.part(next((part for known, part in self._related.values() if known == kind), ""))

    def _part(self, identity: str) -> _Element | None:
        return self._package.part(self._related.get(identity, ("", ""))[1])

    def _margins(self, root: _Element) -> tuple[Sequence[str], Sequence[str]]:
        """The different texts of headers and of footers, without numbers of pages."""
        found: dict[str, dict[str, None]] = {"headerReference": {}, "footerReference": {}}
        seen = set()
        for node in root.iter():
            kind, identity = local_name(node), attribute(node, "id")
            if kind in found and identity not in seen and (part := self._part(identity)) is not None:
                seen.add(identity)
                text = self._flat(part, 0)
                if any(c.isalpha() for c in text):
                    found[kind][text] = None
        return tuple(found["headerReference"]), tuple(found["footerReference"])

    # -- blocks --

    def _blocks(self, parent: _Element, depth: int) -> None:
        if depth > _DEPTH:
            raise _too_deep()
        for node in parent:
            match local_name(node):
                case "p":
                    self._paragraph(node, depth)
                case "tbl":
                    self._table(node, depth)
                case "AlternateContent":
                    self._blocks(_choice(node), depth + 1)
                case name if name in _GONE or name == "sectPr":
                    pass
                case _:  # sdt, customXml, ins and other wrappers
                    self._blocks(node, depth + 1)

    def _paragraph(self, node: _Element, depth: int) -> None:
        words = self._words(node)
        text = "".join(words.pieces)
        style = _style_of(node)
        level = self._level(node, style)
        if level is not None:
            self._assembly.heading(text, level, page=words.page)
        else:
            self._assembly.block(self._kind(node, style), text.strip(), page=words.page)
        self._hanging(words, depth)

    def _hanging(self, words: _Words, depth: int) -> None:
        """Text boxes as the blocks they hold, charts, diagrams, then the notes that the paragraph refers to."""
        for box in words.boxes:
            self._blocks(box, depth + 1)
        for identity in words.figures:
            if (figure := self._part(identity)) is not None:
                add_figure(self._assembly, figure, self._page)
        for kind, identity in words.notes:
            if (note := self._notes[kind].pop(identity, None)) is not None:
                self._assembly.block(ElementKind.PARAGRAPH, self._flat(note, depth + 1), page=self._page)

    def _table(self, table: _Element, depth: int) -> None:
        """As rows of cells; a table that only places things on the page as the blocks of its cells."""
        rows = [list(_within(row, "tc")) for row in _within(table, "tr") if not _deleted(row)]
        nested = next((node for node in table.iter() if node is not table and local_name(node) == "tbl"), None)
        if nested is not None or all(len(row) <= 1 for row in rows) or self._has_heading(table):
            for cell in (cell for row in rows for cell in row):
                self._blocks(cell, depth + 1)
            return
        hanging: list[_Words] = []
        lines = []
        for row in rows:
            line: list[str] = []
            for cell in row:
                covered = any(local_name(n) == "vMerge" and attribute(n, "val") != "restart" for n in _properties(cell))
                line.append("" if covered else self._flat(cell, depth + 1, hanging))
                spans = (attribute(n, "val") for n in _properties(cell) if local_name(n) == "gridSpan")
                line += [""] * (next((min(int(n), _SPAN) for n in spans if n.isdigit()), 1) - 1)
            lines.append(line)
        text, header = table_text(lines)
        page = hanging[0].page if hanging else self._page
        self._assembly.block(ElementKind.TABLE, text, page=page, context=header)
        for words in hanging:
            self._hanging(words, depth)

    def _has_heading(self, table: _Element) -> bool:
        return any(self._level(node, _style_of(node)) is not None for node in table.iter() if local_name(node) == "p")

    def _flat(self, parent: _Element, depth: int, hanging: list[_Words] | None = None) -> str:
        """The paragraphs below as lines. Without ``hanging`` text boxes follow their paragraph, notes are left."""
        if depth > _DEPTH:
            raise _too_deep()
        lines = []
        for node in parent.iter():
            if local_name(node) != "p" or _apart(node, parent):
                continue
            words = self._words(node)
            lines.append("".join(words.pieces).strip())
            if hanging is None:
                lines += [self._flat(box, depth + 1) for box in words.boxes]
            else:
                hanging.append(words)
        return "\n".join(line for line in lines if line)

    # -- the words of a paragraph --

    def _words(self, paragraph: _Element) -> _Words:
        words = _Words(page=self._page)
        self._inline(paragraph, words, 0)
        return words

    def _inline(self, parent: _Element, words: _Words, depth: int) -> None:
        if depth > _DEPTH:
            raise _too_deep()
        for node in parent:
            name = local_name(node)
            if name == "fldChar":
                _field(words, attribute(node, "fldCharType"))
            elif name == "instrText" and words.fields and words.fields[-1] is None:
                words.instruction += node.text or ""
            elif name in _GONE or (name == "fldSimple" and _is_page(attribute(node, "instr"))):
                continue
            elif name == "t":
                if not any(words.fields):
                    words.pieces.append(node.text or "")
            elif name in _AS_TEXT:
                words.pieces.append(_AS_TEXT[name])
            elif name == "br":
                words.pieces.append("\n" if attribute(node, "type") in {"", "textWrapping"} else " ")
            elif name == "lastRenderedPageBreak":
                self._page = None if self._page is None else self._page + 1
                if not any(piece.strip() for piece in words.pieces):
                    words.page = self._page
            elif name in _NOTES:
                words.notes.append((_NOTES[name], attribute(node, "id")))
            elif name in _PICTURES:
                words.boxes += _boxes(node)
                words.figures += [attribute(n, FIGURES[k]) for n in node.iter() if (k := local_name(n)) in FIGURES]
            elif name == "AlternateContent":
                self._inline(_choice(node), words, depth + 1)
            else:  # runs, links, content controls, insertions, formulas
                self._inline(node, words, depth + 1)

    # -- what a style says --

    def _level(self, paragraph: _Element, style: str) -> int | None:
        """The level of a heading from 1; None for what is none."""
        own = next((attribute(n, "val") for n in _properties(paragraph) if local_name(n) == "outlineLvl"), "")
        if own.isdigit():
            return int(own) + 1 if int(own) < _HEADING_LEVELS else None
        for known in self._chain(style):
            name = known.name.lower()
            if name in {"title", "toc heading"}:
                return 1
            if known.outline is not None:
                return known.outline + 1 if known.outline < _HEADING_LEVELS else None
            if name.startswith("heading ") and name[8:].isdigit():
                return min(int(name[8:]), _HEADING_LEVELS) or 1
        return None

    def _kind(self, paragraph: _Element, style: str) -> ElementKind:
        number = next((n for n in _properties(paragraph) if local_name(n) == "numPr"), None)
        if number is not None:
            return ElementKind.LIST_ITEM if _is_numbered(number) else ElementKind.PARAGRAPH
        chain = list(self._chain(style))
        names = {known.name.lower() for known in chain}
        if names & _CODE:
            return ElementKind.CODE
        if names & _QUOTES:
            return ElementKind.QUOTE
        listed = next((known.listed for known in chain if known.listed is not None), False)
        if listed or any(name.startswith("list ") and name != "list paragraph" for name in names):
            return ElementKind.LIST_ITEM
        return ElementKind.PARAGRAPH

    def _chain(self, style: str) -> Iterator[_Style]:
        """A style and what it is based on."""
        for _ in range(20):
            if (known := self._styles.get(style)) is None:
                return
            yield known
            style = known.parent


# -- the tree ----------------------------------------------------------------------------------------


def _properties(node: _Element) -> Iterable[_Element]:
    return next((child for child in node if local_name(child) in {"pPr", "tcPr", "trPr"}), ())


def _style_of(paragraph: _Element) -> str:
    return next((attribute(node, "val") for node in _properties(paragraph) if local_name(node) == "pStyle"), "Normal")


def _within(parent: _Element, name: str) -> Iterator[_Element]:
    """Rows of a table or cells of a row, through the wrappers that may stand between."""
    for node in parent:
        if local_name(node) == name:
            yield node
        elif local_name(node) in {"sdt", "sdtContent", "customXml", "ins"}:
            yield from _within(node, name)


def _deleted(row: _Element) -> bool:
    return any(local_name(node) == "del" for node in _properties(row))


def _apart(node: _Element, top: _Element) -> bool:
    """Whether it stands in a text box or in what is gone, and is not read as part of ``top`` itself."""
    while (node := node.getparent()) is not None and node is not top:
        if local_name(node) == "txbxContent" or local_name(node) in _GONE:
            return True
    return False


def _choice(node: _Element) -> _Element:
    """What a current program shows of the forms that are offered."""
    return next((child for child in node if local_name(child) == "Choice"), node)


def _boxes(picture: _Element) -> list[_Element]:
    return [n for n in picture.iter() if local_name(n) == "txbxContent" and not _apart(n, picture)]


def _field(words: _Words, what: str) -> None:
    if what == "begin":
        words.fields.append(None)
        words.instruction = ""
    elif what == "separate" and words.fields:
        words.fields[-1] = _is_page(words.instruction)
    elif what == "end" and words.fields:
        words.fields.pop()


def _is_page(instruction: str) -> bool:
    return (instruction.split() or [""])[0].upper() in _PAGE_FIELDS


def _is_numbered(number: _Element) -> bool:
    """A number of 0 takes a paragraph out of the list of its style."""
    return next((attribute(node, "val") != "0" for node in number if local_name(node) == "numId"), False)


def _styles(root: _Element | None) -> dict[str, _Style]:
    found = {}
    for node in () if root is None else root:
        if local_name(node) != "style":
            continue
        values = {local_name(child): attribute(child, "val") for child in node}
        own = list(_properties(node))
        outline = next((attribute(child, "val") for child in own if local_name(child) == "outlineLvl"), "")
        listed = next((_is_numbered(child) for child in own if local_name(child) == "numPr"), None)
        found[attribute(node, "styleId")] = _Style(
            name=values.get("name", ""),
            parent=values.get("basedOn", ""),
            outline=int(outline) if outline.isdigit() else None,
            listed=listed,
        )
    return found


def _notes(root: _Element | None) -> dict[str, _Element]:
    """Notes by id, without the lines that separate them from the page."""
    notes = () if root is None else root
    return {attribute(node, "id"): node for node in notes if attribute(node, "type") in {"", "normal"}}


def _too_deep() -> ParseFailure:
    return ParseFailure(
        ParseReason.EXPANSION, "The file is nested too deeply to be read.", hint="Check the file, or exclude it."
    )
