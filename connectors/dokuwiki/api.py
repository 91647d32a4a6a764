"""Asks one DokuWiki: finds out which language it speaks, logs in, judges its answers, fetches its files.

What the wiki refuses is told apart by who is refused: a page or file that our account may not read (``Refused``, while
it answers other questions), or we ourselves. Nothing that is not a whole answer of the API counts as one.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from connectors.dokuwiki.config import DokuConfig
from connectors.dokuwiki.dialects import Dialect, Fact, Json, Kind, Row, RpcError, Strange, Xml
from connectors.dokuwiki.xmlrpc import NAMELESS, Fault, NotXmlRpc, read_answer, write_call
from connectors.errors import AuthRejected, SourceUnavailable
from connectors.secrets import read_secret
from connectors.settings import MIB
from connectors.web.client import Body, Client, Hiccup, Reply
from connectors.web.pace import PACE, Pace

_ANSWER_MOST = 256 * MIB
_JSON, _XML = "/lib/exe/jsonrpc.php", "/lib/exe/xmlrpc.php"
_NO_API = frozenset({404, 405, 410, 415, 501})
_REFUSED = frozenset({401, 403})
_OFF, _NO_METHOD, _NOT_US = -32605, -32603, frozenset({NAMELESS, -32603, -32604, 111, 112, 211, 215})

T = TypeVar("T")


class Refused(AuthRejected):
    """Who asks, with a login or without, may not have this."""


class NotSpoken(SourceUnavailable):
    """There is no such language at this address."""


class Api:
    """Any number of threads."""

    def __init__(self, config: DokuConfig, *, pace: Pace = PACE) -> None:
        self._config = config
        self._web = Client(config.web, authorize=self._headers, pace=pace)
        self._lock = threading.RLock()
        self._found: Dialect | None = None
        self._session = 0  # counts logins: a thread that was refused knows whether another logged in meanwhile
        self._ahead_s = 0.0

    # -- who asks, and whom ------------------------------------------------------------------------

    def prove(self) -> None:
        """That the wiki answers, and knows us as who we are: it answers nobody in particular without a word, and with
        less. One request, unless we have to log in; none without a login. Raises ``SourceUnavailable``."""
        login = self._config.login
        if login.token:
            if not self.who():
                raise AuthRejected(
                    "The wiki does not know us by the token.",
                    place=self._config.base,
                    hint="Make a new one in the account's profile, and check that the server hands the header"
                    " Authorization on; releases before 2024 know no tokens.",
                )
        elif login:
            session = self._session
            if not session or (self.who() or "").casefold() != login.username.casefold():
                self._log_in(session)

    def title(self) -> str:
        """How the wiki is called; it tells that to everybody."""
        return self._asked(lambda wiki: wiki.title())

    def version(self) -> str:
        return self._asked(lambda wiki: wiki.version())

    def who(self) -> str | None:
        return self._asked(lambda wiki: wiki.who())

    def time(self) -> int:
        """The wiki's clock, in seconds; a question that everybody may ask who may ask anything."""
        return self._asked(lambda wiki: wiki.time())

    def now(self) -> float:
        """The same, as the last answer's ``Date`` had it."""
        return time.time() + self._ahead_s

    # -- what there is -----------------------------------------------------------------------------

    def listed(self, kind: Kind, space: str = "") -> list[Fact]:
        """All that we may read, in a namespace and those in it."""
        if kind is Kind.PAGE:
            return self._asked(lambda wiki: wiki.pages(space))
        try:
            return self._asked(lambda wiki: wiki.files(space))
        except Refused as error:
            raise Refused(
                f"The wiki does not let us list the files of {space or 'all namespaces'}.",
                place=self._config.base,
                hint="Name the namespaces that are to be read (namespaces), or set files = false.",
            ) from error

    def fact(self, kind: Kind, name: str) -> Fact | None:
        """One page or file; None only where the wiki says that there is none. Raises ``Refused``."""
        return self._asked(lambda wiki: wiki.page(name) if kind is Kind.PAGE else wiki.file(name))

    def changes(self, kind: Kind, since: int) -> list[Row]:
        """The last change of each page or file that changed since, in no order."""
        return self._asked(lambda wiki: wiki.changes(kind, since))

    def html(self, name: str) -> str:
        """What a page shows. Raises ``RpcError``, ``Refused``."""
        return self._asked(lambda wiki: wiki.html(name))

    def content(self, name: str, most: int) -> bytes | int:
        """A file's bytes, or the status that stands for it. Not by the API, which takes it whole into memory."""
        url = f"{self._config.base}/lib/exe/fetch.php"
        session = self._session
        reply = self._web.get(url, params={"media": name}, most=most)
        if reply.status in _REFUSED and self._logs_in:
            self._log_in(session)
            reply = self._web.get(url, params={"media": name}, most=most)
        return reply.content if reply.status == 200 else reply.status

    def close(self) -> None:
        """Close the connections; safe to call twice."""
        self._web.close()

    # -- languages and sessions --------------------------------------------------------------------

    @property
    def _logs_in(self) -> bool:
        return bool(self._config.login.username)

    def _headers(self) -> Mapping[str, str]:
        given = dict(self._config.login.headers())
        if bearer := given.get("Authorization"):
            given["X-DokuWiki-Token"] = bearer.removeprefix("Bearer ")  # some servers keep the other one to themselves
        return given

    def _asked(self, question: Callable[[Dialect], T]) -> T:
        """The answer; once more with a new session where ours may have ended."""
        wiki = self._dialect()
        if self._logs_in and not self._session:
            self._log_in(0)
        session = self._session
        try:
            return question(wiki)
        except Refused:
            if not self._logs_in:
                raise
        self._log_in(session)
        return question(wiki)

    def _dialect(self) -> Dialect:
        with self._lock:
            if self._found is None:
                self._found = self._find()
            return self._found

    def _find(self) -> Dialect:
        modern, old = Json(self._json, self._config.base), Xml(self._xml, self._config.base)
        try:
            self._json("core.getAPIVersion", {}, first=True)
        except (NotSpoken, RpcError):
            self._xml("dokuwiki.getXMLRPCAPIVersion", [], first=True)
            return old
        return modern

    def _log_in(self, instead_of: int) -> None:
        """Make sure that there is a session, another than ``instead_of``."""
        wiki, username = self._dialect(), self._config.login.username
        with self._lock:
            if self._session != instead_of:
                return
            self._web.forget()
            if not wiki.login(username, read_secret(self._config.login.password, "password")):
                raise AuthRejected(
                    f"The wiki refuses the login of {username}.",
                    place=self._config.base,
                    hint="Check name and password, and that the wiki has accounts (useacl).",
                )
            self._session += 1

    # -- one question ------------------------------------------------------------------------------

    def _json(self, method: str, params: Mapping[str, object], *, first: bool = False) -> Any:
        asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        return self._sent(_JSON, Body(content=asked, media_type="application/json"), self._judge_json, first=first)

    def _xml(self, method: str, params: Sequence[Any], *, first: bool = False) -> Any:
        body = Body(content=write_call(method, params), media_type="text/xml")
        return self._sent(_XML, body, self._judge_xml, first=first)

    def _sent(self, path: str, body: Body, read: Callable[[Reply], Any], *, first: bool) -> Any:
        """``first``: whether anybody answers there at all is what is asked."""
        found: list[Any] = [None]

        def judge(reply: Reply) -> None:
            self._learn_time(reply)
            try:
                found[0] = read(reply)
            except Hiccup as error:
                if not first:
                    raise
                raise self._silent(reply) from error

        self._web.post(self._config.base + path, body, most=_ANSWER_MOST, judge=judge)
        return found[0]

    def _judge_json(self, reply: Reply) -> Any:
        try:
            answer = json.loads(reply.content)
        except (ValueError, RecursionError):
            raise self._no_answer(reply) from None
        error = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(error, dict) and error.get("code"):
            raise self._error(error.get("code"), str(error.get("message", "")), reply)
        if reply.status != 200 or not isinstance(answer, dict) or "result" not in answer:
            raise self._no_answer(reply)
        return answer["result"]

    def _judge_xml(self, reply: Reply) -> Any:
        try:
            value = read_answer(reply.content)
        except Fault as fault:
            raise self._error(fault.code, fault.words, reply) from None
        except NotXmlRpc:
            raise self._no_answer(reply) from None
        if reply.status != 200:
            raise self._no_answer(reply)
        return value

    def _error(self, code: object, words: str, reply: Reply) -> SourceUnavailable:
        """The wiki's own word."""
        place = self._config.base
        if not isinstance(code, int):
            return Strange(place)
        if code == _OFF:
            return self._silent(reply)
        if reply.status in _REFUSED and code in _NOT_US:
            return Refused(
                f"The wiki does not let us read ({reply.status}).",
                place=place,
                hint="Check that the login is valid, may read, and may use the API (remoteuser)."
                if self._config.login
                else "The wiki or its API is private: name a login (username with password_file, or token_file).",
            )
        return RpcError(code, words, place=place)

    def _no_answer(self, reply: Reply) -> SourceUnavailable:
        """What came is no answer of the API."""
        place, html = self._config.base, reply.content.lstrip()[:1] == b"<"
        if reply.status in _NO_API:
            return self._silent(reply)
        if reply.status in _REFUSED:
            return AuthRejected(
                f"The server refuses to let us in ({reply.status}).",
                place=place,
                hint="Check the login, and whether the server in front of the wiki lets this machine in.",
            )
        return Hiccup(
            "The wiki answers with a page instead of data." if html else "The wiki's answer is not whole.",
            place=place,
            hint="Put the address of the wiki's folder into url, the one that doku.php is in.",
        )

    def _silent(self, reply: Reply) -> NotSpoken:
        return NotSpoken(
            f"There is no API of a DokuWiki at this address ({reply.status}).",
            place=self._config.base,
            hint="Set remote (and remoteuser) in the wiki's configuration, and put the address of its folder into url.",
        )

    def _learn_time(self, reply: Reply) -> None:
        try:
            self._ahead_s = parsedate_to_datetime(reply.headers.get("date", "")).timestamp() - time.time()
        except (ValueError, TypeError):
            return
