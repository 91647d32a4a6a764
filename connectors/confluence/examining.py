"""What the connection check asks a Confluence of itself: what a listing needs, one question each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from connectors.confluence.api import Api
from connectors.confluence.config import ConfluenceConfig, Edition
from connectors.confluence.dialects import Search, dialect
from connectors.confluence.facts import Kind
from connectors.confluence.feed import WEST_S, measured, question
from connectors.errors import ConnectorError
from connectors.examining import Finding, Level, failed
from connectors.web.examining import clock

_SHOWN = 20
_DAY_S = 86_400.0


def asked(config: ConfluenceConfig) -> Iterator[Finding]:
    """Its login, its release, its spaces, its search and its restrictions, until the first that it does not answer."""
    api = Api(config)
    try:
        yield Finding(name="edition", message=f"{config.edition}, at {config.base}")
        yield from _account(api, config)
        if config.edition is Edition.DATA_CENTER:
            yield from _release(api)
        yield from _spaces(api, config)
        yield from _search(api, config)
    except ConnectorError as error:
        yield failed("API", error)
    finally:
        api.close()


def _account(api: Api, config: ConfluenceConfig) -> Iterator[Finding]:
    account = api.who()
    if account is None:
        yield Finding(name="login", message="none; what everybody may read")
    else:
        kind = "password or API token" if config.login.username else "personal access token"
        yield Finding(name="login", message=f"{account.name} ({account.account_id}), by {kind}")
    zone = account.zone if account is not None else ""
    yield Finding(name="time zone", message=zone or "not told; measured by a page whose time is known")
    yield clock("wiki's clock", api.now() - time.time())


def _release(api: Api) -> Iterator[Finding]:
    try:
        said = api.ask("/rest/api/server-information")
        yield Finding(name="version", message=f"{said.get('version')}, build {said.get('buildNumber')}")
    except ConnectorError:  # older releases have no such question
        yield Finding(name="version", message="not told")


def _spaces(api: Api, config: ConfluenceConfig) -> Iterator[Finding]:
    found = dialect(api, config).spaces(config.spaces)
    kinds = Counter(one.kind if one.current else f"{one.kind}, archived" for one in found).most_common()
    yield Finding(
        name="spaces",
        level=Level.OK if found else Level.WARN,
        message=f"{len(found):,} that we see: {', '.join(f'{number:,} {kind}' for kind, number in kinds)}",
        hint="" if found else "Give the account access to spaces.",
    )
    missing = sorted(set(config.spaces) - {one.key for one in found})
    if missing:
        yield Finding(
            name="spaces",
            level=Level.FAIL,
            message=f"the wiki shows us none of the key {', '.join(missing)}",
            hint="Give the account access to it, or take it out of spaces; keys are written in capitals mostly.",
        )


def _search(api: Api, config: ConfluenceConfig) -> Iterator[Finding]:
    search, began = Search(api), time.monotonic()
    cql = question(api.now() - _DAY_S, kinds=Kind, spaces=config.spaces, ahead_s=WEST_S)
    count, first = 0, None
    for fact in search.found(cql):
        count, first = count + 1, first or fact
        if count >= _SHOWN:
            break
    least = "at least " if count >= _SHOWN else ""
    yield Finding(name="search", message=f"{least}{count:,} changed lately, in {time.monotonic() - began:.1f} s")
    if first is None:
        return
    hours = measured(search, first) / 3600
    yield Finding(
        name="searches", message=f"by the clock of UTC{hours:+.2f} h" if hours > -12 else "by a clock not known"
    )
    readers, what = search.readers(first.content_id), f"{first.kind} {first.content_id}"
    if readers is None or readers:
        told = ", ".join(sorted(readers)) if readers else "has none of its own"
        yield Finding(name="restrictions", message=f"{what}: {told}")
    else:
        yield Finding(
            name="restrictions",
            level=Level.WARN,
            message=f"{what}: not told, and so it is shown to nobody",
            hint="Let the account see the restrictions of content.",
        )
