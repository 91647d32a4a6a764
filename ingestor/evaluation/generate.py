"""A first evaluation set, out of the headings and titles of documents. Pure, and the same for the same seed.

Such a question says its answer's own words: a heading stands above the answer, and search knows it. So a search finds
more of these than of what people ask. They show what is broken, and which of two searches is worse; not how good one
is.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

MOST = 1_000
PER_DOCUMENT = 2
"""Questions of one document, so that a long one is not all of the set."""

_FEWEST_WORDS, _MOST_WORDS = 12, 60
_MARKS = re.compile(r"^[#=*>\s\d.)]+|[#=*\s]+$")
_WORD = re.compile(r"\w")
_HEADING_LINE = re.compile(r"#{1,6}\s|={1,6}\s")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """What of a document makes questions: its title, and its passages in order, each below the headings above it."""

    title: str
    uri: str
    path: str
    passages: tuple[tuple[tuple[str, ...], str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Generated:
    """A line of an evaluation set. ``path`` is empty where the document is no file of this machine."""

    question: str
    answer: str
    path: str
    uri: str


def chosen(titles: Sequence[str], seed: int) -> list[int]:
    """The places of the documents to look at, in the order in which to: by chance, without those that are called as
    another one is, for nobody can tell which of them a question means."""
    count = Counter(map(_plain, titles))
    places = [place for place, title in enumerate(titles) if count[_plain(title)] == 1]
    random.Random(seed).shuffle(places)  # noqa: S311  # no secret hangs on it, and it has to repeat itself
    return places


def generate(outlines: Iterable[Outline], count: int) -> list[Generated]:
    """Up to so many questions, no two of them alike, nor their answers; only as many documents are looked at as that
    takes."""
    found: list[Generated] = []
    seen: set[str] = set()
    for outline in outlines:
        fresh = [
            one for one in _questions(outline) if not seen & {f"q {_plain(one.question)}", f"a {_plain(one.answer)}"}
        ]
        for one in fresh[:PER_DOCUMENT]:
            seen |= {f"q {_plain(one.question)}", f"a {_plain(one.answer)}"}
            found.append(one)
        if len(found) >= count:
            return found[:count]
    return found


def _questions(outline: Outline) -> Iterator[Generated]:
    """One for each heading that stands once in the document, the deepest above its passage; else one for the title."""
    headings = [section[-1] if section else "" for section, _ in outline.passages]
    first = {heading: place for place, heading in reversed(list(enumerate(headings)))}
    runs = Counter(heading for place, heading in enumerate(headings) if place == 0 or headings[place - 1] != heading)
    asked = False
    for heading, place in sorted(first.items(), key=lambda pair: pair[1]):
        section, text = outline.passages[place]
        answer = _answer(text, (*section, outline.title))
        if not heading or runs[heading] > 1 or _plain(heading) == _plain(outline.title) or not answer:
            continue
        asked = True
        question = heading if heading.rstrip().endswith("?") else f"{outline.title}: {heading}"
        yield Generated(question=question, answer=answer, path=outline.path, uri=outline.uri)
    if not asked and outline.passages:
        section, text = outline.passages[0]
        if answer := _answer(text, (*section, outline.title)):
            yield Generated(question=outline.title, answer=answer, path=outline.path, uri=outline.uri)


def _answer(text: str, headings: Sequence[str]) -> str:
    """The beginning of what stands below the headings; empty where that is too short to be told from others."""
    names = {_plain(heading) for heading in headings}
    lines = text.splitlines()
    while lines and (not _WORD.search(lines[0]) or _HEADING_LINE.match(lines[0]) or _plain(lines[0]) in names):
        del lines[0]
    body: list[str] = []
    for line in lines:
        if _HEADING_LINE.match(line):
            break
        body += line.split()
    return " ".join(body[:_MOST_WORDS]) if len(body) >= _FEWEST_WORDS else ""


def _plain(text: str) -> str:
    return " ".join(_MARKS.sub("", text).casefold().split())
