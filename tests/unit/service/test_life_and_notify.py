"""Signs of life, and what systemd is told."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from ingestor.service.life import Life, Outside
from ingestor.service.notify import Notifier
from ingestor.service.pump import Pump


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_loop_that_asks_whether_to_stop_is_alive_and_one_that_does_not_is_silent() -> None:
    """Silence is measured from the last question; one that ended is not waited for."""
    clock = Clock()
    life = Life(clock)
    ask = life.asking("embed", lambda: True)
    assert ask()
    life.sign("index")
    clock.now += 31
    ask()
    clock.now += 30
    assert [(s.loop, s.seconds, s.outside) for s in life.silences(50)] == [("index", 61.0, False)]
    assert [s.loop for s in life.silences(10)] == ["index", "embed"]
    life.ended("index")
    assert life.silences(50) == []


class Slow:
    """A source whose every answer takes a minute; what its loop looks like meanwhile is kept."""

    name = "slow"

    def __init__(self, clock: Clock, life: Life) -> None:
        self.clock, self.life, self.seen = clock, life, []

    def _answer(self) -> None:
        self.clock.now += 60
        self.seen.append([(s.seconds, s.outside) for s in self.life.silences(50)])

    def identity(self) -> str:
        self._answer()
        return "here"

    def list(self, scope, cursor):
        self._answer()
        yield "a change"

    def fetch(self, ref):
        self._answer()
        raise OSError("gone")


def test_time_inside_a_source_is_marked_and_ends_with_the_answer() -> None:
    """Also when the answer is an error; everything else of the source is passed on."""
    clock = Clock()
    life = Life(clock)
    slow = Slow(clock, life)
    outside = Outside(slow, life, "source-slow")
    assert outside.name == "slow"
    assert outside.identity() == "here"
    assert list(outside.list("", None)) == ["a change"]
    with pytest.raises(OSError, match="gone"):
        outside.fetch(None)  # type: ignore[arg-type]
    assert slow.seen == [[(60.0, True)]] * 3
    clock.now += 60
    assert [s.outside for s in life.silences(50)] == [False]


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_systemd_hears_what_it_asked_for(tmp_path: Path, abstract: bool) -> None:
    """Readiness, status only when it changed, life and its end; children inherit nothing to speak with."""
    address = f"@ingestor-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(10)
        manager.bind("\0" + address[1:] if abstract else address)
        environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
        notifier = Notifier(environ)
        assert environ == {"HOME": "/"}
        assert notifier.watchdog_s == 20.0
        notifier.ready()
        notifier.status("one")
        notifier.status("one")
        notifier.status("two")
        notifier.alive()
        notifier.frozen()
        notifier.stopping()
        said = [manager.recv(1000).decode() for _ in range(6)]
    assert said == [
        "READY=1",
        "STATUS=one",
        "STATUS=two",
        "WATCHDOG=1",
        "WATCHDOG=trigger",
        "STOPPING=1\nSTATUS=Stopping",
    ]


def test_without_systemd_nothing_is_said() -> None:
    """No socket, no watchdog; one that is gone, or a watchdog that is another process's, ends nothing either."""
    notifier = Notifier({})
    notifier.ready()
    assert notifier.watchdog_s is None
    gone = Notifier({"NOTIFY_SOCKET": "/nonexistent/notify", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"})
    gone.ready()
    assert gone.watchdog_s is None


def test_counts_of_two_runs_within_one_another_are_told_apart() -> None:
    """A hint served in the middle of a scan has counts of its own, also while both are zero."""
    pump = Pump(ledger=None, embed=None, index=None, stop=threading.Event())  # type: ignore[arg-type]
    with pump.account("docs") as outer:
        with pump.account("docs"):
            pass
        pump._note(embedded={"docs": 3})
    assert outer.embedded == 3
