"""What changed in a DokuWiki since a cursor: its recent changes, read with an overlap.

The wiki keeps one log of pages and one of files, and tells of each page only its last change. A log is trusted while
the last changes that were seen are still in it, or later ones of the same pages: rows are purged by age, a wiki may be
restored from a backup, and what we may no longer read is left out. Times are whole seconds, and two edits of one second
are one row: what is that young is looked at once more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from connectors.dokuwiki.api import Api
from connectors.dokuwiki.dialects import OLDEST, Kind, Row

_OVERLAP_S = 120
_YOUNG_S = 5
_WITNESSES = 5  # so many pages are not all edited again between a purge and the next look
_ROWS_MOST = 100  # beyond that a listing of everything costs less
_FORM = 1

Seen = frozenset[tuple[str, int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    """Where one log was left: its last change (revision 0: there was none), and what was seen of the overlap and of
    the last pages before it."""

    name: str = ""
    revision: int = 0
    seen: Seen = frozenset()

    @property
    def since(self) -> int:
        """The time from which everything that is known of is told again."""
        return max(OLDEST, min([self.revision - _OVERLAP_S, *(revision for _, revision in self.seen)]))

    def goes_on(self, rows: Sequence[Row]) -> bool:
        """Whether these rows are of the log that was left here."""
        told = {row.name: row.revision for row in rows}
        last = {(self.name, self.revision)} if self.revision else set()
        return all(told.get(name, 0) >= revision for name, revision in self.seen | last)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cursor:
    """``listed_at`` is when everything was listed, by our clock; ``settings`` is what it was listed with."""

    listed_at: float
    logs: Mapping[Kind, Log] = field(default_factory=dict)
    settings: str = ""

    def without(self, unread: AbstractSet[tuple[Kind, str]]) -> Cursor:
        """The same, to look at these once more: the feed tells of what we may read, and yet that was refused."""
        logs = {
            kind: replace(log, seen=frozenset(row for row in log.seen if (kind, row[0]) not in unread))
            for kind, log in self.logs.items()
        }
        return replace(self, logs=logs)

    def write(self) -> str:
        logs = {kind: [log.name, log.revision, sorted(log.seen)] for kind, log in self.logs.items()}
        return json.dumps([_FORM, self.listed_at, logs, self.settings], separators=(",", ":"))


def read_cursor(cursor: str | None, settings: str) -> Cursor | None:
    """None of what is no cursor of ours, or was made with other settings."""
    try:
        form, listed_at, logs, made_with = json.loads(cursor or "")
        if form != _FORM or made_with != settings:
            return None
        read = {
            Kind(kind): Log(
                name=str(name),
                revision=int(revision),
                seen=frozenset((str(one), int(at)) for one, at in seen),
            )
            for kind, (name, revision, seen) in logs.items()
        }
        return Cursor(listed_at=float(listed_at), logs=read, settings=settings)
    except (ValueError, TypeError, AttributeError):
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """What happened to since a cursor, and the cursor after it."""

    touched: frozenset[tuple[Kind, str]]
    cursor: Cursor


def begin(api: Api, kinds: Sequence[Kind], *, listed_at: float, settings: str) -> Cursor:
    """A cursor of now."""
    logs = {kind: _after(api.changes(kind, OLDEST), api.now()) for kind in kinds}
    return Cursor(listed_at=listed_at, logs=logs, settings=settings)


def since(api: Api, cursor: Cursor) -> Window | None:
    """What happened since; None where the logs do not say it all, or more than is worth asking for one by one."""
    touched, logs = set[tuple[Kind, str]](), dict[Kind, Log]()
    for kind, log in cursor.logs.items():
        rows = api.changes(kind, log.since)
        if not log.goes_on(rows):
            return None
        touched |= {(kind, row.name) for row in rows if (row.name, row.revision) not in log.seen}
        if len(touched) > _ROWS_MOST:
            return None
        logs[kind] = _after(rows, api.now())
    after = Cursor(listed_at=cursor.listed_at, logs=logs, settings=cursor.settings)
    return Window(touched=frozenset(touched), cursor=after)


def _after(rows: Sequence[Row], now: float) -> Log:
    if not rows:
        return Log()
    newest = sorted(rows, key=lambda row: (row.revision, row.name))
    last = newest[-1]
    kept = {*newest[-_WITNESSES:], *(row for row in newest if row.revision >= last.revision - _OVERLAP_S)}
    seen = frozenset((row.name, row.revision) for row in kept if row.revision < now - _YOUNG_S)
    return Log(name=last.name, revision=last.revision, seen=seen)
