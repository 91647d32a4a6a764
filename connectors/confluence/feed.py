"""What changed in a Confluence since a cursor: a search by the time of the last change, with an overlap.

Such a search has the grain of a minute and is read in the time zone of who asks; an index answers it, which takes new
things in after a while. So each look goes back well before the last one, and what was seen then, under the version that
it had, is passed over. Where the zone is not told, it goes back by half a day more: no zone is further west.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from connectors.confluence.dialects import Search, quoted
from connectors.confluence.facts import Fact, Kind

OVERLAP_S = 4500.0
"""More than an hour: when clocks are put back, one hour has the name of another."""

_WEST_S = 12 * 3600.0
_TOUCHED_MOST = 100  # beyond that a listing of everything costs less
_ROWS_MOST = 2_000
_FORM = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Cursor:
    """``at`` is the wiki's clock at the last look, ``listed_at`` ours when everything was listed; ``seen`` are the
    versions that things had which changed lately; ``settings`` is what it was listed with."""

    at: float
    listed_at: float
    settings: str
    seen: Mapping[str, int] = field(default_factory=dict)

    def write(self) -> str:
        return json.dumps([_FORM, self.at, self.listed_at, self.settings, self.seen], separators=(",", ":"))


def read_cursor(cursor: str | None, settings: str) -> Cursor | None:
    """None of what is no cursor of ours, or was made with other settings."""
    try:
        form, at, listed_at, made_with, seen = json.loads(cursor or "")
        if form != _FORM or made_with != settings:
            return None
        numbers = {str(one): int(number) for one, number in seen.items()}
        return Cursor(at=float(at), listed_at=float(listed_at), settings=settings, seen=numbers)
    except (ValueError, TypeError, AttributeError):
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """What changed since a cursor, as the search has it, and the cursor after it."""

    touched: tuple[Fact, ...]
    cursor: Cursor


def since(
    search: Search, cursor: Cursor, *, kinds: Iterable[Kind], spaces: Iterable[str], zone: str, now: float
) -> Window | None:
    """What changed since; None where it is more than is worth asking for one by one. ``now`` is the wiki's clock."""
    rows: dict[str, Fact] = {}
    for fact in search.found(question(cursor.at, kinds=kinds, spaces=spaces, zone=zone)):
        rows[fact.content_id] = fact
        if len(rows) > _ROWS_MOST:
            return None
    touched = tuple(fact for one, fact in sorted(rows.items()) if cursor.seen.get(one) != fact.number)
    if len(touched) > _TOUCHED_MOST:
        return None
    seen = {one: fact.number for one, fact in rows.items()}
    return Window(
        touched=touched, cursor=Cursor(at=now, listed_at=cursor.listed_at, settings=cursor.settings, seen=seen)
    )


def question(at: float, *, kinds: Iterable[Kind], spaces: Iterable[str], zone: str) -> str:
    """The search for what changed since ``at``, less the overlap."""
    clauses = [f'lastmodified >= "{moment(at - OVERLAP_S, zone)}"', f"type in ({', '.join(kinds)})"]
    if named := ", ".join(map(quoted, spaces)):
        clauses.append(f"space in ({named})")
    return " and ".join(clauses)


def moment(at: float, zone: str) -> str:
    """A time as a search reads it."""
    try:
        local = datetime.fromtimestamp(at, ZoneInfo(zone) if zone else UTC)
    except (OSError, ValueError, KeyError):
        zone = ""
    if not zone:
        local = datetime.fromtimestamp(at - _WEST_S, UTC)
    return local.strftime("%Y-%m-%d %H:%M")
