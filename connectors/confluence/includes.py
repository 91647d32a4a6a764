"""What texts include of others: the pages are named when a text is read, and remembered, because no listing tells it.

A text that shows another page is another version when that page is. Shown is only what everybody sees who sees the
text: a page under no restriction, or under the same one (R7). What is remembered may be lost; then such texts are read
once more.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from connectors.confluence.facts import Fact
from connectors.confluence.tree import SOURCE
from connectors.settings import digest

Name = tuple[str, str]
"""A space's key and a title; without a key, in the space of the text that names it, wherever that is moved to."""

_MOST = 200  # pages in one text
_SPARE_LINES = 1_000  # that no longer count, before the file is written anew


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A page that a text would show, and the place that grants reading it."""

    fact: Fact
    place: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Used:
    """A page that a text names: what it is now, or that it is not shown (no id)."""

    name: Name
    content_id: str = ""
    number: int = 0


def used_by(
    own: Shown, *, names_of: Callable[[Fact], Iterable[Name]], resolve: Callable[[Name], Shown | None]
) -> tuple[Used, ...]:
    """All that a text shows, and what that shows in turn, each once."""
    found: dict[Name, Used] = {}

    def named(fact: Fact) -> list[Name]:
        return [(space or fact.space, title) for space, title in names_of(fact)]

    queue = named(own.fact)
    while queue and len(found) < _MOST:
        name = queue.pop(0)
        if name in found or name == (own.fact.space, own.fact.title):
            continue
        other = resolve(name)
        if other is None or other.place not in {SOURCE, own.place}:
            found[name] = Used(name=name)
            continue
        found[name] = Used(name=name, content_id=other.fact.content_id, number=other.fact.number)
        queue += named(other.fact)
    return tuple(found.values())


def stamp(used: Iterable[Used]) -> str:
    """What of a version says which pages a text shows; empty where it names none."""
    facts = sorted((one.name, one.content_id, one.number) for one in used)
    return digest(*facts) if facts else ""


_Remembered = tuple[tuple[Name, ...], tuple[tuple[Name, str], ...]]
"""What a text names itself; and each name that it shows, or would, with the id of that page."""

_NOTHING: _Remembered = ((), ())


class Includes:
    """What is remembered: a line of a file for each text that was read, of which the last counts. A line that a death
    cut short, or a full disk kept away, is a text that is read once more. Any number of threads."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "includes.jsonl"
        self._lock = threading.Lock()
        self._texts: dict[str, _Remembered] = {}
        lines: list[bytes] = []
        with contextlib.suppress(OSError):
            lines = [line for line in self._file.read_bytes().splitlines() if line]
        for line in lines:
            self._take(line)
        if len(lines) > 2 * len(self._texts) + _SPARE_LINES:
            fresh = self._file.with_suffix(".new")
            with contextlib.suppress(OSError):
                fresh.write_text("".join(map(self._line, self._texts)), "ascii")
                fresh.replace(self._file)

    def names(self, content_id: str) -> tuple[Name, ...]:
        """What a text names itself."""
        return self._texts.get(content_id, _NOTHING)[0]

    def showing(self, facts: Iterable[Fact]) -> frozenset[str]:
        """The texts that show one of these pages, or would."""
        there = [*facts]
        names, ids = {(one.space, one.title) for one in there}, {one.content_id for one in there}
        with self._lock:
            return frozenset(
                text
                for text, (_, used) in self._texts.items()
                if any(name in names or one in ids for name, one in used)
            )

    def learn(self, content_id: str, names: Iterable[Name], used: Iterable[Used] | None = None) -> None:
        """What a text names, and where it was looked up, all that it shows."""
        with self._lock:
            before = self._texts.get(content_id, _NOTHING)
            given = tuple(names)
            shown = before[1] if used is None else tuple((one.name, one.content_id) for one in used)
            now = (given, shown) if given else _NOTHING
            if now == before:
                return
            self._texts[content_id] = now
            line = self._line(content_id)
            if now == _NOTHING:
                del self._texts[content_id]
            with contextlib.suppress(OSError):
                self._file.parent.mkdir(parents=True, exist_ok=True)
                with self._file.open("a", encoding="ascii") as file:
                    file.write(line)

    def _line(self, content_id: str) -> str:
        """With an end before it as well: behind what a death cut short it is a line of its own."""
        return "\n" + json.dumps([content_id, *self._texts[content_id]], separators=(",", ":")) + "\n"

    def _take(self, line: bytes) -> None:
        try:
            content_id, names, used = json.loads(line)
            named = tuple((str(space), str(title)) for space, title in names)
            shown = tuple(((str(space), str(title)), str(one)) for (space, title), one in used)
        except (ValueError, TypeError):
            return
        if named:
            self._texts[str(content_id)] = (named, shown)
        else:
            self._texts.pop(str(content_id), None)
