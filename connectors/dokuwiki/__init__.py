"""DokuWiki: pages as they are shown, and files. By module:

- ``config`` settings, checked
- ``xmlrpc`` the older language; ``dialects`` the questions in both; ``api`` sessions, errors, which language it is
- ``pages`` what the wiki says of pages, as items; ``feed`` what changed since a cursor; ``source`` the protocol
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.base import ItemId
from connectors.settings import SettingsError, address, problems_of

if TYPE_CHECKING:
    from connectors.base import Source
    from connectors.examining import Finding


def check(name: str, settings: Mapping[str, object]) -> list[str]:
    """Every problem of the settings, in words; empty when they will do. Asks nobody."""
    from connectors.dokuwiki.config import parse_settings

    return problems_of(parse_settings, name, settings)


def make(name: str, settings: Mapping[str, object], _cache: Path) -> Source:
    """The source. Raises ``SettingsError``; asks nobody yet."""
    from connectors.dokuwiki.config import parse_settings
    from connectors.dokuwiki.source import DokuSource

    return DokuSource(parse_settings(name, settings))


def place(settings: Mapping[str, object]) -> str:
    """The address, which holds no secret."""
    return address(settings)


def item_at(settings: Mapping[str, object], where: str) -> ItemId | None:
    """The id of the page or file that an address names, as in ``https://host/doku.php?id=wiki:syntax``."""
    from connectors.dokuwiki.config import parse_settings
    from connectors.dokuwiki.pages import item_at as named

    try:
        config = parse_settings("", settings)
    except SettingsError:
        return None
    return named(config.base, where)


def way(name: str, settings: Mapping[str, object], _cache: Path) -> Iterator[Finding]:
    """The way to the server, the wiki's release and language, and who we are there."""
    from connectors.dokuwiki.config import parse_settings
    from connectors.dokuwiki.examining import asked
    from connectors.web.examining import way_to

    config = parse_settings(name, settings)
    yield from way_to(f"{config.base}/", ca_file=config.web.ca_file)
    yield from asked(config)
