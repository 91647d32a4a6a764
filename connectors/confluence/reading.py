"""What one page, post, comment or attachment holds, and as which version."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from connectors.base import Fetched, ItemRef
from connectors.confluence.api import Api
from connectors.confluence.config import ConfluenceConfig, Edition
from connectors.confluence.dialects import Dialect
from connectors.confluence.facts import ON_PAGES, Fact, Kind, Left, Space
from connectors.confluence.includes import Includes, Name, Shown, Used, stamp, used_by
from connectors.confluence.items import ref_of
from connectors.confluence.storage import TooDeep, anchors, html_of, targets_of
from connectors.confluence.tree import Place, Tree
from connectors.errors import ItemUnreadable, ItemVanished
from connectors.web.rendered import document

_TRIES = 3
_TAG = re.compile(r"<[^>]*>")
_SHOWS = re.compile(r"\w")


@dataclass(kw_only=True, slots=True)
class Reads:
    """What is known of the wiki as of one listing; what is not, is asked for."""

    config: ConfluenceConfig
    dialect: Dialect
    tree: Tree
    includes: Includes
    _spaces: dict[str, Space] | None = None
    _titles: dict[Name, Fact] | None = None

    def learn(self, spaces: Iterable[Space], facts: Iterable[Fact]) -> None:
        """All spaces and texts that there are."""
        self._spaces = {one.key: one for one in spaces}
        self._titles = {(one.space, one.title): one for one in facts if one.kind is Kind.PAGE}

    def ref(self, fact: Fact) -> ItemRef | Left:
        """The item that it is."""
        place = self.tree.of(fact)
        return place if isinstance(place, Left) else ref_of(self.config, fact, place, shows=self._shows(fact, place))

    def space(self, key: str) -> Space | None:
        """A space that is read."""
        if self.config.left_out(key):
            return None
        if self._spaces is None:
            self._spaces = {}
        if key not in self._spaces:
            for one in self.dialect.spaces([key]):
                self._spaces[one.key] = one
        return self._spaces.get(key)

    def titled(self, name: Name) -> Fact | None:
        """The page of this title that is read."""
        if self._titles is not None:
            return self._titles.get(name)
        space = self.space(name[0])
        content_id = self.dialect.titled(space, name[1]) if space is not None else None
        fact = self.dialect.fact(Kind.PAGE, content_id) if content_id is not None else None
        return fact if isinstance(fact, Fact) else None

    def _shows(self, fact: Fact, place: Place) -> str:
        """Which other pages a text shows, as far as its reading told."""
        if fact.kind in ON_PAGES or not self.includes.names(fact.content_id):
            return ""
        own = Shown(fact=fact, place=place.grant.place)
        return stamp(used_by(own, names_of=lambda one: self.includes.names(one.content_id), resolve=self._shown))

    def _shown(self, name: Name) -> Shown | None:
        fact = self.titled(name)
        place = self.tree.of(fact) if fact is not None else None
        return Shown(fact=fact, place=place.grant.place) if fact is not None and isinstance(place, Place) else None


@dataclass(kw_only=True, slots=True)
class _Text:
    """One reading of a text, with all that it shows. The same answer tells what a page holds and which version that
    is."""

    dialect: Dialect
    reads: Reads
    bodies: dict[str, str] = field(default_factory=dict)  # by id
    ids: dict[Name, str] = field(default_factory=dict)

    def names_of(self, fact: Fact) -> list[Name]:
        """What a text that was read names itself; remembered from now on."""
        names = list(dict.fromkeys((one.space, one.title) for one in targets_of(self.bodies[fact.content_id])))
        self.reads.includes.learn(fact.content_id, names)
        return names

    def resolve(self, name: Name) -> Shown | None:
        space = self.reads.space(name[0])
        content_id = self.dialect.titled(space, name[1]) if space is not None else None
        found = self.dialect.body(Kind.PAGE, content_id) if content_id is not None else None
        if not isinstance(found, tuple):
            return None
        fact, self.bodies[fact.content_id] = found
        place = self.reads.tree.of(fact)
        return Shown(fact=fact, place=place.grant.place) if isinstance(place, Place) else None


class Reading:
    """``reads`` is what the last listing said of where things are."""

    def __init__(self, config: ConfluenceConfig, api: Api, dialect: Dialect, reads: Reads) -> None:
        self._config = config
        self._api = api
        self._dialect = dialect
        self._reads = reads

    def text(self, kind: Kind, content_id: str) -> Fetched:
        """What a page shows: its storage format, with what it includes. Raises ``ItemVanished``."""
        found = self._dialect.body(kind, content_id)
        if not isinstance(found, tuple):
            raise self._gone(kind, content_id, found)
        fact, storage = found
        place = self._place(fact)
        try:
            return self._written(fact, storage, place)
        except TooDeep as error:
            raise ItemUnreadable(
                "It is nested too deeply to be read.",
                place=fact.title,
                hint="Open it in the wiki, and look for what it includes.",
            ) from error

    def _written(self, fact: Fact, storage: str, place: Place) -> Fetched:
        """The text as a document."""
        kind, content_id = fact.kind, fact.content_id
        text = _Text(dialect=self._dialect, reads=self._reads, bodies={content_id: storage})
        used: tuple[Used, ...] = ()
        if kind not in ON_PAGES:
            own = Shown(fact=fact, place=place.grant.place)
            used = used_by(own, names_of=text.names_of, resolve=text.resolve)
            self._reads.includes.learn(content_id, text.names_of(fact), used)
        ref = self._ref(fact, place, stamp(used))
        shown = {one.name: text.bodies[one.content_id] for one in used if one.content_id}
        body = html_of(
            storage,
            own=(place.space, fact.title),
            anchor=anchors(fact.title, cloud=self._config.edition is Edition.CLOUD),
            included=lambda target: shown.get((target.space, target.title)),
        )
        if not _SHOWS.search(_TAG.sub("", body)) and "<img" not in body:
            # A page of macros that list others shows its title at least.
            body = f"<p>{html.escape(fact.title)}</p>"
        return Fetched(ref=ref, content=document(fact.title, body, most=self._config.max_size, name=ref.name))

    def file(self, kind: Kind, content_id: str) -> Fetched:
        """The bytes of an attachment under the version that it has before and after. Raises ``ItemVanished``."""
        status = 0
        for _ in range(_TRIES):
            before = self._dialect.fact(kind, content_id)
            if not isinstance(before, Fact):
                raise self._gone(kind, content_id, before)
            ref = self._ref(before, self._place(before))
            content = self._api.content(self._address(before), self._config.max_size)
            after = self._dialect.fact(kind, content_id)
            if isinstance(content, bytes) and isinstance(after, Fact) and after.number == before.number:
                if before.size in {None, len(content)}:
                    return Fetched(ref=ref, content=content)
            elif isinstance(content, int):
                status = content
        raise ItemUnreadable(
            f"The wiki does not give the file whole{f' ({status})' if status else ''}.",
            place=content_id,
            hint="Open it in the wiki; if it opens there, name the host that it comes from in hosts.",
        )

    # -- helpers -----------------------------------------------------------------------------------

    def _address(self, fact: Fact) -> str:
        """Of the Cloud by its API, which alone takes API tokens and sends on to where files are kept."""
        if self._config.edition is Edition.CLOUD and fact.on is not None:
            return f"/rest/api/content/{fact.on.content_id}/child/attachment/{fact.content_id}/download"
        return fact.download

    def _place(self, fact: Fact) -> Place:
        place = self._reads.tree.of(fact)
        if isinstance(place, Left):
            raise ItemVanished(place.reason, place=fact.content_id)
        return place

    def _ref(self, fact: Fact, place: Place, shows: str = "") -> ItemRef:
        ref = ref_of(self._config, fact, place, shows=shows)
        if isinstance(ref, Left):
            raise ItemVanished(ref.reason, place=fact.content_id)
        return replace(ref, author=self._dialect.author(fact) or None)

    def _gone(self, kind: Kind, content_id: str, found: Left | None) -> ItemVanished:
        self._api.who()  # raises where the wiki does not know us any more, and says the same of every page
        return ItemVanished(found.reason if found else "It was gone when it was read.", place=f"{kind}/{content_id}")
