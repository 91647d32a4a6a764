"""``ingestor run`` under the flight recorder: started, asked, looked at while it lives, and killed."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from ingestor import wire
from ingestor.errors import SourceHeld, UserError
from ingestor.state import resolve
from ingestor.web.client import RemoteOperations, ping
from tests.support.faults_account import HeldPlan, held_plan
from tests.support.faults_kills import Site, await_met, descendants, kill
from tests.support.faults_marks import Marks, Wish
from tests.support.faults_oracle import Passage, Read, Wanted, held

PATIENCE_S = 120.0
"""No promise, a fuse."""


_HELD_S = 2.0  # the source changes twenty times a second


class LivingService:
    """One process. ``vectors`` and ``last_run`` are what was there before it began."""

    def __init__(self, site: Site, wish: Wish) -> None:
        self.site = site
        self.wish = wish
        self.vectors, self.last_run = site.vectors(), site.last_run()
        self.approved = 0  # plans that a person was asked about
        self._place = tempfile.TemporaryDirectory()
        marks = Path(self._place.name) / "marks"
        self.marks = Marks(marks)
        self.process = site.start(marks, wish, "run")

    def arm(self) -> None:
        """From now on the wish counts."""
        self.marks.arm()

    def await_met(self) -> bool:
        """Until the service is where it is wished to be; it must not end before."""
        met = await_met(self.process, self.marks)
        assert met, f"the service ended with {self.process.returncode}: {self.site.errors()}"
        return met

    def await_held(self) -> None:
        """Until its source's thread, too, stands still in the middle of a run, if it comes to that soon."""
        deadline = time.monotonic() + _HELD_S
        while not self.marks.is_held() and time.monotonic() < deadline:
            time.sleep(0.005)

    def kill(self, *, with_children: bool) -> dict[int, str]:
        """kill -9 of the service, or of it with its index host and its parsers; every process that was below it."""
        below = descendants(self.process.pid)
        kill([self.process.pid, *(below if with_children else ())])
        self.process.wait()
        return below

    def again(self) -> int:
        """Units that it embedded and whose vectors are not there: they are embedded once more. Where it lives,
        nothing may be embedded meanwhile."""
        return self.marks.units() - (self.site.vectors() - self.vectors)

    def passages(self) -> Counter[Passage]:
        """What its ledger holds."""
        with self.reading() as read:
            return held(read)

    @contextmanager
    def reading(self) -> Iterator[Read]:
        """Queries over the ledger while the service writes it; each sees the last commit."""
        path = self.site.state / "ledger.sqlite3"
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=30)
        ) as connection:
            yield lambda sql: connection.execute(sql).fetchall()

    def until_equal(self, expected: Counter[Passage]) -> Counter[Passage]:
        """Until the ledger holds this, by the service's own doing; what it holds when patience ends."""
        return self._until_equal(expected, lambda _: None)

    def until_approved(self, expected: Wanted) -> Counter[Passage]:
        """The same with a person who approves a plan that is held (R5): one that the guard had to hold, of nothing
        but what is gone, and that explains all of the difference."""

        def approve(found: Counter[Passage]) -> None:
            with self.reading() as read:
                plan = held_plan(read, time.time())
            if plan is not None and plan.explains(found, expected.passages, expected.items):
                self._approve(plan)

        return self._until_equal(expected.passages, approve)

    def _approve(self, plan: HeldPlan) -> None:
        """``ingestor approve``. A plan that has changed meanwhile is looked at anew."""
        self.await_ready()
        operations = RemoteOperations(resolve(self.site.state).socket_path)
        with contextlib.suppress(SourceHeld, UserError):
            operations.approve(wire.ApproveRequest(source="corpus", plan_id=plan.plan_id), lambda _: None)
            self.approved += 1

    def _until_equal(self, expected: Counter[Passage], look: Callable[[Counter[Passage]], None]) -> Counter[Passage]:
        found: Counter[Passage] = Counter()

        def equal() -> bool:
            nonlocal found
            if (self.site.state / "ledger.sqlite3").exists():
                with contextlib.suppress(sqlite3.OperationalError):  # its tables are being made
                    found = self.passages()
                    look(found)
            return found == expected

        self._wait(equal)
        return found

    def verify(self) -> wire.VerifyReply:
        """``ingestor verify``, which waits for what is pending."""
        self.await_ready()
        operations = RemoteOperations(resolve(self.site.state).socket_path)
        return operations.verify(wire.VerifyRequest(details=True), lambda _: None)

    def await_ready(self) -> None:
        """Until it answers; it has asked for its first scan then."""
        socket = resolve(self.site.state).socket_path

        def ready() -> bool:
            pong = ping(socket)
            return pong is not None and pong.ready

        assert self._wait(ready), "the service does not answer"

    def _wait(self, true: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert self.process.poll() is None, f"the service ended by itself: {self.site.errors()}"
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def close(self) -> None:
        """Whatever became of it, nothing of it is left."""
        if self.process.poll() is None:
            self.kill(with_children=True)
        self._place.cleanup()
