"""The clock of a document, from outside: what its parent allows it.

A fixed time, which the document's worker puts forward by marks, each so often and no more; and which stands still
while its processes wait for a processor. Workers are of low priority, so that a machine which is busy with other things
hardly lets them run: that says nothing about a document, and would set aside what reads well an hour later.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import assert_never

from ingestor.errors import ParseFailure, ParseReason
from ingestor.parsing.clock import Mark
from ingestor.parsing.limits import Limits

_NANOSECONDS = 1e9
_SHORTEST = 0.05


class Deadline:
    """Of one document, read by the worker with the number ``pid`` and by what that starts. ``pictures`` is how many
    pages for OCR may put it forward."""

    def __init__(self, limits: Limits, *, pictures: int, pid: int) -> None:
        self._limits = limits
        self._left = {Mark.LOADING: 1, Mark.BEGUN: 1, Mark.PICTURE: pictures, Mark.STRETCH: limits.stretches}
        self._loading = False
        self._waits = _Waits(pid)
        self._begin(limits.seconds)

    def left(self) -> float:
        """Seconds; asked again at least once a second or so, because it also looks how the processes fare."""
        self._waited += self._waits.since()
        patience = (self._limits.patience - 1) * self._allowed
        return self._began + self._allowed + min(self._waited, patience) - time.monotonic()

    def takes(self, message: bytes) -> bool:
        """False for an answer, and for a mark that comes once too often."""
        mark = next((mark for mark, left in self._left.items() if left and mark.value == message), None)
        if mark is None:
            return False
        self._left[mark] -= 1
        self._loading = mark is Mark.LOADING
        match mark:
            case Mark.LOADING:
                self._allowed += self._limits.loading
            case Mark.BEGUN:
                self._begin(self._limits.seconds)
            case Mark.PICTURE | Mark.STRETCH:
                self._allowed += self._limits.page
            case _:
                assert_never(mark)
        return True

    def failure(self) -> ParseFailure:
        """What to say when it is over."""
        said = f"Parsing did not end within {self._allowed:g} s."
        hint = "It is tried again later; exclude the file if it never passes."
        if self._loading:
            said = f"The libraries for this kind of file did not load within {self._allowed:g} s."
            hint = "It is tried again later; give the machine less other work, or see ingestor doctor."
        return ParseFailure(ParseReason.TIMEOUT, said, hint=hint, transient=True)

    def _begin(self, seconds: float) -> None:
        self._began, self._allowed, self._waited = time.monotonic(), seconds, 0.0


class _Waits:
    """How long a process and its descendants were ready to run and did not, as the kernel counts it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._looked = time.monotonic()
        self._seen = self._threads()

    def since(self) -> float:
        """Seconds since the last look, by the thread that waited longest; 0 where the kernel does not count."""
        now = time.monotonic()
        if now - self._looked < _SHORTEST:  # most documents are read by then
            return 0.0
        threads = self._threads()
        longest = max((waited - self._seen.get(thread, 0) for thread, waited in threads.items()), default=0)
        passed, self._looked, self._seen = now - self._looked, now, threads
        return min(longest / _NANOSECONDS, passed)

    def _threads(self) -> dict[str, int]:
        """Nanoseconds in the queue of a processor, by thread."""
        found: dict[str, int] = {}
        todo = [str(self._pid)]
        while todo:
            for task in Path(f"/proc/{todo.pop()}/task").glob("*"):
                with contextlib.suppress(OSError, ValueError, IndexError):  # it is over, or the kernel does not count
                    todo += (task / "children").read_text(encoding="ascii").split()
                    found[task.name] = int((task / "schedstat").read_text(encoding="ascii").split()[1])
        return found
