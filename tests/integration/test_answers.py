"""The log of answers: what of an earlier answer still stands, for whom, and that nobody waits for the log."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import CallToolResult

from connectors.base import Grant
from connectors.memory import MemorySource
from ingestor import faultpoint
from ingestor.config import build
from ingestor.errors import LedgerError
from ingestor.model import Answer, Hit, Reader
from ingestor.service.answers import AnswerLog
from ingestor.tokens import Role
from ingestor.web.access import Caller
from ingestor.web.mcp import server
from tests.support.portal import Portal
from tests.support.world import SOURCE, World

STAFF = "group:staff"
TEXTS = {
    "pump.md": "# Pumps\n\nThe pump of the harbour leaks on Monday, and is looked at by the harbour master.\n",
    "crane.md": "# Cranes\n\nThe crane of the harbour leaks oil, and is looked at by two people.\n",
    "quay.md": "# Quays\n\nThe quay of the harbour leaks where the ferry lands in the morning.\n",
}


class Harbour:
    """Three documents for the staff, and a portal that keeps its answers."""

    def __init__(self, folder: Path) -> None:
        self.source = MemorySource(SOURCE)
        self.world = World(folder, folder, source=self.source)
        for name, content in TEXTS.items():
            self.put(name, content)
        self.sync()
        self.portal = Portal(self.world, answers=True)

    def put(self, name: str, content: str, *principals: str) -> None:
        self.source.put(name, content, grant=Grant(place=name, principals=frozenset(principals or (STAFF,))))

    def sync(self) -> None:
        self.world.sync()
        self.world.drain()

    def ask(self, path: str = "/v1/search", *, token: str = "", **body: Any) -> dict[str, Any]:
        with self.portal.client(token or self.portal.token(STAFF)) as client:
            answer = client.post(path, json={"query": "harbour leaks", **body})
            assert answer.status_code == 200, answer.text
        self.portal.operations.answers.flush()
        found: dict[str, Any] = answer.json()
        return found

    def trace(self, answer_id: str, *principals: str) -> Any:
        """Of the owner, where nobody is named."""
        return self.portal.reads.answer(answer_id, principals or None)

    def kept(self) -> list[tuple[Any, ...]]:
        return self.world.ledger.sync._db.read("SELECT answer_id, reader, question FROM answer")


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = Harbour(tmp_path)
    yield made
    made.world.close()


def text(result: CallToolResult) -> str:
    (block,) = result.content
    assert block.type == "text"
    return block.text


def standings(reply: Any) -> dict[str, tuple[str, int | None]]:
    return {one.uri.rpartition("/")[2]: (one.standing, one.now) for one in reply.passages}


def test_what_became_of_each_passage_is_told(harbour: Harbour) -> None:
    """Current, changed with the new revision, deleted; a reader is not told that apart from hidden."""
    asked = harbour.ask()
    shown = [(hit["chunk_id"], hit["document_id"], hit["revision"]) for hit in asked["hits"]]
    before = harbour.trace(asked["answer_id"], STAFF)
    assert [(one.chunk_id, one.document_id, one.revision) for one in before.passages] == shown
    assert (before.current, set(standings(before).values())) == (True, {("current", 1)})
    harbour.put("crane.md", "# Cranes\n\nThe crane of the harbour is new.\n")
    harbour.source.remove("quay.md")
    harbour.sync()
    everything = harbour.trace(asked["answer_id"])
    assert everything.current is False
    assert standings(everything) == {
        "pump.md": ("current", 1),
        "crane.md": ("changed", 2),
        "quay.md": ("deleted", None),
    }
    assert (everything.asked_as, everything.question) == (STAFF, "harbour leaks")
    harbour.source.permit("pump.md", Grant(place="pump.md", principals=frozenset({"group:board"})))
    harbour.sync()
    told = harbour.trace(asked["answer_id"], STAFF, "public")
    assert standings(told) == {"crane.md": ("changed", 2), "": ("unavailable", None)}
    hidden, deleted = (one for one in told.passages if not one.uri)
    same = {"chunk_id": "", "document_id": ""}
    assert hidden.model_copy(update=same) == deleted.model_copy(update=same)
    assert (told.asked_as, told.question) == ("", "")


def test_an_answer_is_for_who_reads_as_whom_it_was_asked_by(harbour: Harbour) -> None:
    """For others there is none: the answer is that to any word, to the letter."""
    mine = harbour.ask()["answer_id"]
    owners = harbour.ask(token=harbour.portal.token(everything=True))["answer_id"]
    with harbour.portal.client(harbour.portal.token("group:board", "public")) as other:
        foreign, none = other.get(f"/v1/answers/{mine}"), other.get(f"/v1/answers/{'x' * len(mine)}")
    assert (foreign.status_code, foreign.text) == (404, none.text.replace("x" * len(mine), mine))
    with harbour.portal.client(harbour.portal.token(STAFF)) as client:
        assert client.get(f"/v1/answers/{mine}").json()["current"] is True
        assert client.get(f"/v1/answers/{owners}").status_code == 404
    assert harbour.trace(owners).asked_as == "the owner"


def test_only_what_was_shown_is_kept(harbour: Harbour) -> None:
    """Of a context what its budget holds; of hits that were merged or have neighbours every chunk."""
    long = "\n\n".join(f"## Part {n}\n\nThe harbour leaks here, says sentence {n} of a long text." for n in range(30))
    harbour.put("long.md", f"# Long\n\n{long}\n")
    harbour.sync()
    small = harbour.ask("/v1/context", budget=300)
    shown = {one["chunk_id"] for one in small["citations"]}
    assert small["left_out"] > 0
    assert {one.chunk_id for one in harbour.trace(small["answer_id"]).passages} == shown
    around = harbour.ask(top=1, context=2, paths=["long.md"])
    (hit,) = around["hits"]
    beside = [one["chunk_id"] for one in (*hit["before"], *hit["after"])]
    assert beside
    assert {one.chunk_id for one in harbour.trace(around["answer_id"]).passages} == {hit["chunk_id"], *beside}
    joined = harbour.ask(merge=True, paths=["long.md"])
    parts = {one.chunk_id for one in harbour.trace(joined["answer_id"]).passages}
    assert len(parts) > len(joined["hits"])
    assert parts >= {one["chunk_id"] for one in joined["hits"]}


def test_assistants_are_given_the_id_and_may_ask(harbour: Harbour) -> None:
    """In the text and beside it; what was kept is what they were shown."""
    staff = Caller(key="ana", principals=frozenset({STAFF}), role=Role.READER)

    async def what(client: Client) -> None:
        found = await client.call_tool("search", {"query": "harbour leaks", "budget": 300})
        structured: dict[str, Any] = found.structured_content or {}
        harbour.portal.operations.answers.flush()
        assert f"answer_id: {structured['answer_id']}" in text(found)
        traced = await client.call_tool("trace_answer", {"answer_id": structured["answer_id"]})
        assert text(traced).count('standing="current"') == len(structured["citations"])
        reply: dict[str, Any] = traced.structured_content or {}
        assert reply["current"] is True
        assert (await client.call_tool("trace_answer", {"answer_id": "answer-0"})).is_error

    async def session() -> None:
        portal = harbour.portal
        async with Client(server(portal.operations.search, portal.reads, lambda _: staff)) as client:
            await what(client)

    asyncio.run(session())


def test_nothing_is_kept_unless_it_is_asked_for(harbour: Harbour) -> None:
    """By default no answer has an id, and a question is not kept with those that have."""
    harbour.portal = Portal(harbour.world)
    assert harbour.ask()["answer_id"] == ""
    assert harbour.ask("/v1/context")["answer_id"] == ""
    assert harbour.kept() == []
    settings = build({}, file=Path("ingestor.toml")).answers
    assert (settings.keep, settings.questions) == (False, False)
    record = harbour.world.ledger.answers.record
    log = AnswerLog(record, keeps=True, questions=False)
    key = log.note("How much does Ana earn?", Reader(principals=frozenset({STAFF})), [])
    assert log.close(5.0)
    assert harbour.kept() == [(key, f'["{STAFF}"]', None)]


def test_the_log_of_answers_holds_no_token(harbour: Harbour) -> None:
    """Who asked is there by his principals; his token, and its name, are nowhere."""
    token = harbour.portal.token(STAFF)
    harbour.ask(token=token)
    names = {one.name for one in harbour.portal.tokens.all()} | {one.id for one in harbour.portal.tokens.all()}
    ((_, reader, _),) = harbour.kept()
    assert reader == f'["{STAFF}"]'
    assert not any(word in reader for word in (token, *names))


def test_answers_go_with_their_time(harbour: Harbour) -> None:
    """The retention of the ledger deletes what is older than it is kept, with its passages."""
    key = harbour.ask()["answer_id"]
    answers = harbour.world.ledger.answers
    assert answers.forget_expired() == 0
    assert answers.forget_expired(now=time.time() + 31 * 86_400) == 1
    assert harbour.world.ledger.sync._db.read("SELECT count(*) FROM answer_passage") == [(0,)]
    assert answers.find(key, Reader()) is None


def test_a_busy_ledger_keeps_no_search_waiting(harbour: Harbour) -> None:
    """While a transaction is open the answer comes with its id, which is known when that has ended."""
    database = harbour.world.ledger.sync._db
    writing, written, done = threading.Event(), threading.Event(), list[dict[str, Any]]()

    def write() -> None:
        with database.write():
            writing.set()
            assert written.wait(60)

    busy = threading.Thread(target=write)
    busy.start()
    assert writing.wait(60)
    with harbour.portal.client(harbour.portal.token(STAFF)) as client:
        done.append(client.post("/v1/search", json={"query": "harbour leaks"}).json())
    assert busy.is_alive(), "the search waited for the transaction"
    assert harbour.world.ledger.answers.find(done[0]["answer_id"], Reader()) is None
    written.set()
    busy.join()
    harbour.portal.operations.answers.flush()
    assert harbour.trace(done[0]["answer_id"], STAFF).current


def test_what_cannot_be_written_is_tried_again_and_never_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs no search anything; of more than may wait the rest gets no id."""
    monkeypatch.setattr("ingestor.service.answers._PAUSE_S", 0.01)
    monkeypatch.setattr("ingestor.service.answers._WAITING", 5)
    room, seen = threading.Event(), list[Answer]()

    def record(answers: Any) -> None:
        if not room.is_set():
            raise LedgerError("There is no room.")
        seen.extend(answers)

    log = AnswerLog(record, keeps=True, questions=True)
    ids = [log.note("x", Reader(), list[Hit]()) for _ in range(300)]
    given = [one for one in ids if one]
    assert len(set(given)) == len(given)
    assert 5 <= len(given) <= 5 + 100
    room.set()
    log.flush()
    assert [one.answer_id for one in seen] == given
    assert log.close(5.0)
    assert log.note("x", Reader(), []) == ""


def test_closing_does_not_wait_for_what_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that stops while its disk is full stops."""
    monkeypatch.setattr("ingestor.service.answers._PAUSE_S", 0.01)

    def record(_answers: Any) -> None:
        raise LedgerError("There is no room.")

    log = AnswerLog(record, keeps=True, questions=True)
    assert log.note("x", Reader(), [])
    assert log.close(5.0)


DYING = """
import os, sys, threading
from pathlib import Path
from ingestor import faultpoint
sys.path.insert(0, "tests/integration")
from test_answers import Harbour

harbour = Harbour(Path(sys.argv[1]))
harbour.ask()
point = sys.argv[2]
faultpoint.install(lambda name: os._exit(9) if name == point and threading.current_thread().name == "answers" else None)
with harbour.portal.client(harbour.portal.token("group:staff")) as client:
    print(client.post("/v1/search", json={"query": "harbour"}).json()["answer_id"], flush=True)
harbour.portal.operations.answers.flush()
"""


@pytest.mark.parametrize(("point", "known"), [("ledger.commit", False), ("ledger.commit.done", True)])
def test_a_death_at_the_log_breaks_nothing(tmp_path: Path, point: str, known: bool) -> None:
    """The answer is whole or not there, the earlier one is, and the ledger is sound."""
    died = subprocess.run(
        [sys.executable, "-c", DYING, str(tmp_path), point],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert died.returncode == 9, died.stderr
    assert faultpoint._hook is None
    world = World(tmp_path, tmp_path, source=MemorySource(SOURCE))
    try:
        world.healthy()
        found = world.ledger.sync._db.read("SELECT count(*) FROM answer_passage GROUP BY answer ORDER BY answer")
        assert found == [(3,), (3,)] if known else found == [(3,)]
        assert len(world.found("harbour")) == 3
    finally:
        world.close()
