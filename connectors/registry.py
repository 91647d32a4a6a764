"""Kind names to connectors: the one module that knows them all, and imports each only when asked.

A connector is a module or package with four functions::

    check(name, settings) -> list[str]     every problem of the settings; imports nothing heavy
    make(name, settings, cache) -> Source  raises ValueError when ``check`` would find something; ``cache``
                                           is a folder for the source alone, perhaps not there yet, whose
                                           content may be lost at any time and goes with the source
    place(settings) -> str                 where a person would look: a path or a URL
    item_at(settings, where) -> ItemId     the item a path or URL names here, or None; asks no source

and perhaps two more, for the connection check::

    way(name, settings, cache) -> Iterator[Finding]    what is looked at before the source itself is asked: the way
                                                       to its server, its login, its version
    group_of(ref) -> str                               what its items are counted by; else their folders

Third parties bring theirs by an entry point of the group ``ingestor.connectors``, whose name is the kind
and whose value is the module. A built-in kind cannot be replaced.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, cast

from connectors.base import Fetched, ItemId, Source
from connectors.examining import Finding, Level, container, examined

GROUP = "ingestor.connectors"

_BUILT_IN = {
    "files": "connectors.files",
    "gitwiki": "connectors.gitwiki",
    "mediawiki": "connectors.mediawiki",
    "dokuwiki": "connectors.dokuwiki",
    "confluence": "connectors.confluence",
}


class Connector(Protocol):
    """What the module of a kind offers."""

    def check(self, name: str, settings: Mapping[str, object]) -> list[str]: ...

    def make(self, name: str, settings: Mapping[str, object], cache: Path) -> Source: ...

    def place(self, settings: Mapping[str, object]) -> str: ...

    def item_at(self, settings: Mapping[str, object], where: str) -> ItemId | None: ...


class UnknownKind(ValueError):
    """There is no connector of this kind, or a third party's cannot be loaded."""


def kinds() -> tuple[str, ...]:
    """Every kind there is, built-in ones first. Imports none of them."""
    others = {entry.name for entry in entry_points(group=GROUP)} - set(_BUILT_IN)
    return (*_BUILT_IN, *sorted(others))


def check(kind: str, name: str, settings: Mapping[str, object]) -> list[str]:
    """Every problem, in words; also that there is no such kind."""
    try:
        return _connector(kind).check(name, settings)
    except UnknownKind as error:
        return [str(error)]


def make(kind: str, name: str, settings: Mapping[str, object], cache: Path) -> Source:
    """The source. Raises ``UnknownKind``, or a ``ValueError`` with the problems of the settings."""
    return _connector(kind).make(name, settings, cache)


def place(kind: str, settings: Mapping[str, object]) -> str:
    """Where a person would look. Raises ``UnknownKind``."""
    return _connector(kind).place(settings)


def item_at(kind: str, settings: Mapping[str, object], where: str) -> ItemId | None:
    """The id that a path or URL has, or would have, in a source; None when it lies outside it. Raises
    ``UnknownKind``."""
    return _connector(kind).item_at(settings, where)


def examine(kind: str, name: str, settings: Mapping[str, object], cache: Path) -> Iterator[Finding | Fetched]:
    """The connection check: findings in the order in which one needs the other, until the first without which nothing
    more can be asked; among them the item that was read."""
    if problems := check(kind, name, settings):
        for problem in problems:
            yield Finding(name="settings", level=Level.FAIL, message=problem, hint="Mend the configuration.")
        return
    connector = _connector(kind)
    yield Finding(name="settings", message=f"{kind}, {connector.place(settings)}")
    for finding in getattr(connector, "way", _no_way)(name, settings, cache):
        yield finding
        if finding.level is Level.FAIL:
            return
    source = connector.make(name, settings, cache)
    try:
        yield from examined(source, group_of=getattr(connector, "group_of", container))
    finally:
        source.close()


def _no_way(_name: str, _settings: Mapping[str, object], _cache: Path) -> Iterator[Finding]:
    return iter(())


def _connector(kind: str) -> Connector:
    if kind in _BUILT_IN:
        return cast("Connector", import_module(_BUILT_IN[kind]))
    for entry in entry_points(group=GROUP, name=kind):
        try:
            return cast("Connector", entry.load())
        except Exception as error:  # whatever a foreign module does at import is about this kind only
            raise UnknownKind(f'the connector of kind "{kind}" ({entry.value}) cannot be loaded: {error}') from error
    known = kinds()
    near = difflib.get_close_matches(kind, known, n=1)
    guess = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(known)}"
    raise UnknownKind(f'"{kind}" is not a kind of source; {guess}')
