"""The action API of one wiki: sessions, errors, pages of results.

The API says what went wrong with status 200 and an ``error`` in the answer, and answers a question about many pages
in parts that have to be put together. A part that is missing ends the whole question: nothing is ever made of half
an answer.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from connectors.errors import AuthRejected, ConnectorError, ListingIncomplete, RateLimited, SourceUnavailable
from connectors.mediawiki.config import WikiConfig
from connectors.secrets import read_secret
from connectors.settings import MIB
from connectors.web.client import Client, Hiccup, Reply
from connectors.web.pace import PACE, Pace, retry_after

Answer = dict[str, Any]
"""JSON of the wiki; what it must hold is asked for where it is used."""

_ANSWER_MOST = 64 * MIB
_LONG = 1500  # characters of a question that some server would refuse in an address
_TURNS_MOST = 100_000  # parts of one answer
_LAG_PAUSE_S = 5.0
_LIMIT_PAUSE_S = 30.0

_NOT_IN = frozenset({"readapidenied", "assertuserfailed", "assertnameduserfailed", "permissiondenied"})
_PASSING = frozenset({"readonly", "unknownerror", "apierror-timeout", "stashfailed", "concurrency-limit"})


class ApiError(SourceUnavailable):
    """The wiki answered that it does not do what was asked. ``code`` is its word for why."""

    def __init__(self, code: str, info: str, *, place: str) -> None:
        super().__init__(
            f"The wiki answers {code}: {info.rstrip('.')}." if info else f"The wiki answers {code}.",
            place=place,
            hint="If it stays, show this to whoever looks after the wiki.",
        )
        self.code = code


class Denied(AuthRejected):
    """Who asks, with a login or without, may not read here."""


class Api:
    """Any number of threads. ``anonymous`` asks as everybody, whatever login is configured."""

    def __init__(self, config: WikiConfig, *, anonymous: bool = False, pace: Pace = PACE) -> None:
        self._config = config
        self._anonymous = anonymous
        self._web = Client(config.web, authorize=None if anonymous else config.login.headers, pace=pace)
        self._session = 0  # counts logins: a thread that was refused knows whether another logged in meanwhile
        self._in = False
        self._lock = threading.Lock()

    @property
    def place(self) -> str:
        """For errors."""
        return self._config.api

    @property
    def web(self) -> Client:
        """For what does not go through the API: files."""
        return self._web

    def ask(self, action: str, **params: str) -> Answer:
        """One answer. Raises ``ApiError``, ``Denied``, ``SourceUnavailable``."""
        session = self._log_in()
        try:
            return self._call(action, params)
        except Denied:
            if not self._logs_in or self._config.login.token:
                raise
        # The session may have ended: a wiki forgets them. Once more with a new one.
        self._log_in(instead_of=session)
        return self._call(action, params)

    def query(self, **params: str) -> Iterator[Answer]:
        """The parts of a ``query`` in order, until the wiki says that there are no more. Raises
        ``ListingIncomplete`` where it never does."""
        more: dict[str, str] = {}
        seen = set[tuple[tuple[str, str], ...]]()
        for _ in range(_TURNS_MOST):
            answer = self.ask("query", **{**params, **more})
            yield answer
            following = answer.get("continue")
            if following is None:
                if answer.get("batchcomplete") is not True:
                    break
                return
            more = {str(key): str(value) for key, value in following.items()}
            if (mark := tuple(sorted(more.items()))) in seen:
                break
            seen.add(mark)
        raise ListingIncomplete(
            "The wiki did not give its answer to the end.",
            place=self._config.api,
            hint="Nothing was deleted. The next run asks again.",
        )

    def pages(self, **params: str) -> Iterator[Answer]:
        """The pages of a ``query``, each once and whole: what parts say of one page is put together."""
        whole: dict[object, Answer] = {}
        for answer in self.query(**params):
            for page in _list(answer.get("query", {}).get("pages", []), self._config.api):
                key = page.get("pageid", page.get("title"))
                before = whole.setdefault(key, {})
                for name, value in page.items():
                    if isinstance(value, list) and isinstance(before.get(name), list):
                        before[name] = [*before[name], *value]
                    else:
                        before[name] = value
            if answer.get("batchcomplete") is True:
                yield from whole.values()
                whole = {}

    def close(self) -> None:
        """Close the connections; safe to call twice."""
        self._web.close()

    # -- sessions ----------------------------------------------------------------------------------

    @property
    def _logs_in(self) -> bool:
        return bool(self._config.login) and not self._anonymous

    def _log_in(self, *, instead_of: int | None = None) -> int:
        """Make sure that there is a session, another than ``instead_of``; its number."""
        with self._lock:
            if self._anonymous or not self._config.login.username or (self._in and self._session != instead_of):
                return self._session
            self._in = False
            self._web.forget()
            self._start_session(read_secret(self._config.login.password, "password"))
            self._session += 1
            self._in = True
            return self._session

    def _start_session(self, password: str) -> None:
        username = self._config.login.username
        answer = self._call("query", {"meta": "tokens", "type": "login"}, plain=True)
        token = str(answer.get("query", {}).get("tokens", {}).get("logintoken", ""))
        if "@" in username:
            form = {"lgname": username, "lgpassword": password, "lgtoken": token}
            said = self._call("login", form, plain=True).get("login", {})
            fine, why = said.get("result") == "Success", str(said.get("reason", said.get("result", "")))
        else:
            form = {"username": username, "password": password, "logintoken": token}
            form["loginreturnurl"] = self._config.api
            said = self._call("clientlogin", form, plain=True).get("clientlogin", {})
            fine, why = said.get("status") == "PASS", str(said.get("message", said.get("status", "")))
        if not fine:
            raise AuthRejected(
                f"The wiki refuses the login of {username}: {why.replace(password, '(hidden)').rstrip('.')}.",
                place=self._config.api,
                hint="Make a bot password at Special:BotPasswords; its name is like Name@bot, and it needs no more than"
                " the grant of basic rights.",
            )

    # -- one question ------------------------------------------------------------------------------

    def _call(self, action: str, params: Mapping[str, str], *, plain: bool = False) -> Answer:
        """``plain``: as it is asked before there is a session."""
        fixed = {"action": action, "format": "json", "formatversion": "2"}
        if not plain:
            fixed["maxlag"] = str(self._config.maxlag)
            if self._config.maxlag == 0:
                del fixed["maxlag"]
            if self._logs_in:
                fixed["assert"] = "user"
        given = {**params, **fixed}
        most, api, found = _ANSWER_MOST, self._config.api, [Answer()]

        def judge(reply: Reply) -> None:
            found[0] = self._judged(reply)

        if action in {"login", "clientlogin"} or len(urlencode(given)) > _LONG:
            self._web.post(api, given, most=most, judge=judge)
        else:
            self._web.get(api, params=given, most=most, judge=judge)
        return found[0]

    def _judged(self, reply: Reply) -> Answer:
        """The answer, or what its status, its form or its own word say is wrong."""
        api = self._config.api
        if reply.status in {401, 403}:
            raise Denied(
                f"The server refuses to let us in ({reply.status}).",
                place=api,
                hint="Check the login, and whether the server in front of the wiki lets this machine in.",
            )
        if reply.status != 200:
            raise SourceUnavailable(
                f"There is no API at this address ({reply.status}).",
                place=api,
                hint="Put the address of api.php into url; Special:Version of the wiki names it.",
            )
        try:
            answer = json.loads(reply.content)
        except (ValueError, RecursionError):
            html = reply.content.lstrip()[:1] == b"<"
            raise Hiccup(
                "The wiki answers with a page instead of data." if html else "The wiki's answer is not whole.",
                place=api,
                hint="Put the address of api.php into url; Special:Version of the wiki names it.",
            ) from None
        if not isinstance(answer, dict):
            raise Hiccup("The wiki's answer is not one of its API.", place=api, hint="Check url.")
        if isinstance(error := answer.get("error"), dict):
            raise self._error(error, reply)
        return answer

    def _error(self, error: Mapping[str, object], reply: Reply) -> ConnectorError:
        api, code, info = self._config.api, str(error.get("code", "")), str(error.get("info", ""))
        wait = retry_after(reply.headers.get("retry-after"), time.time())
        if code == "maxlag":
            return _pause("The wiki's databases lag behind", _LAG_PAUSE_S if wait is None else wait, api)
        if code == "ratelimited":
            return _pause("The wiki asks us to come less often", _LIMIT_PAUSE_S if wait is None else wait, api)
        if code in _PASSING or code.startswith(("internal_api_error", "apierror-concurrency")):
            return Hiccup(f"The wiki has an error of its own ({code}).", place=api, hint="It is tried again.")
        if code in _NOT_IN:
            return Denied(
                f"The wiki does not let us read ({code}).",
                place=api,
                hint="Check that the login is valid and may read."
                if self._logs_in
                else "The wiki is private: name a login (username with password_file, or token_file).",
            )
        if code.startswith("mwoauth"):
            return AuthRejected(
                f"The wiki refuses the token ({code}).",
                place=api,
                hint="Make an owner-only consumer of OAuth 2 at Special:OAuthConsumerRegistration, and put its access"
                " token into the file.",
            )
        return ApiError(code, info, place=api)


# -- helpers ---------------------------------------------------------------------------------------


def joined(values: Sequence[object]) -> str:
    """Several values in one parameter; no title can hold the sign between them."""
    return "|".join(str(value) for value in values)


def _list(value: object, place: str) -> list[Answer]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise SourceUnavailable(
            "The wiki's answer has a form that is not known.",
            place=place,
            hint="MediaWiki 1.35 and later are understood.",
        )
    return value


def _pause(what: str, seconds: float, place: str) -> RateLimited:
    return RateLimited(
        f"{what}; it asks us to come back in {seconds:,.0f} s.",
        retry_after=seconds,
        place=place,
        hint="If this happens often, make the schedule longer or rate smaller.",
    )
