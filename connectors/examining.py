"""What a connection check looks at in every kind of source, through its protocol: is it there, what is in it, can one
item be read, does its journal answer. Reads only; what it finds names places and items, and never a secret."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from connectors.base import WHOLE, Checkpoint, Fetched, ItemRef, Source, Unreadable, Upserted
from connectors.errors import ConnectorError
from connectors.settings import MIB

_ITEMS_MOST = 200_000
_GROUPS_SHOWN = 20
_SAMPLE_MOST = 8 * MIB


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was looked at. ``hint`` says what to do where something should be done."""

    name: str
    level: Level = Level.OK
    message: str
    hint: str = ""


def failed(name: str, error: ConnectorError) -> Finding:
    """What an error says, with its place."""
    return Finding(name=name, level=Level.FAIL, message=str(error), hint=error.hint)


def container(ref: ItemRef) -> str:
    """The first two folders, or namespaces, that an item stands in."""
    return "/".join(ref.item_id.split("/")[:-1][:2]) or "(top)"


def examined(source: Source, *, group_of: Callable[[ItemRef], str] = container) -> Iterator[Finding | Fetched]:
    """Every finding, and among them the one item that was read. Ends where nothing more can be asked."""
    try:
        yield Finding(name="identity", message=f"It answers; it is {source.identity()}.")
    except ConnectorError as error:
        yield failed("identity", error)
        return
    seen = _Seen()
    try:
        yield from seen.listed(source, group_of)
    except ConnectorError as error:
        yield failed("listing", error)
        return
    if (ref := seen.sample) is not None:
        yield from _read(source, ref)
    yield from _journal(source, seen.cursor)


class _Seen:
    """What a listing of everything showed."""

    def __init__(self) -> None:
        self.sample: ItemRef | None = None
        self.cursor: str | None = None
        self._groups: Counter[str] = Counter()
        self._readers: set[str] = set()
        self._hidden = 0  # items that are granted to nobody
        self._unreadable: list[Unreadable] = []

    def listed(self, source: Source, group_of: Callable[[ItemRef], str]) -> Iterator[Finding]:
        began, whole = time.monotonic(), False
        for change in source.list(WHOLE, None):
            match change:
                case Upserted(ref=ref):
                    self._groups[group_of(ref)] += 1
                    self._readers |= ref.grant.principals
                    self._hidden += not ref.grant.principals
                    self._take(ref)
                case Unreadable():
                    self._unreadable.append(change)
                case Checkpoint(complete=complete, cursor=cursor):
                    whole, self.cursor = whole or complete, cursor or self.cursor
                case _:
                    pass  # a journal's words, which no listing of everything has
            if self._groups.total() >= _ITEMS_MOST:
                break
        count, seconds = self._groups.total(), time.monotonic() - began
        least = "" if whole else "at least "
        yield Finding(
            name="listing",
            level=Level.OK if count else Level.WARN,
            message=f"{least}{count:,} items in {seconds:.1f} s",
            hint="" if count else "Check what is included and left out, and what the login may read.",
        )
        for name, number in self._groups.most_common(_GROUPS_SHOWN):
            yield Finding(name=f"in {name}", message=f"{number:,}")
        if (more := len(self._groups) - _GROUPS_SHOWN) > 0:
            yield Finding(name="and in", message=f"{more:,} more places")
        if self._unreadable:
            first = self._unreadable[0]
            message = f"{len(self._unreadable):,} places cannot be read, the first: {first.item_id}: {first.reason}"
            yield Finding(name="unreadable", level=Level.WARN, message=message, hint="Give this account read access.")
        if count:
            yield self._granted()
        if self._hidden and self._readers:
            yield Finding(name="hidden", message=f"{self._hidden:,} items, from all but the owner of the state folder")

    def _take(self, ref: ItemRef) -> None:
        """The newest item of a handy size."""
        if (ref.size or 0) <= _SAMPLE_MOST:
            best = self.sample
            if best is None or (ref.modified_at or 0.0, ref.item_id) > (best.modified_at or 0.0, best.item_id):
                self.sample = ref

    def _granted(self) -> Finding:
        if self._readers:
            return Finding(name="readers", message=", ".join(sorted(self._readers)))
        return Finding(
            name="readers",
            message="nobody but the owner of the state folder",
            hint='Say who may read it: permissions = ["group:staff"].',
        )


def _read(source: Source, ref: ItemRef) -> Iterator[Finding | Fetched]:
    began = time.monotonic()
    try:
        fetched = source.fetch(ref)
    except ConnectorError as error:
        yield failed("reading", error)
        return
    seconds = time.monotonic() - began
    yield Finding(
        name="reading",
        message=f"{ref.item_id}: {len(fetched.content):,} bytes in {seconds:.2f} s, version {fetched.ref.version}",
    )
    yield fetched
    try:
        same = source.lookup(ref.item_id) == fetched.ref
    except ConnectorError as error:
        yield failed("looking up", error)
        return
    if same:
        yield Finding(name="looking up", message="says the same of it")
    else:
        message = "says something else of it than the reading did"
        yield Finding(name="looking up", level=Level.WARN, message=message, hint="Did it change meanwhile? Try again.")


def _journal(source: Source, cursor: str | None) -> Iterator[Finding]:
    if cursor is None:
        yield Finding(name="changes", message="no journal that can be gone on with; each run lists everything")
        return
    try:
        told = list(source.list(WHOLE, cursor))
    except ConnectorError as error:
        yield failed("changes", error)
        return
    whole = any(isinstance(change, Checkpoint) and change.complete for change in told)
    count = sum(not isinstance(change, Checkpoint) for change in told)
    yield Finding(
        name="changes",
        level=Level.WARN if whole else Level.OK,
        message="the journal is not gone on with" if whole else f"the journal is read; {count:,} since the listing",
        hint="Each run lists everything, which costs more." if whole else "",
    )
