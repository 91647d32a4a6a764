"""What stands between a listener and the application: who asks, and on a port the limits of what is let through."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingestor.errors import LedgerError
from ingestor.web.access import SCOPE_KEY, Access, Caller, Refused
from ingestor.web.hooks import is_hook
from ingestor.web.problems import CHALLENGE, problem

BODY_LIMIT = 64 * 1024
HOOK_BODY_LIMIT = 1024 * 1024  # a push names its commits and their files, an edit brings its page
BODY_TIME_S = 10.0

_BURST_S = 10.0  # so many seconds' worth of requests may come at once
_CALLERS = 10_000  # whose rates are remembered; the ones that were silent longest are forgotten first
_OPEN = frozenset({"/openapi.json"})  # it tells nothing of anybody's documents
_EVERY_ANSWER = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]

SESSION = "ingestor_session"
"""The cookie of who is logged in at the status page."""

_PAGE = "/ui/"


def is_page(path: str) -> bool:
    """Whether it belongs to the status page, which stands at ``/`` and below ``/ui/``."""
    return path == "/" or path.startswith(_PAGE)


def cookie(headers: Headers, name: str) -> str:
    """Its value; empty where the browser sends none."""
    return cookie_parser("; ".join(headers.getlist("cookie"))).get(name, "")


class OwnersGate:
    """For the Unix socket, which only the owner of the state folder reaches. A token makes the request its own all the
    same, so that what a token may see can be tried there."""

    def __init__(self, application: ASGIApp, access: Access) -> None:
        self._application = application
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)  # it answers nothing else
            return
        try:
            if not is_hook(scope["path"]):
                scope[SCOPE_KEY] = self._access.caller(Headers(scope=scope).getlist("authorization"))
        except Refused:
            await problem(401, "This token is not valid.", headers=CHALLENGE)(scope, receive, send)
            return
        except LedgerError as error:  # a damaged file of tokens lets nobody in
            await problem(503, error.message, hint=error.hint)(scope, receive, send)
            return
        await self._application(scope, receive, send)


@dataclass(kw_only=True, slots=True)
class Rate:
    """So many requests a minute for each caller, saved up for ten seconds."""

    per_minute: float
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def wait(self, caller: str) -> float:
        """Seconds until this caller's request is in turn; 0 is now, and counts."""
        now, most, each = time.monotonic(), max(1.0, self.per_minute * _BURST_S / 60), self.per_minute / 60
        left, at = self._left.pop(caller, (most, now))
        left = min(most, left + (now - at) * each)
        taken = left >= 1
        self._left[caller] = (left - 1 if taken else left, now)
        while len(self._left) > _CALLERS:
            self._left.popitem(last=False)
        return 0.0 if taken else (1 - left) / each


class PortGate:
    """For a port: the Host that a request names must be one of ours (a page that a browser has open could otherwise
    reach us under a name of its own), its caller must be known and not too quick, its body small and in time."""

    def __init__(self, application: ASGIApp, access: Access, *, hosts: Sequence[str], per_minute: int) -> None:
        self._application = application
        self._access = access
        self._hosts = frozenset(host.lower() for host in hosts)
        self._rate = Rate(per_minute=per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)  # it answers nothing else
            return
        headers, send = Headers(scope=scope), _kept_by_nobody(send)
        if not self._is_ours(headers.getlist("host")):
            await problem(421, "This server is not known by that name.", hint="See http.hosts.")(scope, receive, send)
            return
        peer, path = f"from {(scope.get('client') or ('?',))[0]}", scope["path"]
        caller: Caller | None = None
        try:
            if hook := is_hook(path):  # by what it proves itself, and not at the expense of who reads from there
                peer = f"hooks {peer}"
            elif is_page(path):  # by its cookie alone, which counts nowhere else; to nobody it shows how to log in
                caller = self._access.visitor(cookie(headers, SESSION))
            else:
                caller = self._access.caller([] if path in _OPEN else headers.getlist("authorization"))
        except Refused:
            if path not in _OPEN:
                refusal = problem(401, "A valid token is needed.", headers=CHALLENGE)
                await (self._too_quick(peer) or refusal)(scope, receive, send)
                return
        except LedgerError:  # what is damaged, and where, is for the owner to read
            await problem(503, "Tokens cannot be looked up.")(scope, receive, send)
            return
        if late := self._too_quick(peer if caller is None or caller is self._access.without else caller.key):
            await late(scope, receive, send)
            return
        try:
            limit = HOOK_BODY_LIMIT if hook else BODY_LIMIT
            body = await asyncio.wait_for(_body(headers, receive, limit), BODY_TIME_S)
        except TimeoutError:
            await problem(408, "The body did not come in time.")(scope, receive, send)
            return
        if body is None:
            await problem(413, f"A body may have {limit:,} bytes.")(scope, receive, send)
            return
        if caller is not None:
            scope[SCOPE_KEY] = caller
        await self._application(scope, _replayed(body, receive), send)

    def _is_ours(self, given: Sequence[str]) -> bool:
        if len(given) != 1:
            return False
        name = given[0].lower()
        ends = ("]", "]") if name.startswith("[") else (":", "")
        return name.partition(ends[0])[0] + ends[1] in self._hosts

    def _too_quick(self, caller: str) -> ASGIApp | None:
        seconds = self._rate.wait(caller)
        if not seconds:
            return None
        return problem(429, "Too many requests.", headers={"Retry-After": str(int(seconds) + 1)})


async def _body(headers: Headers, receive: Receive, limit: int) -> bytes | None:
    """All of it; None where it is too long."""
    if int(headers.get("content-length", "0")) > limit:
        return None
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""  # the client left
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _kept_by_nobody(send: Send) -> Send:
    """Answers are for who asked and for now."""

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_EVERY_ANSWER]
        await send(message)

    return told


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
