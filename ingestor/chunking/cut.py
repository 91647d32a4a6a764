"""Where chunks end: anchors chosen by their surroundings, dynamic programming over the units between them.

An *anchor* is a place that is better than every other within ``_REACH`` on both sides: by what stands there
(a heading, a title, a page, a paragraph), among equals by a hash of the unit that follows: of its first
letters before all of it, so that an edit further on in a sentence moves no anchor. Anchors always part chunks;
between two of them (half a target to two and a half apart) the cheapest cuts are found. What an edit can change
therefore ends at the next anchors: one or two chunks, whatever the size of the document. One edit of a sentence in
two or three hundred touches three: its place was an anchor, and where one anchor leaves two may come, or the cuts
beside it change in number. A reach of 0.35 halves that, at an eighth more chunks; a cut that depends on the text
alone and bounds the length of chunks cannot exclude it. A global optimum over the whole document scored no better on
the retrieval benchmark's dev part, and an edit in text without structure moved it dozens of chunks away.

Text that repeats itself has no place better than the others. There anchors are set one after the other from
the last, at the best place in a window, among equals the one nearest to a target's distance: equal text
gives equal chunks, so a shift changes the two ends of the repetition and nothing between.

All costs are constants, in thousandths of the cost of an empty chunk; never the document's own statistics,
or an edit in one place would move cuts in another. Lexical cohesion of the text on both sides was tried there
at three weights and left out: some figures rose by a point or two, others fell as much, and it makes each
cut depend on six units.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from zlib import crc32

from ingestor.chunking.units import Joint, Lead, Piece
from ingestor.model import ElementKind

# What a cut costs by what stands there. An empty chunk, or one of twice the length aimed at, costs 1000, one
# that is off by half of it 250: a heading parts even small sections, a paragraph is worth half a chunk.
_JOINT_COST = {
    Joint.CLAUSE: 300,
    Joint.SENTENCE: 0,
    Joint.LINE: -200,
    Joint.PARAGRAPH: -300,
    Joint.PAGE: -800,
    Joint.HEADING: -1000,
}
_BEFORE_TITLE = -500
# A heading at the end of a chunk is worse than any size, a title or a lead-in almost.
_AFTER_LEAD = {Lead.NONE: 0, Lead.INTRODUCES: 300, Lead.TITLE: 1000, Lead.HEADING: 2000}
# Inside a table or code that fits into one chunk; between a header and the first row.
_INSIDE_WHOLE = 700
_AFTER_HEADER = 1000
# Good places attract cuts, so chunks come out shorter than the length at which the cost of size is least.
# Aiming a fifth higher brings their mean to between nine tenths of the target and the target.
_AIM = 1.2
# How far around it an anchor is the best place, in lengths aimed at. Less makes more and smaller chunks; from
# half on, one edit in some hundreds was seen to change more than four chunks.
_REACH = 0.45
# Neighbouring anchors further apart than this many reaches get one between them where one can stand.
_FAR = 4
_WINDOW = 3
_HEAD = 12  # first letters of a unit that its rank looks at first: two words
_MIX = 0x9E3779B1  # odd: spreads the low bits of a checksum to the high ones


def cut(pieces: Sequence[Piece], target: int, limit: int) -> list[int]:
    """The index of the first piece of each chunk, ascending from 0. A chunk is longer than ``limit`` only if
    it is a single piece that is."""
    if not pieces:
        return []
    aim = min(int(target * _AIM), limit)
    starts, ends = _positions(pieces)
    costs = _costs(pieces, limit)
    anchors = _anchors(pieces, starts, ends, costs, aim, limit)
    found: list[int] = []
    for first, last in pairwise([*anchors, len(pieces)]):
        found.extend(_cheapest(starts, ends, costs, first, last, aim, limit))
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


def _costs(pieces: Sequence[Piece], limit: int) -> list[int]:
    """What a cut before each piece costs."""
    costs = [0] * len(pieces)
    whole = _whole(pieces, limit)
    for index in range(1, len(pieces)):
        before, piece = pieces[index - 1], pieces[index]
        cost = _JOINT_COST[piece.joint]
        if before.element == piece.element and piece.kind in (ElementKind.TABLE, ElementKind.CODE):
            cost = max(cost, 0)
            if piece.element in whole:
                cost = _INSIDE_WHOLE
            if piece.kind is ElementKind.TABLE and (index == 1 or pieces[index - 2].element != piece.element):
                cost = _AFTER_HEADER
        if before.lead is not Lead.TITLE or piece.lead is not Lead.TITLE:
            # Several short lines one after the other are no titles but an address, a poem, a list.
            cost += _AFTER_LEAD[before.lead]
            if piece.lead is Lead.TITLE and not _is_title(pieces, index + 1):
                cost += _BEFORE_TITLE
        costs[index] = cost
    return costs


def _is_title(pieces: Sequence[Piece], index: int) -> bool:
    return index < len(pieces) and pieces[index].lead is Lead.TITLE


def _whole(pieces: Sequence[Piece], limit: int) -> set[int]:
    """Tables and code blocks that fit into one chunk."""
    sizes: dict[int, int] = {}
    for piece in pieces:
        if piece.kind in (ElementKind.TABLE, ElementKind.CODE):
            sizes[piece.element] = sizes.get(piece.element, 0) + piece.size + piece.gap
    return {element for element, size in sizes.items() if size <= limit}


def _anchors(
    pieces: Sequence[Piece], starts: list[int], ends: list[int], costs: list[int], aim: int, limit: int
) -> list[int]:
    """Places that always part chunks, the beginning included."""
    reach = int(aim * _REACH)
    ranks = _ranks(pieces, costs)
    anchors = [0]
    for natural in (*_best_around(ranks, starts, ends[-1], reach), len(pieces)):
        end = ends[-1] if natural == len(pieces) else starts[natural]
        anchors.extend(_between(ranks, starts, anchors[-1], end, reach, aim, limit))
        if natural < len(pieces):
            anchors.append(natural)
    return anchors


def _ranks(pieces: Sequence[Piece], costs: list[int]) -> list[int]:
    """Orders places: cheaper cuts first, among equals by the first letters of the unit that follows, then by
    all of it. Where units nearby begin alike, first letters say nothing, and whatever begins otherwise would
    always be the best place: there they do not count."""
    ranks = []
    count = len(pieces)
    heads = ["", "", *(piece.unit.text[:_HEAD] for piece in pieces), "", ""]
    for index in range(count):
        around = heads[index], heads[index + 1], heads[index + 3], heads[index + 4]
        head = _hash(heads[index + 2]) if len(set(around)) == len(around) else 0
        ranks.append(-costs[index] << 64 | head << 32 | _hash(pieces[index].unit.text))
    return ranks


def _hash(text: str) -> int:
    return crc32(text.encode("utf-8", "surrogatepass")) * _MIX & 0xFFFFFFFF


def _best_around(ranks: list[int], starts: list[int], end: int, reach: int) -> Iterator[int]:
    """Places with a higher rank than any within ``reach`` before them and as high as any within ``reach``
    after them, and at least that far from both ends of the text; ascending."""
    count = len(ranks)
    best_before = [False] * count
    window: deque[int] = deque()  # places within reach, their ranks falling
    for index in range(1, count):
        while window and starts[index] - starts[window[0]] > reach:
            window.popleft()
        best_before[index] = starts[index] - starts[0] >= reach and (not window or ranks[window[0]] < ranks[index])
        while window and ranks[window[-1]] <= ranks[index]:
            window.pop()
        window.append(index)
    found = []
    window.clear()
    for index in range(count - 1, 0, -1):
        while window and starts[window[0]] - starts[index] > reach:
            window.popleft()
        if best_before[index] and end - starts[index] >= reach and (not window or ranks[window[0]] <= ranks[index]):
            found.append(index)
        while window and ranks[window[-1]] <= ranks[index]:
            window.pop()
        window.append(index)
    return reversed(found)


def _between(
    ranks: list[int], starts: list[int], first: int, end: int, reach: int, aim: int, limit: int
) -> Iterator[int]:
    """Anchors between one at ``first`` and one at the position ``end``, where these stand far apart."""
    while (rest := end - starts[first]) > limit:
        low = bisect_left(starts, starts[first] + reach, first + 1)
        high = bisect_right(starts, min(starts[first] + _WINDOW * reach, end - reach), first + 1)
        if low >= high:
            return
        top = max(ranks[low:high])
        equals = [index for index in range(low, high) if ranks[index] == top]
        if rest <= _FAR * reach and len(equals) == 1:
            return
        there = starts[first] + aim
        first = min(equals, key=lambda index: (abs(starts[index] - there), index))
        yield first


def _cheapest(
    starts: list[int], ends: list[int], costs: list[int], first: int, last: int, aim: int, limit: int
) -> list[int]:
    """The cheapest way to part the pieces ``first:last``: the first piece of each chunk."""
    count = last - first
    square = aim * aim
    best = [0] * count  # the cheapest way to part what stands before each piece, a cut there included
    came = [0] * (count + 1)
    for stop in range(1, count + 1):
        end = ends[first + stop - 1]
        lowest, least = 0, -1
        for start in range(stop - 1, -1, -1):
            size = end - starts[first + start]
            if size > limit and start < stop - 1:
                break
            cost = best[start] + 1000 * (size - aim) ** 2 // square
            if least < 0 or cost < lowest:
                lowest, least = cost, start
        came[stop] = least
        if stop < count:
            best[stop] = lowest + costs[first + stop]
    found = []
    stop = count
    while stop > 0:
        stop = came[stop]
        found.append(first + stop)
    return found[::-1]
