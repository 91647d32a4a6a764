"""A Confluence as a ``Source`` with a journal: a search for what changed lately.

Refs are made of what the wiki says of a page when it is asked, never of what the search said. The search tells neither
of moves, restrictions and the trash nor of what left a space, so it is trusted for a quarter of an hour; then
everything is listed, without any text. What a listing lacks counts as gone only when the wiki, asked for that page,
says so (``Checkpoint.confirm``).
"""

from __future__ import annotations

import builtins
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from connectors.base import (
    WHOLE,
    Change,
    Checkpoint,
    Deleted,
    Fetched,
    ItemId,
    ItemRef,
    Scope,
    Upserted,
    Watcher,
    within,
)
from connectors.confluence.api import Account, Api, Refused, identity
from connectors.confluence.config import ConfluenceConfig
from connectors.confluence.dialects import Search, Told, dialect, quoted
from connectors.confluence.facts import ON_PAGES, Fact, Kind, Left, Space
from connectors.confluence.feed import OVERLAP_S, WEST_S, Cursor, Window, measured, read_cursor, since
from connectors.confluence.includes import Includes
from connectors.confluence.items import item_of, left_out, parse_item
from connectors.confluence.reading import Reading, Reads
from connectors.confluence.tree import Tree
from connectors.errors import ItemUnreadable, ItemVanished, SourceUnavailable
from connectors.settings import digest
from connectors.web.client import Hiccup, TooLarge
from connectors.web.closed import hidden
from connectors.web.pace import PACE, Pace

FRESH_S = 5.0
"""So long an answer about the wiki itself is fresh."""
TRUSTED_S = 900.0
"""So long the search is trusted after everything was listed."""

_FORM = 2  # raised when refs are made in another way, so that they are listed anew
_DAY_S = 86_400.0
_SEEN_MOST = 2_000
_TOUCHED_MOST = 100  # beyond that a listing of everything costs less


class ConfluenceSource:
    """``fetch`` and ``lookup`` may run in several threads beside a listing."""

    def __init__(self, config: ConfluenceConfig, cache: Path, *, fresh_s: float = FRESH_S, pace: Pace = PACE) -> None:
        self._config = config
        self._api = Api(config, pace=pace)
        self._dialect = dialect(self._api, config)
        self._search = Search(self._api)
        self._includes = Includes(cache)
        self._kinds = (
            *(Kind.PAGE, Kind.BLOG),
            *((Kind.ATTACHMENT,) if config.attachments else ()),
            *((Kind.COMMENT,) if config.comments else ()),
        )
        self._fresh_s = fresh_s
        self._lock = threading.RLock()
        self._identity = ""
        self._account: Account | None = None
        self._asked_at = float("-inf")
        self._closed = False  # what everybody could read was, and nothing has been listed whole since
        self._reads = self._new_reads()  # as of the last listing; what is fetched then needs no other

    @property
    def name(self) -> str:
        return self._config.name

    def identity(self) -> str:
        try:
            return self._ask()
        except Refused:
            # As in ``list``: what everybody could read is closed, and has to be hidden.
            if "public" not in self._config.permissions or not self._identity:
                raise
            return self._identity

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
        try:
            reading = Reading(self._config, self._api, self._dialect, self._reads)
            return reading.file(*parsed) if parsed[0] is Kind.ATTACHMENT else reading.text(*parsed)
        except TooLarge as error:
            raise ItemUnreadable(error.message, place=ref.name, hint=error.hint) from error
        except Refused as error:
            raise self._shut(ref.name) from error
        except Hiccup as error:
            self._api.who()  # raises where it is not this page alone
            raise ItemUnreadable(
                "The wiki has an error of its own with it.",
                place=ref.name,
                hint=f"Open it in the wiki. {error.message}",
            ) from error

    def lookup(self, item_id: ItemId) -> ItemRef | None:
        found = self._find(item_id)
        return found if isinstance(found, ItemRef) else None

    def explain(self, item_id: ItemId) -> str | None:
        try:
            found = self._find(item_id)
        except ItemUnreadable as error:
            return error.message
        if isinstance(found, Left):
            return found.reason
        return None if found is not None else f"The wiki has no {item_id}, or does not show it to this account."

    def watcher(self) -> Watcher | None:
        return None  # a wiki tells nobody that it changed: the schedule asks it

    def close(self) -> None:
        self._api.close()

    # -- the wiki itself ---------------------------------------------------------------------------

    def _ask(self) -> str:
        """The identity, after the wiki has shown that it knows us. Two requests."""
        with self._lock:
            if time.monotonic() - self._asked_at >= self._fresh_s:
                self._account = self._api.who()
                self._identity = identity(self._api, self._config.edition)
                self._asked_at = time.monotonic()
            return self._identity

    def _new_reads(self) -> Reads:
        tree = Tree(self._dialect, self._search, self._config.permissions)
        return Reads(config=self._config, dialect=self._dialect, tree=tree, includes=self._includes)

    def _settings(self, known: str) -> str:
        """What a listing depends on beside the wiki's content."""
        config = self._config
        return digest(
            *(_FORM, known, config.base, config.edition.value, config.spaces, config.exclude_spaces, self._kinds),
            *(config.max_size, sorted(config.permissions), config.login.username),
        )

    def _spaces(self) -> builtins.list[Space]:
        """Those that are read. Raises ``SourceUnavailable`` where one that was named is not there."""
        config = self._config
        found = [one for one in self._dialect.spaces(config.spaces) if not config.left_out(one.key)]
        if missing := set(config.spaces) - set(config.exclude_spaces) - {one.key for one in found}:
            raise SourceUnavailable(
                f"The wiki shows us no space {', '.join(sorted(missing))}.",
                place=config.base,
                hint="Nothing was deleted. Give the account access to it, or take it out of spaces.",
            )
        return found if config.spaces else [one for one in found if one.current and one.kind != "personal"]

    # -- listings ----------------------------------------------------------------------------------

    def _listing(self, scope: Scope, cursor: str | None) -> Iterator[Change | Checkpoint]:
        settings = self._settings(self._ask())
        if scope != WHOLE:
            yield from self._part(scope)
            return
        before = None if self._closed else read_cursor(cursor, settings)
        if before is not None and 0 <= time.time() - before.listed_at < TRUSTED_S:
            window = self._since(before)
            if window is not None:
                yield from self._changes(window)
                return
        yield from self._everything(settings)
        self._closed = False

    def _since(self, cursor: Cursor) -> Window | None:
        zone = self._account.zone if self._account is not None else ""
        spaces, now = self._config.spaces, self._api.now()
        window = since(self._search, cursor, kinds=self._kinds, spaces=spaces, zone=zone, now=now)
        if window is None:
            return None
        elsewhere = tuple(fact for fact in window.touched if self._config.left_out(fact.space))
        touched = tuple(fact for fact in window.touched if not self._config.left_out(fact.space))
        if len(touched) > _TOUCHED_MOST:
            return None
        return replace(window, touched=touched, elsewhere=elsewhere)

    def _everything(self, settings: str) -> Iterator[Change | Checkpoint]:
        at, listed_at = self._api.now(), time.time()
        facts = self._facts()
        for _, ref in sorted(self._refs(facts.values()).items()):
            yield Upserted(ref=ref)
        lately = sorted((-one.modified_at, one.content_id) for one in facts.values())[:_SEEN_MOST]
        seen = {one: facts[one].number for when, one in lately if -when >= at - OVERLAP_S - 2 * _DAY_S}
        cursor = Cursor(at=at, listed_at=listed_at, settings=settings, ahead_s=self._ahead(facts.values()), seen=seen)
        yield Checkpoint(cursor=cursor.write(), complete=True, confirm=True)

    def _facts(self) -> dict[str, Fact]:
        """All that there is, by id; what is known of where it is goes into new ``_reads``."""
        reads, facts = self._new_reads(), dict[str, Fact]()
        spaces = self._spaces()
        for space in spaces:
            texts = [*self._dialect.texts(space)]
            # The Cloud lists pages without labels and names. The search that tells who may read them has these too.
            untold = any(one.labels is None for one in texts)
            told = self._search.told(space.key, labels=untold) if texts else Told()
            for one in texts:
                labels = told.labels.get(one.content_id) if one.labels is None else one.labels
                author = one.author or told.authors.get((one.content_id, one.number), "")
                facts[one.content_id] = replace(one, labels=labels, author=author)
            reads.tree.learn(texts, told.readers)
        reads.learn(spaces, facts.values())
        hanging = [kind for kind in self._kinds if kind in ON_PAGES]
        for space in spaces if hanging else ():
            cql = f"type in ({', '.join(hanging)}) and space = "
            facts |= {one.content_id: one for one in self._search.found(cql + quoted(space.key), labels=True)}
        self._reads = reads
        return facts

    def _ahead(self, facts: Iterable[Fact]) -> float:
        """How far searches are ahead of UTC, where the wiki does not tell the zone: by the newest page, which is the
        most like those that will be searched for."""
        texts = [one for one in facts if one.kind not in ON_PAGES]
        if not texts or (self._account is not None and self._account.zone):
            return WEST_S
        return measured(self._search, max(texts, key=lambda one: (one.modified_at, one.content_id)))

    def _refs(self, facts: Iterable[Fact]) -> dict[ItemId, ItemRef]:
        found = {}
        for fact in facts:
            ref = self._reads.ref(fact)
            if isinstance(ref, ItemRef):
                found[ref.item_id] = ref
        return found

    def _changes(self, window: Window) -> Iterator[Change | Checkpoint]:
        self._reads = reads = self._new_reads()
        # What was moved to where nothing is read has to be asked for only where it is known.
        yield from (Deleted(item_id=item_of(one.kind, one.content_id)) for one in window.elsewhere)
        touched = {item_of(one.kind, one.content_id) for one in window.touched}
        shown = self._includes.showing(window.touched)
        touched |= {item_of(Kind.PAGE, one) for one in shown}
        for item in sorted(touched):
            fact = self._known(item)
            ref = reads.ref(fact) if isinstance(fact, Fact) else None
            # The engine looks once more at what is gone, and at what is shut (R5, R7).
            yield Upserted(ref=ref) if isinstance(ref, ItemRef) else Deleted(item_id=item)
        yield Checkpoint(cursor=window.cursor.write())

    def _part(self, scope: Scope) -> Iterator[Change | Checkpoint]:
        """One item, or all of a kind: nothing else contains anything."""
        self._reads = self._new_reads()
        if parse_item(scope) is not None:
            found = self._find(ItemId(scope))
            if isinstance(found, ItemRef):
                yield Upserted(ref=found)
        elif scope in {kind.value for kind in self._kinds}:
            for item, ref in sorted(self._refs(self._facts().values()).items()):
                if within(item, scope):
                    yield Upserted(ref=ref)
        yield Checkpoint(scope=scope, complete=True, confirm=True)

    # -- items -------------------------------------------------------------------------------------

    def _find(self, item_id: ItemId) -> ItemRef | Left | None:
        """The item as it is now, why it is none, or None: the wiki has no such thing."""
        parsed = parse_item(item_id)
        if parsed is None or parsed[0] not in self._kinds:
            return Left(reason=left_out(self._config, parsed[0], "")) if parsed is not None else None
        try:
            fact = self._dialect.fact(*parsed)
        except Refused as error:
            raise self._shut(item_id) from error
        if fact is None:
            # A wiki that does not know us any more says the same of every page.
            self._api.who()
        if not isinstance(fact, Fact):
            return fact
        return self._new_reads().ref(replace(fact, author=self._dialect.author(fact)))

    def _known(self, item: ItemId) -> Fact | Left | None:
        """What the wiki says of it; None also of what we may not read."""
        parsed = parse_item(item)
        try:
            return self._dialect.fact(*parsed) if parsed is not None else None
        except Refused:
            self._api.who()  # raises where it is not this alone
            return None

    def _shut(self, name: str) -> ItemUnreadable:
        """What is refused while the wiki knows us: raises where it is not this alone (R7)."""
        self._api.who()
        return ItemUnreadable(
            "The wiki does not let this account read it.",
            place=name,
            hint="Give the account read access to it, or leave it out.",
            hides=True,
        )
