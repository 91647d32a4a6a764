"""Git repositories: the wikis of GitHub, GitLab and Gitea, folders of documentation. By module:

- ``config`` settings, checked; ``links`` where a person reads a page
- ``git`` runs the program; ``trouble`` what its words mean
- ``mirror`` the copy that is read, fetched and mended; ``snapshot`` what a commit of it holds;
  ``differences`` what changed between two
- ``rules`` what is left out, and why; ``source`` the protocol
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connectors.base import ItemId
from connectors.gitwiki.config import parse_settings
from connectors.settings import SettingsError, address, problems_of

if TYPE_CHECKING:
    from connectors.base import Source
    from connectors.examining import Finding


def check(name: str, settings: Mapping[str, object]) -> list[str]:
    """Every problem of the settings, in words; empty when they will do. Asks nobody."""
    return problems_of(parse_settings, name, settings)


def make(name: str, settings: Mapping[str, object], cache: Path) -> Source:
    """The source, with its mirror in ``cache``. Raises ``SettingsError``; asks nobody yet."""
    from connectors.gitwiki.source import GitSource

    return GitSource(parse_settings(name, settings), cache)


def place(settings: Mapping[str, object]) -> str:
    """The address, which holds no secret."""
    return address(settings)


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


def way(name: str, settings: Mapping[str, object], _cache: Path) -> Iterator[Finding]:
    """The program, and the way to the server; the repository itself is asked as ever."""
    import shutil
    import subprocess

    from connectors.examining import Finding, Level
    from connectors.gitwiki.config import Transport
    from connectors.web.examining import reached, way_to

    if (program := shutil.which("git")) is None:
        yield Finding(name="git", level=Level.FAIL, message="It is not installed.", hint="Install git.")
        return
    told = subprocess.run([program, "--version"], capture_output=True, check=False, timeout=30)
    yield Finding(name="git", message=told.stdout.decode("utf-8", "replace").strip())
    config = parse_settings(name, settings)
    parts = urlsplit(config.url)
    match config.transport:
        case Transport.HTTPS | Transport.HTTP:
            yield from way_to(config.url, ca_file=config.ca_file)
        case Transport.SSH:
            yield from reached(parts.hostname or "", parts.port or 22)
        case Transport.FILE:
            return
