"""Columns that a PDF draws row by row: each of them is read to its end, where its rows show that they are columns.

Most programs draw one column after the other, and pdfium keeps that order. Some draw across the page, and then a line
of text is a row through all columns, as in a table. Columns are told from tables by what fills them: prose reaches the
right edge of its column in most rows, cells do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pypdfium2
from pypdfium2 import raw

# A gap within a row parts columns as wide as its letters are high.
_GAP = 1.0
_ROWS = 8
# Of the rows, so many must reach so far across their column.
_FULL_SHARE, _FULL_WIDTH = 0.6, 0.7
_LETTERS = 15  # on average in a row of a column; less are figures, or the marks of a list

Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A line of the page's text: where it begins in that text, and the boxes of its runs. ``split`` is a line that was
    divided behind it."""

    start: int
    text: str
    boxes: tuple[Box, ...]
    split: bool = False

    @property
    def left(self) -> float:
        return self.boxes[0][0]

    @property
    def right(self) -> float:
        return self.boxes[-1][2]

    def gaps(self) -> list[tuple[float, float]]:
        """Where nothing stands between two runs; empty unless the runs go from left to right."""
        return [
            (before[2], after[0])
            for before, after in pairwise(self.boxes)
            if after[0] - before[2] > _GAP * max(before[3] - before[1], after[3] - after[1])
        ]


def boxes(text_page: Any, start: int, length: int) -> tuple[Box, ...]:
    """The runs of ``length`` characters from a position of the text on; empty where pdfium knows none."""
    first = raw.FPDFText_GetCharIndexFromTextIndex(text_page, start)
    if first < 0:
        return ()
    count = raw.FPDFText_CountRects(text_page, first, length)
    return tuple(text_page.get_rect(number) for number in range(count))


def in_columns(pieces: Sequence[Piece], text_page: Any) -> list[Piece]:
    """The pieces in reading order; those that are rows through columns are divided."""
    gutter = _gutter(pieces)
    if gutter is None:
        return list(pieces)
    ordered: list[Piece] = []
    sides: tuple[list[Piece], list[Piece]] = ([], [])
    for piece in pieces:
        parts = _divided(piece, gutter, text_page)
        if parts is None:  # it stands across: what is above it comes first
            ordered += _both(sides, text_page)
            ordered.append(piece)
            continue
        for side, part in zip(sides, parts, strict=True):
            if part is not None:
                side.append(part)
    return ordered + _both(sides, text_page)


def _both(sides: tuple[list[Piece], list[Piece]], text_page: Any) -> list[Piece]:
    """What was gathered of both columns, which may hold columns themselves; they are empty afterwards."""
    found = [piece for side in sides for piece in in_columns(side, text_page)]
    for side in sides:
        side.clear()
    return found


def _gutter(pieces: Sequence[Piece]) -> float | None:
    """Where the most rows have a gap, if what stands on both sides of it is prose."""
    rows = [(piece, gap) for piece in pieces for gap in piece.gaps()]
    if len(rows) < _ROWS:
        return None
    ends = sorted([(left, 1) for _, (left, _) in rows] + [(right, -1) for _, (_, right) in rows])
    best, depth, place = 0, 0, 0.0
    for number, (x, step) in enumerate(ends):
        depth += step
        if depth > best:
            best, place = depth, (x + ends[number + 1][0]) / 2
    through = [piece for piece, (left, right) in rows if left < place < right]
    if best < _ROWS:
        return None
    before = [[box for box in piece.boxes if box[2] <= place] for piece in through]
    after = [[box for box in piece.boxes if box[0] >= place] for piece in through]
    letters = sum(len(piece.text) for piece in through) / sum(map(_width, (*before, *after)))
    return place if all(_is_prose(column, letters) for column in (before, after)) else None


def _is_prose(column: Sequence[Sequence[Box]], letters: float) -> bool:
    """Whether most rows fill the column, and with more than a few letters (``letters`` to a point of width)."""
    rows = [row for row in column if row]
    start, end = min(row[0][0] for row in rows), max(row[-1][2] for row in rows)
    full = sum(row[-1][2] - start >= _FULL_WIDTH * (end - start) for row in rows)
    return full >= _FULL_SHARE * len(rows) and letters * sum(map(_width, rows)) >= _LETTERS * len(rows)


def _width(row: Sequence[Box]) -> float:
    return sum(right - left for left, _, right, _ in row)


def _divided(piece: Piece, gutter: float, text_page: Any) -> tuple[Piece | None, Piece | None] | None:
    """The piece left and right of the gutter; None where it stands across it."""
    if not piece.boxes or piece.right <= gutter:
        return piece, None
    if piece.left >= gutter:
        return None, piece
    if not any(left < gutter < right for left, right in piece.gaps()):
        return None
    at = _first_beyond(piece, gutter, text_page)
    return (
        Piece(
            start=piece.start,
            text=piece.text[:at].rstrip(),
            boxes=tuple(box for box in piece.boxes if box[2] <= gutter),
            split=True,
        ),
        Piece(
            start=piece.start + at, text=piece.text[at:], boxes=tuple(box for box in piece.boxes if box[0] >= gutter)
        ),
    )


def _first_beyond(piece: Piece, gutter: float, text_page: Any) -> int:
    """Where in the piece the first character right of the gutter stands."""
    for at, character in enumerate(piece.text):
        if character.isspace():
            continue
        index = raw.FPDFText_GetCharIndexFromTextIndex(text_page, piece.start + at)
        try:
            if index >= 0 and text_page.get_charbox(index)[0] >= gutter:
                return at
        except pypdfium2.PdfiumError:
            continue
    return len(piece.text)
