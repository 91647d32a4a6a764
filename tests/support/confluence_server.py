"""A Confluence that a test scripts, in the cloud or in a data center, over real HTTP.

No real one can be had, so it is made of the public documentation alone, each route with its page (``Route.page``); a
client that others wrote runs a scenario against it (``tests/integration/test_confluence_server.py``). What it holds is
``site``; it breaks on demand: ``weather`` may replace any answer (``confluence_faults`` has some), ``between`` is called
before each further part of a listing, so that pages move between them.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs

from tests.support import confluence_cloud, confluence_data_center, confluence_rest, confluence_writing
from tests.support.confluence_routes import Question, Refused, Route, fields_of, sent
from tests.support.confluence_space import Site
from tests.support.confluence_values import READER, WRITER, Content, NotAllowed, User
from tests.support.web_server import Answer, Asked, WebServer

TOKEN, WRITERS_TOKEN = "right-token", "writers-token"


class Flavour(StrEnum):
    CLOUD = "cloud"
    DATA_CENTER = "data_center"


@dataclass
class Confluence:
    """``tokens`` are secrets and the keys of their users: in the cloud API tokens, which are sent with the e-mail
    address, in a data center personal access tokens, or passwords. ``part`` is a system limit on results below the
    documented ones. ``cursors``: those of another age are refused; raise it to let all expire. ``search_lag_s`` is
    how long the search index stays behind."""

    flavour: Flavour = Flavour.CLOUD
    site: Site = field(default_factory=Site)
    context: str = "/wiki"
    part: int | None = None
    tokens: dict[str, str] = field(default_factory=lambda: {TOKEN: READER.key, WRITERS_TOKEN: WRITER.key})
    weather: Callable[[Asked], Answer | None] = lambda _asked: None
    between: Callable[[], None] | None = None
    nobody: bool = False
    """Whatever is sent to log in is taken for nothing, and nobody in particular is answered, as after a session or a
    token ended on a wiki that everybody may ask."""
    search_lag_s: float = 0.0
    cursors: int = 0
    time_zone: str = "Europe/Berlin"
    version: str = "9.2.1"
    mark: str = "this-one"
    """What tells it from others: the id of a site in the cloud, of an application in a data center."""
    tells_zone: bool = False
    leaked: list[Asked] = field(default_factory=list)
    """Requests to the host of the media that brought a login or a cookie along."""

    def __post_init__(self) -> None:
        self.routes = self._routes()
        self._found: tuple[object, list[Content]] = (None, [])
        self.server = WebServer(self._answer)
        self.media = WebServer(self._send_file)

    @property
    def cloud(self) -> bool:
        return self.flavour is Flavour.CLOUD

    @property
    def url(self) -> str:
        return f"{self.server.url}{self.context}"

    @property
    def asked(self) -> list[Asked]:
        return self.server.asked

    def close(self) -> None:
        self.server.close()
        self.media.close()

    def step(self, question: Question) -> None:
        """Called first by each listing: what happens between its parts happens now."""
        further = question.one("cursor") or question.one("start", "0") != "0"
        if further and self.between is not None:
            self.between()

    def remembered(self, question: Question, found: Callable[[], list[Content]], *asked: object) -> list[Content]:
        """What a listing or a search finds, while nothing changes: its parts are many, and each would look at
        everything."""
        key = (found.__qualname__, asked, question.user, self.site.steps, self.site.now(), self.search_lag_s)
        if self._found[0] != key:
            self._found = (key, found())
        return self._found[1]

    def signature(self, one: Content) -> str:
        return base64.urlsafe_b64encode(f"{one.content_id}:{one.last.number}:signed".encode()).decode()

    def key_of(self, login: str | None) -> str | None:
        """The user of a login name, which is what stands before the @ of his address."""
        found = [user.key for user in self.site.users.values() if login and user.email.partition("@")[0] == login]
        return found[0] if found else None

    def _routes(self) -> tuple[Route, ...]:
        own = confluence_cloud.ROUTES if self.cloud else confluence_data_center.ROUTES
        return (*own, *confluence_rest.routes(cloud=self.cloud), *confluence_writing.routes(cloud=self.cloud))

    # -- answering ---------------------------------------------------------------------------------

    def _answer(self, asked: Asked) -> Answer:
        return instead if (instead := self.weather(asked)) is not None else self.really(asked)

    def really(self, asked: Asked) -> Answer:
        """What it answers without a weather; where its clock is its own, with a date to match."""
        with self.site.lock:
            found = self._answer_now(asked)
        if self.site.live:
            return found
        date = ("Date", formatdate(self.site.now(), usegmt=True))
        return Answer(status=found.status, body=found.body, headers=(*found.headers, date))

    def _answer_now(self, asked: Asked) -> Answer:
        if not asked.path.startswith(f"{self.context}/"):
            return Answer(status=404, body=b"<html>not here</html>")
        path = asked.path.removeprefix(self.context)
        user = self._user(asked)
        if user is None and not self.nobody:
            return self._refusal(path, 401, "The credentials are missing or incorrect")
        for route in self.routes:
            if (names := route.match(asked.method, path)) is not None:
                question = Question(wiki=self, asked=asked, path=path, user=user, fields=fields_of(asked.query))
                try:
                    return route.answer(question, *names)
                except Refused as refused:
                    return self._refusal(path, refused.status, str(refused))
                except NotAllowed as refused:
                    return self._refusal(path, 400, str(refused))
        return self._refusal(path, 404, "There is no such resource")

    def _user(self, asked: Asked) -> User | None:
        """By e-mail address and API token in the cloud; by token, or login name and password, in a data center."""
        headers = {key.lower(): value for key, value in asked.headers.items()}
        scheme, _, value = headers.get("authorization", "").partition(" ")
        if self.nobody:
            return None
        if scheme == "Bearer" and not self.cloud:
            return self.site.users.get(self.tokens.get(value, ""))
        if scheme != "Basic":
            return None
        try:
            login, _, secret = base64.b64decode(value).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        user = self.site.users.get(self.tokens.get(secret, ""))
        names = set() if user is None else {user.email} if self.cloud else {user.email.partition("@")[0]}
        return user if login in names else None

    def _refusal(self, path: str, status: int, words: str) -> Answer:
        """The forms of errors of the newer and of the older API."""
        if path.startswith("/api/v2/"):
            codes = {400: "INVALID_REQUEST_PARAMETER", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND"}
            said: dict[str, Any] = {"status": status, "code": codes.get(status, "CONFLICT"), "title": words}
            return sent({"errors": [{**said, "detail": None}]}, status=status)
        data = {"authorized": status not in {401, 403}, "valid": True, "errors": [], "successful": False}
        return sent({"statusCode": status, "data": data, "message": words}, status=status)

    def _send_file(self, asked: Asked) -> Answer:
        """The host of the media: the signed address is the only proof it takes, another one beside it an error."""
        if {"authorization", "cookie"} & {key.lower() for key in asked.headers}:
            self.leaked.append(asked)
            return Answer(status=400, body=b"Only one auth mechanism allowed")
        _, _, content_id, number, _ = asked.path.split("/")
        with self.site.lock:
            one = self.site.contents.get(int(content_id))
            token = parse_qs(asked.query).get("token", [""])[0]
            if one is None or token != self.signature(one):
                return Answer(status=403, body=b"The signature is not valid")
            version = next(each for each in one.versions if each.number == int(number))
            return Answer(body=version.data or b"", headers=(("Content-Type", version.media_type),))


def cloud(**more: Any) -> Confluence:
    return Confluence(flavour=Flavour.CLOUD, **more)


def data_center(**more: Any) -> Confluence:
    return Confluence(flavour=Flavour.DATA_CENTER, **{"context": "/confluence", **more})


@contextlib.contextmanager
def confluence(flavour: Flavour, **more: Any) -> Iterator[Confluence]:
    made = cloud(**more) if flavour is Flavour.CLOUD else data_center(**more)
    try:
        yield made
    finally:
        made.close()
