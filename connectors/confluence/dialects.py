"""The questions to a Confluence in its two editions: the Cloud (REST v2, and v1 for what v2 has not: searches and
restrictions) and Data Center (v1). Both give the same facts.

A search is an index that may lag: it tells what changed and what hangs on pages, and is never the last word on
what is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from connectors.confluence.api import Answer, Api, Missing, NotAsked, Param, Refused
from connectors.confluence.config import ConfluenceConfig, Edition
from connectors.confluence.facts import (
    NOT_TOLD,
    ON_PAGES,
    Fact,
    Kind,
    Labels,
    Left,
    Node,
    Readers,
    Space,
    count,
    labels_of,
    readers_of,
    seconds,
)
from connectors.confluence.people import People, name_of

_READ = "restrictions.read.restrictions.user,restrictions.read.restrictions.group"
_V2 = {Kind.PAGE: "pages", Kind.BLOG: "blogposts", Kind.ATTACHMENT: "attachments", Kind.COMMENT: "footer-comments"}
_ABOVE = frozenset({"page", "folder", "whiteboard", "database", "embed"})
_LABELS = "metadata.labels"
_FACTS = f"version,space,ancestors,container,{_LABELS}"
_MOST, _MOST_V2 = "200", "250"


class Dialect(Protocol):
    """One edition's questions. Each may raise ``SourceUnavailable``; none answers with half of what there is."""

    def spaces(self, keys: Sequence[str]) -> list[Space]:
        """Those of these keys, or all that we may see."""

    def texts(self, space: Space) -> Iterator[Fact]:
        """The pages and blog posts of a space, neither archived nor in the trash."""

    def fact(self, kind: Kind, content_id: str) -> Fact | Left | None:
        """One thing as it is now; None only where the wiki says that there is none that we may see."""

    def node(self, node: Node) -> tuple[str, Node | None]:
        """The title of what a page stands under, and what that stands under. Raises ``Missing``."""

    def titled(self, space: Space, title: str) -> str | None:
        """The id of the page that has this title."""

    def body(self, kind: Kind, content_id: str) -> tuple[Fact, str] | Left | None:
        """A text as it is now, and that in the storage format; else as ``fact``."""

    def author(self, fact: Fact) -> str:
        """The name of who made this version; empty where the wiki does not tell."""


def dialect(api: Api, config: ConfluenceConfig) -> Dialect:
    return Cloud(api) if config.edition is Edition.CLOUD else DataCenter(api)


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a search tells of the texts of a space, by their ids; ``authors`` by id and number of the version."""

    readers: dict[str, Readers] = field(default_factory=dict)
    labels: dict[str, Labels] = field(default_factory=dict)
    authors: dict[tuple[str, object], str] = field(default_factory=dict)


class Search:
    """What both editions answer alike, by REST v1."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def found(self, cql: str, *, labels: bool = False) -> Iterator[Fact]:
        """What a search finds, without what it stands under; of things that are read, and in the index's order."""
        for one in self._searched(cql, "version,space,container", labels=labels):
            try:
                yield _v1(one)
            except (KeyError, TypeError, ValueError) as error:
                raise self._api.strange() from error

    def told(self, space: str, *, labels: bool) -> Told:
        """Who may read the texts of a space, and their labels and authors where these are wanted, as far as a search
        tells it."""
        found = Told()
        with suppress(Missing, NotAsked):  # then who may read is asked of each by itself
            cql = f"type in (page, blogpost) and space = {quoted(space)}"
            for one in self._searched(cql, f"{_READ},version" if labels else _READ, labels=labels):
                if not isinstance(one.get("id"), str):
                    continue
                if "read" in (said := _table(one, "restrictions")):
                    found.readers[one["id"]] = readers_of(said["read"])
                found.labels[one["id"]] = _labels_v1(one)
                version = _table(one, "version")
                found.authors[one["id"], version.get("number")] = name_of(version.get("by"))
        return found

    def readers(self, content_id: str) -> Readers:
        """Who may read this one thing; of no restriction, None."""
        try:
            said = self._api.ask(
                f"/rest/api/content/{content_id}/restriction/byOperation/read",
                expand="restrictions.user,restrictions.group",
            )
        except (Missing, NotAsked):
            return NOT_TOLD
        except Refused:
            self._api.who()  # raises where it is not this alone
            return NOT_TOLD
        return readers_of(said)

    def _searched(self, cql: str, expand: str, *, labels: bool) -> Iterator[Answer]:
        wanted = f"{expand},{_LABELS}" if labels else expand
        return self._api.all("/rest/api/content/search", cql=cql, expand=wanted, limit=_MOST)


class Cloud:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._people = People(api)
        self._keys: dict[str, str] = {}  # by a space's number

    def spaces(self, keys: Sequence[str]) -> list[Space]:
        given: dict[str, Param] = {"keys": tuple(keys)} if keys else {}
        found = [self._space(one) for one in self._api.all("/api/v2/spaces", limit=_MOST_V2, **given)]
        self._keys |= {one.space_id: one.key for one in found}
        return found

    def texts(self, space: Space) -> Iterator[Fact]:
        for kind in (Kind.PAGE, Kind.BLOG):
            asked: dict[str, Param] = {"space-id": space.space_id, "status": "current", "limit": _MOST_V2}
            for one in self._api.all(f"/api/v2/{_V2[kind]}", **asked):
                if one.get("status") == "current":
                    yield self._fact(kind, one)

    def fact(self, kind: Kind, content_id: str) -> Fact | Left | None:
        one = self._one(kind, content_id)
        return one if not isinstance(one, dict) else self._fact(kind, one)

    def body(self, kind: Kind, content_id: str) -> tuple[Fact, str] | Left | None:
        one = self._one(kind, content_id, **{"body-format": "storage"})
        return one if not isinstance(one, dict) else (self._fact(kind, one), _stored(one, self._api))

    def author(self, fact: Fact) -> str:
        return fact.author or (self._people.name(fact.author_id) if fact.author_id else "")

    def node(self, node: Node) -> tuple[str, Node | None]:
        if node.kind not in _ABOVE:
            raise Missing(f"What a {node.kind} is, is not known.", place=self._api.place, hint="Nothing to do.")
        one = self._api.ask(f"/api/v2/{node.kind}s/{node.content_id}")
        if not isinstance(one.get("title"), str):
            raise self._api.strange()
        return one["title"], _above(one)

    def titled(self, space: Space, title: str) -> str | None:
        asked: dict[str, Param] = {"space-id": space.space_id, "title": title, "status": "current", "limit": "25"}
        for one in self._api.all("/api/v2/pages", **asked):
            if one.get("title") == title and one.get("status") == "current":
                return str(one["id"])
        return None

    def _one(self, kind: Kind, content_id: str, **more: Param) -> Answer | Left | None:
        """What the wiki says of one current thing."""
        states: dict[str, Param] = {} if kind in ON_PAGES else {"status": ("current", "archived", "trashed")}
        if kind is not Kind.COMMENT:  # which have none
            more = {**more, "include-labels": "true"}
        for name in (_V2[kind], *(("inline-comments",) if kind is Kind.COMMENT else ())):
            try:
                one = self._api.ask(f"/api/v2/{name}/{content_id}", **states, **more)
            except Missing:
                continue
            if one.get("id") != content_id:
                raise self._api.strange()
            status = str(one.get("status"))
            return one if status == "current" else _left(status, self._api)
        return None

    def _fact(self, kind: Kind, one: Answer) -> Fact:
        try:
            links, version = _table(one, "_links"), one["version"]
            on = _hung_on(one)
            return Fact(
                kind=kind,
                content_id=str(one["id"]),
                title=str(one["title"]),
                # What hangs on a page is where that is, which who asks looks up.
                space="" if kind in ON_PAGES else self._key(str(one["spaceId"])),
                number=int(version["number"]),
                modified_at=seconds(version["createdAt"]),
                above=_above(one) if kind is Kind.PAGE else None,
                on=on,
                webui=str(links.get("webui") or one.get("webuiLink") or ""),
                download=str(links.get("download") or one.get("downloadLink") or ""),
                size=count(one.get("fileSize")),
                media_type=str(one.get("mediaType") or ""),
                labels=labels_of(one.get("labels")),
                author_id=str(version.get("authorId") or ""),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._api.strange() from error

    def _key(self, space_id: str) -> str:
        if space_id not in self._keys:
            self._keys[space_id] = self._space(self._api.ask(f"/api/v2/spaces/{space_id}")).key
        return self._keys[space_id]

    def _space(self, one: Answer) -> Space:
        try:
            return Space(
                space_id=str(one["id"]),
                key=str(one["key"]),
                kind=str(one["type"]),
                current=one.get("status") == "current",
            )
        except KeyError as error:
            raise self._api.strange() from error


class DataCenter:
    def __init__(self, api: Api) -> None:
        self._api = api

    def spaces(self, keys: Sequence[str]) -> list[Space]:
        given: dict[str, Param] = {"spaceKey": tuple(keys)} if keys else {"status": "current"}
        try:
            return [
                Space(
                    space_id=str(one["id"]),
                    key=str(one["key"]),
                    kind=str(one["type"]),
                    current=one.get("status", "current") == "current",
                )
                for one in self._api.all("/rest/api/space", limit=_MOST, **given)
            ]
        except KeyError as error:
            raise self._api.strange() from error

    def texts(self, space: Space) -> Iterator[Fact]:
        for kind in (Kind.PAGE, Kind.BLOG):
            for one in self._api.all(
                "/rest/api/content",
                type=kind.value,
                spaceKey=space.key,
                status="current",
                expand=_FACTS,
                limit=_MOST,
            ):
                yield self._fact(one)

    def fact(self, kind: Kind, content_id: str) -> Fact | Left | None:
        one = self._one(kind, content_id, _FACTS)
        return one if not isinstance(one, dict) else self._fact(one)

    def body(self, kind: Kind, content_id: str) -> tuple[Fact, str] | Left | None:
        one = self._one(kind, content_id, f"{_FACTS},body.storage")
        return one if not isinstance(one, dict) else (self._fact(one), _stored(one, self._api))

    def author(self, fact: Fact) -> str:
        return fact.author

    def node(self, node: Node) -> tuple[str, Node | None]:
        fact = self._fact(self._api.ask(f"/rest/api/content/{node.content_id}", expand=_FACTS))
        return fact.title, fact.above

    def titled(self, space: Space, title: str) -> str | None:
        for one in self._api.all("/rest/api/content", type="page", spaceKey=space.key, title=title, limit="25"):
            if one.get("title") == title and one.get("status") == "current":
                return str(one["id"])
        return None

    def _one(self, kind: Kind, content_id: str, expand: str) -> Answer | Left | None:
        """What the wiki says of one current thing."""
        try:
            one = self._api.ask(f"/rest/api/content/{content_id}", status="any", expand=expand)
        except Missing:
            return None
        # R5: only what is told to be another kind of thing is not there as this one.
        if str(one.get("id")) != content_id or one.get("type") not in {each.value for each in Kind}:
            raise self._api.strange()
        if one["type"] != kind:
            return None
        status = str(one.get("status"))
        return one if status == "current" else _left(status, self._api)

    def _fact(self, one: Answer) -> Fact:
        try:
            return _v1(one)
        except (KeyError, TypeError, ValueError) as error:
            raise self._api.strange() from error


# -- helpers ---------------------------------------------------------------------------------------


def quoted(text: str) -> str:
    """A text in CQL."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _v1(one: Answer) -> Fact:
    kind, links, more = Kind(one["type"]), _table(one, "_links"), _table(one, "extensions")
    container, above = one.get("container"), one.get("ancestors") or []
    last = above[-1] if kind is Kind.PAGE and above else None
    return Fact(
        kind=kind,
        content_id=str(one["id"]),
        title=str(one["title"]),
        space=str(one["space"]["key"]),
        number=int(one["version"]["number"]),
        modified_at=seconds(one["version"]["when"]),
        above=Node(content_id=str(last["id"]), kind=str(last.get("type", "page"))) if last else None,
        on=Node(content_id=str(container["id"]), kind=str(container["type"]))
        if kind in ON_PAGES and isinstance(container, dict) and "type" in container
        else None,
        webui=str(links.get("webui") or ""),
        download=str(links.get("download") or ""),
        size=count(more.get("fileSize")),
        media_type=str(more.get("mediaType") or _table(one, "metadata").get("mediaType") or ""),
        labels=_labels_v1(one),
        author=name_of(one["version"].get("by")),
    )


def _labels_v1(one: Answer) -> Labels:
    return labels_of(_table(one, "metadata").get("labels"))


def _above(one: Answer) -> Node | None:
    found = one.get("parentId")
    return Node(content_id=str(found), kind=str(one.get("parentType") or "page")) if found else None


def _hung_on(one: Answer) -> Node | None:
    for key, kind in (("pageId", "page"), ("blogPostId", "blogpost"), ("customContentId", "custom")):
        if one.get(key):
            return Node(content_id=str(one[key]), kind=kind)
    return None


def _left(status: str, api: Api) -> Left:
    match status:
        case "archived":
            return Left(reason="It is archived.")
        case "trashed" | "deleted":
            return Left(reason="It is in the trash.")
        case "draft" | "historical":
            return Left(reason="It is a draft.")
        case _:
            raise api.strange()


def _stored(one: Answer, api: Api) -> str:
    text = _table(_table(one, "body"), "storage").get("value")
    if not isinstance(text, str):
        raise api.strange()
    return text


def _table(one: Answer, key: str) -> dict[str, Any]:
    value = one.get(key)
    return value if isinstance(value, dict) else {}
