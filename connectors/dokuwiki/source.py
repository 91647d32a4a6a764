"""A DokuWiki as a ``Source`` with a journal: its recent changes.

Refs are made of what the wiki says of a page when it is asked, never of what the feed said. A listing of everything is
followed by what the feed tells of the time that it took, and what it lacks counts as gone only when the wiki, asked for
that page, says so (``Checkpoint.confirm``). The feed says nothing of permissions, of edits past the wiki and of what
plugins show of other pages, so it is trusted for an hour.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from connectors.base import (
    WHOLE,
    Change,
    Checkpoint,
    Deleted,
    Fetched,
    Grant,
    ItemId,
    ItemRef,
    Scope,
    Upserted,
    Watcher,
    within,
)
from connectors.dokuwiki.api import Api, Refused
from connectors.dokuwiki.config import DokuConfig
from connectors.dokuwiki.dialects import Fact, Kind, RpcError
from connectors.dokuwiki.feed import Window, begin, read_cursor, since
from connectors.dokuwiki.pages import Items, item_of, owners, parse_item, settled, tags_in, title_of
from connectors.errors import ItemUnreadable, ItemVanished
from connectors.settings import digest
from connectors.web.client import Hiccup, TooLarge
from connectors.web.closed import hidden
from connectors.web.pace import PACE, Pace
from connectors.web.rendered import document

FRESH_S = 5.0
"""So long an answer about the wiki itself is fresh."""
TRUSTED_S = 3600.0
"""So long the feed is trusted after everything was listed."""

_FORM = 1  # raised when refs are made in another way, so that they are listed anew
_TRIES = 3
_GRAIN_S = 2.0  # what is younger may change once more without a trace


class DokuSource:
    """``fetch`` and ``lookup`` may run in several threads beside a listing."""

    def __init__(self, config: DokuConfig, *, fresh_s: float = FRESH_S, pace: Pace = PACE) -> None:
        self._config = config
        self._api = Api(config, pace=pace)
        self._items = Items(config, Grant(place="source", principals=frozenset(config.permissions)))
        self._kinds = (Kind.PAGE, Kind.FILE) if config.files else (Kind.PAGE,)
        self._fresh_s = fresh_s
        self._lock = threading.RLock()
        self._identity = ""
        self._asked_at = float("-inf")
        self._closed = False  # what everybody could read was, and nothing has been listed whole since

    @property
    def name(self) -> str:
        return self._config.name

    def identity(self) -> str:
        return self._ask()

    def list(self, scope: Scope, cursor: str | None) -> Iterator[Change | Checkpoint]:
        try:
            found = [*self._listing(scope, cursor)]
        except Refused:
            # That it is the same wiki is all that is left to say, and enough to hide what it held.
            if "public" not in self._config.permissions:
                raise
            self._closed = True
            found = [*hidden(scope)]
        yield from found

    def fetch(self, ref: ItemRef) -> Fetched:
        parsed = parse_item(ref.item_id)
        if parsed is None:
            raise ItemVanished("No page can have this id.", place=ref.item_id)
        kind, name = parsed
        same = False
        for _ in range(_TRIES):
            content, tags = self._read(kind, name)
            found = self._find(kind, name)
            if not isinstance(found, ItemRef):
                raise ItemVanished(found or "It was gone when it was read.", place=name)
            whole = content is not None and (kind is Kind.PAGE or len(content) == found.size)
            if content is not None and whole and found.version == ref.version:
                young = kind is Kind.FILE and (found.modified_at or 0.0) >= self._api.now() - _GRAIN_S
                return Fetched(ref=replace(found, tags=tags), content=content, doubtful=young)
            same, ref = found.version == ref.version, found
        raise ItemUnreadable(
            "The wiki does not give it whole." if same else "It changes faster than it is read.",
            place=name,
            hint="Open it in the wiki; the next run tries again.",
        )

    def lookup(self, item_id: ItemId) -> ItemRef | None:
        parsed = parse_item(item_id)
        found = self._find(*parsed) if parsed is not None else None
        return found if isinstance(found, ItemRef) else None

    def explain(self, item_id: ItemId) -> str | None:
        parsed = parse_item(item_id)
        try:
            found = self._find(*parsed) if parsed is not None else None
        except ItemUnreadable as error:
            return error.message
        return None if isinstance(found, ItemRef) else found or f"The wiki has no {item_id}."

    def watcher(self) -> Watcher | None:
        return None  # a wiki tells nobody that it changed: the schedule asks it

    def close(self) -> None:
        self._api.close()

    # -- the wiki itself ---------------------------------------------------------------------------

    def _ask(self) -> str:
        """The identity, after the wiki has shown that it knows us."""
        with self._lock:
            if time.monotonic() - self._asked_at >= self._fresh_s:
                self._api.prove()
                if not self._config.login or not self._identity:
                    self._learn_identity()
                self._asked_at = time.monotonic()
            return self._identity

    def _learn_identity(self) -> str:
        """A wiki has no mark of its own; its title is what its people know it by. That a feed goes on where it was left
        says the same better, so with a login, which costs a request itself, only a listing of everything asks."""
        title = self._api.title()
        with self._lock:
            self._identity = f"dokuwiki:{hashlib.blake2b(title.encode(), digest_size=8).hexdigest()}"
            return self._identity

    def _settings(self, identity: str) -> str:
        """What a listing depends on beside the wiki's content."""
        config = self._config
        return digest(
            *(_FORM, identity, config.base, config.namespaces, config.exclude_namespaces, config.files),
            *(config.max_size, sorted(config.permissions), config.login.username),
        )

    # -- listings ----------------------------------------------------------------------------------

    def _listing(self, scope: Scope, cursor: str | None) -> Iterator[Change | Checkpoint]:
        identity = self._ask()
        if scope != WHOLE:
            yield from self._part(scope)
            return
        before = None if self._closed else read_cursor(cursor, self._settings(identity))
        if before is not None and 0 <= time.time() - before.listed_at < TRUSTED_S:
            window = since(self._api, before)
            if window is not None:
                yield from self._changes(window)
                return
        yield from self._everything()
        self._closed = False

    def _everything(self) -> Iterator[Change | Checkpoint]:
        settings, at = self._settings(self._learn_identity()), time.time()
        began = begin(self._api, self._kinds, listed_at=at, settings=settings)
        facts = {
            (fact.kind, fact.name): fact
            for kind in self._kinds
            for space in self._config.namespaces or ("",)
            for fact in self._api.listed(kind, space)
        }
        # Meanwhile pages came and went in what the listing had walked through already.
        window = since(self._api, began)
        refused = set[tuple[Kind, str]]()
        for key in self._ours(window) if window is not None else ():
            facts.pop(key, None)
            if (fact := self._known(*key, refused)) is not None:
                facts[key] = fact
        pages = frozenset(name for kind, name in facts if kind is Kind.PAGE)
        for key in sorted(facts):
            ref = self._items.of(facts[key], pages)
            if isinstance(ref, ItemRef):
                yield Upserted(ref=ref)
        # A log without a row, of a wiki that has something, was emptied, and may be once more without a trace.
        emptied = any(
            log.revision == 0 and any(kind is one for one, _ in facts)
            for kind, log in (window.cursor.logs.items() if window is not None else ())
        )
        cursor = window.cursor.without(refused).write() if window is not None and not emptied else None
        yield Checkpoint(cursor=cursor, complete=True, confirm=True)

    def _changes(self, window: Window) -> Iterator[Change | Checkpoint]:
        refused = set[tuple[Kind, str]]()
        for kind, name in sorted(self._ours(window)):
            fact = self._known(kind, name, refused)
            ref = self._items.of(fact, self._owning(fact)) if fact is not None else None
            # The engine looks once more at what is gone, and at what is shut (R5, R7).
            yield Upserted(ref=ref) if isinstance(ref, ItemRef) else Deleted(item_id=item_of(kind, name))
        yield Checkpoint(cursor=window.cursor.without(refused).write())

    def _ours(self, window: Window) -> frozenset[tuple[Kind, str]]:
        """What happened to in the namespaces that are read; of others the wiki is asked nothing."""
        return frozenset((kind, name) for kind, name in window.touched if not self._config.left_out(name))

    def _part(self, scope: Scope) -> Iterator[Change | Checkpoint]:
        """A page, a file, or what is in a namespace: a page and a namespace may have one name."""
        if (parsed := parse_item(scope)) is not None and parsed[0] in self._kinds:
            kind, name = parsed
            facts = {fact.name: fact for fact in self._api.listed(kind, name)}
            if (own := self._known(kind, name, set())) is not None:
                facts[name] = own
            for one in sorted(facts):
                ref = self._items.of(facts[one], self._owning(facts[one]))
                if isinstance(ref, ItemRef) and within(ref.item_id, scope):
                    yield Upserted(ref=ref)
        yield Checkpoint(scope=scope, complete=True, confirm=True)

    # -- items -------------------------------------------------------------------------------------

    def _find(self, kind: Kind, name: str) -> ItemRef | str | None:
        """The item as it is now; the sentence why it is none; None where the wiki has no such thing."""
        if kind not in self._kinds or self._config.left_out(name):
            return self._config.left_out(name) or "Files are not read (files = false)."
        fact = self._fact(kind, name)
        return self._items.of(fact, self._owning(fact)) if fact is not None else None

    def _fact(self, kind: Kind, name: str) -> Fact | None:
        """What the wiki says of it. Raises ``ItemUnreadable`` where it does not let us read this alone (R7)."""
        try:
            return self._api.fact(kind, name)
        except Refused as error:
            self._api.time()  # raises where it is not this page alone
            raise ItemUnreadable(
                "The wiki does not let this account read it.",
                place=name,
                hint="Give the account read access to it, or leave it out.",
                hides=True,
            ) from error

    def _known(self, kind: Kind, name: str, refused: set[tuple[Kind, str]]) -> Fact | None:
        """None also of what we may not read, which goes to ``refused``."""
        try:
            return self._fact(kind, name)
        except ItemUnreadable:
            refused.add((kind, name))
            return None

    def _owning(self, fact: Fact) -> frozenset[str]:
        """Which of the pages that a file may hang on there are: the first."""
        if fact.kind is Kind.PAGE:
            return frozenset()
        there = (name for name in owners(fact.name) if self._known(Kind.PAGE, name, set()) is not None)
        return frozenset([name]) if (name := next(there, None)) is not None else frozenset()

    def _read(self, kind: Kind, name: str) -> tuple[bytes | None, tuple[str, ...] | None]:
        """What a page shows, plugins expanded, with its tags, or the bytes of a file; None where the wiki gives
        neither: the look at it that follows says why."""
        try:
            if kind is Kind.PAGE:
                shown = self._api.html(name)
                made = document(title_of(name), settled(shown), most=self._config.max_size, name=name)
                return made, tags_in(shown)
            content = self._api.content(name, self._config.max_size)
            return content if isinstance(content, bytes) else None, None
        except (RpcError, Refused):
            return None, None
        except TooLarge as error:
            raise ItemUnreadable(error.message, place=name, hint=error.hint) from error
        except Hiccup as error:
            self._api.time()  # raises where it is not this page alone
            raise ItemUnreadable(
                "The wiki has an error of its own with it.", place=name, hint=f"Open it in the wiki. {error.message}"
            ) from error
