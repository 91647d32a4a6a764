"""What a wiki says of itself: which one it is, its namespaces, where a person reads a page. And which of its
namespaces are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from connectors.errors import SourceUnavailable
from connectors.mediawiki.api import Answer, Api
from connectors.mediawiki.config import Namespace, WikiConfig

FILE = 6
_UNREAD = frozenset({8, 10, 828, 2300, 2302})  # the interface, templates, modules, gadgets: what pages are made with
_BATCH, _BATCH_HIGH = 50, 500  # pages that may be asked for at once


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """``identity`` is that of the wiki's database: its name and the first line of its log. ``script`` shows a page by
    a query. ``namespaces`` are those that are read, by number; ``now`` is the wiki's clock."""

    identity: str
    script: str
    namespaces: Mapping[int, str]
    batch: int
    now: str

    def pinned(self, revision: int) -> str:
        """Where one revision of a page is read."""
        return f"{self.script}?oldid={revision}"


def ask_site(api: Api, config: WikiConfig) -> Site:
    """One request."""
    answer = api.ask(
        "query",
        meta="siteinfo|userinfo",
        siprop="general|namespaces|namespacealiases",
        uiprop="rights",
        list="logevents",
        ledir="newer",
        lelimit="1",
        leprop="ids|timestamp",
        curtimestamp="1",
    )
    try:
        return _site(answer, config)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise SourceUnavailable(
            "The wiki's answer about itself has a form that is not known.",
            place=config.api,
            hint="MediaWiki 1.35 and later are understood.",
        ) from error


def _site(answer: Answer, config: WikiConfig) -> Site:
    found = answer["query"]
    general = found["general"]
    first = found["logevents"][:1]
    mark = f"{first[0]['logid']}.{first[0]['timestamp']}" if first else "new"
    rights = found["userinfo"].get("rights", [])
    return Site(
        identity=f"mediawiki:{_ascii(general['wikiid'])}:{_ascii(mark)}",
        script=urljoin(urljoin(config.api, general["server"]), general["script"]),
        namespaces=_read(found["namespaces"], found.get("namespacealiases", []), config),
        batch=_BATCH_HIGH if "apihighlimits" in rights else _BATCH,
        now=str(answer["curtimestamp"]),
    )


def _read(spaces: Mapping[str, Any], aliases: list[Mapping[str, Any]], config: WikiConfig) -> dict[int, str]:
    """The namespaces that are read: those that were named, or all that hold pages for readers."""
    names = {int(one["id"]): str(one["name"]) for one in spaces.values() if int(one["id"]) >= 0}
    numbers: dict[str, int] = {}
    for one in spaces.values():
        for name in (one["name"], one.get("canonical", one["name"])):
            numbers[_folded(name)] = int(one["id"])
    numbers |= {_folded(one["alias"]): int(one["id"]) for one in aliases}

    def number(given: Namespace) -> int:
        found = given if isinstance(given, int) else numbers.get(_folded(given), -1)
        if found not in names:
            raise SourceUnavailable(
                f"The wiki has no namespace {given!r}.",
                place=config.api,
                hint=f"Nothing was deleted. It has {', '.join(name or '(articles)' for name in names.values())}.",
            )
        return found

    wanted = [number(one) for one in config.namespaces] or [one for one in names if one % 2 == 0 and one not in _UNREAD]
    if config.talk:
        wanted += [one + 1 for one in wanted if one % 2 == 0 and one + 1 in names]
    left = {number(one) for one in config.exclude_namespaces}
    return {one: names[one] for one in sorted(set(wanted)) if one not in left}


def _folded(name: str) -> str:
    return name.replace("_", " ").strip().casefold()


def _ascii(text: object) -> str:
    return str(text).encode("ascii", "backslashreplace").decode("ascii")
