"""Which documents a search is about: the options that ``search`` and ``eval`` share."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

SourceNames = Annotated[
    list[str] | None, typer.Option("--source", metavar="NAME", help="Only this source; may be repeated.")
]
Paths = Annotated[
    list[str] | None,
    typer.Option(
        "--path",
        metavar="PATH",
        help="Only this file, or this folder with all beneath it: as its source names it (hr/leave.md), an absolute"
        " path, an address, or the uri of a hit; may be repeated.",
    ),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="KIND", help="Only documents of this kind, like pdf or markdown; may be repeated."),
]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="NAME",
        help="Only documents with this tag, label or category, in any case; may be repeated: then with all of them.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Only what changed since then: 2026-11-20, 2026-11-20T14:30 or 7d."),
]
Scopes = Annotated[
    list[str] | None, typer.Option("--scope", metavar="NAME", help="Only sources of this scope; may be repeated.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only what has not changed after then.")]


def filters_of(
    sources: Sequence[str] | None,
    paths: Sequence[str] | None,
    kinds: Sequence[str] | None,
    tags: Sequence[str] | None,
    since: str | None,
    until: str | None,
    scopes: Sequence[str] | None,
) -> Mapping[str, Any]:
    """These options as fields of a ``SearchRequest``. Raises ``UserError``."""
    return {
        "sources": tuple(sources or ()),
        "paths": tuple(map(_path, paths or ())),
        "kinds": tuple(kind.lower().removeprefix(".") for kind in kinds or ()),
        "tags": tuple(tags or ()),
        "since": moment_of(since, "--since"),
        "until": moment_of(until, "--until", end=True),
        "scopes": tuple(scopes or ()),
    }


def _path(text: str) -> str:
    """What a shell leaves of the home folder in ``--path=~/docs``, and without ``..``, which no id has."""
    path = str(Path(text).expanduser()) if text.startswith("~") else text
    return os.path.normpath(path) if path.startswith("/") else path


def moment_of(text: str | None, option: str, *, end: bool = False) -> float | None:
    """The time that an option names. Raises ``UserError``."""
    from ingestor.errors import UserError
    from ingestor.moments import moment

    try:
        return None if text is None else moment(text, end=end)
    except ValueError as error:
        raise UserError(f"{option}: {error}.") from error
