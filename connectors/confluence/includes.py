"""What texts include of others: the pages are named when a text is read, and remembered, because no listing tells it.

A text that shows another page is another version when that page is. Shown is only what everybody sees who sees the
text: a page under no restriction, or under the same one (R7). What is remembered may be lost; then such texts are read
once more.
"""

from __future__ import annotations

import json
import os
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


class Includes:
    """What is remembered, in a file. Any number of threads."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "includes.json"
        self._lock = threading.Lock()
        self._names: dict[str, list[Name]] = {}
        self._used: dict[str, list[tuple[Name, str]]] = {}
        try:
            said = json.loads(self._file.read_text("utf-8"))
            self._names = {str(one): [(str(s), str(t)) for s, t in rows] for one, rows in said["names"].items()}
            self._used = {
                str(one): [((str(s), str(t)), str(i)) for (s, t), i in rows] for one, rows in said["used"].items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            self._names, self._used = {}, {}

    def names(self, content_id: str) -> tuple[Name, ...]:
        """What a text names itself."""
        return tuple(self._names.get(content_id, ()))

    def showing(self, facts: Iterable[Fact]) -> frozenset[str]:
        """The texts that show one of these pages, or would."""
        there = [*facts]
        names, ids = {(one.space, one.title) for one in there}, {one.content_id for one in there}
        with self._lock:
            return frozenset(
                text for text, rows in self._used.items() if any(name in names or one in ids for name, one in rows)
            )

    def learn(self, content_id: str, names: Iterable[Name], used: Iterable[Used] | None = None) -> None:
        """What a text names, and where it was looked up, all that it shows."""
        given = [*names]
        with self._lock:
            before = (self._names.get(content_id), self._used.get(content_id))
            if given:
                self._names[content_id] = given
                if used is not None:
                    self._used[content_id] = [(one.name, one.content_id) for one in used]
            else:
                self._names.pop(content_id, None)
                self._used.pop(content_id, None)
            if before != (self._names.get(content_id), self._used.get(content_id)):
                self._save()

    def _save(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps({"names": self._names, "used": self._used}), "utf-8")
        os.replace(fresh, self._file)  # noqa: PTH105  # atomic, also over what is there
