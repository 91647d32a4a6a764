"""Builds a document whose canonical text is the text of its elements, joined by blank lines.

For formats whose source cannot be shown as it is (office files, HTML, PDF). The section path follows
the headings; spans are right by construction.
"""

from __future__ import annotations

from dataclasses import replace

from ingestor.model import Attachment, Document, Element, ElementKind
from ingestor.parsing.text import canonical

_GAP = "\n\n"
_SECTION_LIMIT = 200
_LEAD_LIMIT = 300


class Assembly:
    """Takes elements in reading order; ``document`` gives the result."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._outline: list[tuple[int, str, str | None]] = []  # (level, title, anchor)
        self.elements: list[Element] = []

    def heading(self, text: str, level: int, *, page: int | None = None, anchor: str | None = None) -> None:
        """Opens a section: headings of its level and below are closed. Empty text opens nothing."""
        title = " ".join(_shown(text).split())
        if not title:
            return
        while self._outline and self._outline[-1][0] >= level:
            self._outline.pop()
        self._outline.append((level, title[:_SECTION_LIMIT], anchor))
        self._append(ElementKind.HEADING, title, level=level, page=page, context="")

    def block(self, kind: ElementKind, text: str, *, page: int | None = None, context: str = "") -> None:
        """Any element that is no heading; empty text is left out."""
        self._append(kind, _shown(text).strip("\n").rstrip(), level=None, page=page, context=context)

    def close_sections(self) -> None:
        """What follows stands under no heading so far (a new slide, a new sheet)."""
        self._outline.clear()

    @property
    def text(self) -> str:
        """The canonical text so far."""
        return "".join(self._pieces)

    def document(
        self,
        *,
        title: str,
        kind: str,
        language: str | None = None,
        attachments: tuple[Attachment, ...] = (),
        tags: tuple[str, ...] = (),
    ) -> Document:
        return Document(
            text=self.text,
            elements=with_lead_ins(tuple(self.elements), self.text),
            title=title,
            kind=kind,
            language=language,
            attachments=attachments,
            tags=tags,
        )

    def first_heading(self) -> str:
        """The text of the first heading of the top level, or an empty string."""
        text = self.text
        return next((text[e.start : e.end] for e in self.elements if e.level == 1), "")

    def _append(self, kind: ElementKind, text: str, *, level: int | None, page: int | None, context: str) -> None:
        if not text.strip():
            return
        if self._pieces:
            self._pieces.append(_GAP)
            self._length += len(_GAP)
        # Joining can compose a character only across a boundary, and a newline stands at each.
        lead = len(text) - len(text.lstrip()) if kind is not ElementKind.CODE else 0
        text = text[lead:]
        start = self._length
        self._pieces.append(text)
        self._length += len(text)
        self.elements.append(
            Element(
                kind=kind,
                start=start,
                end=self._length,
                section=tuple(title for _, title, _ in self._outline),
                level=level,
                page=page,
                anchor=self._outline[-1][2] if self._outline else None,  # one further out is not the place
                context=_shown(context).strip(),
            )
        )


def _shown(text: str) -> str:
    """Canonical, and without the places where a word might be broken: they would stand in the way of finding it."""
    return canonical(text.replace("\u00ad", ""))


def with_lead_ins(elements: tuple[Element, ...], text: str) -> tuple[Element, ...]:
    """List items get the paragraph that introduces their list ("You need:") as context."""
    result = []
    lead = ""
    for element in elements:
        if element.kind is ElementKind.LIST_ITEM:
            result.append(replace(element, context=lead) if lead and not element.context else element)
            continue
        result.append(element)
        lead = ""
        if element.kind is ElementKind.PARAGRAPH and element.end - element.start <= _LEAD_LIMIT:
            words = " ".join(text[element.start : element.end].split())
            lead = words if words.endswith((":", "\uff1a")) else ""
    return tuple(result)
