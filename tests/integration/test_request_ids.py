"""From what a person asked for to the lines that it left in the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingestor import log, wire
from ingestor.errors import IngestorError
from ingestor.model import Trigger
from ingestor.state import resolve
from ingestor.web.client import RemoteOperations
from ingestor.web.server import Server, serve
from tests.support.served import PATIENCE_S, Served


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    log.configure(form="json")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nA zebra.\n")
    made = Served(tmp_path / "state")
    made.add(tmp_path / "docs", "docs")
    yield made
    made.close()


@pytest.fixture
def server(served: Served, tmp_path: Path) -> Iterator[Server]:
    made = serve(served.operations, resolve(tmp_path / "state").socket_path)
    yield made
    made.stop()


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_run_that_was_asked_for_carries_the_id_of_the_request(
    served: Served, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reply has it in its head, the run's line and the request's line have it; a run that nobody asked for has
    none."""
    transport = httpx.HTTPTransport(uds=str(resolve(tmp_path / "state").socket_path))
    with httpx.Client(transport=transport, base_url="http://ingestor", timeout=PATIENCE_S) as client:
        answer = client.post("/v1/ops/sync", content=wire.SyncRequest(sources=("docs",)).model_dump_json())
    request_id = answer.headers["x-request-id"]
    served.service.runner("docs").request(Trigger.SCHEDULE).result(PATIENCE_S)
    lines = events(capsys)
    (done,) = [line for line in lines if line["event"] == "request_done"]
    assert (done["request_id"], done["operation"], done["outcome"]) == (request_id, "sync", "ok")
    assert done["duration_s"] > 0
    asked, scheduled = [line for line in lines if line["event"] == "run_finished"]
    assert (asked["request_id"], asked["source"]) == (request_id, "docs")
    assert "request_id" not in scheduled


def test_what_happens_within_a_run_carries_the_runs_id(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever tells it need not know of the run; after it nothing carries it."""
    source = served.source("docs")
    identity = source.identity

    def telling() -> str:
        log.get().warning("told_by_a_connector")
        return identity()

    monkeypatch.setattr(source, "identity", telling)
    report = served.sync("docs")
    log.get().warning("told_later")
    told = {line["event"]: line for line in events(capsys)}
    assert (told["told_by_a_connector"]["run_id"], told["told_by_a_connector"]["source"]) == (report.run_id, "docs")
    assert "run_id" not in told["told_later"]


def test_a_crash_names_its_request_to_the_person_and_in_the_log(
    served: Served, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that who reads the log finds the line that belongs to the complaint."""

    def bug(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(served.operations, "plan", bug)
    remote = RemoteOperations(resolve(tmp_path / "state").socket_path)
    with pytest.raises(IngestorError) as caught:
        remote.plan(wire.PlanRequest(source="docs"))
    crashed, done = [line for line in events(capsys) if line.get("operation") == "plan"]
    assert (crashed["event"], done["outcome"]) == ("operation_crashed", "crashed")
    assert crashed["request_id"] == done["request_id"]
    assert caught.value.hint == f"Its log has the details: request_id {done['request_id']}."
