"""The listing of a scope, and what of it is proven (R5).

An entry is absent when a folder was read whole, at rest, and the entry was not in it. So a folder that
cannot be read, vanishes while we look, or keeps changing while it is read goes to ``unproven``, and so
does an entry that was there and was gone at the next look: the next listing will know.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from connectors.base import WHOLE, Change, Checkpoint, ItemId, ItemRef, Scope, Unreadable, Upserted
from connectors.errors import SourceUnavailable
from connectors.files.tree import AWAY, GONE, Tree, opened, unavailable
from connectors.files.view import Folder, View
from connectors.paths import display, item_id, join, path_of

_READS = 3  # of a folder that changes while it is read


@dataclass(kw_only=True, slots=True)
class Scan:
    """One listing. ``root`` is the folder's path, for the check whether it still answers."""

    view: View
    root: str
    unproven: dict[Scope, None] = field(default_factory=dict)  # in order, once each

    def run(self, scope: Scope) -> Iterator[Change | Checkpoint]:
        """Everything in ``scope``, then one complete checkpoint. Raises ``SourceUnavailable``."""
        with opened(self.root) as tree:
            yield from self._scope(tree, scope)
            if self.unproven:
                # What could not be read may be the share going away, and then nothing is proven.
                self._still_there()
            self._same_root(tree)
        yield Checkpoint(scope=scope, complete=True, unproven=tuple(self.unproven))

    def _scope(self, tree: Tree, scope: Scope) -> Iterator[Change]:
        path = path_of(scope)
        if path is None:
            return
        try:
            folder = self.view.root(tree)
            if path:
                holder = self.view.descend(tree, path)
                if isinstance(holder, str):
                    return
                folder = holder
        except OSError as error:
            # Not there, or below something that is no folder: absent, since all above was opened.
            if error.errno not in GONE:
                yield self._unread(scope, error)
            return
        if not path:
            yield from self._walk(tree, folder)
            return
        name = path.rpartition(b"/")[2]
        try:
            state = os.stat(name, dir_fd=tree.folder(folder.path), follow_symlinks=False)
        except OSError as error:
            if error.errno not in GONE:
                yield self._unread(scope, error)
            return
        is_dir = stat.S_ISDIR(state.st_mode)
        if self.view.excluded(folder, name, is_dir=is_dir) is not None:
            return
        if not is_dir:
            yield from self._entry(tree, folder, name, state)
            return
        try:
            folder = self.view.below(tree, folder, name)
        except OSError as error:
            yield from self._lost(path, error)
            return
        yield from self._walk(tree, folder)

    def _walk(self, tree: Tree, top: Folder) -> Iterator[Change]:
        """Depth first with a stack of our own: the depth of a tree is no limit."""
        stack: list[tuple[Folder, bytes | None]] = [(top, None)]
        while stack:
            above, name = stack.pop()
            path = above.path if name is None else join(above.path, name)
            try:
                folder = above if name is None else self.view.below(tree, above, name)
                entries, settled = read_folder(tree.folder(path))
            except OSError as error:
                yield from self._lost(path, error)
                continue
            if not settled:
                self._doubt(item_id(path))
            names: list[bytes] = []
            for entry in entries:
                raw = os.fsencode(entry.name)
                try:
                    is_dir = entry.is_dir(follow_symlinks=False)
                    if self.view.excluded(folder, raw, is_dir=is_dir) is not None:
                        continue
                    if is_dir:
                        names.append(raw)
                        continue
                    state = entry.stat(follow_symlinks=False)
                except OSError as error:
                    if error.errno == errno.EACCES and not searchable(tree.folder(path)):
                        # Names may be read but not what they name: one finding, not one for each name.
                        yield self._unread(folder.folder_id, error)
                        names.clear()
                        break
                    yield from self._lost(join(path, raw), error)
                    continue
                yield from self._entry(tree, folder, raw, state)
            stack.extend((folder, raw) for raw in reversed(names))

    def _entry(self, tree: Tree, folder: Folder, name: bytes, state: os.stat_result) -> Iterator[Change]:
        try:
            found = self.view.item(tree, folder, name, state)
        except OSError as error:
            yield self._unread(item_id(join(folder.path, name)), error)
            return
        if isinstance(found, ItemRef):
            yield Upserted(ref=found)

    def _lost(self, path: bytes, error: OSError) -> Iterator[Change]:
        """An entry that was listed a moment ago and cannot be looked at now."""
        if error.errno in GONE:
            self._doubt(item_id(path))
        else:
            yield self._unread(item_id(path), error)

    def _unread(self, item: str, error: OSError) -> Unreadable:
        if item == WHOLE or error.errno in AWAY:
            self._still_there()
        self._doubt(item)
        shut = error.errno in {errno.EACCES, errno.EPERM}
        return Unreadable(item_id=ItemId(item), reason=reason(error), hides=shut and self.view.grants_of_the_tree)

    def _doubt(self, item: str) -> None:
        self.unproven[Scope(item)] = None

    def _still_there(self) -> None:
        """Raise ``SourceUnavailable`` when the root no longer answers."""
        try:
            with opened(self.root) as tree, os.scandir(tree.fd) as entries:
                next(entries, None)
        except OSError as error:
            raise unavailable(os.fsencode(self.root), error) from error

    def _same_root(self, tree: Tree) -> None:
        """Raise ``SourceUnavailable`` when the path no longer leads to the root that was listed: in a
        removed one nothing is found, and its emptiness would look like proof."""
        try:
            now = Path(self.root).stat()
        except OSError as error:
            raise unavailable(os.fsencode(self.root), error) from error
        if not os.path.samestat(now, os.fstat(tree.fd)):
            raise SourceUnavailable(
                "The folder was replaced while it was listed.",
                place=display(os.fsencode(self.root)),
                hint="It is listed anew at the next run.",
            )


def read_folder(fd: int) -> tuple[list[os.DirEntry[str]], bool]:
    """The entries of an open folder by name, and whether it was at rest while they were read: a folder
    that changes under ``readdir`` may show neither the old nor the new name of what is renamed in it."""
    found: dict[str, os.DirEntry[str]] = {}
    for _ in range(_READS):
        before = os.fstat(fd)
        with os.scandir(fd) as entries:
            found = {entry.name: entry for entry in entries}
        after = os.fstat(fd)
        if before.st_nlink and not after.st_nlink:
            raise FileNotFoundError(errno.ENOENT, "it was removed while it was read")
        if (before.st_mtime_ns, before.st_ctime_ns) == (after.st_mtime_ns, after.st_ctime_ns):
            return [found[name] for name in sorted(found)], True
    return [found[name] for name in sorted(found)], False


def searchable(fd: int) -> bool:
    """Whether what an open folder names may be looked at (its execute bit)."""
    return os.access(".", os.X_OK, dir_fd=fd, effective_ids=True)


def reason(error: OSError) -> str:
    """Why something could not be read, for a person."""
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return "this service may not read it"
        case errno.ENOENT:
            return "it vanished while it was looked at"
        case _:
            return error.strerror or type(error).__name__
