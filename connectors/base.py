"""The two protocols of the outside world, and the values that cross them.

A ``Source`` answers three questions: what is there (``list``), what does this item hold (``fetch``),
does this item exist (``lookup``). A ``Watcher`` says where it may be worth asking again. Everything
is read only. Values are frozen; ids are ASCII strings, so that they survive every database, URL and
log they pass through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NewType, Protocol, runtime_checkable

ItemId = NewType("ItemId", str)
"""ASCII, stable inside its source; ``/`` separates containers. For paths the percent-encoded bytes. No ``#``: what
follows one is a part of the item (an attachment of a mail), which the source knows nothing of."""

Version = NewType("Version", str)
"""Opaque signature of an item's state. Compared for equality only, never for order."""

Scope = NewType("Scope", str)
"""The part of a source a listing speaks of: ``""`` is all of it, else an item or container id."""

WHOLE = Scope("")


def within(item_id: str, scope: str) -> bool:
    """Whether ``item_id`` lies in ``scope``: is it, or stands beneath it."""
    return scope in (WHOLE, item_id) or item_id.startswith(scope + "/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """Who may read an item, and the place that says so.

    ``place`` identifies the grantor inside the source (a folder with one mode, a wiki space), so that
    items under one rule share one row of the ledger and a change of the rule is one change.
    ``principals`` are ``public``, ``user:NAME``, ``group:NAME``; empty means nobody.
    """

    place: str
    principals: frozenset[str] = frozenset()


NOBODY = Grant(place="", principals=frozenset())


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemRef:
    """One item as a listing shows it. Comparing two refs of one item needs only ``version``.

    ``size`` is in bytes or None, ``modified_at`` in seconds since the epoch as the source says it
    (shown to people and used for lag, never compared for order). ``file_key`` names the same object
    under another id (an inode): with equal ``move_key`` (size and mtime) it proves a move. ``parent`` is what it
    hangs on: a folder, or the item that it is attached to (a page's attachment), which a hit then names. ``url`` opens
    the item as it is now, ``pinned_url`` as it is in this version, for good.

    ``tags`` are the source's categories or labels of the item, as people write them; None where this ref does not say
    (a listing that shows none, a source that has none), which leaves what is known. A listing that says so changes
    tags without a read; where only a fetch can tell, they go with a new version. ``author`` made this version; None
    where the source does not say, or not any more.
    """

    item_id: ItemId
    name: str
    version: Version
    size: int | None = None
    modified_at: float | None = None
    file_key: str | None = None
    move_key: str | None = None
    url: str = ""
    pinned_url: str = ""
    media_type: str | None = None
    parent: ItemId | None = None
    grant: Grant = NOBODY
    tags: tuple[str, ...] | None = None
    author: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """An item's whole content with the ref that it belongs to (read again around the read).

    ``doubtful`` says that the content was read while the source's clock could still hide a second
    change behind the same version; the reader has to fetch once more later (R9).
    """

    ref: ItemRef
    content: bytes = field(repr=False)
    doubtful: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Upserted:
    """The item exists with this state."""

    ref: ItemRef


@dataclass(frozen=True, kw_only=True, slots=True)
class Deleted:
    """The source's own journal says that the item was deleted (to be confirmed by ``lookup``)."""

    item_id: ItemId


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """The source's own journal says that the item now has another id and this state."""

    item_id: ItemId
    ref: ItemRef


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """The item or container exists, but the source cannot tell more: never a delete.

    ``hides`` says that its permissions changed so that not even who may read there can be told: until it
    can, nobody is shown what stands there.
    """

    item_id: ItemId
    reason: str
    hides: bool = False


Change = Upserted | Deleted | Moved | Unreadable


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """In-band mark: everything of ``scope`` up to here was yielded, except beneath ``unproven``.

    ``complete`` marks a listing from which absence may be concluded (inside ``scope``, outside
    ``unproven``). ``cursor`` is saved after everything before the mark is committed (R4). ``confirm``: what a complete
    listing lacks is gone only where ``lookup`` says so as well; for sources whose listing is made of many answers.
    """

    cursor: str | None = None
    scope: Scope = WHOLE
    complete: bool = False
    unproven: tuple[Scope, ...] = ()
    confirm: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Hint:
    """Something in ``scope`` may have changed. Carries no truth (R6)."""

    scope: Scope = WHOLE


@runtime_checkable
class Watcher(Protocol):
    """Emits hints until stopped. Losing events is allowed only when a whole-source hint follows."""

    def start(self, emit: Callable[[Hint], None]) -> None:
        """Arm the watch; returns when changes made from now on will be hinted at. ``emit`` may be
        called from any thread, and must be quick. Raises ``SourceUnavailable``."""

    def alive(self) -> bool:
        """False when the watch no longer hears its source and has to be replaced."""

    def stop(self) -> None:
        """Stop emitting and release everything; safe to call twice or before ``start``."""


@runtime_checkable
class Source(Protocol):
    """One configured place that content comes from. Instances are used by one thread at a time,
    except ``fetch``, which may run in several."""

    @property
    def name(self) -> str:
        """The configured name, unique in the installation."""

    def identity(self) -> str:
        """A string that stays equal while this is the same place (filesystem, mount, root inode; site
        id). Absence is concluded only while it holds (R5). Raises ``SourceUnavailable``."""

    def list(self, scope: Scope, cursor: str | None) -> Iterator[Change | Checkpoint]:
        """Yield what is in ``scope``, then at least one ``Checkpoint``. A source with a journal may
        yield changes since ``cursor`` instead, with ``complete=False``. Order is free. An item is
        yielded at most once per listing. Raises ``SourceUnavailable``, ``ListingIncomplete``."""

    def fetch(self, ref: ItemRef) -> Fetched:
        """Read one item whole. The returned ref's version belongs to exactly the returned content.
        Raises ``ItemVanished``, ``ItemUnreadable``, ``SourceUnavailable``."""

    def lookup(self, item_id: ItemId) -> ItemRef | None:
        """Ask for one item; None only when the source says that it does not exist (or excludes it).
        Raises ``ItemUnreadable``, ``SourceUnavailable``."""

    def explain(self, item_id: ItemId) -> str | None:
        """None when the item would be listed, else a sentence naming the rule that excludes it."""

    def watcher(self) -> Watcher | None:
        """A new, unarmed watcher, or None when the source has no events worth having."""

    def close(self) -> None:
        """Release connections and handles; safe to call twice."""
