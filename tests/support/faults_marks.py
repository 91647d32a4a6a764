"""What a process that is to be killed shares with the test that kills it: a small mapped file."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

ROLES = ("sync", "embed", "index", "other")
_SLOT = 64
_SIZE = 4096
_MET = 0
_EMBEDDED = 8
_SLOTS = 64


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Where a process is to be when it is killed: the ``times``-th time that the thread of ``role`` comes to
    ``point`` (after content was committed, with ``after_content``). ``stay``: it waits there for its end.
    The source's thread sleeps ``pace_s`` before each read and stops before read number ``hold_after`` + 1,
    so that others may come to work while some documents, not all, are committed."""

    role: str = ""
    point: str = ""
    times: int = 1
    after_content: bool = False
    stay: bool = False
    pace_s: float = 0.0
    hold_after: int = 0


class Marks:
    """The mapped file. Written by one process and read by another; a kill loses nothing of it."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as stream:
            self._map = mmap.mmap(stream.fileno(), _SIZE)

    def at(self, role: str, point: str) -> None:
        start = _SLOTS + _SLOT * ROLES.index(role)
        self._map[start : start + _SLOT] = point.encode().ljust(_SLOT, b"\0")

    def met(self) -> None:
        self._map[_MET] = 1

    def embedded(self, texts: int) -> None:
        struct.pack_into("<Q", self._map, _EMBEDDED, self.units() + texts)

    # -- the reader's side -------------------------------------------------------------------------

    def is_met(self) -> bool:
        return self._map[_MET] == 1

    def units(self) -> int:
        (count,) = struct.unpack_from("<Q", self._map, _EMBEDDED)
        return int(count)

    def point(self, role: str) -> str:
        """The last point that the thread of this role came to."""
        start = _SLOTS + _SLOT * ROLES.index(role)
        return self._map[start : start + _SLOT].rstrip(b"\0").decode()


def role_of(thread: str) -> str:
    """Whose work a thread of the service does, by its name."""
    if thread.startswith("source-"):
        return "sync"
    return thread if thread in ROLES else "other"
