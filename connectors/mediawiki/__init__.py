"""MediaWiki, 1.35 and later: pages as they are shown, and files. By module:

- ``config`` settings, checked
- ``api`` the action API: sessions, errors, answers in parts; ``site`` what the wiki says of itself
- ``pages`` what it says of pages, as items; ``rendering`` what they show; ``files`` their files
- ``feed`` what changed since a cursor; ``source`` the protocol
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from connectors.base import ItemId
from connectors.settings import address, problems_of

if TYPE_CHECKING:
    from connectors.base import ItemRef, Source
    from connectors.examining import Finding


def check(name: str, settings: Mapping[str, object]) -> list[str]:
    """Every problem of the settings, in words; empty when they will do. Asks nobody."""
    from connectors.mediawiki.config import parse_settings

    return problems_of(parse_settings, name, settings)


def make(name: str, settings: Mapping[str, object], _cache: Path) -> Source:
    """The source. Raises ``SettingsError``; asks nobody yet."""
    from connectors.mediawiki.config import parse_settings
    from connectors.mediawiki.source import WikiSource

    return WikiSource(parse_settings(name, settings))


def place(settings: Mapping[str, object]) -> str:
    """The address, which holds no secret."""
    return address(settings)


def item_at(settings: Mapping[str, object], where: str) -> ItemId | None:
    """The id of the page that an address names by its number, as in ``https://host/index.php?curid=12``. The title of a
    page does not tell it."""
    from connectors.mediawiki.pages import parse_item

    parts, own = urlsplit(where), urlsplit(place(settings))
    if not own.netloc or parts.netloc.lower() != own.netloc.lower():
        return None
    number = parse_qs(parts.query).get("curid", [""])[0]
    return ItemId(number) if parse_item(number) is not None else None


def way(name: str, settings: Mapping[str, object], _cache: Path) -> Iterator[Finding]:
    """The way to the server, the wiki's release and namespaces, who we are there and how often we may ask."""
    from connectors.mediawiki.config import parse_settings
    from connectors.mediawiki.examining import asked
    from connectors.web.examining import way_to

    config = parse_settings(name, settings)
    yield from way_to(config.api, ca_file=config.web.ca_file)
    yield from asked(config)


def group_of(ref: ItemRef) -> str:
    """The namespace that a page's title names; files are counted by themselves."""
    if ref.item_id.endswith("/file"):
        return "files"
    return ref.name.partition(":")[0] if ":" in ref.name else "(articles)"
