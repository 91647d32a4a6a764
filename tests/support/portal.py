"""The HTTP API and the status page over a small world, in this process: the real application behind the real gate of a port, over a real
ledger. What of the service is not there is the model and the vector index."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import httpx
from starlette.testclient import TestClient

from connectors.secrets import Secret
from ingestor import wire, wire_service
from ingestor.errors import SourceHeld
from ingestor.model import ChunkId
from ingestor.search.candidates import Lens
from ingestor.search.searcher import Searcher
from ingestor.service.answers import AnswerLog
from ingestor.service.hooks import Hooks
from ingestor.service.quarantine import ignore
from ingestor.service.reading import LedgerReading
from ingestor.service.searching import search
from ingestor.tokens import Role, Tokens
from ingestor.web.access import ANYBODY, Access, Caller
from ingestor.web.api import Api
from ingestor.web.guard import PortGate
from ingestor.web.http import application
from ingestor.web.page.routes import Page
from ingestor.web.sessions import Sessions
from tests.support.world import World

HOST = "127.0.0.1:8643"


class PortalOperations:
    """What of ``web.api.Operations`` the API asks for. ``did`` keeps what would set a source to work."""

    def __init__(self, world: World, nearest: Callable[[], Sequence[ChunkId]], *, answers: bool) -> None:
        lens = Lens(embedder=world.embedder, vectors=world.vectors, nearest=lambda *_: dict.fromkeys(nearest(), 0.0))
        searcher = Searcher(ledger=world.ledger.search, lens=lambda: lens, unit_texts=world.ledger.index.unit_texts)
        self.answers = AnswerLog(world.ledger.answers.record, keeps=answers, questions=answers)
        parts = SimpleNamespace(searcher=searcher, answers=self.answers)
        self._service: Any = SimpleNamespace(ledger=world.ledger, warm=lambda: None, parts=parts)
        self._ledger = world.ledger
        self.did: list[wire.Wire] = []
        self.error: BaseException | None = None

    def search(self, request: wire.SearchRequest) -> wire.SearchReply:
        if self.error is not None:
            raise self.error
        return search(self._service, request)

    def sync(self, request: wire.SyncRequest, _report: object) -> wire.RunsReply:
        for name in request.sources:
            self._ledger.sources.row_id(name)
        self.did.append(request)
        return wire.RunsReply(runs=())

    def pause(self, request: wire_service.PauseRequest) -> wire_service.PausedReply:
        return self._set_paused(request, paused=True)

    def resume(self, request: wire_service.PauseRequest) -> wire_service.PausedReply:
        return self._set_paused(request, paused=False)

    def _set_paused(self, request: wire_service.PauseRequest, *, paused: bool) -> wire_service.PausedReply:
        for name in request.sources:
            self._ledger.sources.set_paused(name, paused)
        return wire_service.PausedReply(sources=())

    def plan(self, request: wire.PlanRequest) -> wire.PlanReply:
        self._ledger.sources.row_id(request.source)
        plan = self._ledger.sources.plan(request.source)
        if plan is None:
            return wire.PlanReply(source=request.source)
        return wire.PlanReply(
            source=request.source,
            plan_id=plan.plan_id,
            reason=plan.reason,
            items=plan.items,
            created_at=plan.created_at,
        )

    def approve(self, request: wire.ApproveRequest, _report: object) -> wire.RunsReply:
        self._ledger.sources.row_id(request.source)
        raise SourceHeld("The plan has changed.")

    def quarantine_retry(self, request: wire.QuarantineRequest, _report: object) -> wire.RunsReply:
        self.did.append(request)
        return wire.RunsReply(runs=())

    def quarantine_ignore(self, request: wire.QuarantineRequest) -> wire.QuarantineReply:
        return ignore(self._ledger, request)


class Portal:
    """``nearest`` is what a vector index would name: all it ever held, whatever became of it. ``answers``: they are
    kept, with their questions. ``secrets`` are those of webhooks, ``looked`` what these asked for."""

    def __init__(self, world: World, *, per_minute: int = 1_000_000, answers: bool = False) -> None:
        def ever() -> list[ChunkId]:
            return [ChunkId(key) for (key,) in world.ledger.sync._db.read("SELECT chunk_id FROM chunk")]

        self.world = world
        self.operations = PortalOperations(world, ever, answers=answers)
        self.tokens = Tokens(world.state)
        self.reads = LedgerReading(
            state_dir=world.state,
            holder="",
            configured=list,
            make_source=lambda _row: world.source,
            item_at=lambda _row, _path: None,
        )
        self.sessions = Sessions(self.tokens)
        self.secrets: dict[str, Secret] = {}
        self.looked: list[str] = []
        self.hooks = Hooks(secrets_of=lambda: self.secrets, look=self._look)
        api = Api(reads=self.reads, tokens=self.tokens, hook=self.hooks.call)
        self.page = Page(self.operations, api, self.sessions)  # type: ignore[arg-type]
        self.app = application(self.operations, api, self.page.routes())  # type: ignore[arg-type]
        self.per_minute = per_minute
        self.gate = self.gate_for(ANYBODY)

    def _look(self, source: str) -> bool:
        self.looked.append(source)
        return True

    def gate_for(self, without: Caller | None) -> PortGate:
        """That of a port where who has no token is this caller, or nobody."""
        return PortGate(
            self.app,
            Access(tokens=self.tokens, without=without, sessions=self.sessions),
            hosts=["localhost", "127.0.0.1", "[::1]"],
            per_minute=self.per_minute,
        )

    def token(self, *principals: str, role: Role = Role.READER, everything: bool = False) -> str:
        name = f"{role} {principals} {everything}"
        if any(token.name == name for token in self.tokens.all()):
            self.tokens.revoke(name)
        return self.tokens.add(name, None if everything else principals, role)

    @contextmanager
    def client(self, token: str | None = None) -> Iterator[TestClient]:
        headers = {"host": HOST} | ({} if token is None else {"authorization": f"Bearer {token}"})
        with TestClient(self.gate, base_url=f"http://{HOST}", headers=headers, raise_server_exceptions=False) as made:
            yield made

    @contextmanager
    def quick(self, token: str) -> Iterator[Quick]:
        """As ``client``, for thousands of requests; logged in at the status page, too."""
        with asyncio.Runner() as runner:
            quick = Quick(runner, self.gate, {"host": HOST, "authorization": f"Bearer {token}"})
            mark = mark_of(quick.get("/ui/login").text)
            assert quick.send("/ui/login", {"mark": mark, "token": token}).status_code == 303
            quick.asked = 0
            yield quick


class Quick:
    """Asks in a loop of its own, without a thread between."""

    def __init__(self, runner: asyncio.Runner, application: Any, headers: dict[str, str]) -> None:
        self._runner = runner
        self.asked = 0
        transport = httpx.ASGITransport(app=application)
        self._client = httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}", headers=headers)

    def get(self, path: str) -> httpx.Response:
        self.asked += 1
        return self._runner.run(self._client.get(path))

    def post(self, path: str, json: object) -> httpx.Response:
        self.asked += 1
        return self._runner.run(self._client.post(path, json=json))

    def send(self, path: str, fields: dict[str, str]) -> httpx.Response:
        """A form."""
        self.asked += 1
        return self._runner.run(self._client.post(path, data=fields))


def mark_of(text: str) -> str:
    """That of the forms of a page."""
    found = re.search(r'name="mark" value="([^"]+)"', text)
    assert found, text
    return found[1]
