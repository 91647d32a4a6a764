"""Blocks by their lines, for formats whose own text is the canonical text (Markdown, reST, Org)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ingestor.model import Element, ElementKind
from ingestor.parsing.assembly import with_lead_ins

_SECTION_LIMIT = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A leaf block: lines ``[first, last)``, counted from 0. ``level`` and ``title`` make it a heading."""

    kind: ElementKind
    first: int
    last: int
    level: int | None = None
    title: str = ""
    anchor: str | None = None
    context: str = ""


def heading(first: int, last: int, *, level: int, title: str, anchor: str | None = None) -> Block:
    return Block(
        kind=ElementKind.HEADING, first=first, last=last, level=level, title=title[:_SECTION_LIMIT], anchor=anchor
    )


def elements_of(text: str, blocks: Iterable[Block]) -> tuple[Element, ...]:
    """Elements in the order of their lines, trimmed of white space, each under its headings. Blocks must not
    overlap; those without text go."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    outline: list[tuple[int, str]] = []
    anchor: str | None = None
    elements = []
    for block in sorted(blocks, key=lambda b: b.first):
        start, end = starts[block.first], min(starts[block.last] - 1, len(text))
        raw = text[start:end]
        start, end = start + len(raw) - len(raw.lstrip()), start + len(raw.rstrip())
        if start >= end:
            continue
        if block.level is not None:
            while outline and outline[-1][0] >= block.level:
                outline.pop()
            outline.append((block.level, block.title))
            anchor = block.anchor
        elements.append(
            Element(
                kind=block.kind,
                start=start,
                end=end,
                section=tuple(title for _, title in outline),
                level=block.level,
                anchor=anchor,
                context=block.context,
            )
        )
    return with_lead_ins(tuple(elements), text)
