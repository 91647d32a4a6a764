"""Opening what lies under a root, step by step and never through a link.

Each step is an ``openat`` from the folder above, so a path may be longer than the system's limit, and a
folder that becomes a link between two steps is refused instead of followed. Folders on the way stay
open for the next call: a listing goes from neighbour to neighbour.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from connectors.errors import SourceUnavailable
from connectors.paths import display

GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""The path does not lead to a thing: no entry, or something that is no folder (also a link) on the way."""

AWAY = frozenset(
    {errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ESHUTDOWN, errno.ETIMEDOUT, errno.ECONNABORTED}
    | {errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ENOMEDIUM}
)
"""The file system itself does not answer."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FORGOTTEN = -1
_KEPT = 64  # open folders of one listing; the usual limit of a process is 1,024


class Tree:
    """The open root of a source. Owns the descriptor that it is given."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._names: list[bytes] = []
        self._fds: list[int] = []  # _FORGOTTEN where the folder is not kept open

    def folder(self, path: bytes) -> int:
        """A descriptor of a folder, good until the next call. Raises ``OSError``."""
        names = path.split(b"/") if path else []
        shared = 0
        for ours, theirs in zip(self._names, names, strict=False):
            if ours != theirs:
                break
            shared += 1
        self._leave(shared)
        if shared and self._fds[-1] == _FORGOTTEN:
            self._leave(0)  # too deep to have been kept: walk down once more
        for name in names[len(self._names) :]:
            above = self._fds[-1] if self._fds else self.fd
            self._fds.append(os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above))
            self._names.append(name)
            if len(self._fds) > _KEPT:
                self._forget(len(self._fds) - _KEPT - 1)
        return self._fds[-1] if self._fds else self.fd

    def twin(self) -> Tree:
        """A second tree on the same root, to look elsewhere while a folder of this one is in use."""
        return Tree(os.dup(self.fd))

    def close(self) -> None:
        self._leave(0)
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _leave(self, depth: int) -> None:
        while len(self._fds) > depth:
            self._forget(len(self._fds) - 1)
            self._names.pop()
            self._fds.pop()

    def _forget(self, index: int) -> None:
        if self._fds[index] != _FORGOTTEN:
            os.close(self._fds[index])
            self._fds[index] = _FORGOTTEN


@contextmanager
def opened(path: str) -> Iterator[Tree]:
    """The tree of a root. Raises ``SourceUnavailable`` when the root cannot be opened."""
    place = os.fsencode(path)
    try:
        # The root itself may be a link: the administrator wrote it.
        tree = Tree(os.open(place, _FOLDER))
    except OSError as error:
        raise unavailable(place, error) from error
    try:
        yield tree
    finally:
        tree.close()


def unavailable(path: bytes, error: OSError) -> SourceUnavailable:
    """Why a root cannot be asked, with what to look at."""
    place = display(path)
    match error.errno:
        case errno.ENOENT:
            message, hint = f"The folder {place} is not there.", "Mount the share or correct the path."
        case errno.ENOTDIR:
            message, hint = f"{place} is not a folder.", "Correct the path."
        case errno.EACCES | errno.EPERM:
            message, hint = f"The folder {place} may not be read.", "Give this service's account read access."
        case _:
            message, hint = f"The folder {place} does not answer: {error.strerror}.", "Check the mount and its server."
    return SourceUnavailable(message, place=place, hint=hint)
