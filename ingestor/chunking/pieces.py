"""What is longer than a unit may be is split here: sentences at clauses, table rows at cells, code at lines.

The split is content-defined: from the last split on, the best place in a window wins, where the best is
the strongest mark and, among equals, the one whose following characters hash highest. Two texts that differ
in one place therefore agree again a few pieces later, also in text without any punctuation.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from zlib import crc32

from ingestor.chunking.length import length

# A place to split: where the next piece starts, and how good a place it is.
Place = tuple[int, int]
Places = Callable[[str, int, int], Sequence[Place]]

_CLAUSE = re.compile(r"[;:؛—–]\s+|[；：]|[)\]]\s+|[,،、]\s+|[，、]|\n\s*|\s+")
_CELL = re.compile(r"[|\t]\s*|;\s*|\s+")
_LINE = re.compile(r"\n([ \t]*\n)*")
_MARKS = 8  # combining marks in a row that a script may have; more are no writing
_LOOK = 12  # characters that the tie-break reads: about a word and its neighbour


def clauses(text: str, start: int, end: int) -> list[Place]:
    """Places in prose: after a semicolon, colon or dash, a bracket or comma, else white space."""
    places = []
    for mark in _CLAUSE.finditer(text, start, end):
        first = text[mark.start()]
        strength = 3 if first in ";:؛；：—–" else 2 if first in ",،、，" else 1 if first in ")]" else 0
        places.append((mark.end(), strength))
    return places


def cells(text: str, start: int, end: int) -> list[Place]:
    """Places in a table row: between cells, else after a semicolon, else white space."""
    places = []
    for mark in _CELL.finditer(text, start, end):
        first = text[mark.start()]
        places.append((mark.end(), 2 if first in "|\t" else 1 if first == ";" else 0))
    return places


def code_lines(text: str, start: int, end: int) -> list[Place]:
    """Places in code: after blank lines, before lines that are not indented (definitions), before others."""
    places = []
    for mark in _LINE.finditer(text, start, end):
        at = mark.end()
        if at < end:
            blank = mark.end() - mark.start() > 1
            places.append((at, (3 if blank else 1) + (0 if text[at] in " \t)}]" else 1)))
    return places


def split(text: str, start: int, end: int, most: int, places: Places) -> Iterator[tuple[int, int]]:
    """Spans of at most ``most`` in length, trimmed, none empty; all of ``start:end`` that is no white space."""
    while end > start and text[end - 1].isspace():
        end -= 1
    while start < end and text[start].isspace():
        start += 1
    rest = length(text[start:end])
    if rest <= most:
        if end > start:
            yield start, end
        return
    at = start
    marks = places(text, start, end)
    next_mark = 0
    while rest > most:
        # Neither this piece nor what is left is to be a scrap.
        least, reach = most // 3, min(most, rest - most // 3)
        best: tuple[int, int] | None = None
        cut, cut_length = 0, 0
        position, run = at, 0
        index = next_mark
        while index < len(marks):
            place, strength = marks[index]
            index += 1
            if place <= position:
                continue
            run += length(text[position:place])
            position = place
            if run > reach:
                break
            if run >= least:
                score = (strength, crc32(text[place : place + _LOOK].encode("utf-8", "surrogatepass")))
                if best is None or score > best:
                    best, cut, cut_length, next_mark = score, place, run, index
        if best is None:
            cut = _hard(text, at, end, reach)
            cut_length = length(text[at:cut])
        stop = cut
        while stop > at and text[stop - 1].isspace():
            stop -= 1
        if stop > at:
            yield at, stop
        at, rest = cut, rest - cut_length
    if end > at:
        yield at, end


def _hard(text: str, at: int, end: int, reach: int) -> int:
    """A place inside an endless word: as far as ``reach`` allows, never before a combining mark."""
    low, high = at + 1, min(end, at + reach)
    while low < high:  # the measure grows with the text: bisect
        middle = (low + high + 1) // 2
        if length(text[at:middle]) <= reach:
            low = middle
        else:
            high = middle - 1
    cut = low
    while cut > max(at + 1, low - _MARKS) and unicodedata.category(text[cut])[0] == "M":
        cut -= 1
    return cut
