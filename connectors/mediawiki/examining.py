"""What the connection check asks a MediaWiki of itself."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.errors import ConnectorError
from connectors.examining import Finding, failed
from connectors.mediawiki.api import Api
from connectors.mediawiki.config import WikiConfig
from connectors.mediawiki.pages import seconds
from connectors.mediawiki.site import ask_site
from connectors.web.examining import clock


def asked(config: WikiConfig) -> Iterator[Finding]:
    """Its login, its release, the namespaces that are read, its limits and its clock, until the first that it does not
    answer."""
    api = Api(config)
    try:
        site = ask_site(api, config)
        found = api.ask(
            "query",
            meta="siteinfo|userinfo",
            siprop="general|statistics",
            uiprop="rights|ratelimits",
        ).get("query", {})
        yield from _told(found, config)
        names = ", ".join(name or "(articles)" for name in site.namespaces.values())
        yield Finding(name="namespaces", message=f"read: {names}")
        yield clock("wiki's clock", seconds(site.now) - time.time())
    except ConnectorError as error:
        yield failed("API", error)
    finally:
        api.close()


def _told(found: Mapping[str, Any], config: WikiConfig) -> Iterator[Finding]:
    user, general, numbers = (_table(found, key) for key in ("userinfo", "general", "statistics"))
    if config.login:
        yield Finding(name="login", message=f"{user.get('name', 'somebody')}, id {user.get('id', 'unknown')}")
    else:
        yield Finding(name="login", message="none; what everybody may read")
    rights = user.get("rights", [])
    high = "apihighlimits" in rights if isinstance(rights, list) else False
    yield Finding(name="rights", message="high limits of the API" if high else "the usual limits of the API")
    yield Finding(name="version", message=f"{general.get('generator', 'not told')}, {general.get('sitename', '')}")
    if numbers:
        counts = ", ".join(f"{numbers[key]:,} {key}" for key in ("pages", "articles", "images") if key in numbers)
        yield Finding(name="size", message=f"{counts}, in all of the wiki")
    limits = _table(user, "ratelimits")
    yield Finding(name="wiki's limits", message=", ".join(sorted(limits)) or "none told")


def _table(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = found.get(key)
    return value if isinstance(value, dict) else {}
