"""What changed in a Confluence since a cursor: a search by the time of the last change, with an overlap.

Such a search has the grain of a minute and is read in the time zone of who asks; an index answers it, which takes new
things in after a while. So each look goes back well before the last one, and what was seen then, under the version that
it had, is passed over. Where the zone is not told, it is measured by a page whose time is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from connectors.confluence.dialects import Search, quoted
from connectors.confluence.facts import Fact, Kind

OVERLAP_S = 4500.0
"""More than an hour: when clocks are put back, one hour has the name of another."""

WEST_S = -12 * 3600.0
"""No zone is further behind: a search begins too early by it, and never too late."""

_STEP_S = 900.0
_STEPS = 105  # of a quarter of an hour, to the zone that is furthest ahead
_ROWS_MOST = 2_000
_FORM = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Cursor:
    """``at`` is the wiki's clock at the last look, ``listed_at`` ours when everything was listed; ``ahead_s`` is how
    far the zone was measured to be ahead of UTC; ``seen`` are the versions that things had which changed lately;
    ``settings`` is what it was listed with."""

    at: float
    listed_at: float
    settings: str
    ahead_s: float = WEST_S
    seen: Mapping[str, int] = field(default_factory=dict)

    def write(self) -> str:
        return json.dumps(
            [_FORM, self.at, self.listed_at, self.settings, self.ahead_s, self.seen], separators=(",", ":")
        )


def read_cursor(cursor: str | None, settings: str) -> Cursor | None:
    """None of what is no cursor of ours, or was made with other settings."""
    try:
        form, at, listed_at, made_with, ahead_s, seen = json.loads(cursor or "")
        if form != _FORM or made_with != settings:
            return None
        numbers = {str(one): int(number) for one, number in seen.items()}
        facts = {"at": float(at), "listed_at": float(listed_at), "ahead_s": float(ahead_s)}
        return Cursor(settings=settings, seen=numbers, **facts)
    except (ValueError, TypeError, AttributeError):
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """What changed since a cursor, as the search has it, and the cursor after it; ``elsewhere`` is what of it is
    where nothing is read."""

    touched: tuple[Fact, ...]
    cursor: Cursor
    elsewhere: tuple[Fact, ...] = ()


def since(
    search: Search, cursor: Cursor, *, kinds: Iterable[Kind], spaces: Iterable[str], zone: str, now: float
) -> Window | None:
    """What changed since; None where it is more than a listing of everything costs. ``zone`` is that of the account,
    where it is told; ``now`` is the wiki's clock."""
    rows: dict[str, Fact] = {}
    ahead_s = ahead(zone, now)
    cql = question(cursor.at, kinds=kinds, spaces=spaces, ahead_s=cursor.ahead_s if ahead_s is None else ahead_s)
    for fact in search.found(cql):
        rows[fact.content_id] = fact
        if len(rows) > _ROWS_MOST:
            return None
    touched = tuple(fact for one, fact in sorted(rows.items()) if cursor.seen.get(one) != fact.number)
    return Window(
        touched=touched, cursor=replace(cursor, at=now, seen={one: fact.number for one, fact in rows.items()})
    )


def question(at: float, *, kinds: Iterable[Kind], spaces: Iterable[str], ahead_s: float) -> str:
    """The search for what changed since ``at``, less the overlap."""
    clauses = [f'lastmodified >= "{moment(at - OVERLAP_S, ahead_s)}"', f"type in ({', '.join(kinds)})"]
    if named := ", ".join(map(quoted, spaces)):
        clauses.append(f"space in ({named})")
    return " and ".join(clauses)


def moment(at: float, ahead_s: float) -> str:
    """A time as a search reads it."""
    return datetime.fromtimestamp(at + ahead_s, UTC).strftime("%Y-%m-%d %H:%M")


def ahead(zone: str, now: float) -> float | None:
    """How far a zone is ahead of UTC; None of one that is not told, or not known."""
    try:
        offset = datetime.fromtimestamp(now, ZoneInfo(zone)).utcoffset() if zone else None
    except (OSError, ValueError, KeyError):
        return None
    return None if offset is None else offset.total_seconds()


def measured(search: Search, known: Fact) -> float:
    """How far the zone of the account is ahead of UTC, at least: the furthest in which ``known`` is found that changed
    at a known time. Some seven requests. Where it is not found, or no longer as it was, no zone is further behind."""
    low, high = 0, _STEPS  # in steps from the west
    while high - low > 1:
        step = (low + high) // 2
        after = moment(known.modified_at - _STEP_S / 2, WEST_S + step * _STEP_S)
        found = [*search.found(f'id = {known.content_id} and lastmodified >= "{after}"')]
        if any(one.number != known.number for one in found):
            return WEST_S
        low, high = (step, high) if found else (low, step)
    return WEST_S + low * _STEP_S
