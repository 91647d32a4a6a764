"""Local folders and mounts. What a kind promises the registry: ``check``, ``make`` and ``place``.

- ``config`` settings, checked; ``paths`` bytes and ids; ``mount`` where a folder is mounted
- ``signature`` versions, keys, identity, grain; ``rules`` what is left out, and why
- ``grants`` permission bits to principals; ``tree`` opens folders without following links
- ``view`` one entry to one item; ``scan`` the listing; ``source`` the protocol
- ``collapse`` many paths to few scopes; ``settle`` when a write is over; ``watch`` hints by inotify
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from connectors.files.config import SettingsError, parse_settings
from connectors.files.paths import display

if TYPE_CHECKING:
    from connectors.base import Source


def check(name: str, settings: Mapping[str, object]) -> list[str]:
    """Every problem of the settings, in words; empty when they will do. Touches no file."""
    try:
        parse_settings(name, settings)
    except SettingsError as error:
        return list(error.problems)
    return []


def make(name: str, settings: Mapping[str, object]) -> Source:
    """The source. Raises ``SettingsError``; opens nothing, so an absent folder is no error here."""
    from connectors.files.source import FilesSource

    return FilesSource(parse_settings(name, settings))


def place(settings: Mapping[str, object]) -> str:
    """The folder, as a person reads it."""
    path = settings.get("path")
    return display(path.encode("utf-8", "surrogateescape")) if isinstance(path, str) else ""
