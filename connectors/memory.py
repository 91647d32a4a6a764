"""A scripted source, for tests and demonstrations: everything a source can do, on command.

The script changes items (``put``, ``remove``, ``move``, ``permit``, ``tag``) and the weather (``offline``,
``unreadable``, ``vanishing``, ``identity_is``). Every change gets the next number, which is the item's
version and its modification time, so that two runs of one script are equal to the letter. With
``journal=True`` a listing with a cursor tells the changes since, instead of what is there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from connectors.base import (
    Change,
    Checkpoint,
    Deleted,
    Fetched,
    Grant,
    Hint,
    ItemId,
    ItemRef,
    Moved,
    Scope,
    Unreadable,
    Upserted,
    Version,
    Watcher,
    within,
)
from connectors.errors import ItemUnreadable, ItemVanished, SourceUnavailable

OPEN = Grant(place="memory", principals=frozenset({"public"}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """One item: ``changed`` numbers its state, ``written`` its content, ``made`` the item itself."""

    content: bytes
    changed: int
    written: int
    made: int
    grant: Grant
    doubtful: bool = False
    tags: tuple[str, ...] | None = None
    author: str | None = None


class MemorySource:
    """Items in a dictionary, by id; the part before the last slash is the container."""

    def __init__(self, name: str = "memory", *, journal: bool = False) -> None:
        self._name = name
        self._journal = journal
        self._items: dict[str, Stored] = {}
        self._log: list[Change] = []
        self._count = 0
        self._lock = threading.RLock()
        self._offline = False
        self._identity = "memory"
        self._unreadable: set[str] = set()
        self._vanishing: set[str] = set()
        self._watchers: list[MemoryWatcher] = []

    # -- the script --------------------------------------------------------------------------------

    def put(
        self,
        item_id: str,
        content: bytes | str,
        *,
        grant: Grant | None = None,
        doubtful: bool = False,
        author: str | None = None,
    ) -> None:
        """Make or overwrite an item. ``doubtful`` marks the next fetches of it so, until it is put again."""
        data = content.encode() if isinstance(content, str) else content
        with self._lock:
            before, number = self._items.get(item_id), self._next()
            self._items[item_id] = Stored(
                content=data,
                changed=number,
                written=number,
                made=before.made if before else number,
                grant=grant or (before.grant if before else OPEN),
                doubtful=doubtful,
                tags=before.tags if before else None,
                author=author,
            )
            self._log.append(Upserted(ref=self._ref(item_id)))
        self._tell(item_id)

    def remove(self, item_id: str) -> None:
        """Remove an item, or a container with everything in it."""
        with self._lock:
            self._next()
            for one in self._within(Scope(item_id)):
                del self._items[one]
                self._log.append(Deleted(item_id=ItemId(one)))
        self._tell(item_id)

    def move(self, old: str, new: str) -> None:
        """Rename an item, or a container with everything in it; content and dates stay."""
        with self._lock:
            number = self._next()
            for one in self._within(Scope(old)):
                there = new + one[len(old) :]
                self._items[there] = replace(self._items.pop(one), changed=number)
                self._log.append(Moved(item_id=ItemId(one), ref=self._ref(there)))
        self._tell(old, new)

    def permit(self, item_id: str, grant: Grant) -> None:
        """Give an item, or everything in a container, this grant."""
        with self._lock:
            number = self._next()
            for one in self._within(Scope(item_id)):
                self._items[one] = replace(self._items[one], grant=grant, changed=number)
                self._log.append(Upserted(ref=self._ref(one)))
        self._tell(item_id)

    def tag(self, item_id: str, *tags: str) -> None:
        """Give an item exactly these tags. As a wiki's labels: no new version, and nothing in its content."""
        with self._lock:
            self._items[item_id] = replace(self._items[item_id], tags=tags)
            self._log.append(Upserted(ref=self._ref(item_id)))
        self._tell(item_id)

    def offline(self, *, yes: bool = True) -> None:
        """Every question raises ``SourceUnavailable`` until ``offline(yes=False)``."""
        self._offline = yes

    def unreadable(self, scope: str, *, yes: bool = True) -> None:
        """An item or a container, the whole source too, may not be read."""
        (self._unreadable.add if yes else self._unreadable.discard)(scope)

    def vanishing(self, item_id: str, *, yes: bool = True) -> None:
        """An item is listed, and gone whenever it is fetched."""
        (self._vanishing.add if yes else self._vanishing.discard)(item_id)

    def identity_is(self, identity: str) -> None:
        """Another place answers under this name from now on."""
        self._identity = identity

    # -- the protocol ------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self._name

    def identity(self) -> str:
        self._online()
        return self._identity

    def list(self, scope: Scope, cursor: str | None) -> Iterator[Change | Checkpoint]:
        self._online()
        with self._lock:
            told, at = len(self._log), self._cursor()
            since = None if cursor is None or not self._journal else int(cursor)
            changes = self._state(scope) if since is None else iter(self._log[since:told])
            found = [change for change in changes if within(_id_of(change), scope)]
        blocked = tuple(Scope(one) for one in sorted(self._unreadable) if within(one, scope) or within(scope, one))
        if since is not None:
            for change in found:
                self._online()
                yield change
            yield Checkpoint(cursor=at, scope=scope)
            return
        for one in blocked:
            yield Unreadable(item_id=ItemId(one), reason="the script says so")
        for change in found:
            self._online()
            if not self._blocked(_id_of(change)):
                yield change
        yield Checkpoint(cursor=at, scope=scope, complete=True, unproven=blocked)

    def fetch(self, ref: ItemRef) -> Fetched:
        self._online()
        with self._lock:
            if ref.item_id in self._vanishing or ref.item_id not in self._items:
                raise ItemVanished("The item was gone when it was read.", place=ref.item_id)
            if self._blocked(ref.item_id):
                raise ItemUnreadable("The script says that this item cannot be read.", place=ref.item_id)
            item = self._items[ref.item_id]
            return Fetched(ref=self._ref(ref.item_id), content=item.content, doubtful=item.doubtful)

    def lookup(self, item_id: ItemId) -> ItemRef | None:
        self._online()
        with self._lock:
            if self._blocked(item_id):
                raise ItemUnreadable("The script says that this item cannot be read.", place=item_id)
            return self._ref(item_id) if item_id in self._items else None

    def explain(self, item_id: ItemId) -> str | None:
        return None if item_id in self._items else f'There is no item "{item_id}".'

    def watcher(self) -> Watcher | None:
        watcher = MemoryWatcher(self)
        self._watchers.append(watcher)
        return watcher

    def close(self) -> None:
        """Nothing is held."""

    # -- helpers -----------------------------------------------------------------------------------

    def _online(self) -> None:
        if self._offline:
            raise SourceUnavailable("The source is offline.", place=self._name, hint="The script decides.")

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _cursor(self) -> str | None:
        return str(len(self._log)) if self._journal else None

    def _state(self, scope: Scope) -> Iterator[Change]:
        return (Upserted(ref=self._ref(one)) for one in self._within(scope))

    def _within(self, scope: Scope) -> tuple[str, ...]:
        return tuple(sorted(one for one in self._items if within(one, scope)))

    def _blocked(self, item_id: str) -> bool:
        return any(within(item_id, scope) for scope in self._unreadable)

    def _ref(self, item_id: str) -> ItemRef:
        item = self._items[item_id]
        parent, _, name = item_id.rpartition("/")
        return ItemRef(
            item_id=ItemId(item_id),
            name=name,
            version=Version(str(item.changed)),
            size=len(item.content),
            modified_at=float(item.written),
            file_key=str(item.made),
            move_key=f"{len(item.content)}.{item.written}",
            url=f"memory:{item_id}",
            parent=ItemId(parent) if parent else None,
            grant=item.grant,
            tags=item.tags,
            author=item.author,
        )

    def _tell(self, *scopes: str) -> None:
        for watcher in self._watchers:
            for scope in scopes:
                watcher.hear(Hint(scope=Scope(scope)))


class MemoryWatcher:
    """Hints at each change, in the thread that made it."""

    def __init__(self, source: MemorySource) -> None:
        self._source = source
        self._emit: Callable[[Hint], None] | None = None

    def start(self, emit: Callable[[Hint], None]) -> None:
        self._source.identity()
        self._emit = emit

    def alive(self) -> bool:
        return self._emit is not None

    def stop(self) -> None:
        """Also what a script calls to make a watcher go deaf: it is not alive from then on."""
        self._emit = None

    def hear(self, hint: Hint) -> None:
        """Something changed."""
        if self._emit is not None:
            self._emit(hint)


def _id_of(change: Change) -> str:
    return change.ref.item_id if isinstance(change, Upserted | Moved) else change.item_id
