"""A DokuWiki that a test scripts: the part of its API that the connector asks, over real HTTP, in both languages.

It keeps pages, files and the two logs of changes as the real one does (``tests/integration`` runs the same against the
real one), writes XML-RPC by the standard library, and breaks on demand: ``weather`` may replace any answer.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import threading
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.support.web_server import Answer, Asked, WebServer

BEGAN = 1_700_000_000
_HEADING = re.compile(r"(={2,6}) *(.+?) *={2,6}")
_WHITE = " \t\n\r\0\x0b"


class Refusal(Exception):
    """Who asks may not."""


class Wrong(Exception):
    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A page (its text) or a file (its bytes)."""

    content: bytes
    revision: int
    author: str = "ann"

    @property
    def text(self) -> str:
        return self.content.decode()


@dataclass(frozen=True, kw_only=True)
class Change:
    name: str
    revision: int
    type: str


@dataclass
class DokuWiki:
    """``language``: "json" speaks both as current releases do, "xml" the older one alone, whose faults give no reason. ``shut`` are names and
    namespaces that the account may not read; ``private`` closes the API to everybody else."""

    language: str = "json"
    private: bool = False
    login: tuple[str, str] = ("reader", "right-password")
    token: str = "right-token"
    title: str = "The wiki"
    tick: int = 10
    weather: Callable[[Asked], Answer | None] = lambda _asked: None
    between: Callable[[], None] | None = None
    """Called before the listing of pages is answered, which was made before."""
    pages: dict[str, Thing] = field(default_factory=dict)
    files: dict[str, Thing] = field(default_factory=dict)
    page_log: list[Change] = field(default_factory=list)
    file_log: list[Change] = field(default_factory=list)
    shut: set[str] = field(default_factory=set)
    rendered: dict[str, str] = field(default_factory=dict)
    """What a plugin shows in place of a page's text."""
    methods: list[str] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    attic: dict[str, str] = field(default_factory=dict)
    clock: int = BEGAN

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self.server = WebServer(self._answer)

    @property
    def url(self) -> str:
        return f"{self.server.url}/wiki"

    def close(self) -> None:
        self.server.close()

    # -- what people do ----------------------------------------------------------------------------

    def put(self, title: str, text: str, *, author: str = "ann") -> None:
        with self._lock:
            name = clean(title)
            kind = "E" if name in self.pages else "C"
            self.pages[name] = Thing(content=text.encode(), revision=self._tick(), author=author)
            self.page_log.append(Change(name=name, revision=self.clock, type=kind))

    def delete(self, title: str) -> None:
        with self._lock:
            name = clean(title)
            self.attic[name] = self.pages.pop(name).text
            self.page_log.append(Change(name=name, revision=self._tick(), type="D"))

    def restore(self, title: str) -> None:
        self.put(title, self.attic[clean(title)])

    def move(self, old: str, new: str, *, redirect: bool = False) -> None:
        """As its users do: the text to a new page, and the old one deleted or made to point to it."""
        with self._lock:
            self.put(new, self.pages[clean(old)].text)
            self.put(old, f"This page has moved to [[{clean(new)}]].") if redirect else self.delete(old)

    def upload(self, title: str, content: bytes) -> None:
        with self._lock:
            name = clean(title)
            kind = "E" if name in self.files else "C"
            self.files[name] = Thing(content=content, revision=self._tick())
            self.file_log.append(Change(name=name, revision=self.clock, type=kind))

    def remove(self, title: str) -> None:
        with self._lock:
            self.files.pop(clean(title))
            self.file_log.append(Change(name=clean(title), revision=self._tick(), type="D"))

    def trim(self) -> None:
        """The oldest rows of the logs of recent changes go, as they do by age: the wiki keeps twenty."""
        del self.page_log[:-20]
        del self.file_log[:-20]

    def purge(self) -> None:
        """The logs of recent changes are emptied."""
        self.page_log.clear()
        self.file_log.clear()

    # -- what a reader should see ------------------------------------------------------------------

    def readable(self, *, files: bool = True) -> dict[str, bytes]:
        """Item to content of all that is to be indexed."""
        with self._lock:
            found = {
                f"pages/{quote(name.replace(':', '/'))}": (
                    f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title data-named>{html.escape(called)}</title>'
                    f"</head>\n<body>{self.shown(name, edit_marks=False)}</body></html>\n"
                ).encode()
                for name in self.pages
                if not self.is_shut(name) and (called := name.rpartition(":")[2].replace("_", " "))
            }
            if files:
                found |= {
                    f"media/{quote(name.replace(':', '/'))}": thing.content
                    for name, thing in self.files.items()
                    if not self.is_shut(name)
                }
            return found

    def shown(self, name: str, *, edit_marks: bool = True) -> str:
        if name in self.rendered:
            return self.rendered[name]
        parts = []
        for line in self.pages[name].text.splitlines():
            if match := _HEADING.fullmatch(line.strip()):
                level, words = 7 - len(match[1]), match[2]
                anchor = re.sub(r"\W+", "_", words.lower()).strip("_")
                parts.append(f'<h{level} class="sectionedit1" id="{anchor}">{html.escape(words)}</h{level}>')
                if edit_marks:
                    parts.append(f'<!-- EDIT{{"target":"section","name":"{html.escape(words)}"}} [1-] -->')
            elif line.strip():
                parts.append(f"<p>\n{html.escape(line.strip())}\n</p>")
        return "".join(parts)

    def is_shut(self, name: str) -> bool:
        return any(name == one or name.startswith(f"{one}:") for one in self.shut)

    # -- the API -----------------------------------------------------------------------------------

    def _tick(self) -> int:
        self.clock += self.tick
        return self.clock

    def _answer(self, asked: Asked) -> Answer:
        if (weather := self.weather(asked)) is not None:
            return weather
        with self._lock:
            if asked.path == "/wiki/lib/exe/jsonrpc.php" and self.language == "json":
                return self._json(asked)
            if asked.path == "/wiki/lib/exe/xmlrpc.php":
                return self._xml(asked)
            if asked.path == "/wiki/lib/exe/fetch.php":
                return self._fetch(asked)
            return Answer(status=404, body=b"<html>There is nothing here.</html>")

    def _known(self, asked: Asked) -> bool:
        headers = {key.lower(): value for key, value in asked.headers.items()}
        if headers.get("authorization") == f"Bearer {self.token}" or headers.get("x-dokuwiki-token") == self.token:
            return True
        return any(f"DokuWiki={session}" in headers.get("cookie", "") for session in self.sessions)

    def _json(self, asked: Asked) -> Answer:
        if asked.headers.get("Content-Type") != "application/json" or asked.method != "POST":
            return sent({"error": {"code": -32606, "message": "JSON-RPC server only accepts JSON."}}, status=415)
        question = json.loads(asked.body)
        self.methods.append(question["method"])
        said: dict[str, Any] = {"id": question["id"], "jsonrpc": question["jsonrpc"]}
        try:
            said["result"], cookie = self._done(question["method"], question["params"], asked)
        except Refusal:
            status, code = (403, -32604) if self._known(asked) else (401, -32603)
            return sent({"error": {"code": code, "message": "server error. not authorized"}}, status=status)
        except Wrong as wrong:
            return sent({"error": {"code": wrong.code, "message": str(wrong)}}, status=400)
        return sent(said, headers=cookie)

    def _xml(self, asked: Asked) -> Answer:
        params, method = xmlrpc.client.loads(asked.body)
        assert method is not None
        self.methods.append(method)
        try:
            result, cookie = self._done(method, params, asked)
        except (Refusal, Wrong) as wrong:
            code = wrong.code if isinstance(wrong, Wrong) else -32604
            status = 200 if isinstance(wrong, Wrong) else 403 if self._known(asked) else 401
            return nameless(status) if self.language == "xml" else fault(code, str(wrong), status=status)
        body = xmlrpc.client.dumps((result,), methodresponse=True, allow_none=True, encoding="utf-8")
        return Answer(body=b'<?xml version="1.0"?>\n' + body.encode(), headers=cookie)

    def _done(self, method: str, params: Any, asked: Asked) -> tuple[Any, tuple[tuple[str, str], ...]]:
        """The result of a method, and the cookies that come with it."""
        space, _, name = method.partition(".")
        table = {"core": _JSON, "wiki": _XML, "dokuwiki": _XML}.get(space, {})
        if name not in table or (space == "core" and self.language == "xml"):
            raise Wrong(-32603, "Method does not exist")
        public = name in {"getAPIVersion", "getWikiTitle", "login", "getXMLRPCAPIVersion", "getTitle"}
        if self.private and not public and not self._known(asked):
            raise Refusal
        if name == "login":
            given = (params["user"], params["pass"]) if space == "core" else tuple(params)
            if given != self.login:
                return False, ()
            session = f"s{len(self.methods)}"
            self.sessions.add(session)
            return True, (("Set-Cookie", f"DokuWiki={session}; path=/; HttpOnly"),)
        if name == "whoAmI":
            return {"login": self.login[0] if self._known(asked) else None, "groups": ["user"]}, ()
        given = params if isinstance(params, dict) else dict(enumerate(params))
        return table[name](self, given), ()

    def _fetch(self, asked: Asked) -> Answer:
        name = asked.fields["media"]
        if self.is_shut(name) or (self.private and not self._known(asked)):
            return Answer(status=403, body=b"Forbidden")
        thing = self.files.get(name)
        return Answer(status=404, body=b"Not Found") if thing is None else Answer(body=thing.content)

    def _may(self, name: str) -> None:
        if self.is_shut(name):
            raise Refusal

    def _page(self, name: str) -> Thing:
        if name not in self.pages:
            raise Wrong(121, "The requested page (revision) does not exist")
        self._may(name)
        return self.pages[name]

    def _walk(self, things: dict[str, Thing], space: str) -> dict[str, Thing]:
        found = {
            name: thing
            for name, thing in sorted(things.items())
            if (not space or name.startswith(f"{space}:")) and not self.is_shut(name)
        }
        if self.between is not None and things is self.pages:
            self.between()
        return found

    def _size(self, name: str) -> int:
        return len(self.files[name].content) if name in self.files and not self.is_shut(name) else 0

    def _list_pages(self, given: dict[str, Any]) -> list[dict[str, Any]]:
        assert given["depth"] >= 100, "depth 0 is the wiki's own index"
        return [
            {"id": name, "revision": thing.revision, "size": len(thing.content), "title": name, "hash": md5(thing)}
            for name, thing in self._walk(self.pages, given["namespace"]).items()
        ]

    def _list_media(self, given: dict[str, Any]) -> list[dict[str, Any]]:
        return [self._media(name, thing) for name, thing in self._walk(self.files, given["namespace"]).items()]

    def _media(self, name: str, thing: Thing) -> dict[str, Any]:
        return {"id": name, "revision": thing.revision, "size": len(thing.content), "isimage": False, "hash": ""}

    def _media_info(self, given: dict[str, Any]) -> dict[str, Any]:
        self._may(given["media"])
        if given["media"] not in self.files:
            raise Wrong(221, "The requested media file does not exist")
        thing = self.files[given["media"]]
        return {**self._media(given["media"], thing), "author": thing.author if given.get("author") else ""}

    def _page_info(self, given: dict[str, Any]) -> dict[str, Any]:
        thing = self._page(given["page"])
        author = thing.author if given.get("author") else ""
        return {
            "id": given["page"],
            "revision": thing.revision,
            "size": len(thing.content),
            "hash": "",
            "author": author,
        }

    def _html(self, name: str) -> str:
        if name not in self.pages:
            raise Wrong(121, "The requested page (revision) does not exist")
        self._may(name)
        return self.shown(name)

    def _recent(self, log: list[Change], since: int) -> list[Change]:
        last = {one.name: one for one in log}
        found = [one for one in log if last[one.name] is one and not self.is_shut(one.name)]
        told: list[Change] = []
        for one in reversed(found):  # from the end, to the first that is too old
            if one.revision < since:
                break
            told.append(one)
        return told[::-1]

    def _changes(self, log: list[Change], since: int) -> list[dict[str, Any]]:
        return [
            {"id": one.name, "revision": one.revision, "type": one.type, "author": "x"}
            for one in self._recent(log, since)
        ]

    def _old_page_info(self, given: dict[int, Any]) -> dict[str, Any]:
        self._may(given[0])  # before it is asked whether it exists
        thing = self._page(given[0])
        return {"name": given[0], "version": thing.revision, "author": thing.author}

    def _old_pages(self, given: dict[int, Any]) -> list[dict[str, Any]]:
        most = given[1]["depth"] or 100
        return [
            {"id": name, "rev": one.revision, "mtime": one.revision, "size": len(one.content)}
            | ({"hash": md5(one)} if given[1].get("hash") else {})
            for name, one in self._walk(self.pages, given[0]).items()
            if name.count(":") < most
        ]

    def _old_media(self, given: dict[int, Any]) -> list[dict[str, Any]]:
        if given[0] in self.shut:
            raise Refusal
        pattern = given[1].get("pattern", "")
        found = re.compile(pattern.strip("/Du").replace(r"\:", ":")) if pattern else None
        return [
            {"id": name, "size": len(one.content), "mtime": one.revision, "isimg": False, "writable": False}
            for name, one in self._walk(self.files, given[0]).items()
            if found is None or found.search(name)
        ]

    def _old_changes(self, log: list[Change], things: dict[str, Thing], since: int) -> list[dict[str, Any]]:
        if len(str(since)) != 10:
            raise Wrong(311, "The provided value is not a valid timestamp")
        found = [
            {
                "name": one.name,
                "lastModified": xmlrpc.client.DateTime(one.revision),
                "author": "x",
                "version": one.revision,
                "perms": 8,
                "size": len(things[one.name].content) if one.name in things else False,
            }
            for one in self._recent(log, since)
        ]
        if not found:
            raise Wrong(321, "There are no changes in the specified timeframe")
        return found


_JSON: dict[str, Callable[[DokuWiki, Any], Any]] = {
    "getAPIVersion": lambda _wiki, _given: 14,
    "getWikiVersion": lambda _wiki, _given: "2025-05-14b Librarian",
    "getWikiTitle": lambda wiki, _given: wiki.title,
    "getWikiTime": lambda wiki, _given: wiki.clock,
    "login": lambda _wiki, _given: True,
    "whoAmI": lambda _wiki, _given: {},
    "listPages": DokuWiki._list_pages,
    "listMedia": DokuWiki._list_media,
    "getPageInfo": DokuWiki._page_info,
    "getMediaInfo": DokuWiki._media_info,
    "getPage": lambda wiki, given: wiki._page(given["page"]).text if given["page"] in wiki.pages else "",
    "getPageHTML": lambda wiki, given: wiki._html(given["page"]),
    "getRecentPageChanges": lambda wiki, given: wiki._changes(wiki.page_log, given["timestamp"]),
    "getRecentMediaChanges": lambda wiki, given: wiki._changes(wiki.file_log, given["timestamp"]),
}
_XML: dict[str, Callable[[DokuWiki, Any], Any]] = {
    "getXMLRPCAPIVersion": lambda _wiki, _given: 11,
    "getVersion": lambda _wiki, _given: "Release 2022-07-31a Igor",
    "getTitle": lambda wiki, _given: wiki.title,
    "getTime": lambda wiki, _given: wiki.clock,
    "login": lambda _wiki, _given: True,
    "getPagelist": DokuWiki._old_pages,
    "getAttachments": DokuWiki._old_media,
    "getPageInfo": DokuWiki._old_page_info,
    "getAttachmentInfo": lambda wiki, given: {"lastModified": xmlrpc.client.DateTime(0), "size": wiki._size(given[0])},
    "getPage": lambda wiki, given: wiki._page(given[0]).text if given[0] in wiki.pages else "",
    "getPageHTML": lambda wiki, given: wiki._html(given[0]) if given[0] in wiki.pages else "",
    "getRecentChanges": lambda wiki, given: wiki._old_changes(wiki.page_log, wiki.pages, given[0]),
    "getRecentMediaChanges": lambda wiki, given: wiki._old_changes(wiki.file_log, wiki.files, given[0]),
}


def clean(title: str) -> str:
    """The name that a wiki makes of a title."""
    return title.lower().replace("/", ":").replace(" ", "_").strip(":")


def md5(thing: Thing) -> str:
    return hashlib.md5(thing.text.strip(_WHITE).encode(), usedforsecurity=False).hexdigest()


def sent(answer: object, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(
        status=status, body=json.dumps(answer).encode(), headers=(("Content-Type", "application/json"), *headers)
    )


def fault(code: int, words: str, *, status: int = 200) -> Answer:
    return Answer(status=status, body=xmlrpc.client.dumps(xmlrpc.client.Fault(code, words)).encode())


def nameless(status: int = 200) -> Answer:
    """How the release of 2022 writes every fault."""
    return Answer(status=status, body=xmlrpc.client.dumps(({},), methodresponse=True).encode())


def method_of(asked: Asked) -> str:
    """What a request asks for; empty where it is none of the API."""
    if asked.path.endswith("jsonrpc.php"):
        return str(json.loads(asked.body)["method"])
    if asked.path.endswith("xmlrpc.php"):
        return xmlrpc.client.loads(asked.body)[1] or ""
    return ""


def result(asked: Asked, value: Any) -> Answer:
    """A whole answer with this result, in the language of the question."""
    if asked.path.endswith("jsonrpc.php"):
        return sent({"jsonrpc": "2.0", "id": 1, "result": value})
    if asked.path.endswith("xmlrpc.php"):
        value = xmlrpc.client.Binary(base64.b64decode(b"")) if value is None else value
        return Answer(body=xmlrpc.client.dumps((value,), methodresponse=True).encode())
    return Answer(body=str(value).encode())


def error(asked: Asked, code: int, words: str = "", *, status: int = 400) -> Answer:
    """The wiki's own word that it does not do it."""
    if asked.path.endswith("xmlrpc.php"):
        return fault(code, words, status=200 if status == 400 else status)
    return sent({"error": {"code": code, "message": words}}, status=status)
