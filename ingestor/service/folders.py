"""Which source a folder is, or lies in; what a new one is called. Pure but for resolving links."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

from ingestor.errors import UserError
from ingestor.ledger.sources import SourceRow

FILES = "files"


def registered(rows: Sequence[SourceRow], path: str) -> SourceRow | None:
    """The source that is exactly this folder. Raises ``UserError`` when the folder and a source overlap:
    every document would be there twice."""
    real = os.path.realpath(path)
    for row in rows:
        place = row.settings.get("path")
        if row.kind != FILES or not isinstance(place, str):
            continue
        other = os.path.realpath(place)
        if other == real:
            return row
        if _inside(real, other):
            raise UserError(
                f"{path} lies inside the source {row.name!r} ({place}), which already covers it.",
                hint=f"Run `ingestor sync {row.name}`.",
            )
        if _inside(other, real):
            raise UserError(
                f"{path} contains the source {row.name!r} ({place}); its documents would be there twice.",
                hint=f"Remove that one first: ingestor source remove {row.name}.",
            )
    return None


def name_for(path: str, taken: Collection[str]) -> str:
    """The folder's name, made fit for a source name and unique."""
    base = re.sub(r"[^\w.-]+", "-", PurePosixPath(os.path.realpath(path)).name).strip("-.") or "folder"
    base = base[:56]
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name


def _inside(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")
