"""A MediaWiki as a ``Source`` with a journal: its recent changes and logs.

Refs are made of what the wiki says of a page when it is asked, never of what the feed said. A listing of everything is
followed by what the feed tells of the time that it took, because pages move from one part of it to another; and what it
lacks counts as gone only when the wiki, asked for that page, says so (``Checkpoint.confirm``).
"""

from __future__ import annotations

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
from connectors.errors import ItemUnreadable, ItemVanished, SourceUnavailable
from connectors.mediawiki.api import Answer, Api, ApiError, Denied
from connectors.mediawiki.config import WikiConfig
from connectors.mediawiki.feed import Window, begin, read_cursor, since
from connectors.mediawiki.files import Files
from connectors.mediawiki.pages import Left, Page, Pages, items, parse_item, revision_of
from connectors.mediawiki.rendering import Rendered, categories_of, html_of
from connectors.mediawiki.site import Site, ask_site
from connectors.settings import digest
from connectors.web.client import TooLarge
from connectors.web.closed import hidden
from connectors.web.pace import PACE, Pace

FRESH_S = 5.0
"""So long an answer about the wiki itself is fresh."""

_FORM = 1  # raised when refs are made in another way, so that they are listed anew
_TRIES = 3
_GONE = frozenset({"nosuchpageid", "missingtitle"})
_GONE_NOW = "The page was gone when it was read."
_FILES_HINT = "Name the other host in hosts, log in with an account or a token, or set files = false."


class WikiSource:
    """``fetch`` and ``lookup`` may run in several threads beside a listing."""

    def __init__(self, config: WikiConfig, *, fresh_s: float = FRESH_S, pace: Pace = PACE) -> None:
        self._config = config
        self._api = Api(config, pace=pace)
        self._everybody = Api(config, anonymous=True, pace=pace)
        self._files = Files(self._api, config)
        self._fresh_s = fresh_s
        self._lock = threading.RLock()
        self._site: Site | None = None
        self._asked_at = 0.0
        self._grant: Grant | None = None
        self._shut = False  # what everybody could read is closed
        self._opened = False  # it was, and nothing has been listed whole since
        self._rendered = Rendered()

    @property
    def name(self) -> str:
        return self._config.name

    def identity(self) -> str:
        with self._lock:
            try:
                return self._ask().identity
            except Denied:
                # That it is the same wiki is all that is left to say, and enough to hide what it held.
                if self._site is None or self._config.login or "public" not in self._config.permissions:
                    raise
                self._shut = True
                return self._site.identity

    def list(self, scope: Scope, cursor: str | None) -> Iterator[Change | Checkpoint]:
        if self._shut:
            yield from hidden(scope)
            return
        site = self._ask()
        self._grant = self._granted()
        pages = Pages(self._api, self._config, site, self._grant, self._files)
        if scope != WHOLE:
            yield from self._part(pages, scope)
            return
        settings = self._settings(site, self._grant)
        before = None if self._opened else read_cursor(cursor, settings)
        window = since(self._api, before) if before is not None else None
        if window is None:
            yield from self._everything(pages, settings)
            self._opened = False
            return
        found = self._look(pages, window, also=self._rendered.old())
        for page_id in sorted(found):
            for item, what in items(page_id, found[page_id]).items():
                if isinstance(what, ItemRef):
                    yield Upserted(ref=what)
                elif isinstance(what, Left) and what.unreadable:
                    continue  # it is where it was
                else:
                    yield Deleted(item_id=item)
        yield Checkpoint(cursor=window.cursor.write())

    def fetch(self, ref: ItemRef) -> Fetched:
        parsed = parse_item(ref.item_id)
        if parsed is None:
            raise ItemVanished("No page can have this id.", place=ref.item_id)
        page_id, of_file = parsed
        return self._fetch_file(page_id, ref) if of_file else self._fetch_text(page_id, ref)

    def lookup(self, item_id: ItemId) -> ItemRef | None:
        found = self._find(item_id)
        if isinstance(found, Left) and found.unreadable:
            raise ItemUnreadable(found.reason, place=item_id, hint=_FILES_HINT)
        return found if isinstance(found, ItemRef) else None

    def explain(self, item_id: ItemId) -> str | None:
        found = self._find(item_id)
        if isinstance(found, ItemRef):
            return None
        return found.reason if found is not None else f"The wiki has no page {item_id}."

    def watcher(self) -> Watcher | None:
        return None  # a wiki tells nobody that it changed: the schedule asks it

    def close(self) -> None:
        self._api.close()
        self._everybody.close()

    # -- the wiki itself ---------------------------------------------------------------------------

    def _ask(self) -> Site:
        with self._lock:
            if self._site is None or self._shut or time.monotonic() - self._asked_at >= self._fresh_s:
                self._site = ask_site(self._api, self._config)
                self._asked_at = time.monotonic()
                self._opened, self._shut = self._opened or self._shut, False
            return self._site

    def _granted(self) -> Grant:
        """R7: ``public`` is not granted on our word alone where we log in: not while the wiki itself is closed to
        everybody."""
        principals = frozenset(self._config.permissions)
        if "public" in principals and self._config.login and not self._is_public():
            principals -= {"public"}
        return Grant(place="source", principals=principals)

    def _is_public(self) -> bool:
        try:
            answer = self._everybody.ask("query", meta="userinfo", uiprop="rights")
        except (Denied, ApiError):
            return False
        said = answer.get("query", {}).get("userinfo", {})
        return isinstance(said, dict) and "read" in said.get("rights", [])

    def _settings(self, site: Site, grant: Grant) -> str:
        """What a listing depends on beside the wiki's content."""
        config = self._config
        return digest(
            *(_FORM, site.identity, site.script, sorted(site.namespaces), config.files, config.max_size),
            *(sorted(grant.principals), config.web.hosts, config.web.allow_private, config.login.username),
        )

    # -- listings ----------------------------------------------------------------------------------

    def _everything(self, pages: Pages, settings: str) -> Iterator[Change | Checkpoint]:
        began = begin(self._api, settings)
        found: dict[int, Page | None] = {page.page_id: page for page in pages.all()}
        self._rendered.learn(found)
        # Meanwhile pages were renamed to before the place that the listing had come to, or edited behind it.
        window = since(self._api, began)
        if window is not None:
            found |= self._look(pages, window)
        for page_id in sorted(found):
            for what in items(page_id, found[page_id]).values():
                if isinstance(what, ItemRef):
                    yield Upserted(ref=what)
        yield Checkpoint(cursor=window.cursor.write() if window is not None else None, complete=True, confirm=True)

    def _part(self, pages: Pages, scope: Scope) -> Iterator[Change | Checkpoint]:
        """A page with its file, or one of both: nothing else contains anything."""
        if (parsed := parse_item(scope)) is not None:
            page_id, _ = parsed
            found = pages.of([page_id])
            self._rendered.learn(found)
            for item, what in items(page_id, found[page_id]).items():
                if isinstance(what, ItemRef) and within(item, scope):
                    yield Upserted(ref=what)
        yield Checkpoint(scope=scope, complete=True, confirm=True)

    def _look(self, pages: Pages, window: Window, *, also: frozenset[int] = frozenset()) -> dict[int, Page | None]:
        """What a window names, what shows something of it, and ``also``, as they are now."""
        shown = pages.transcluding(window.titles)
        found = pages.of({*window.page_ids, *shown, *also})
        self._rendered.learn(found, shown)
        return found

    # -- items -------------------------------------------------------------------------------------

    def _find(self, item_id: ItemId) -> ItemRef | Left | None:
        parsed = parse_item(item_id)
        if parsed is None:
            return None
        page = self._page(parsed[0])
        return None if page is None else page.item(of_file=parsed[1])

    def _page(self, page_id: int) -> Page | None:
        """One page as it is now; what is known of templates is asked anew."""
        site = self._ask()
        grant = self._grant = self._grant or self._granted()
        found = Pages(self._api, self._config, site, grant, self._files).of([page_id])
        self._rendered.learn(found)
        return found[page_id]

    def _fetch_text(self, page_id: int, ref: ItemRef) -> Fetched:
        """What the page shows, with templates expanded, under the version that it is."""
        for _ in range(_TRIES):
            answer = self._parse(page_id, ref.name)
            if str(answer["parse"].get("revid")) == revision_of(ref.version):
                content = html_of(answer, self._config.max_size, ref.name)
                shown = replace(self._rendered.judged(page_id, ref, answer), tags=categories_of(answer))
                return Fetched(ref=shown, content=content)
            page = self._page(page_id)
            if page is None or isinstance(page.text, Left):
                raise ItemVanished(page.text.reason if page is not None else _GONE_NOW, place=ref.name)  # type: ignore[union-attr]
            ref = page.text
        raise ItemUnreadable(
            "The page changes faster than it is read.", place=ref.name, hint="The next run tries again."
        )

    def _parse(self, page_id: int, name: str) -> Answer:
        try:
            answer = self._api.ask(
                "parse",
                pageid=str(page_id),
                prop="text|revid|limitreportdata|categories",
                disableeditsection="1",
                disablelimitreport="1",
                curtimestamp="1",
            )
        except ApiError as error:
            if error.code in _GONE:
                raise ItemVanished(_GONE_NOW, place=name) from error
            raise ItemUnreadable(error.message, place=name, hint=error.hint) from error
        except Denied as error:
            ask_site(self._api, self._config)  # raises where it is not this page alone
            raise ItemUnreadable(error.message, place=name, hint=error.hint) from error
        if not isinstance(answer.get("parse"), dict):
            raise SourceUnavailable(
                "The wiki answers without the page that was asked for.",
                place=self._config.api,
                hint="Nothing was deleted. The next run asks again.",
            )
        return answer

    def _fetch_file(self, page_id: int, ref: ItemRef) -> Fetched:
        for _ in range(_TRIES):
            page = self._page(page_id)
            if page is None:
                raise ItemVanished(_GONE_NOW, place=ref.name)
            if isinstance(page.file, Left):
                if page.file.unreadable:
                    raise ItemUnreadable(page.file.reason, place=ref.name, hint=_FILES_HINT)
                raise ItemVanished(page.file.reason, place=ref.name)
            try:
                content = self._files.read(page.file_url, page.file_sha1)
            except TooLarge as error:
                raise ItemUnreadable(error.message, place=ref.name, hint=error.hint) from error
            if isinstance(content, bytes):
                return Fetched(ref=page.file, content=content)
            if content in {401, 403}:
                raise ItemUnreadable("The wiki does not let us read the file.", place=ref.name, hint=_FILES_HINT)
        raise ItemUnreadable(
            "What stands at the file's address is not the file that the wiki names.",
            place=ref.name,
            hint="The next run tries again; if it stays, the wiki's own store of files is damaged.",
        )
