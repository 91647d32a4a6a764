"""Where a generation of the vector index lives: a folder of ours, or a collection on a Chroma server."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

MIB = 1024**2
GIB = 1024**3

FOLDER_PREFIX = "generation-"


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """An embedded store; ``path`` is absolute and belongs to one process at a time."""

    path: Path
    collection: str

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A ``chroma run`` server, which takes care of its own files. ``collection`` is the name that the collection
    was made under and that its metadata keep; the one that serves has the public name instead."""

    url: str
    collection: str

    def __str__(self) -> str:
        return f"collection {self.collection} at {self.url}"


Place = Folder | Server


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What the host may take before it is stopped.

    ``file_bytes`` and ``memory_bytes`` bound what a damaged store can do to the machine (a link list of
    600 GB and an allocation of as much have been seen); both are far above any honest need. The waits
    are in seconds, generous, because their end means that the host is killed: ``open_s`` covers the start
    of the process and the replay of what Chroma had not yet indexed, and in it ``lock_s`` how long the host
    of a service that was killed may take to finish its last call.
    """

    open_s: float = 120.0
    lock_s: float = 30.0
    write_s: float = 120.0
    read_s: float = 60.0
    close_s: float = 8.0
    file_bytes: int = 64 * GIB
    memory_bytes: int = 0

    def memory(self) -> int:
        """``memory_bytes``, or by default three quarters of the machine's memory, at least 2 GiB."""
        if self.memory_bytes:
            return self.memory_bytes
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return max(2 * GIB, physical * 3 // 4)


def new_location(url: str, collection: str) -> str:
    """A name that no store has: of a folder, or on a server of a collection."""
    return f"{collection}-{secrets.token_hex(4)}" if url else f"{FOLDER_PREFIX}{secrets.token_hex(8)}"


def in_folder(location: str) -> bool:
    """Whether it names a folder, and not a collection on a server."""
    return location.startswith(FOLDER_PREFIX)
