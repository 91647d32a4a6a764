"""Room on the disk: how its lack is recognised, and the one error that says so.

A full disk is nobody's fault and passes: whoever meets it raises ``NoSpace``, the service pauses and goes
on by itself. Documents are never blamed for it, and neither is a vector store.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ingestor.errors import LedgerError

FLOOR = 16 * 1024 * 1024
"""Bytes. With less, no content is taken in and the vector index is not written: a store that is rewritten in
place must not meet the end of the disk half-way, and what is left is for narrowings and the ledger's own
marks."""


class NoSpace(LedgerError):
    """No space is left where the state lies. Nothing is lost; work resumes when there is room."""

    def __init__(self, place: Path) -> None:
        super().__init__(sentence(place), hint="Make room; the work resumes by itself.")


def sentence(place: Path) -> str:
    """For people: that there is no space left, where, and how much there is."""
    return f"No space left on the disk of {place} ({free(place) / 1024**2:,.1f} MiB free)."


def free(place: Path) -> int:
    """Bytes that this user may still write where ``place`` lies or will lie."""
    for folder in (place, *place.absolute().parents):
        with contextlib.suppress(FileNotFoundError):  # asked and not looked for: it may come or go at any moment
            facts = os.statvfs(folder)
            return facts.f_bavail * facts.f_frsize
    raise FileNotFoundError(place)


def sizes(folder: Path) -> dict[str, int]:
    """Bytes that each entry of a folder takes, with all that is in it, as far as it can be looked at."""
    found: dict[str, int] = {}
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            found[entry.name] = _blocks(Path(entry.path))
            if entry.is_dir(follow_symlinks=False):
                for place, folders, files in os.walk(entry.path):
                    found[entry.name] += sum(_blocks(Path(place, name)) for name in (*folders, *files))
    return dict(sorted(found.items()))


def _blocks(path: Path) -> int:
    with contextlib.suppress(OSError):  # it comes and goes
        return path.lstat().st_blocks * 512
    return 0


def is_full(place: Path) -> bool:
    """Whether less than ``FLOOR`` is left there."""
    return free(place) < FLOOR


def require(place: Path) -> None:
    """Raise ``NoSpace`` when the disk of ``place`` is full."""
    if is_full(place):
        raise NoSpace(place)
