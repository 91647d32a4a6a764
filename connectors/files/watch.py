"""Hints from inotify: one thread of watchdog's reads the kernel's queue, one of ours decides.

We take watchdog's ``InotifyFD`` and register ourselves as its ``WatchCallback``, beneath its observers:
there an overflow is told (the observers tell nobody), a rename needs no half second to be paired, a
folder that is excluded costs no watch, and the depth of a tree is no limit. What the kernel does not
tell stays unseen until the next scan: changes made by others on a share (no watcher is made there) and
folders whose path is longer than the system allows.
"""

from __future__ import annotations

import errno
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.base import WHOLE, Hint, Scope
from connectors.errors import SourceUnavailable
from connectors.files.rules import IGNORE_NAME, Rules
from connectors.files.settle import Settler
from connectors.files.tree import unavailable
from connectors.files.watches import Watches, WatchLimit
from connectors.paths import display, item_id, join
from connectors.patterns import text_of

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyEvent, WatchDescriptor

# The kernel's event bits (inotify(7)).
IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_UNMOUNT = 0x2000
IN_ISDIR = 0x40000000

_AT_ONCE = 10_000  # events taken from the queue before what is over is looked at


class FilesWatcher:
    """Watches one folder. Not reusable: a dead one is replaced."""

    def __init__(self, path: str, rules: Rules) -> None:
        self._path = path
        self._rules = rules
        self._events: queue.SimpleQueue[InotifyEvent | _Overflow | None] = queue.SimpleQueue()
        self._settler = Settler(probe=self._state)
        self._stopping = threading.Event()
        self._lost = False
        self._watches: Watches | None = None
        self._thread: threading.Thread | None = None
        self._emit: Callable[[Hint], None] = _nobody
        self._root = b""
        self._root_key: tuple[int, int] | None = None

    def start(self, emit: Callable[[Hint], None]) -> None:
        if self._watches is not None or self._stopping.is_set():
            raise RuntimeError("a watcher is started once")
        self._emit = emit
        # The watches refuse links, so the root is given by its real name.
        self._root = os.path.realpath(os.fsencode(self._path))
        try:
            self._root_key = self._key()
            self._watches = Watches(self._root, self._rules, self)
            self._watches.arm(b"")
        except OSError as error:
            self.stop()
            if error.errno in {errno.ENOSPC, errno.EMFILE}:
                raise _limit_reached(self._path, error) from error
            raise unavailable(self._root, error) from error
        self._thread = threading.Thread(target=self._run, name=f"watch {display(self._root)}", daemon=True)
        self._thread.start()

    def alive(self) -> bool:
        if self._stopping.is_set() or self._lost or self._watches is None or self._thread is None:
            return False
        if not self._watches.alive() or not self._thread.is_alive():
            return False
        try:
            # The root's own events do not tell when a folder above it is renamed or unmounted.
            return self._key() == self._root_key
        except OSError:
            return False

    def stop(self) -> None:
        self._stopping.set()
        self._events.put(None)
        if self._watches is not None:
            self._watches.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    # -- watchdog's thread: only pass on, so that the kernel's queue is emptied quickly -----------------

    def on_event(self, event: InotifyEvent) -> None:
        self._events.put(event)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The delete itself is told by the folder above, the root's by its own event."""

    def on_queue_overflow(self) -> None:
        self._events.put(_OVERFLOW)

    # -- our thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            due = self._settler.due()
            timeout = None if due is None else max(0.0, due - time.monotonic())
            try:
                event = self._events.get(timeout=timeout)
                for _ in range(_AT_ONCE):
                    if event is None:
                        return
                    self._handle(event, time.monotonic())
                    event = self._events.get_nowait()
            except queue.Empty:
                pass
            self._hint(time.monotonic())

    def _hint(self, now: float) -> None:
        watches = self._armed()
        for cookie in self._settler.strays(now):
            # A folder that left the source takes its watches along: they would report a stranger's paths.
            watches.drop_departed(cookie)
        for path in self._settler.take(now):
            if not self._stopping.is_set():
                self._emit(Hint(scope=Scope(item_id(path))))

    def _handle(self, event: InotifyEvent | _Overflow, now: float) -> None:
        try:
            if isinstance(event, _Overflow):
                self._overflowed()
            else:
                self._event(event, now)
        except WatchLimit:
            # Some folder is not watched from here on: say so, and let the whole be looked at.
            self._lost = True
            self._emit(Hint(scope=WHOLE))

    def _overflowed(self) -> None:
        """Events were lost, among them perhaps those of new folders: watch everything anew, and only
        then let everything be looked at."""
        watches = self._armed()
        self._settler.forget()
        watches.drop(b"")
        try:
            watches.arm(b"")
        except WatchLimit:
            raise
        except OSError:
            self._lost = True
        if not self._stopping.is_set():
            self._emit(Hint(scope=WHOLE))

    def _event(self, event: InotifyEvent, now: float) -> None:
        watches = self._armed()
        folder = watches.path_of(event.wd)
        if folder is None:
            return  # a folder that is gone from our books: its leaving was hinted at
        mask = event.mask
        if not event.name:
            self._self_event(folder, mask, now)
            return
        path, is_dir = join(folder, event.name), bool(mask & IN_ISDIR)
        if event.name == IGNORE_NAME and not is_dir:
            if not mask & IN_MODIFY:
                self._rules_changed(folder, now)
            return
        text = text_of(path)
        excluded = (
            self._rules.by_name(
                text, text_of(event.name), is_dir=is_dir, ignores=watches.ignores(folder), through_link=False
            )
            is not None
        )
        if mask & IN_MOVED_FROM:
            self._settler.departed(path, event.cookie, now, is_dir=is_dir, excluded=excluded)
            if is_dir:
                watches.depart(path, event.cookie)
        elif mask & IN_MOVED_TO:
            if is_dir:
                watches.arrive(path, event.cookie, excluded=excluded)
            self._settler.arrived(path, event.cookie, now, is_dir=is_dir, excluded=excluded)
        elif excluded:
            return
        elif mask & IN_DELETE:
            if is_dir:
                watches.drop(path)
            self._settler.changed(path, now, is_dir=is_dir)
        elif is_dir:
            # Made, or its permissions changed, and then it may be readable only now. What was put into
            # it before the watch was armed is seen by looking at it whole.
            if watches.wd_of(path) is None:
                watches.arm(path)
            self._settler.changed(path, now, is_dir=True)
        elif mask & IN_CLOSE_WRITE:
            self._settler.changed(path, now, is_dir=False)
        elif mask & IN_CREATE:
            self._settler.created(path, now)
        elif mask & IN_MODIFY:
            self._settler.writing(path, now)
        elif mask & IN_ATTRIB:
            self._settler.touched(path, now, is_dir=False)

    def _self_event(self, folder: bytes, mask: int, now: float) -> None:
        """An event of a watched folder itself; those of inner folders are told by the folder above."""
        if mask & IN_UNMOUNT or (folder == b"" and mask & (IN_DELETE_SELF | IN_MOVE_SELF)):
            self._lost = True
            self._emit(Hint(scope=WHOLE))
        elif folder == b"" and mask & IN_ATTRIB:
            self._settler.changed(b"", now, is_dir=True)

    def _rules_changed(self, folder: bytes, now: float) -> None:
        """Folders may be in or out now: watch anew what lies here, then look at it."""
        watches = self._armed()
        watches.drop(folder, keep_top=True)
        watches.arm(folder)
        self._settler.changed(folder, now, is_dir=True)

    # -- helpers -----------------------------------------------------------------------------------

    def _armed(self) -> Watches:
        if self._watches is None:
            raise RuntimeError("the watcher was not started")
        return self._watches

    def _state(self, path: bytes) -> object:
        try:
            state = os.lstat(self._root + b"/" + path)
        except OSError:
            return None
        return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino

    def _key(self) -> tuple[int, int]:
        """The root as it is found by its name. The device is compared within one boot only."""
        state = Path(self._path).stat()
        return state.st_dev, state.st_ino


class _Overflow:
    """The kernel's queue was full and events were dropped."""


_OVERFLOW = _Overflow()


def _nobody(_hint: Hint) -> None:
    """Before ``start`` nobody listens."""


def _limit_reached(path: str, error: OSError) -> SourceUnavailable:
    setting = "fs.inotify.max_user_watches" if error.errno == errno.ENOSPC else "fs.inotify.max_user_instances"
    return SourceUnavailable(
        "The folder has more subfolders than this machine may watch."
        if error.errno == errno.ENOSPC
        else "This machine may watch no further folder.",
        place=display(os.fsencode(path)),
        hint=f"Raise the sysctl {setting}; until then changes are found by the scheduled scan.",
    )
