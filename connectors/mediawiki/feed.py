"""What changed in a wiki since a cursor: its recent changes and its logs, read with an overlap.

Changes have times of whole seconds and become visible when their transaction ends, which may be after later ones: so
each look goes back before the last one, and what was seen then is passed over by its number. The feed is trusted only
while the last row that was seen is still in it: rows are purged by age, and a wiki restored from a backup counts anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.errors import SourceUnavailable
from connectors.mediawiki.api import Answer, Api
from connectors.mediawiki.pages import seconds

_OVERLAP_S = 120.0
_YOUNG_S = 3600.0
_ROWS_MOST = 5_000  # beyond that a listing of everything costs less
_FORM = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Cursor:
    """``at`` is the wiki's clock at the last look, in seconds; ``row``, ``row_at`` and ``row_page`` are the last recent
    change that was seen then (0: there was none); ``rows`` and ``logs`` are the numbers of what was seen in the
    overlap. ``settings`` is what it was listed with."""

    at: float
    row: int = 0
    row_at: float = 0.0
    row_page: int = 0
    rows: frozenset[int] = frozenset()
    logs: frozenset[int] = frozenset()
    settings: str = ""

    def write(self) -> str:
        facts = (self.at, self.row, self.row_at, self.row_page)
        sets = (sorted(self.rows), sorted(self.logs))
        return json.dumps([_FORM, *facts, *sets, self.settings], separators=(",", ":"))


def read_cursor(cursor: str | None, settings: str) -> Cursor | None:
    """None of what is no cursor of ours, or was made with other settings."""
    try:
        form, at, row, row_at, row_page, rows, logs, made_with = json.loads(cursor or "")
        if form != _FORM or made_with != settings:
            return None
        return Cursor(
            at=float(at),
            row=int(row),
            row_at=float(row_at),
            row_page=int(row_page),
            rows=frozenset(map(int, rows)),
            logs=frozenset(map(int, logs)),
            settings=settings,
        )
    except (ValueError, TypeError):
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """What happened since a cursor: the pages it happened to, by id, what they are or were called and when that
    changed last, and the cursor after it."""

    page_ids: frozenset[int]
    titles: Mapping[str, float]
    cursor: Cursor


def begin(api: Api, settings: str) -> Cursor:
    """A cursor of now."""
    answer = api.ask(
        "query",
        list="recentchanges",
        rcprop="ids|timestamp",
        rctype="edit|new|log",
        rclimit="1",
        curtimestamp="1",
    )
    try:
        last = answer["query"]["recentchanges"][:1]
        at = seconds(answer["curtimestamp"])
        if not last:
            return Cursor(at=at, settings=settings)
        row = last[0]
        return Cursor(
            at=at,
            row=int(row["rcid"]),
            row_at=seconds(row["timestamp"]),
            row_page=int(row.get("pageid", 0)),
            settings=settings,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _strange(api) from error


def since(api: Api, cursor: Cursor) -> Window | None:
    """What happened since; None where the feed does not say it all. The rows that were seen before are passed over."""
    start = cursor.at - _OVERLAP_S if not cursor.row else min(cursor.at - _OVERLAP_S, cursor.row_at)
    stamp = datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    changes, events = dict[int, Answer](), dict[int, Answer]()
    at = 0.0
    try:
        for answer in api.query(
            list="recentchanges|logevents",
            rcprop="ids|title|timestamp|loginfo",
            rctype="edit|new|log",
            rcdir="newer",
            rcstart=stamp,
            rclimit="max",
            leprop="ids|title|type|timestamp|details",
            ledir="newer",
            lestart=stamp,
            lelimit="max",
            curtimestamp="1",
        ):
            at = at or seconds(answer["curtimestamp"])
            found = answer.get("query", {})
            changes |= {int(one["rcid"]): one for one in found.get("recentchanges", [])}
            events |= {int(one["logid"]): one for one in found.get("logevents", [])}
            if len(changes) + len(events) > _ROWS_MOST:
                return None
        if not _unbroken(cursor, changes, events, at) or at < cursor.at - _OVERLAP_S:
            return None
        fresh = [one for number, one in changes.items() if number not in cursor.rows and number != cursor.row]
        fresh += [one for number, one in events.items() if number not in cursor.logs]
        return Window(
            page_ids=frozenset(_pages(fresh)),
            titles=_titles(fresh),
            cursor=_after(cursor, changes, events, at),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _strange(api) from error


def _unbroken(cursor: Cursor, changes: dict[int, Answer], events: dict[int, Answer], now: float) -> bool:
    """Whether nothing can have been purged between the cursor and now: its last row is there; or others of the time
    are, and it went with its page, whose deletion is told of. Where there was no row, because nothing had changed for
    so long, what is new cannot have come and gone within the hour."""
    if not cursor.row:
        return now - cursor.at < _YOUNG_S
    if cursor.row in changes:
        return True
    deleted = (one for one in events.values() if one.get("type") == "delete" and one.get("action") == "delete")
    return not cursor.rows.isdisjoint(changes) and any(one.get("logpage") == cursor.row_page for one in deleted)


def _after(cursor: Cursor, changes: dict[int, Answer], events: dict[int, Answer], at: float) -> Cursor:
    kept_from = at - _OVERLAP_S
    last = max(changes, default=0)
    row = changes.get(last, {})
    return Cursor(
        at=at,
        row=last,
        row_at=seconds(row["timestamp"]) if row else 0.0,
        row_page=int(row.get("pageid", 0)),
        rows=frozenset(number for number, one in changes.items() if seconds(one["timestamp"]) >= kept_from),
        # The window may begin with the last row, long ago: all events of it were seen.
        logs=frozenset(
            number
            for number, one in events.items()
            if seconds(one["timestamp"]) >= min(kept_from, seconds(row["timestamp"]) if row else kept_from)
        ),
        settings=cursor.settings,
    )


def _pages(rows: list[Answer]) -> set[int]:
    """Every page that they name; a deletion is told of the page that was."""
    return {int(one[key]) for one in rows for key in ("pageid", "logpage") if one.get(key)}


def _titles(rows: list[Answer]) -> dict[str, float]:
    """What was called so before or after, and when it changed last; others may show it."""
    found: dict[str, float] = {}
    for one in rows:
        told: Any = one.get("logparams") or one.get("params")
        target = told.get("target_title") if isinstance(told, dict) else None
        for title in (one.get("title"), target):
            if isinstance(title, str) and title:
                found[title] = max(found.get(title, 0.0), seconds(one["timestamp"]))
    return found


def _strange(api: Api) -> SourceUnavailable:
    return SourceUnavailable(
        "The wiki's list of changes has a form that is not known.",
        place=api.place,
        hint="MediaWiki 1.35 and later are understood.",
    )
