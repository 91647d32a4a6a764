"""The cutter: documents to passages."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingestor.chunking.cut import chunk_length, cut
from ingestor.chunking.units import MOST, Joint, Lead, Piece, pieces, row_text
from ingestor.model import Document, Element, ElementKind, Passage, blake

# Why a chunk ends where it does, by what comes next.
_REASONS = {
    Joint.CLAUSE: "size",
    Joint.SENTENCE: "size",
    Joint.LINE: "line",
    Joint.PARAGRAPH: "paragraph",
    Joint.PAGE: "page",
    Joint.HEADING: "heading",
    Joint.SHORT_PAGE: "page",
    Joint.TURN: "turn",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Lengths of passages (``length``): what they have on the average, or a little less, and
    the most.

    Longer passages find more in five hits, shorter ones more in the same amount of text. The less the limit is
    above three targets, the more passages are cut because of it, and the farther an edit beside those reaches:
    at 2,400 about one edit in three thousand changes more than four rows, at 1,200 one in fifty.
    """

    target: int = 750
    limit: int = 2400

    def __post_init__(self) -> None:
        if not 0 < self.target <= self.limit:
            raise ValueError(
                f"The target length ({self.target}) must be positive and at most the limit ({self.limit})."
            )


class SemanticCutter:
    """Cuts along headings, pages, paragraphs and sentences (``ports.Cutter``)."""

    _name = "semantic"
    _version = 3  # raised with every change of what the cutter makes of a document: all are then cut again

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        # Units do not depend on the settings, so that another target embeds nothing; only a limit below
        # the longest unit makes them shorter.
        self._most = min(MOST, self._settings.limit)

    def recipe(self) -> str:
        """Name, version and a digest of the settings."""
        settings = f"{self._settings.target} {self._settings.limit}".encode()
        return f"{self._name}.{self._version}.{blake(settings).hex()[:8]}"

    def cut(self, document: Document) -> tuple[Passage, ...]:
        """Passages in order, disjoint, of whole units, covering every element that is not blank."""
        units = pieces(document, self._most)
        firsts = self._firsts(units, self._settings)
        newlines = _newlines(document.text) if document.has_lines else None
        return tuple(
            _passage(document, units[first:last], units[last] if last < len(units) else None, newlines)
            for first, last in pairwise([*firsts, len(units)])
        )

    @staticmethod
    def _firsts(units: Sequence[Piece], settings: Settings) -> list[int]:
        """The index of the first unit of each passage."""
        return cut(units, settings.target, settings.limit)


class FixedCutter(SemanticCutter):
    """Cuts where the target is reached, whatever stands there: to compare with, and for text whose structure means
    nothing. An edit changes every passage behind it in its document."""

    _name = "fixed"

    @staticmethod
    def _firsts(units: Sequence[Piece], settings: Settings) -> list[int]:
        firsts, filled = list[int](), 0
        for index, unit in enumerate(units):
            filled += unit.gap + unit.size
            if not firsts or filled > settings.target:
                firsts.append(index)
                filled = unit.size
        return firsts


def _passage(
    document: Document, units: Sequence[Piece], following: Piece | None, newlines: list[int] | None
) -> Passage:
    start, end = units[0].unit.start, units[-1].unit.end
    # The place of a passage is that of its first words under a heading, not of a heading that leads to it.
    body = next((piece for piece in units if piece.lead is not Lead.HEADING), units[0])
    element = document.elements[body.element]
    return Passage(
        start=start,
        end=end,
        text=document.text[start:end],
        units=tuple(piece.unit for piece in units),
        length=chunk_length(units),
        section=element.section,
        context=_context(document, element, units[0]),
        called=" ".join(document.title.split()) if document.named else "",
        page=element.page,
        lines=(bisect_right(newlines, start) + 1, bisect_right(newlines, end - 1) + 1)
        if newlines is not None
        else None,
        anchor=element.anchor,
        reason=_REASONS[following.joint] if following else "end",
    )


def _context(document: Document, element: Element, first: Piece) -> tuple[str, ...]:
    """What a passage stands under, the nearest last: title, headings, and where it begins inside of a table or a list
    the header or the lead-in. Each as it is embedded where it stands itself, so that it is so once."""
    is_above = not document.named and document.title not in element.section
    above = [document.title, *element.section] if is_above else [*element.section]
    begun = document.elements[first.element]
    if begun.kind is ElementKind.TABLE and first.unit.start > begun.start:
        above.append(row_text(begun.context))
    elif begun.kind is ElementKind.LIST_ITEM:
        above.append(begun.context)
    return tuple(filter(None, (" ".join(text.split()) for text in above)))


def _newlines(text: str) -> list[int]:
    """Offsets just behind each newline: where lines 2, 3, ... start."""
    found = []
    at = text.find("\n") + 1
    while at:
        found.append(at)
        at = text.find("\n", at) + 1
    return found
