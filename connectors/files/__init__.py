"""Local folders and mounts. Here stands what a kind promises the registry; the rest by module:

- ``config`` settings, checked; ``mount`` where a folder is mounted
- ``signature`` versions, keys, identity, grain; ``rules`` what is left out, and why
- ``grants`` permission bits to principals; ``tree`` opens folders without following links
- ``view`` one entry to one item; ``scan`` the listing; ``source`` the protocol
- ``collapse`` many paths to few scopes; ``settle`` when a write is over; ``watch`` hints by inotify
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.base import ItemId
from connectors.files.config import parse_settings
from connectors.paths import display, item_id
from connectors.settings import problems_of

if TYPE_CHECKING:
    from connectors.base import Source
    from connectors.examining import Finding


def check(name: str, settings: Mapping[str, object]) -> list[str]:
    """Every problem of the settings, in words; empty when they will do. Touches no file."""
    return problems_of(parse_settings, name, settings)


def make(name: str, settings: Mapping[str, object], cache: Path) -> Source:  # noqa: ARG001 - a folder is at hand
    """The source. Raises ``SettingsError``; opens nothing, so an absent folder is no error here."""
    from connectors.files.source import FilesSource

    return FilesSource(parse_settings(name, settings))


def place(settings: Mapping[str, object]) -> str:
    """The folder, as a person reads it."""
    path = settings.get("path")
    return display(path.encode("utf-8", "surrogateescape")) if isinstance(path, str) else ""


def item_at(settings: Mapping[str, object], where: str) -> ItemId | None:
    """The id that a path has, or would have, in this source; None when it lies outside. The folders of
    both are compared as written and by their real names, the last step as written: it may be a link."""
    root = settings.get("path")
    if not isinstance(root, str) or ("://" in where and not where.startswith("/")):
        return None
    folder, path = os.fsencode(root), os.path.abspath(os.fsencode(where))  # noqa: PTH100 - a Path holds no bytes
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))  # noqa: PTH118, PTH119, PTH120
    for above, below in ((os.path.normpath(folder), path), (os.path.realpath(folder), real)):
        if below.startswith(above.rstrip(b"/") + b"/"):
            return item_id(below[len(above.rstrip(b"/")) + 1 :])
    return None


def way(name: str, settings: Mapping[str, object], _cache: Path) -> Iterator[Finding]:
    """Where the folder is mounted, and whether its changes are heard of."""
    from connectors.errors import SourceUnavailable
    from connectors.examining import Finding, Level, failed
    from connectors.files.mount import mount_of
    from connectors.files.tree import opened

    config = parse_settings(name, settings)
    try:
        with opened(config.path) as tree:
            mount = mount_of(tree.fd)
    except SourceUnavailable as error:
        yield failed("folder", error)
        return
    message = f"{display(mount.fstype)}, {display(mount.source)} at {display(mount.point)}"
    if mount.remote:
        hint = "What others change there is found by the schedule only: make it short."
        yield Finding(name="mount", level=Level.WARN, message=message, hint=hint)
    else:
        yield Finding(name="mount", message=message)
