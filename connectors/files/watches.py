"""Which folders are watched, and under which names: the books of one watcher.

A watch belongs to a folder, not to a path: after a rename it reports under the number it has. Used by
one thread, after ``arm`` in the thread that starts the watcher.
"""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

from connectors.files.rules import IgnoreFile, Rules, load_ignore
from connectors.paths import join, parent_of
from connectors.patterns import text_of

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import Mask, WatchCallback, WatchDescriptor

# MODIFY ATTRIB CLOSE_WRITE MOVED_FROM MOVED_TO CREATE DELETE DELETE_SELF MOVE_SELF, then the flags
# ONLYDIR DONT_FOLLOW EXCL_UNLINK. Opening and reading are not among them: our own reads are silent.
_EVENTS = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800
_MASK = _EVENTS | 0x01000000 | 0x02000000 | 0x04000000


class WatchLimit(OSError):
    """The system allows no further watch; some folder is not heard."""


class Watches:
    """The watches beneath one root. Paths are relative to it; ``b""`` is the root."""

    def __init__(self, root: bytes, rules: Rules, callback: WatchCallback) -> None:
        """Raises ``OSError`` (EMFILE: no further inotify instance is allowed)."""
        from watchdog.observers.inotify_c import CallbackId, InotifyFD, Mask

        self._root = root
        self._rules = rules
        self._callback = callback
        self._mask: Mask = Mask(_MASK)
        self._callback_id = CallbackId(id(callback))
        self._by_path: dict[bytes, WatchDescriptor] = {}
        self._by_wd: dict[WatchDescriptor, bytes] = {}
        self._departed: dict[int, tuple[bytes, dict[bytes, WatchDescriptor]]] = {}
        self._ignores: dict[bytes, tuple[IgnoreFile, ...]] = {}
        # A folder that is renamed while it is armed is met twice; watchdog warns, our books settle it.
        warnings.filterwarnings("ignore", message="Callback with id", category=RuntimeWarning)
        self._inotify = InotifyFD()
        self._inotify.start()

    def alive(self) -> bool:
        return self._inotify.is_alive()

    def close(self) -> None:
        self._inotify.stop()
        self._inotify.join()

    def path_of(self, wd: WatchDescriptor) -> bytes | None:
        return self._by_wd.get(wd)

    def wd_of(self, path: bytes) -> WatchDescriptor | None:
        return self._by_path.get(path)

    def arm(self, top: bytes) -> None:
        """Watch a folder and the folders below it that are not excluded; those watched already stay.
        Each is watched before it is read, so that no folder is made unseen in between. A folder that
        vanishes or may not be read is passed over. Raises ``OSError`` for the root, ``WatchLimit``."""
        stack = [top]
        while stack:
            folder = stack.pop()
            if folder not in self._by_path and not self._add(folder):
                continue
            try:
                with os.scandir(self._absolute(folder)) as entries:
                    names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:
                continue
            ignores = self.ignores(folder) if names else ()
            for name in names:
                text = text_of(name)
                path = join(folder, name)
                if self._rules.by_name(text_of(path), text, is_dir=True, ignores=ignores) is None:
                    stack.append(path)

    def drop(self, top: bytes, *, keep_top: bool = False) -> None:
        """Forget a folder and those below it, and what was known of their rules."""
        gone = self._take(top)
        if keep_top and top in gone:
            self._put(top, gone.pop(top))
        self._remove(gone.values())

    def depart(self, path: bytes, cookie: int) -> None:
        """A folder is being renamed: its watches wait for its new name."""
        self._departed[cookie] = path, self._take(path)

    def arrive(self, path: bytes, cookie: int, *, excluded: bool) -> None:
        """A folder has this name now. Watches that came along are kept, the others made."""
        old, came = self._departed.pop(cookie, (b"", {}))
        self.drop(path)
        if excluded:
            self._remove(came.values())
            return
        for below, wd in came.items():
            self._put(path + below[len(old) :], wd)
        self.arm(path)

    def drop_departed(self, cookie: int) -> None:
        """The folder left the source."""
        _, left = self._departed.pop(cookie, (b"", {}))
        self._remove(left.values())

    def ignores(self, folder: bytes) -> tuple[IgnoreFile, ...]:
        """The ignore files that hold in a folder; remembered until something is dropped. One that
        cannot be read counts as absent: a hint too many is no harm, the listing decides."""
        missing = []
        at = folder
        while at not in self._ignores:
            missing.append(at)
            if not at:
                break
            at = parent_of(at)
        found = self._ignores.get(at, ())
        for path in reversed(missing):
            own = self._load(path)
            found = found if own is None else (*found, own)
            self._ignores[path] = found
        return found

    # -- helpers -----------------------------------------------------------------------------------

    def _absolute(self, path: bytes) -> bytes:
        return self._root + b"/" + path if path else self._root

    def _add(self, path: bytes) -> bool:
        absolute = self._absolute(path)
        try:
            # watchdog takes "permission denied" for a watch with the number -1; so ask before.
            if not os.access(absolute, os.R_OK, effective_ids=True):
                raise PermissionError(errno.EACCES, "it may not be read")
            wd = self._inotify.add_callback(absolute, self._mask, self._callback, self._callback_id)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise WatchLimit(error.errno, error.strerror) from error
            if not path:
                raise
            return False
        if wd < 0:
            return False
        self._put(path, wd)
        return True

    def _put(self, path: bytes, wd: WatchDescriptor) -> None:
        before = self._by_wd.get(wd)
        if before is not None and before != path:
            del self._by_path[before]  # renamed, and seen under its new name before the rename was told
        self._by_path[path] = wd
        self._by_wd[wd] = path

    def _take(self, top: bytes) -> dict[bytes, WatchDescriptor]:
        """Strike a folder and those below it from the books; they stay watched."""
        self._ignores.clear()
        inside = top + b"/" if top else b""
        taken = {path: wd for path, wd in self._by_path.items() if path == top or path.startswith(inside)}
        for path, wd in taken.items():
            del self._by_path[path]
            self._by_wd.pop(wd, None)
        return taken

    def _remove(self, wds: Iterable[WatchDescriptor]) -> None:
        self._inotify.remove_callbacks([(wd, self._callback_id) for wd in wds])

    def _load(self, folder: bytes) -> IgnoreFile | None:
        if not self._rules.heeds_ignore_files:
            return None
        try:
            fd = os.open(self._absolute(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return load_ignore(folder, fd)
        except OSError:
            return None
        finally:
            os.close(fd)
