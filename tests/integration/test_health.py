"""Health of a real service: what freezes it, what does not, and who can ask."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestor.errors import LedgerError, StateBusy
from ingestor.model import Trigger
from ingestor.service import health as health_module
from ingestor.service.health import Keeper, health
from ingestor.service.notify import Notifier
from ingestor.state import resolve
from ingestor.web import client
from ingestor.web.server import serve, serve_health
from tests.support.served import Served

PATIENCE_S = 0.8


class Told(Notifier):
    """Keeps what systemd would be told."""

    def __init__(self) -> None:
        super().__init__({})
        self.watchdog_s = PATIENCE_S
        self.said: list[str] = []

    def _send(self, *lines: str) -> None:
        self.said += lines


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A watching service whose idle loops look around often, so that seconds do for minutes."""
    monkeypatch.setattr("ingestor.service.pump._SLICE_S", 0.1)
    monkeypatch.setattr(health_module, "_TOLD_AFTER_S", PATIENCE_S)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nA zebra.\n")
    served = Served(tmp_path / "state")
    served.add(tmp_path / "docs", "docs")
    served.service.watch()
    served.until_settled("docs")
    served.service._schedule.stop()  # its turns are two seconds apart, and would be frozen by our measure
    served.service.life.ended("schedule")
    yield served
    served.close()


def test_a_service_at_rest_and_at_work_is_live_and_ready(running: Served, tmp_path: Path) -> None:
    """Idle loops show life; checks are all ok; systemd is petted and told how it goes."""
    told = Told()
    keeper = Keeper(running.service, told)
    for number in range(4):
        (tmp_path / "docs" / f"{number}.md").write_text(f"# {number}\n\nA giraffe.\n")
        running.sync("docs")
        threading.Event().wait(PATIENCE_S / 3)
        keeper.look()
    reply = keeper.health()
    assert (reply.live, reply.ready, set(reply.checks.values())) == (True, True, {"ok"})
    assert "WATCHDOG=1" in told.said
    assert "WATCHDOG=trigger" not in told.said
    assert any(said.startswith("STATUS=1 source: 1 idle") for said in told.said)


@pytest.mark.parametrize("loop", ["embed", "index", "source-docs"])
def test_one_frozen_loop_ends_the_petting(running: Served, tmp_path: Path, loop: str) -> None:
    """The others go on, and still systemd is asked to act; the health page says which one it is."""
    goes_on, held = threading.Event(), threading.Event()

    def frozen(*_: object, **__: object) -> None:
        held.set()
        goes_on.wait(60)
        raise LedgerError("thawed")

    with pytest.MonkeyPatch.context() as patch:
        parts = running.service.parts
        if loop == "embed":
            patch.setattr(running.embedder, "embed", frozen)
        elif loop == "index":
            patch.setattr(parts.index, "step", frozen)
        else:
            patch.setattr(running.service.runner("docs")._engine, "run", frozen)
        (tmp_path / "docs" / "b.md").write_text("# B\n\nAn okapi.\n")
        parts.pump.kick()
        running.service.runner("docs").ask(Trigger.SCHEDULE)
        try:
            assert held.wait(30)
            told = Told()
            keeper = Keeper(running.service, told)
            running.until(lambda: not keeper.health().live, "the frozen loop to be noticed")
            told.said.clear()
            keeper.look()
            assert told.said[0] == "WATCHDOG=trigger"
            assert "WATCHDOG=1" not in told.said
            assert f"the loop {loop} " in keeper.health().checks["loops"]
        finally:
            goes_on.set()
    running.until(lambda: keeper.health().live, "the thawed loop to show life")


def test_a_source_that_does_not_answer_is_told_and_freezes_nothing(running: Served) -> None:
    """To start anew would help neither it nor the other sources."""
    goes_on, held = threading.Event(), threading.Event()
    source = running.source("docs")
    identity = source.identity

    def stuck() -> str:
        held.set()
        goes_on.wait(60)
        return identity()

    source.identity = stuck  # type: ignore[method-assign]
    running.service.runner("docs").ask(Trigger.SCHEDULE)
    try:
        assert held.wait(30)
        told = Told()
        keeper = Keeper(running.service, told)
        running.until(lambda: keeper.health().notes, "the silence to be told")
        reply = keeper.health()
        assert (reply.live, reply.ready) == (True, True)
        assert reply.notes[0].startswith("no answer from the source docs for ")
        keeper.look()
        assert "WATCHDOG=1" in told.said
        assert "WATCHDOG=trigger" not in told.said
        assert any("no answer from the source docs" in said for said in told.said)
    finally:
        goes_on.set()


def test_a_damaged_ledger_is_not_live_and_a_model_that_is_not_there_not_ready(
    running: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first needs a new start; the second a person, and search by words goes on."""
    monkeypatch.setattr(type(running.embedder), "loaded", False)
    reply = health(running.service)
    assert (reply.live, reply.ready, reply.checks["model"]) == (True, False, "not loaded yet")
    monkeypatch.setattr(type(running.ledger), "damage", LedgerError("The ledger is damaged."))
    reply = health(running.service)
    assert (reply.live, reply.checks["ledger"]) == (False, "The ledger is damaged.")
    with pytest.raises(LedgerError):
        Keeper(running.service, Told()).look()


def ask(port: int, page: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.loads(refusal.read() or b"{}") if page != "/v1/ping" else {}


def test_the_pages_answer_on_the_socket_and_on_a_loopback_port(running: Served, tmp_path: Path) -> None:
    """200 and 503 with the same JSON; the port offers nothing else; who finds no service is told so."""
    state = resolve(tmp_path / "state")
    with pytest.raises(StateBusy):
        client.health(state)
    lock = state.try_lock()
    assert lock is not None
    server = serve(running.operations, state.socket_path, health=lambda: health(running.service))
    port_server = serve_health(lambda: health(running.service), 0)
    port = port_server._listener.getsockname()[1]
    try:
        assert client.health(state) == health(running.service)
        assert ask(port, "/healthz")[0] == ask(port, "/readyz")[0] == 200
        running.service.planned = False
        code, body = ask(port, "/readyz")
        assert (code, body["ready"], body["live"]) == (503, False, True)
        assert ask(port, "/healthz")[0] == 200
        assert ask(port, "/v1/ping")[0] == 404
    finally:
        port_server.stop()
        server.stop()
        lock.release()
