"""How much text one hit shows: neighbouring passages in one, or the sentences that answer. Pure but for neighbours.

Either is made of hits that the ledger has resolved, so each part is alive and visible (R7). Of a merged hit span, lines
and text are those of all of it, the rest is what is true of all of it; the chunk is the best of its parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ingestor.model import Candidate, Hit, Reader
from ingestor.pooling import own_units
from ingestor.ports import SearchLedger

MERGED_FIRST = 20
"""Hits among which neighbours are looked for. Further down they say little about each other."""

MERGED_MOST = 1_600
"""Characters of a merged hit: about two passages of the usual size."""

PASSAGE_LENGTH = 330
"""Of a passage around a sentence: about 80 word pieces of English, three or four sentences."""

_UNIT_PART = 0.5
_WORD = re.compile(r"\w+")
_SPACE = re.compile(r"\s+")
_SPACES = re.compile(r"\s*")


def merged(hits: Sequence[Hit]) -> list[Hit]:
    """The best first. Of the first ``MERGED_FIRST`` each joins the better ones that it stands next to, while the whole
    is not longer than ``MERGED_MOST``; a gap of one passage is not bridged."""
    first = hits[:MERGED_FIRST]
    group_of: dict[tuple[str, int, int], list[Hit]] = {}
    for hit in first:
        group = [hit]
        for step in (-1, 1):
            beside = group_of.get((hit.document_id, hit.revision, hit.place + step))
            if beside is not None and _extent([*beside, *group]) <= MERGED_MOST:
                group = [*beside, *group]
        group_of |= {(part.document_id, part.revision, part.place): group for part in group}
    groups = {id(group): group for group in group_of.values()}.values()
    best = [sorted(group, key=first.index) for group in groups]
    return [*map(_joined, sorted(best, key=lambda group: first.index(group[0]))), *hits[MERGED_FIRST:]]


def _extent(group: Sequence[Hit]) -> int:
    return max(hit.span[1] for hit in group) - min(hit.span[0] for hit in group)


def _joined(group: Sequence[Hit]) -> Hit:
    best = group[0]
    if len(group) == 1:
        return best
    parts = sorted(group, key=lambda hit: hit.place)
    first, last = parts[0], parts[-1]
    text = first.text
    for before, part in pairwise(parts):
        text += _between(before, part) + part.text
    return replace(
        best,
        text=text,
        span=(first.span[0], last.span[1]),
        lines=(first.lines[0], last.lines[1]) if first.lines and last.lines else None,
        page=first.page,
        anchor=first.anchor,
        section=_common([part.section for part in parts]),
        place=first.place,
        chunks=len(parts),
        joined=tuple(part.chunk_id for part in parts),
        also=(),  # where one part stands elsewhere, all of it need not
    )


def _between(before: Hit, part: Hit) -> str:
    """White space or markup stood there, of which the ledger keeps no text."""
    if before.lines and part.lines and part.lines[0] > before.lines[1]:
        return "\n" * (part.lines[0] - before.lines[1])
    gap = part.span[0] - before.span[1]
    return "\n\n" if gap > 1 else " " * gap


def _common(sections: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    shared = []
    for names in zip(*sections, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return tuple(shared)


def with_neighbours(ledger: SearchLedger, hit: Hit, count: int, reader: Reader) -> Hit:
    """The hit with the chunks that stand before and after it, as far as they are of the same revision."""
    if not count:
        return hit
    first, behind = max(hit.place - count, 0), hit.place + hit.chunks
    beside = ledger.passages(hit.document_id, first, behind + count - first, reader)
    same = [other for other in beside if other.revision == hit.revision]
    return replace(
        hit,
        before=tuple(other for other in same if other.place < hit.place),
        after=tuple(other for other in same if other.place >= behind),
    )


# -- passages ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Grown:
    """Units ``first`` to ``last`` (exclusive) of one chunk."""

    candidate: Candidate
    first: int
    last: int
    score: float


def grown(
    scores: Mapping[int, float],
    candidates: Iterable[Candidate],
    nearness: Mapping[int, Sequence[float]],
    length: int,
    top: int,
) -> list[Grown]:
    """The best passages of about ``length``, best first, none twice. Each starts at the unit that is best by half its
    own nearness to the query and half its chunk's score, and takes in the better neighbour of its chunk while that
    fits; what is left of a chunk may make another. ``nearness`` has a figure for each unit of a chunk; a chunk
    without is taken whole."""
    starts: list[tuple[float, int, int, Candidate]] = []
    for candidate in candidates:
        if candidate.chunk not in scores:
            continue
        chunk = scores[candidate.chunk]
        near = nearness.get(candidate.chunk)
        if near is None:
            starts.append((chunk, candidate.chunk, -1, candidate))
        else:
            starts += [
                (_UNIT_PART * value + (1 - _UNIT_PART) * chunk, candidate.chunk, place, candidate)
                for place, value in enumerate(near)
            ]
    found: list[Grown] = []
    taken: set[tuple[int, int]] = set()
    seen: set[tuple[int, ...]] = set()
    for score, chunk, place, candidate in sorted(starts, key=lambda start: (-start[0], start[1], start[2])):
        if len(found) == top:
            break
        if (chunk, place) in taken:
            continue
        if place < 0:
            first, last = 0, len(own_units(candidate.units))
        else:
            first, last = _around(place, candidate, nearness[chunk], length, taken)
        taken.update((chunk, unit) for unit in range(first, last))
        units = tuple(unit for unit, _ in candidate.units[first:last])
        if units not in seen:
            seen.add(units)
            found.append(Grown(candidate=candidate, first=first, last=last, score=score))
    return found


def _around(
    place: int, candidate: Candidate, near: Sequence[float], length: int, taken: set[tuple[int, int]]
) -> tuple[int, int]:
    first, last = place, place + 1
    size = candidate.units[place][1]
    while True:
        beside = [unit for unit in (first - 1, last) if 0 <= unit < len(near) and (candidate.chunk, unit) not in taken]
        if not beside:
            return first, last
        unit = max(beside, key=lambda unit: near[unit])
        size += candidate.units[unit][1]
        if size > length:
            return first, last
        first, last = min(first, unit), max(last, unit + 1)


def narrowed(hit: Hit, part: Grown, strings: Sequence[str]) -> Hit:
    """The hit of a chunk, shown from unit ``first`` to ``last``. ``strings`` are those of all units of the chunk; where
    they cannot be found in its text it is shown whole."""
    places = unit_places(hit.text, strings)
    if places is None or len(places) < part.last:
        return replace(hit, score=part.score)
    start, end = places[part.first][0], places[part.last - 1][1]
    line = None if hit.lines is None else hit.lines[0] + hit.text.count("\n", 0, start)
    return replace(
        hit,
        score=part.score,
        text=hit.text[start:end],
        span=(hit.span[0] + start, hit.span[0] + end),
        lines=None if line is None else (line, line + hit.text.count("\n", start, end)),
    )


def unit_places(text: str, strings: Sequence[str]) -> list[tuple[int, int]] | None:
    """Where the units of a chunk stand in its text; None where that cannot be told.

    A unit's string is its text less markup and with white space collapsed, so its words stand there in this order.
    What else stands between two units is parted at an empty line, else at the last end of a line, else at white
    space: a bullet belongs to what follows, a bracket to what it closes.
    """
    words: list[tuple[int, int]] = []  # where the words of each unit begin and end
    at = 0
    for string in strings:
        begin = -1
        for word in string.split():
            found = _next_place(text, word, at)
            if found is None:
                return None
            begin = found[0] if begin < 0 else begin
            at = found[1]
        words.append((begin, at))
    ends = [_parting(text, before[1], after[0]) for before, after in pairwise(words)]
    edges = [(0, 0), *ends, (len(text), len(text))]
    return [(begin[1], end[0]) for begin, end in pairwise(edges)]


def _next_place(text: str, word: str, at: int) -> tuple[int, int] | None:
    """Right here after white space, or else, beyond markup, its letters one after the other."""
    here = _SPACES.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing, too
    if text.startswith(word, here):
        return here, here + len(word)
    begin = -1
    for part in _WORD.findall(word):
        at = text.find(part, at)
        if at < 0:
            return None
        begin = at if begin < 0 else begin
        at += len(part)
    return begin if begin >= 0 else at, at


def _parting(text: str, end: int, begin: int) -> tuple[int, int]:
    """(where one unit ends, where the next begins) in what stands between their words."""
    between = text[end:begin]
    empty = between.rfind("\n\n")
    newline = empty + 1 if empty >= 0 else between.rfind("\n")
    if newline >= 0:
        return end + len(between[:newline].rstrip()), end + newline + 1
    space = _SPACE.search(between)
    return (end + space.start(), end + space.end()) if space else (begin, begin)
