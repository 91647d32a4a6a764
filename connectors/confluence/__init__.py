"""Confluence, in the Cloud and in Data Center: pages, blog posts, attachments, comments. By module:

- ``config`` settings, checked
- ``api`` one question after another: login, errors, results in parts; ``dialects`` the questions in both editions
- ``facts`` what the wiki says, ``people`` who its authors are
- ``tree`` what stands above what and who may read there; ``items`` all that as items
- ``storage`` the storage format as HTML; ``includes`` what texts show of others; ``reading`` what one item holds
- ``feed`` what changed since a cursor; ``source`` the protocol
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.base import ItemId
from connectors.settings import SettingsError, address, problems_of

if TYPE_CHECKING:
    from connectors.base import ItemRef, Source
    from connectors.examining import Finding


def check(name: str, settings: Mapping[str, object]) -> list[str]:
    """Every problem of the settings, in words; empty when they will do. Asks nobody."""
    from connectors.confluence.config import parse_settings

    return problems_of(parse_settings, name, settings)


def make(name: str, settings: Mapping[str, object], cache: Path) -> Source:
    """The source. Raises ``SettingsError``; asks nobody yet."""
    from connectors.confluence.config import parse_settings
    from connectors.confluence.source import ConfluenceSource

    return ConfluenceSource(parse_settings(name, settings), cache)


def place(settings: Mapping[str, object]) -> str:
    """The address, which holds no secret."""
    return address(settings)


def item_at(settings: Mapping[str, object], where: str) -> ItemId | None:
    """The id of the page that an address names by its number, as in ``https://host/wiki/spaces/HR/pages/12/Title``."""
    from connectors.confluence.config import parse_settings
    from connectors.confluence.items import item_at as named

    try:
        config = parse_settings("", settings)
    except SettingsError:
        return None
    return named(config.base, where)


def way(name: str, settings: Mapping[str, object], _cache: Path) -> Iterator[Finding]:
    """The way to the server, who we are there, its spaces, searches and restrictions."""
    from connectors.confluence.config import parse_settings
    from connectors.confluence.examining import asked
    from connectors.web.examining import way_to

    config = parse_settings(name, settings)
    yield from way_to(f"{config.base}/", ca_file=config.web.ca_file)
    yield from asked(config)


def group_of(ref: ItemRef) -> str:
    """The space of a text; attachments are counted by themselves."""
    return "attachments" if ref.item_id.startswith("attachment/") else ref.name.partition("/")[0]
