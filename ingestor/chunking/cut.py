"""Where chunks end: at headings, and at marks that stand apart.

A *mark* is a gap that a hash of the unit behind it picks out. It becomes a *border* if no other mark stands close
before it; headings always are borders. So whether a gap is a border depends on its own unit and on the way back to
the mark before, and on no border elsewhere: an edit of a unit makes one border come, go or move, and changes two to
four rows of chunks, whatever the size of the document. Sections begin anew behind each heading.

Chunks of such borders are at least as long as marks must stand apart, and about e times that on the average: no rule
that sees no further than its borders stand apart spaces them more evenly (they are the words of a non-overlapping
code). Hence lengths spread by half their mean, and few exceed three means. Those above the limit are cut from their
start on, and there an edit beside them may reach further: of 20,520 edits six changed more than four rows. To cut more
evenly costs more: best cuts by dynamic programming, between anchors that were the best place within half a target,
changed five rows or more after one edit in twenty. Without exception it cannot be had: see ARCHITECTURE, decision 15.

All figures are constants, never the document's own statistics, or an edit in one place would move cuts in another.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import pairwise
from math import exp
from zlib import crc32

from ingestor.chunking.units import Joint, Lead, Piece
from ingestor.model import ElementKind

# The nearer the limit, the more chunks are cut because of it: borders are aimed at further apart then, by this much
# of the squared share of the target in the limit.
_TIGHT = 0.3
# All lengths that follow are in what is aimed at.
# How far marks must stand apart for the second one to be a border: chunks come out e times as long.
_APART = 0.33
# Text between two marks, on the average; the same, for then borders are the most frequent.
_MARKS = 0.33
# A gap between blocks (paragraphs, lines, items) is a mark by the length of the block behind it, so that any kind of
# text has as many marks. A block as long as that, or longer, is one more often than not, but not always: else
# paragraphs of half a target would never stand together. One as long as the target always is.
_BLOCK_LEAST = 0.55
# A slide or a title opens something new: more likely a mark than a paragraph of its length.
_OPENS = 3.0
# Nothing is cut this close to the ends of a block, so that a paragraph of a usual length stays whole, ...
_INSIDE = 0.63
# ... or this close before a heading or the end.
_LAST = 0.2
# Tables and code blocks up to this length stay whole.
_WHOLE = 1.6
# What exceeds the limit is cut at the best gap between these lengths.
_AIM, _AIM_MOST = 1.1, 1.65
_RANGE = 1 << 32
_MIX = 0x9E3779B1  # odd: spreads the low bits of a checksum to the high ones
_AROUND = 2


class Gap(IntEnum):
    """What a cut before a unit would part, worst first."""

    NEVER = 0  # a heading and its text, a table that fits, a lead-in and its list
    CLAUSE = 1
    SENTENCE = 2
    LINE = 3
    PARAGRAPH = 4
    OPENS = 5
    HEADING = 6


_GAPS = {
    Joint.CLAUSE: Gap.CLAUSE,
    Joint.SENTENCE: Gap.SENTENCE,
    Joint.LINE: Gap.LINE,
    Joint.PARAGRAPH: Gap.PARAGRAPH,
    Joint.PAGE: Gap.OPENS,
    Joint.HEADING: Gap.HEADING,
    Joint.SHORT_PAGE: Gap.HEADING,
    Joint.TURN: Gap.HEADING,
}


def cut(pieces: Sequence[Piece], target: int, limit: int) -> list[int]:
    """The index of the first piece of each chunk, ascending from 0. A chunk is longer than ``limit`` only if
    it is a single piece that is."""
    if not pieces:
        return []
    starts, ends = _positions(pieces)
    gaps = _gaps(pieces, min(limit, int(_WHOLE * target)))
    found: list[int] = []
    aim = target * (1 + _TIGHT * (target / limit) ** 2)
    for first, last in pairwise([*_borders(pieces, starts, ends, gaps, aim), len(pieces)]):
        found.append(first)
        found.extend(_parted(pieces, starts, ends, gaps, first, last, target, limit))
    return found


def chunk_length(pieces: Sequence[Piece]) -> int:
    """Length of a chunk of these pieces, with what stands between them."""
    return sum(piece.size + piece.gap for piece in pieces) - pieces[0].gap


def _positions(pieces: Sequence[Piece]) -> tuple[list[int], list[int]]:
    starts, ends = [], []
    at = 0
    for piece in pieces:
        at += piece.gap
        starts.append(at)
        at += piece.size
        ends.append(at)
    return starts, ends


def _gaps(pieces: Sequence[Piece], whole: int) -> list[Gap]:
    """What stands before each piece; tables and code up to ``whole`` are not parted."""
    kept = _kept(pieces, whole)
    gaps = [Gap.NEVER]
    for index in range(1, len(pieces)):
        before, piece = pieces[index - 1], pieces[index]
        gap = _GAPS[piece.joint]
        if piece.lead is Lead.TITLE and before.lead is not Lead.TITLE and not _is_title(pieces, index + 1):
            # Several short lines one after the other are no titles but an address, a poem, a list.
            gap = max(gap, Gap.OPENS)
        if before.lead in (Lead.HEADING, Lead.INTRODUCES) or (
            before.lead is Lead.TITLE and piece.lead is not Lead.TITLE
        ):
            gap = Gap.NEVER
        elif before.element == piece.element and piece.kind in (ElementKind.TABLE, ElementKind.CODE):
            after_header = piece.kind is ElementKind.TABLE and (
                index == 1 or pieces[index - 2].element != piece.element
            )
            if after_header or piece.element in kept:
                gap = Gap.NEVER
        gaps.append(gap)
    return gaps


def _is_title(pieces: Sequence[Piece], index: int) -> bool:
    return index < len(pieces) and pieces[index].lead is Lead.TITLE


def _kept(pieces: Sequence[Piece], whole: int) -> set[int]:
    """Tables and code blocks that stay whole."""
    sizes: dict[int, int] = {}
    for piece in pieces:
        if piece.kind in (ElementKind.TABLE, ElementKind.CODE):
            sizes[piece.element] = sizes.get(piece.element, 0) + piece.size + piece.gap
    return {element for element, size in sizes.items() if size <= whole}


def _borders(pieces: Sequence[Piece], starts: list[int], ends: list[int], gaps: list[Gap], aim: float) -> Iterator[int]:
    """Headings, and marks without another one close before them; the beginning first."""
    apart, inside, last = _APART * aim, _INSIDE * aim, _LAST * aim
    sentence_ends, block_ends, section_ends = _ends(ends, gaps)
    yield 0
    mark = block = starts[0]
    for index in range(1, len(pieces)):
        start, gap = starts[index], gaps[index]
        if gap is Gap.HEADING:
            mark = block = start
            yield index
            continue
        if gap >= Gap.LINE:
            block = start
            chance = _chance_of_block(block_ends[index] - start, gap, aim)
        elif gap is Gap.NEVER or start - block < inside or block_ends[index] - start < inside:
            continue
        elif gap is Gap.CLAUSE and not gaps[index - 1] is gaps[min(index + 1, len(gaps) - 1)] is Gap.CLAUSE:
            continue  # the inside of a long sentence; text without sentences is clauses only
        else:
            chance = _chance((sentence_ends[index] - start) / aim)
        if _hash(pieces[index].unit.text) < chance * _RANGE and not _repeats(pieces, index):
            if start - mark >= apart and section_ends[index] - start >= last:
                yield index
            mark = start


def _ends(ends: list[int], gaps: list[Gap]) -> tuple[list[int], list[int], list[int]]:
    """Where the sentence, the block and the section of each piece end."""
    count = len(gaps)
    sentences, blocks, sections = [0] * count, [0] * count, [0] * count
    sentence = block = section = ends[-1]
    for index in range(count - 1, -1, -1):
        sentences[index], blocks[index], sections[index] = sentence, block, section
        if gaps[index] >= Gap.SENTENCE:
            sentence = ends[index - 1]
            if gaps[index] >= Gap.LINE:
                block = sentence
                if gaps[index] is Gap.HEADING:
                    section = block
    return sentences, blocks, sections


def _chance(size: float) -> float:
    """That a gap is a mark, for a length behind it in aims."""
    return 1 - exp(-size / _MARKS)


def _chance_of_block(length: int, gap: Gap, aim: float) -> float:
    size = length / aim
    if gap is Gap.OPENS:
        return _chance(size * _OPENS)
    return min(_chance(size), max(_BLOCK_LEAST, size))


def _hash(text: str) -> int:
    return crc32(text.encode("utf-8", "surrogatepass")) * _MIX % _RANGE


def _repeats(pieces: Sequence[Piece], index: int) -> bool:
    """Whether text around a piece repeats itself. What is put into a thousand equal lines must be no mark, or it
    would part them otherwise than before."""
    around = [piece.unit.text for piece in pieces[max(index - _AROUND, 0) : index + _AROUND + 1]]
    return len(set(around)) < len(around)


def _parted(
    pieces: Sequence[Piece],
    starts: list[int],
    ends: list[int],
    gaps: list[Gap],
    first: int,
    last: int,
    target: int,
    limit: int,
) -> Iterator[int]:
    """Cuts inside the pieces ``first:last`` where they are longer than ``limit``: from the start on, so that what
    comes or goes at the end moves none, each at the best gap in a window. Among equals the hash decides, so that
    text with a period is cut at the same place of each; where text repeats itself unit by unit, the first."""
    while ends[last - 1] - starts[first] > limit:
        least, most, end = (starts[first] + int(size) for size in (_AIM * target, _AIM_MOST * target, limit))
        window = _open(gaps, bisect_left(ends, min(least, end)) + 1, min(bisect_right(ends, min(most, end)), last - 1))
        if window:
            best = max(
                window, key=lambda at: (gaps[at], 0 if _repeats(pieces, at) else _hash(pieces[at].unit.text), -at)
            )
        else:  # a long stretch that nothing should part
            fits = max(min(bisect_right(ends, end), last - 1), first + 1)
            best = max(_open(gaps, first + 1, fits), default=fits)
        yield best
        first = best


def _open(gaps: list[Gap], first: int, last: int) -> list[int]:
    return [index for index in range(first, last + 1) if gaps[index] is not Gap.NEVER]
