"""Git repositories: the wikis of GitHub, GitLab and Gitea, folders of documentation. By module:

- ``config`` settings, checked; ``links`` where a person reads a page
- ``git`` runs the program; ``trouble`` what its words mean
- ``mirror`` the copy that is read, fetched and mended; ``snapshot`` what a commit of it holds;
  ``differences`` what changed between two
- ``rules`` what is left out, and why; ``source`` the protocol
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.base import ItemId
from connectors.gitwiki.config import parse_settings
from connectors.settings import SettingsError

if TYPE_CHECKING:
    from connectors.base import Source


def check(name: str, settings: Mapping[str, object]) -> list[str]:
    """Every problem of the settings, in words; empty when they will do. Asks nobody."""
    try:
        parse_settings(name, settings)
    except SettingsError as error:
        return list(error.problems)
    return []


def make(name: str, settings: Mapping[str, object], cache: Path) -> Source:
    """The source, with its mirror in ``cache``. Raises ``SettingsError``; asks nobody yet."""
    from connectors.gitwiki.source import GitSource

    return GitSource(parse_settings(name, settings), cache)


def place(settings: Mapping[str, object]) -> str:
    """The address, which holds no secret."""
    url = settings.get("url")
    return url if isinstance(url, str) else ""


def item_at(settings: Mapping[str, object], where: str) -> ItemId | None:
    """The id of the file that an address names here: the repository's own with the file's path behind it, as in
    ``https://host/owner/wiki.git/Page.md``. The address of a page does not tell its file."""
    try:
        config = parse_settings("", settings)
    except SettingsError:
        return None
    from connectors.paths import path_of

    for root in (config.url, place(settings)):
        if where.startswith(root.rstrip("/") + "/") and path_of(where[len(root.rstrip("/")) + 1 :]):
            return ItemId(where[len(root.rstrip("/")) + 1 :])
    return None
