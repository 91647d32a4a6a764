"""Line breaks inside a paragraph: which end a thought and which only wrap it.

Plain text and Markdown keep the writer's lines. A paragraph of the parser may be wrapped prose, but also a
list without markup, a table drawn with bars, a dialogue, an address, or paragraphs of one line each. The
two lines beside a break decide, nothing else, so an edit changes at most the two breaks beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_BREAK = re.compile(r"\n(\s*)")
_QUOTE = re.compile(r"(?:>[ \t]?)*")
# Bullets, numbers, cells, and turns of a dialogue ("Anna: ...", "[12:31] bob: ...").
_OPENS = re.compile(
    r"[-*+•‣◦–—]\s|\(?\d{1,3}[.)]\s|\(?[a-z][.)]\s|\||#{1,6}\s|\[?\d{1,2}:\d{2}"
    r"|[A-ZÀ-Þ][\w.'-]{0,20}(?: [\w.'-]{1,20}){0,2}: "
)
_STOPS = ".!?…。！？؟۔।॥"
_WORD = re.compile(r"\S+")

# Writers who wrap do so at 60 to 130 columns: a longer line is a paragraph of its own, and a break before a
# word that would have fitted into 60 columns, or into the width of its own line, is meant.
_WRAP_MOST = 130
_WRAP_LEAST = 60


def lines(text: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """(start, end, after a blank line) of the lines of ``text[start:end]`` that stand for themselves; wrapped
    lines come as one."""
    begin = line = start
    blank = False
    for mark in _BREAK.finditer(text, start, end):
        following = mark.end()
        if following >= end:
            break
        stop = mark.start()
        while stop > begin and text[stop - 1].isspace():
            stop -= 1
        empty = "\n" in mark.group(1)
        if stop > begin and (empty or _is_meant(text, line, stop, following, end)):
            yield begin, stop, blank
            begin, blank = following, empty
        line = following
    if end > begin:
        yield begin, end, blank


def _is_meant(text: str, line: int, stop: int, following: int, end: int) -> bool:
    """Whether the break between ``text[line:stop]`` and the line at ``following`` ends a thought."""
    if text[line] == ">" or text[following] == ">":  # quoted mail: depth, then the lines without their marks
        here, there = _QUOTE.match(text, line, stop), _QUOTE.match(text, following, end)
        if here is None or there is None or here.group().count(">") != there.group().count(">"):
            return True
        line, following = here.end(), there.end()
        if line >= stop or following >= end:
            return True
    last = text[stop - 1]
    if last in ":：" or _OPENS.match(text, following, end):
        return True
    if "|" in text[line:stop] or "\t" in text[line:stop]:
        return True
    goes_on = text[following].islower()
    width = stop - line
    if width > _WRAP_MOST:
        return not (goes_on and (last.isalnum() or last == ","))
    if goes_on and last not in _STOPS:
        return False
    word, before = _WORD.match(text, following, end), _WORD.match(text, line, stop)
    if word is None or before is None:
        return False
    if word.group() == before.group() or (word.group()[0].isdigit() and before.group()[0].isdigit()):
        return True  # records: a log, a list of dates
    break_after = text.find("\n", following, end)
    next_width = min(_WRAP_MOST, (end if break_after < 0 else break_after) - following)
    return width + 1 + len(word.group()) <= max(_WRAP_LEAST, next_width)
