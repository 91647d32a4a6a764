"""The questions to a DokuWiki in its two languages: JSON-RPC (releases since 2024), XML-RPC (older ones).

Both give the same facts of the same wiki, so that an upgrade changes no version: a page's digest is that of its text
without the white space around it, as both listings have it. Listings walk the wiki's folders; the shortcut of JSON-RPC
for everything would leave out what the wiki has not yet taken into its own index.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from connectors.dokuwiki.xmlrpc import NAMELESS
from connectors.errors import SourceUnavailable

OLDEST = 1_000_000_000
"""The oldest time that every release takes; older than DokuWiki."""

_ALL = 1000  # levels of namespaces
_NO_PAGE, _NO_FILE, _NO_CHANGES = 121, 221, 321
_WHITE = " \t\n\r\0\x0b"  # what the wiki trims
_TO_QUOTE = frozenset(r".\+*?[^]$(){}=!<>|:-#/")


class Kind(StrEnum):
    """What a wiki holds; its value begins the ids of items."""

    PAGE = "pages"
    FILE = "media"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """What a wiki says of a page or file: when it changed last (its revision), its bytes, of a page the MD5 of its
    text. ``author`` is who changed it; None also in listings, which do not say."""

    kind: Kind
    name: str
    revision: int
    size: int
    digest: str = ""
    author: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """The last change of a page or file that the feed tells of."""

    kind: Kind
    name: str
    revision: int


class RpcError(SourceUnavailable):
    """The wiki answered that it does not do what was asked. ``code`` is its word for why."""

    def __init__(self, code: int, words: str, *, place: str) -> None:
        super().__init__(
            f"The wiki answers {code}: {words.rstrip('.')}.",
            place=place,
            hint="If it stays, show this to whoever looks after the wiki.",
        )
        self.code = code


class Strange(SourceUnavailable):
    """The wiki's answer has a form that is not known."""

    def __init__(self, place: str) -> None:
        super().__init__(
            "The wiki's answer has a form that is not known.",
            place=place,
            hint="Nothing was deleted. DokuWiki from 2018 to 2025 is understood.",
        )


class Dialect(Protocol):
    """One language. Each question raises what its call raises; None is the wiki's own "there is none"."""

    def login(self, username: str, password: str) -> bool: ...
    def who(self) -> str | None:
        """The name of who asks, empty for nobody; None where this language cannot tell."""

    def version(self) -> str: ...
    def title(self) -> str: ...
    def time(self) -> int: ...
    def pages(self, space: str) -> list[Fact]: ...
    def files(self, space: str) -> list[Fact]: ...
    def page(self, name: str) -> Fact | None: ...
    def file(self, name: str) -> Fact | None: ...
    def changes(self, kind: Kind, since: int) -> list[Row]: ...
    def html(self, name: str) -> str: ...


class Json:
    """``call`` takes a method and its parameters by name."""

    def __init__(self, call: Callable[[str, Mapping[str, object]], Any], place: str) -> None:
        self._call = call
        self._place = place

    def login(self, username: str, password: str) -> bool:
        return bool(self._call("core.login", {"user": username, "pass": password}))

    def who(self) -> str | None:
        return str(_dict(self._call("core.whoAmI", {}), self._place).get("login") or "")

    def version(self) -> str:
        return f"{self._call('core.getWikiVersion', {})}, API {self._call('core.getAPIVersion', {})}, JSON-RPC"

    def title(self) -> str:
        return _text(self._call("core.getWikiTitle", {}), self._place)

    def time(self) -> int:
        return _int(self._call("core.getWikiTime", {}), self._place)

    def pages(self, space: str) -> list[Fact]:
        listed = self._call("core.listPages", {"namespace": space, "depth": _ALL, "hash": True})
        return [_page(one, "revision", self._place) for one in _list(listed, self._place)]

    def files(self, space: str) -> list[Fact]:
        listed = self._call("core.listMedia", {"namespace": space, "depth": 0})
        return [_file(one, "revision", self._place) for one in _list(listed, self._place)]

    def page(self, name: str) -> Fact | None:
        said = _unless(_NO_PAGE, lambda: self._call("core.getPageInfo", {"page": name, "author": True}))
        if said is None:
            return None
        revision = _int(_dict(said, self._place).get("revision"), self._place)
        text = _text(self._call("core.getPage", {"page": name}), self._place)
        return _of_text(name, revision, text, _author(said))

    def file(self, name: str) -> Fact | None:
        said = _unless(_NO_FILE, lambda: self._call("core.getMediaInfo", {"media": name, "author": True}))
        return _file(_dict(said, self._place), "revision", self._place) if said is not None else None

    def changes(self, kind: Kind, since: int) -> list[Row]:
        method = "core.getRecentPageChanges" if kind is Kind.PAGE else "core.getRecentMediaChanges"
        told = _unless(_NO_CHANGES, lambda: self._call(method, {"timestamp": since}))
        return [_row(kind, one, "id", "revision", self._place) for one in _list(told or [], self._place)]

    def html(self, name: str) -> str:
        return _text(self._call("core.getPageHTML", {"page": name}), self._place)


class Xml:
    """``call`` takes a method and its parameters in order."""

    def __init__(self, call: Callable[[str, Sequence[Any]], Any], place: str) -> None:
        self._call = call
        self._place = place

    def login(self, username: str, password: str) -> bool:
        return bool(self._call("dokuwiki.login", [username, password]))

    def who(self) -> str | None:
        return None

    def version(self) -> str:
        number = self._call("dokuwiki.getXMLRPCAPIVersion", [])
        return f"{self._call('dokuwiki.getVersion', [])}, API {number}, XML-RPC"

    def title(self) -> str:
        return _text(self._call("dokuwiki.getTitle", []), self._place)

    def time(self) -> int:
        return _int(self._call("dokuwiki.getTime", []), self._place)

    def pages(self, space: str) -> list[Fact]:
        listed = self._call("dokuwiki.getPagelist", [space, {"depth": 0, "hash": 1}])
        return [_page(one, "rev", self._place) for one in _list(listed, self._place)]

    def files(self, space: str) -> list[Fact]:
        listed = self._call("wiki.getAttachments", [space, {"depth": 0}])
        return [_file(one, "rev", self._place) for one in _list(listed, self._place)]

    def page(self, name: str) -> Fact | None:
        try:
            said = _unless(_NO_PAGE, lambda: self._call("wiki.getPageInfo", [name]))
        except RpcError as error:
            # That a page is not there is one of the reasons not to give one; where it would stand tells.
            if error.code != NAMELESS or self._stands(name):
                raise
            return None
        if said is None:
            return None
        revision = _int(_dict(said, self._place).get("version"), self._place)
        return _of_text(name, revision, _text(self._call("wiki.getPage", [name]), self._place), _author(said))

    def file(self, name: str) -> Fact | None:
        # What this language says of a single file is the same of one that is not there and of one that is shut.
        exactly = "".join(f"\\{one}" if one in _TO_QUOTE else one for one in name)
        space = name.rpartition(":")[0]
        listed = self._call("wiki.getAttachments", [space, {"depth": 0, "pattern": f"/^{exactly}$/Du"}])
        found = [_file(one, "rev", self._place) for one in _list(listed, self._place)]
        there = next((one for one in found if one.name == name), None)
        if there is None:  # which a listing alone does not prove (R5)
            said = _dict(self._call("wiki.getAttachmentInfo", [name]), self._place)
            if _int(said.get("size"), self._place) != 0:
                raise Strange(self._place)
        return there

    def changes(self, kind: Kind, since: int) -> list[Row]:
        method = "wiki.getRecentChanges" if kind is Kind.PAGE else "wiki.getRecentMediaChanges"
        # Without a reason, too: it begins with a change that was there, and so is not gone on with if that is missing.
        told = _unless(NAMELESS, lambda: _unless(_NO_CHANGES, lambda: self._call(method, [since])))
        return [_row(kind, one, "name", "version", self._place) for one in _list(told or [], self._place)]

    def html(self, name: str) -> str:
        return _text(self._call("wiki.getPageHTML", [name]), self._place)

    def _stands(self, name: str) -> bool:
        """Whether a page is in the listing of its namespace."""
        space, level = name.rpartition(":")[0], name.count(":") + 1
        listed = self._call("dokuwiki.getPagelist", [space, {"depth": level}])
        return any(_name(one.get("id"), self._place) == name for one in _list(listed, self._place))


# -- from the wiki's words -------------------------------------------------------------------------


def _unless(code: int, ask: Callable[[], Any]) -> Any:
    """None where the wiki answers with this code."""
    try:
        return ask()
    except RpcError as error:
        if error.code == code:
            return None
        raise


def _of_text(name: str, revision: int, text: str, author: str | None) -> Fact:
    digest = hashlib.md5(text.strip(_WHITE).encode(), usedforsecurity=False).hexdigest()
    size = len(text.encode())
    return Fact(kind=Kind.PAGE, name=name, revision=revision, size=size, digest=digest, author=author)


def _page(said: Mapping[str, Any], revision: str, place: str) -> Fact:
    digest = _text(said.get("hash"), place)
    if not digest:
        raise Strange(place)
    return Fact(
        kind=Kind.PAGE,
        name=_name(said.get("id"), place),
        revision=_int(said.get(revision), place),
        size=_int(said.get("size"), place),
        digest=digest,
    )


def _file(said: Mapping[str, Any], revision: str, place: str) -> Fact:
    changed = said.get(revision, said.get("mtime"))
    return Fact(
        kind=Kind.FILE,
        name=_name(said.get("id"), place),
        revision=_int(changed, place),
        size=_int(said.get("size"), place),
        author=_author(said),
    )


def _author(said: Mapping[str, Any]) -> str | None:
    author = said.get("author")
    return author if isinstance(author, str) and author else None


def _row(kind: Kind, said: Mapping[str, Any], name: str, revision: str, place: str) -> Row:
    return Row(kind=kind, name=_name(said.get(name), place), revision=_int(said.get(revision), place))


def _name(value: object, place: str) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).strip(":"):
        raise Strange(place)
    return str(value).strip(":")


def _int(value: object, place: str) -> int:
    try:
        if isinstance(value, int | str) and not isinstance(value, bool):
            return int(value)
    except ValueError:
        pass
    raise Strange(place)


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise Strange(place)
    return value


def _dict(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Strange(place)
    return value


def _list(value: object, place: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Strange(place)
    return value
