"""Ctrl-C and SIGTERM at the command line, with real signals."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from scripted_backend import Invoke, Scripted, run_reply

from ingestor import wire
from ingestor.web.client import RemoteOperations


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_suspends_work_that_can_be(
    invoke: Invoke, backend: Scripted, signum: signal.Signals, code: int
) -> None:
    """The work sees the wish, ends by itself and still gets its summary; the exit code tells the signal."""

    def during(_report: Any) -> None:
        assert backend.context is not None
        assert not backend.context.stop.is_set()
        os.kill(os.getpid(), signum)
        assert backend.context.stop.wait(10)

    backend.during = during
    backend.answers["backfill"] = wire.RunsReply(runs=(run_reply(outcome="suspended", added=2),))
    result = invoke("backfill")
    assert result.code == code
    assert "Suspending at a safe point" in result.err
    assert "handbook [suspended]: 2 added" in result.out


def test_the_second_signal_ends_it_at_once(invoke: Invoke, backend: Scripted) -> None:
    """Work that does not reach a safe point can still be ended."""

    def during(_report: Any) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)

    backend.during = during
    result = invoke("sync")
    assert (result.code, result.out) == (130, "")


def test_what_cannot_be_suspended_is_ended(invoke: Invoke, backend: Scripted) -> None:
    """A verify under a signal ends at once, with what was opened closed again."""

    def during(_report: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)

    backend.during = during
    result = invoke("verify")
    assert (result.code, result.out) == (143, "")


def test_a_signal_ends_only_the_waiting_for_the_service(
    invoke: Invoke, backend: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """When the service does the work, Ctrl-C says that it goes on there."""

    def interrupted(*_: Any) -> wire.RunsReply:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)
        raise AssertionError

    monkeypatch.setattr(RemoteOperations, "backfill", interrupted)
    backend.answers["open"] = RemoteOperations(tmp_path / "socket", pid=7)
    result = invoke("backfill")
    assert (result.code, result.out) == (130, "")
    assert "The work goes on in the service" in result.err


def test_a_run_of_the_service_leaves_its_line_here_too(
    invoke: Invoke, backend: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Off a terminal the canonical line is on stderr, whoever did the work."""
    runs = wire.RunsReply(runs=(run_reply(added=3),))
    monkeypatch.setattr(RemoteOperations, "backfill", lambda *_: runs)
    backend.answers["open"] = RemoteOperations(tmp_path / "socket", pid=7)
    result = invoke("backfill")
    assert result.code == 0
    assert result.err.count("run_finished") == 1


def test_the_handlers_of_before_are_restored(invoke: Invoke) -> None:
    """The entry point can be called from a program that has signal handlers of its own."""
    before = signal.getsignal(signal.SIGTERM)
    invoke("status")
    assert signal.getsignal(signal.SIGTERM) is before
