"""Search hits for people: number, title and section, place, passage with the words of the query marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ingestor.cli.output import clean, console

if TYPE_CHECKING:
    from rich.text import Text

    from ingestor.wire import Place, SearchHit, SearchReply
    from ingestor.wire_reading import TraceReply

_LINE_WIDTH = 96
_INDENT = " " * 4
_SHORTEST_MARKED = 3
_TAGS = 8


def show(reply: SearchReply) -> None:
    """Print the hits to stdout."""
    out = console()
    if not reply.hits:
        out.print("Nothing was found.")
        return
    marks = words_of(reply.query)
    for number, hit in enumerate(reply.hits, start=1):
        if number > 1:
            out.print()
        out.print(_heading(number, hit), soft_wrap=True)
        out.print(_place(hit), soft_wrap=True)
        for text in _texts(hit, marks):
            for line in text.wrap(out, min(out.width, _LINE_WIDTH) - len(_INDENT)):
                line.rstrip()
                out.print(_INDENT, line, sep="", soft_wrap=True)
        for other in hit.also:
            out.print(_also(other), soft_wrap=True)


def words_of(query: str) -> re.Pattern[str] | None:
    """Matches the words of the query where a text has them, also as the beginning of a longer word. Short
    words of the Latin script say nothing and are left out."""
    words = {word for word in re.findall(r"\w+", query) if len(word) >= _SHORTEST_MARKED or not word.isascii()}
    if not words:
        return None
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest_first)) + r")\w*", re.IGNORECASE)


def where(hit: Place | TraceReply) -> str:
    """Page or lines, in words; empty where the format has neither."""
    parts = []
    if hit.page is not None:
        parts.append(f"page {hit.page}")
    if hit.lines is not None:
        first, last = hit.lines
        parts.append(f"line {first}" if first == last else f"lines {first}-{last}")
    return ", ".join(parts)


def tagged(tags: Sequence[str]) -> str:
    """The tags in a line; of many the first ones."""
    more = f" and {len(tags) - _TAGS} more" if len(tags) > _TAGS else ""
    return ", ".join(map(clean, tags[:_TAGS])) + more


def _heading(number: int, hit: SearchHit) -> Text:
    from rich.text import Text

    line = Text(f"{number:>2}. ")
    line.append(clean(hit.title) or clean(hit.uri), style="bold")
    # A section path that begins with the title need not say it twice.
    section = hit.section[1:] if hit.section[:1] == (hit.title,) else hit.section
    for part in section:
        line.append(f" > {clean(part)}")
    line.append(f"  {hit.score:.2f}", style="dim")
    return line


def _place(hit: SearchHit) -> Text:
    from rich.text import Text

    target = clean(hit.url or hit.uri).replace("\n", "")
    line = Text(_INDENT)
    line.append(target, style=f"cyan link {target}" if " " not in target else "cyan")
    line.append(f"  {clean(hit.source)}", style="dim")
    if place := where(hit):
        line.append(f", {place}", style="dim")
    if hit.parent:
        line.append(f", attached to {clean(hit.parent_title)}", style="dim")
    if hit.author:
        line.append(f", by {clean(hit.author)}", style="dim")
    if hit.tags:
        line.append(f", tagged {tagged(hit.tags)}", style="dim")
    return line


def _texts(hit: SearchHit, marks: re.Pattern[str] | None) -> Iterator[Text]:
    """The passage with what stands around it, where that was asked for."""
    from rich.text import Text

    for neighbour in hit.before:
        yield Text(_dense(neighbour.text), style="dim")
    text = Text(_dense(hit.text))
    if marks is not None:
        text.highlight_regex(marks, style="bold yellow")
    yield text
    for neighbour in hit.after:
        yield Text(_dense(neighbour.text), style="dim")


def _also(other: Place) -> Text:
    from rich.text import Text

    place = where(other)
    target = clean(other.url or other.uri).replace("\n", "")
    return Text(f"{_INDENT}also in {target}  {clean(other.source)}{f', {place}' if place else ''}", style="dim")


def _dense(text: str) -> str:
    """Without empty lines."""
    return re.sub(r"\n\s*\n+", "\n", clean(text).strip())
