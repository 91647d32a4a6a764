"""Ctrl-C and SIGTERM: an end with an exit code, or, during work that can be suspended, a wish to suspend."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_WORDS = b"\nSuspending at a safe point; the next run carries on. Once more ends it at once.\n"


class Interrupted(BaseException):
    """A signal asked the command to end. Not an ``Exception``: nobody on the way may swallow it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum

    @property
    def exit_code(self) -> int:
        return 128 + self.signum


class Signals:
    """How this process takes SIGINT and SIGTERM. ``received`` is the first one that came."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._stop: threading.Event | None = None

    def handle(self, signum: int, _frame: FrameType | None) -> None:
        again = self.received is not None
        self.received = self.received or signum
        if self._stop is None or again:
            raise Interrupted(signum)
        self._stop.set()
        os.write(2, _WORDS)  # not by way of sys.stderr: the signal may have come in the middle of its work

    @contextmanager
    def suspending(self, stop: threading.Event) -> Iterator[None]:
        """Within, the first signal sets ``stop`` and the work ends by itself; the second ends it at once."""
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None


signals = Signals()


@contextmanager
def handled() -> Iterator[Signals]:
    """Take both signals until the end of the context. Only the main thread of a process may."""
    signals.received = None
    before = {number: signal.signal(number, signals.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
