"""Asks one Confluence: proves who we are, judges its answers, follows them from part to part.

What it refuses is told apart by who is refused: a page that the account may not read, or that is not there
(``Missing``, while it knows us), or we ourselves. Nothing that is not a whole answer of the API counts as one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from connectors.confluence.config import ConfluenceConfig, Edition
from connectors.errors import AuthRejected, ListingIncomplete, SourceUnavailable
from connectors.settings import MIB, digest
from connectors.web.client import Client, Hiccup, Reply
from connectors.web.pace import PACE, Pace

Param = str | tuple[str, ...]
"""Of a question; several values are the same parameter again and again."""

Answer = dict[str, Any]
"""JSON of the wiki; what it must hold is asked for where it is used."""

_ANSWER_MOST = 256 * MIB
_TURNS_MOST = 100_000  # parts of one answer
_URL_HINT = "Put the wiki's address into url, and its kind into edition."


class Missing(SourceUnavailable):
    """The wiki's own word that there is no such thing, or none that this account may see."""


class Refused(AuthRejected):
    """Who asks, with a login or without, may not have this."""


class NotAsked(SourceUnavailable):
    """The wiki does not take the question (400): it is newer, older, or has the feature turned off."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """``zone`` is the name of the time zone that its searches are read in; empty where that is not told."""

    account_id: str
    name: str
    zone: str = ""


class Api:
    """Any number of threads."""

    def __init__(self, config: ConfluenceConfig, *, pace: Pace = PACE) -> None:
        self._config = config
        self._web = Client(config.web, authorize=config.login.basic, pace=pace)
        self._ahead_s = 0.0

    @property
    def place(self) -> str:
        """For errors."""
        return self._config.base

    def now(self) -> float:
        """The wiki's clock, as the last answer's ``Date`` had it."""
        return time.time() + self._ahead_s

    def who(self) -> Account | None:
        """Who we are there; None: nobody in particular, as we wished. One request. Raises ``AuthRejected`` where the
        wiki takes us for nobody although we gave a name: it would answer on, with less."""
        try:
            said = self.ask("/rest/api/user/current")
        except Refused:
            if self._config.login:
                raise
            return None  # of some releases nobody in particular may not even ask that
        known = next((str(said[key]) for key in ("accountId", "userKey", "username") if said.get(key)), "")
        if said.get("type") != "anonymous" and known:
            zone = said.get("timeZone")
            return Account(
                account_id=known,
                name=str(said.get("displayName") or said.get("username") or known),
                zone=zone if isinstance(zone, str) else "",
            )
        if not self._config.login:
            return None
        raise AuthRejected(
            "The wiki does not know us by our login.",
            place=self._config.base,
            hint="Make a new API token (Cloud: id.atlassian.com; Data Center: the profile's personal access tokens).",
        )

    def ask(self, path: str, **params: Param) -> Answer:
        """One answer. Raises ``Missing``, ``Refused``, ``SourceUnavailable``."""
        return self._asked(_address(self._config.base + path, params))

    def all(self, path: str, **params: Param) -> Iterator[Answer]:
        """Every result, part after part: by the address of the next part that each names, whether that is made of a
        cursor or of an offset. Raises ``ListingIncomplete`` where it never ends."""
        url = _address(self._config.base + path, params)
        seen = {url}
        for _ in range(_TURNS_MOST):
            answer = self._asked(url)
            results, links = answer.get("results"), answer.get("_links", {})
            if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
                raise self.strange()
            yield from results
            following = links.get("next") if isinstance(links, dict) else None
            if not following:
                return
            url = self._next(str(following), links)
            if url in seen:
                break
            seen.add(url)
        raise ListingIncomplete(
            "The wiki did not give its answer to the end.",
            place=self._config.base,
            hint="Nothing was deleted. The next run asks again.",
        )

    def content(self, path: str, most: int) -> bytes | int:
        """A file's bytes, or the status that stands for it."""
        url = path if path.startswith(("https://", "http://")) else self._config.base + path
        reply = self._web.get(url, most=most)
        return reply.content if reply.status == 200 else reply.status

    def close(self) -> None:
        """Close the connections; safe to call twice."""
        self._web.close()

    def strange(self) -> SourceUnavailable:
        """What came is not understood."""
        return SourceUnavailable(
            "The wiki's answer has a form that is not known.",
            place=self._config.base,
            hint=f"Nothing was deleted. {_URL_HINT}",
        )

    # -- one question ------------------------------------------------------------------------------

    def _next(self, following: str, links: Mapping[str, object]) -> str:
        """The address of the next part: whole, from the host's root, or from the wiki's own."""
        if following.startswith(("https://", "http://")):
            return following
        parts = urlsplit(self._config.base)
        if parts.path and following.startswith(parts.path + "/"):
            return f"{parts.scheme}://{parts.netloc}{following}"
        context = links.get("context")
        if isinstance(context, str) and context and following.startswith(context + "/"):
            return f"{parts.scheme}://{parts.netloc}{following}"
        return self._config.base + following

    def _asked(self, url: str) -> Answer:
        found = [Answer()]

        def judge(reply: Reply) -> None:
            self._learn_time(reply)
            found[0] = self._judged(reply)

        self._web.get(url, most=_ANSWER_MOST, judge=judge)
        return found[0]

    def _judged(self, reply: Reply) -> Answer:
        """The answer, or what its status, its form or its own word say is wrong."""
        place = self._config.base
        try:
            answer = json.loads(reply.content)
        except (ValueError, RecursionError):
            answer = None
        own = isinstance(answer, dict)
        if reply.status in {401, 403}:
            raise Refused(
                f"The wiki does not let us read ({reply.status}).",
                place=place,
                hint="Check that the login is valid and may read, and that its token has not run out."
                if self._config.login
                else "The wiki is private: name a login (username with password_file, or token_file).",
            )
        if reply.status in {404, 410} and own and ("errors" in answer or "message" in answer):
            raise Missing("The wiki has no such page, or none that we may see.", place=place, hint="Nothing to do.")
        if reply.status == 400 and own:
            raise NotAsked("The wiki does not take the question (400).", place=place, hint=_URL_HINT)
        if reply.status != 200:
            raise SourceUnavailable(
                f"There is no API of a Confluence at this address ({reply.status}).", place=place, hint=_URL_HINT
            )
        if not own:
            html = reply.content.lstrip()[:1] == b"<"
            raise Hiccup(
                "The wiki answers with a page instead of data." if html else "The wiki's answer is not whole.",
                place=place,
                hint=_URL_HINT,
            )
        return dict(answer)

    def _learn_time(self, reply: Reply) -> None:
        try:
            self._ahead_s = parsedate_to_datetime(reply.headers.get("date", "")).timestamp() - time.time()
        except (ValueError, TypeError):
            return


def _address(url: str, params: Mapping[str, Param]) -> str:
    return f"{url}?{urlencode(params, doseq=True)}" if params else url


def identity(api: Api, edition: Edition) -> str:
    """What tells this wiki from every other: the Cloud's id of the site, or that of the application; where it tells
    neither, its address. One request. Raises ``SourceUnavailable``."""
    try:
        found = (
            api.ask("/rest/api/settings/systemInfo").get("cloudId")
            if edition is Edition.CLOUD
            else api.ask("/rest/applinks/1.0/manifest").get("id")
        )
    except Missing:
        return f"confluence:{digest(api.place)}"
    if not isinstance(found, str) or not found.isascii() or not found:
        raise api.strange()
    return f"confluence:{found}"
