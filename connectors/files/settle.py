"""When a change is over and may be hinted at. Pure but for the ``probe`` that it is given.

A file that is being written is not worth reading: it is hinted at when it is closed, or, where no close
comes (a hard link, a writer that never closes), when its state was the same for ``QUIET_S``. What is
over waits ``WINDOW_S`` for company, so that a save in three steps is one look; under load the window
doubles each time, until a window holds enough to be told as folders. The two halves of a rename meet
here by their cookie.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from connectors.files.collapse import collapse
from connectors.paths import parent_of

WINDOW_S = 0.02
LONGEST_WINDOW_S = 0.5
BUSY = 20  # changes in one window; saving by hand makes one or two
QUIET_S = 0.3
LONGEST_WRITE_S = 5.0  # a log that never rests is hinted at this often

Probe = Callable[[bytes], object]
"""The state of a path, compared for equality; None when there is nothing."""


@dataclass(kw_only=True, slots=True)
class Write:
    """A file that is being written: its last seen state, when to look again, and how long to wait."""

    state: object
    look_at: float
    until: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Departure:
    """The first half of a rename. ``known`` says that the path may have been listed before."""

    path: bytes
    is_dir: bool
    known: bool
    at: float


@dataclass(kw_only=True, slots=True)
class Settler:
    """The changes that are not hinted at yet. Times are monotonic seconds, passed in."""

    probe: Probe
    _changed: dict[bytes, bool] = field(default_factory=dict)
    _since: float | None = None
    _window: float = WINDOW_S
    _taken: float = float("-inf")
    _writes: dict[bytes, Write] = field(default_factory=dict)  # ordered by look_at
    _fresh: set[bytes] = field(default_factory=set)
    _departures: dict[int, Departure] = field(default_factory=dict)  # ordered by at

    # -- what happened -----------------------------------------------------------------------------

    def changed(self, path: bytes, now: float, *, is_dir: bool) -> None:
        """Something happened that is over: a delete, a close, a folder with whatever is in it."""
        self._writes.pop(path, None)
        self._changed[path] = is_dir
        if self._since is None:
            self._since = now
            if now - self._taken > LONGEST_WINDOW_S:
                self._window = WINDOW_S

    def touched(self, path: bytes, now: float, *, is_dir: bool) -> None:
        """Permissions or times changed; a file that is being written waits for its end."""
        if path not in self._writes:
            self.changed(path, now, is_dir=is_dir)

    def created(self, path: bytes, now: float) -> None:
        """A file appeared; it is about to be written."""
        self._fresh.add(path)
        self.writing(path, now)

    def writing(self, path: bytes, now: float) -> None:
        if path not in self._writes:
            self._writes[path] = Write(state=self.probe(path), look_at=now + QUIET_S, until=now + LONGEST_WRITE_S)

    def departed(self, path: bytes, cookie: int, now: float, *, is_dir: bool, excluded: bool) -> None:
        """The first half of a rename."""
        self._writes.pop(path, None)
        # A file that was made a moment ago to be renamed over another has no past worth keeping.
        known = not excluded and path not in self._fresh
        self._departures[cookie] = Departure(path=path, is_dir=is_dir, known=known, at=now)
        if not excluded:
            self.changed(path, now, is_dir=is_dir)

    def arrived(self, path: bytes, cookie: int, now: float, *, is_dir: bool, excluded: bool) -> None:
        """The second half. Where both paths may be listed, both folders are looked at, so that one
        listing sees the old path gone and the new one come (R11)."""
        departure = self._departures.pop(cookie, None)
        if excluded:
            return
        self.changed(path, now, is_dir=is_dir)
        if departure is not None and departure.known:
            self.changed(parent_of(departure.path), now, is_dir=True)
            self.changed(parent_of(path), now, is_dir=True)

    def forget(self) -> None:
        """Everything is to be looked at anyway."""
        self._changed.clear()
        self._writes.clear()
        self._fresh.clear()
        self._since = None

    # -- what is over ------------------------------------------------------------------------------

    def due(self) -> float | None:
        """When to call ``take`` or ``strays`` next; None when nothing waits."""
        # Both are ordered by time, so the first is the earliest.
        times = [write.look_at for write in islice(self._writes.values(), 1)]
        times += [departure.at + WINDOW_S for departure in islice(self._departures.values(), 1)]
        if self._since is not None:
            times.append(self._since + self._window)
        return min(times, default=None)

    def strays(self, now: float) -> list[int]:
        """Cookies of renames whose second half did not come: what left, left the source."""
        gone = [cookie for cookie, departure in self._departures.items() if departure.at + WINDOW_S <= now]
        for cookie in gone:
            del self._departures[cookie]
        return gone

    def take(self, now: float) -> tuple[bytes, ...]:
        """The scopes to hint at now; empty while what is over still waits for company."""
        self._look(now)
        if self._since is None or now < self._since + self._window:
            return ()
        scopes = collapse(self._changed)
        self._window = min(self._window * 2, LONGEST_WINDOW_S) if len(self._changed) > BUSY else WINDOW_S
        self._taken = now
        self._fresh.difference_update(self._changed)
        self._changed.clear()
        self._since = None
        return scopes

    def _look(self, now: float) -> None:
        """Look at the files whose time has come; those at rest are over, the others wait on."""
        while self._writes:
            path, write = next(iter(self._writes.items()))
            if write.look_at > now:
                return
            state = self.probe(path)
            if state == write.state or now >= write.until:
                self.changed(path, now, is_dir=False)
            else:
                del self._writes[path]
                self._writes[path] = Write(state=state, look_at=now + QUIET_S, until=write.until)
