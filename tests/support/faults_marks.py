"""What a process that is to be killed shares with the test that kills it: a small mapped file."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

ROLES = ("sync", "embed", "index", "other")
_SLOT = 64
_SIZE = 4096
_MET, _ARMED, _HELD = 0, 1, 2
_EMBEDDED, _HOSTS, _BEGUN, _DONE = 8, 16, 24, 32  # counters
_SLOTS = 64


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Where a process is to be when it is killed: the ``times``-th time that the thread of ``role`` comes to
    ``point`` (after content was committed, with ``after_content``). ``stay``: it waits there for its end.
    The source's thread sleeps ``pace_s`` before each read and stops before read number ``hold_after`` + 1,
    so that others may come to work while some documents, not all, are committed; once the wish is met it stays
    before the next one. An empty ``role`` is any
    thread. Not ``armed``: all of this begins when the test says so (``Marks.arm``)."""

    role: str = ""
    point: str = ""
    times: int = 1
    after_content: bool = False
    stay: bool = False
    pace_s: float = 0.0
    hold_after: int = 0
    armed: bool = True


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

    def held(self) -> None:
        """The source's thread goes no further."""
        self._map[_HELD] = 1

    def embedded(self, texts: int) -> None:
        self._add(_EMBEDDED, texts)

    def host_started(self) -> None:
        self._add(_HOSTS, 1)

    def write_begun(self) -> None:
        self._add(_BEGUN, 1)

    def write_done(self) -> None:
        self._add(_DONE, 1)

    def _add(self, counter: int, number: int) -> None:
        """Each counter has one thread that adds to it."""
        struct.pack_into("<Q", self._map, counter, self._count(counter) + number)

    def _count(self, counter: int) -> int:
        (count,) = struct.unpack_from("<Q", self._map, counter)
        return int(count)

    # -- the reader's side -------------------------------------------------------------------------

    def arm(self) -> None:
        self._map[_ARMED] = 1

    def is_armed(self) -> bool:
        return self._map[_ARMED] == 1

    def is_met(self) -> bool:
        return self._map[_MET] == 1

    def is_held(self) -> bool:
        return self._map[_HELD] == 1

    def units(self) -> int:
        """Texts given to the model."""
        return self._count(_EMBEDDED)

    def hosts(self) -> int:
        """Index hosts started."""
        return self._count(_HOSTS)

    def unanswered(self) -> int:
        """Writes into the vector index that were begun and not acknowledged."""
        return self._count(_BEGUN) - self._count(_DONE)

    def point(self, role: str) -> str:
        """The last point that the thread of this role came to."""
        start = _SLOTS + _SLOT * ROLES.index(role)
        return self._map[start : start + _SLOT].rstrip(b"\0").decode()


def role_of(thread: str) -> str:
    """Whose work a thread of the service does, by its name."""
    if thread.startswith("source-"):
        return "sync"
    return thread if thread in ROLES else "other"
