"""A branch of a git repository as a ``Source`` with a journal: its history.

A cursor is a commit, and what it was listed with. From a commit that the present one was made on top of, a
listing tells git's own comparison of the two. From any other (a rewritten history, another branch, other
settings, none) it is the whole tree, complete. The blob's id is an item's version, and what proves a move.

A run over what did not change asks the server once: ``identity`` asks, the listing after it takes that answer,
and so does the ``identity`` after the listing, while it is fresh. ``fetch`` and ``lookup`` take a fresh one too.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from connectors.base import (
    WHOLE,
    Change,
    Checkpoint,
    Deleted,
    Fetched,
    Grant,
    ItemId,
    ItemRef,
    Moved,
    Scope,
    Upserted,
    Version,
    Watcher,
    within,
)
from connectors.errors import ItemVanished, SourceUnavailable
from connectors.gitwiki.config import GitConfig
from connectors.gitwiki.git import Git
from connectors.gitwiki.mirror import Mirror
from connectors.gitwiki.rules import Rules, is_pointer, may_be_pointer
from connectors.gitwiki.snapshot import Blobs, Entry, Snapshot
from connectors.gitwiki.trouble import Broken
from connectors.paths import display, item_id, parent_of, path_of
from connectors.settings import digest

FRESH_S = 5.0
"""So long an answer of the server is fresh."""

_FORM = 1  # raised when refs are made in another way, so that they are listed anew


class GitSource:
    """``fetch`` and ``lookup`` may run in several threads beside a listing."""

    def __init__(self, config: GitConfig, cache: Path, *, fresh_s: float = FRESH_S) -> None:
        self._config = config
        self._rules = Rules(config)
        self._grant = Grant(place="source", principals=frozenset(config.permissions))
        self._git = Git(config, cache)
        self._mirror = Mirror(config, self._git, cache)
        self._blobs = Blobs(self._git, self._mirror.path)
        self._fresh_s = fresh_s
        self._lock = threading.RLock()
        self._snapshot: Snapshot | None = None
        self._asked_at = 0.0
        self._to_list = False  # ``identity`` asked, and no listing took the answer yet
        self._listed = False  # a listing took one, and ``identity`` was not called since
        self._pointers: dict[str, bool] = {}

    @property
    def name(self) -> str:
        return self._config.name

    def identity(self) -> str:
        with self._lock, self._mending():
            if self._snapshot is None or not self._listed or self._is_old():
                self._snapshot, self._to_list = self._ask(), True
            self._listed = False
            return f"git:{self._snapshot.root}"

    def list(self, scope: Scope, cursor: str | None) -> Iterator[Change | Checkpoint]:
        with self._mending():
            with self._lock:
                if self._snapshot is None or not self._to_list:
                    self._snapshot = self._ask()
                self._to_list, self._listed = False, True
                snapshot = self._snapshot
            mark = f"{snapshot.commit}.{self._settings(snapshot.branch)}"
            since = self._since(cursor, snapshot) if scope == WHOLE else None
            if since == snapshot.commit:
                yield Checkpoint(cursor=mark, scope=scope)
            elif since is not None:
                yield from self._changes(snapshot, since)
                yield Checkpoint(cursor=mark, scope=scope)
            else:
                yield from self._everything(snapshot, scope)
                yield Checkpoint(cursor=mark, scope=scope, complete=True)

    def fetch(self, ref: ItemRef) -> Fetched:
        with self._mending():
            found = self._look(ref.item_id)
            if isinstance(found, str):
                raise ItemVanished(f"The file is no item now: {found}", place=ref.item_id)
            return Fetched(ref=found, content=self._blobs.read(found.version))

    def lookup(self, item_id: ItemId) -> ItemRef | None:
        with self._mending():
            found = self._look(item_id)
        return found if isinstance(found, ItemRef) else None

    def explain(self, item_id: ItemId) -> str | None:
        with self._mending():
            found = self._look(item_id)
        return found if isinstance(found, str) else None

    def watcher(self) -> Watcher | None:
        return None  # a repository tells nobody that it changed: the schedule asks it

    def close(self) -> None:
        self._blobs.close()
        self._git.close()

    # -- what the server says ----------------------------------------------------------------------

    def _ask(self) -> Snapshot:
        tip, before = self._mirror.ask(), self._snapshot
        self._asked_at = time.monotonic()
        if before is not None and (before.commit, before.branch) == (tip.commit, tip.branch):
            return before
        snapshot = Snapshot(self._git, self._mirror.path, tip, self._config.folder)
        if self._config.folder and not snapshot.has_folder(self._config.folder):
            raise SourceUnavailable(
                f"The branch {tip.branch} has no folder {self._config.folder}.",
                place=self._config.url,
                hint="Nothing was deleted. Correct folder, or remove the source.",
            )
        return snapshot

    def _is_old(self) -> bool:
        return time.monotonic() - self._asked_at >= self._fresh_s

    @contextlib.contextmanager
    def _mending(self) -> Iterator[None]:
        """A damaged mirror is this cycle's outage, and fetched anew in the next."""
        try:
            yield
        except Broken as error:
            with self._lock:
                self._blobs.close()
                self._mirror.replace()
                self._snapshot = None
            raise SourceUnavailable(
                "The mirror of the repository is damaged.",
                place=str(self._mirror.path),
                hint="Nothing was deleted. It is fetched anew at the next run.",
            ) from error

    # -- listings ----------------------------------------------------------------------------------

    def _settings(self, branch: str) -> str:
        """What a listing depends on beside the commit: under other settings a comparison of commits says nothing
        of the items that came in or left by them."""
        config = self._config
        return digest(
            *(_FORM, branch, config.folder, config.include, config.exclude, config.hidden, config.max_size),
            *(sorted(config.permissions), config.links),
        )

    def _since(self, cursor: str | None, snapshot: Snapshot) -> str | None:
        """The commit of a cursor from which the changes tell everything."""
        commit, _, settings = (cursor or "").partition(".")
        if settings != self._settings(snapshot.branch):
            return None
        if commit == snapshot.commit:
            return commit
        # With the commit in each address, each commit changes all of them.
        return commit if not self._config.links.of_commit and snapshot.follows(commit) else None

    def _everything(self, snapshot: Snapshot, scope: Scope) -> Iterator[Change]:
        snapshot.learn_times()
        for path in snapshot.entries:
            if within(item_id(path), scope):
                found = self._item(snapshot, path)
                if isinstance(found, ItemRef):
                    yield Upserted(ref=found)

    def _changes(self, snapshot: Snapshot, since: str) -> Iterator[Change]:
        found = snapshot.since(since)
        snapshot.learn_times(since)
        for old, new in found.moved:
            ref = self._item(snapshot, new)
            yield Moved(item_id=item_id(old), ref=ref) if isinstance(ref, ItemRef) else Deleted(item_id=item_id(old))
        for path in found.touched:
            ref = self._item(snapshot, path)
            # What became a link, a pointer or too large is no item any more.
            yield Upserted(ref=ref) if isinstance(ref, ItemRef) else Deleted(item_id=item_id(path))
        for path in found.gone:
            yield Deleted(item_id=item_id(path))

    # -- items -------------------------------------------------------------------------------------

    def _look(self, item: ItemId) -> ItemRef | str:
        """The item of an id in the present state, or the sentence that says why there is none."""
        path = path_of(item)
        if not path:
            return "No file can have this id."
        with self._lock:
            if self._snapshot is None or self._is_old():
                self._snapshot = self._ask()
            return self._item(self._snapshot, path)

    def _item(self, snapshot: Snapshot, path: bytes) -> ItemRef | str:
        entry = snapshot.entries.get(path)
        if entry is None:
            return f'There is no file "{display(path)}" in the branch {snapshot.branch}.'
        reason = self._rules.by_path(path) or self._rules.by_entry(path, entry)
        if reason is not None:
            return reason
        if self._is_pointer(entry):
            return f'"{display(path)}" is a pointer of Git LFS; its content is not in the repository.'
        parent = parent_of(path)
        return ItemRef(
            item_id=item_id(path),
            name=display(path.rpartition(b"/")[2]),
            version=Version(entry.oid),
            size=entry.size,
            modified_at=snapshot.time(path),
            # One blob at two paths of one commit is a tie, which the identity rules know how to treat.
            file_key=entry.oid,
            move_key=str(entry.size),
            url=self._config.links.url(path, branch=snapshot.branch, commit=snapshot.commit),
            pinned_url=self._config.links.pinned_url(path, branch=snapshot.branch, commit=snapshot.commit),
            parent=item_id(parent) if parent else None,
            grant=self._grant,
            author=snapshot.author(path),
        )

    def _is_pointer(self, entry: Entry) -> bool:
        if not may_be_pointer(entry):
            return False
        if entry.oid not in self._pointers:
            self._pointers[entry.oid] = is_pointer(self._blobs.read(entry.oid))
        return self._pointers[entry.oid]
