"""The HTTP API: what it answers to whom, and what it lets through."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from ingestor import wire
from ingestor.config import build
from ingestor.errors import IndexUnavailable, LedgerError, UserError
from ingestor.holding import http_port
from ingestor.tokens import Role
from ingestor.web import guard, turns
from ingestor.web.access import Access
from ingestor.web.api import Api
from ingestor.web.guard import PortGate
from ingestor.web.server import serve, serve_port
from tests.support.portal import Portal
from tests.support.world import World

TEXT = "# Harbour\n\nThe pump leaks.\n\n# Quay\n\nThe crane stands still.\n"


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """One for all: what tests do to it is undone after each."""
    folder = tmp_path_factory.mktemp("http")
    for name in ("docs", "state"):
        (folder / name).mkdir()
    world = World(folder / "docs", folder / "state")
    world.write("harbour.md", TEXT)
    world.sync()
    world.drain()
    yield Portal(world)
    world.close()


@pytest.fixture
def portal(harbour: Portal) -> Iterator[Portal]:
    yield harbour
    harbour.operations.error = None
    harbour.operations.did.clear()
    for token in harbour.tokens.all():
        harbour.tokens.revoke(token.id)


@pytest.fixture
def anybody(portal: Portal) -> Iterator[TestClient]:
    with portal.client() as made:
        yield made


@pytest.fixture
def operator(portal: Portal) -> Iterator[TestClient]:
    with portal.client(portal.token("public", role=Role.OPERATOR)) as made:
        yield made


def hits(client: TestClient, query: str = "pump", **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/v1/search", json={"query": query, **body})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["hits"]
    return found


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail"} <= body.keys()
    assert answer.status_code == body["status"] == status, body
    return body


def test_a_hit_leads_to_its_passage_document_and_past(anybody: TestClient) -> None:
    """By the ids that it carries."""
    (hit, *_) = hits(anybody, context=1)
    chunk = anybody.get(f"/v1/chunks/{hit['chunk_id']}", params={"context": 1}).json()
    assert (chunk["text"], chunk["after"], chunk["url"]) == (hit["text"], hit["after"], hit["url"])
    document = anybody.get(f"/v1/documents/{hit['document_id']}").json()
    assert " ".join(part["text"] for part in document["passages"]).split() == TEXT.split()
    assert (document["uri"], document["kind"], document["revision"]) == ("ingestor:docs/harbour.md", "markdown", 1)
    assert document["total"] == len(document["passages"])
    part = anybody.get(f"/v1/documents/{hit['document_id']}", params={"first": 0, "count": 1}).json()
    assert part["passages"] == document["passages"][:1]
    assert anybody.get(f"/v1/chunks/{hit['chunk_id']}/trace").json()["current"] is True
    history = anybody.get(f"/v1/documents/{hit['document_id']}/history").json()
    assert [event["kind"] for event in history["events"]] == ["revision"]
    context = anybody.post("/v1/context", json={"query": "pump", "budget": 500}).json()
    assert "The pump leaks." in context["text"]
    assert context["citations"][0]["document_id"] == hit["document_id"]


def test_sources_say_how_fresh_they_are(anybody: TestClient, portal: Portal) -> None:
    """To those who may read something of them."""
    (source,) = anybody.get("/v1/sources").json()["sources"]
    assert (source["name"], source["complete"]) == ("docs", True)
    assert source["checked_at"] > 1.7e9
    with portal.client(portal.token("user:eve")) as eve:
        assert eve.get("/v1/sources").json() == {"sources": []}


def test_operations_are_for_operators(anybody: TestClient, operator: TestClient, portal: Portal) -> None:
    """A reader is told so, and nothing is done."""
    asked = {"sources": ["docs"]}
    is_problem(anybody.post("/v1/sync", json=asked), 403)
    assert portal.operations.did == []
    assert operator.post("/v1/sync", json=asked).json() == {"runs": [], "index_note": ""}
    assert portal.operations.did == [wire.SyncRequest(sources=("docs",))]
    assert operator.get("/v1/status").json()["sources"][0]["documents"] == 1
    assert len(operator.get("/v1/runs", params={"limit": 1}).json()["runs"]) == 1
    assert operator.get("/v1/sources/docs/plan").json()["plan_id"] == ""
    assert operator.get("/v1/quarantine").json()["items"] == []
    is_problem(operator.post("/v1/approve", json={"source": "docs", "plan_id": "p"}), 409)
    is_problem(operator.get("/v1/sources/nope/plan"), 404)


def test_work_that_takes_long_goes_on(portal: Portal, operator: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer says so instead of waiting; a question is given up."""
    monkeypatch.setattr(turns, "ANSWER_S", 0.05)
    go, done = threading.Event(), threading.Event()

    def slow(*_: object) -> wire.RunsReply:
        go.wait(60)
        done.set()
        return wire.RunsReply(runs=())

    monkeypatch.setattr(portal.operations, "sync", slow)
    monkeypatch.setattr(portal.operations, "plan", slow)
    answer = operator.post("/v1/sync", json={})
    assert (answer.status_code, answer.json()) == (202, {"state": "running"})
    is_problem(operator.get("/v1/sources/docs/plan"), 503)
    assert not done.is_set()
    go.set()
    assert done.wait(60)


def test_too_many_questions_are_refused(operator: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of a queue without an end."""
    monkeypatch.setattr(turns, "_AT_ONCE", 0)
    monkeypatch.setattr(turns, "_WAITING", 0)
    assert is_problem(operator.get("/v1/sources"), 503)["detail"].startswith("Too many")


def test_a_request_narrows_and_never_widens(portal: Portal) -> None:
    """Principals that a token has not do not come by asking."""
    with portal.client(portal.token("user:eve")) as eve:
        assert hits(eve, principals=["public", "user:eve"]) == []
    with portal.client(portal.token("public", "user:eve")) as both:
        assert hits(both)
        assert hits(both, principals=["user:eve"]) == []
        assert hits(both, principals=[]) == []
    with portal.client(portal.token(everything=True)) as everything:
        assert hits(everything, principals=["public"])
        assert hits(everything, principals=["user:eve"]) == []


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer ingestor_00000000_x",
        "Basic aW5nZXN0b3I6eA==",
        "Token {token}",
        "Bearer {token}x",
        "Bearer {token},{token}",
        "bearer\t{token}",
        "{token}",
        "Bearer ingestor__",
        "Bearer \u00fc",
    ],
)
def test_a_token_that_is_none_is_refused(portal: Portal, authorization: str) -> None:
    """Whatever it is, and not treated as no token at all."""
    told = authorization.format(token=portal.token("public"))
    with portal.client() as client:
        answer = client.get("/v1/sources", headers={"authorization": told.encode("utf-8")})  # type: ignore[dict-item]
    is_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_two_tokens_are_none(portal: Portal) -> None:
    """Which of them would count is nothing to guess about."""
    token = portal.token("public")
    with portal.client() as client:
        is_problem(client.get("/v1/sources", headers=[("authorization", f"Bearer {token}")] * 2), 401)  # type: ignore[arg-type]


def test_a_revoked_token_is_refused_at_once(portal: Portal) -> None:
    """In the middle of a session."""
    token = portal.token("public")
    with portal.client(token) as client:
        assert hits(client)
        portal.tokens.revoke(token.split("_")[1])
        is_problem(client.get("/v1/sources"), 401)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8643", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:8643", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example:8643", 421),
        ("127.0.0.1@evil.example", 421),
        ("[::1", 200),
        ("[::2]", 421),
        ("", 421),
    ],
)
def test_only_by_a_name_of_ours(anybody: TestClient, host: str, status: int) -> None:
    """A page whose name was made to lead here would otherwise read with the browser's help."""
    assert anybody.get("/v1/sources", headers={"host": host}).status_code == status


def test_a_body_has_a_length_and_a_time(portal: Portal, anybody: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether or not it says how long it is."""
    big = b'{"query": "' + b"x" * guard.BODY_LIMIT + b'"}'
    is_problem(anybody.post("/v1/search", content=big, headers={"content-type": "application/json"}), 413)
    is_problem(anybody.post("/v1/search", content=iter([big[:9], big[9:]])), 413)
    monkeypatch.setattr(guard, "BODY_TIME_S", 0.01)

    async def slowly() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(5)
            raise AssertionError("nobody waits for this")

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/v1/search", "headers": [(b"host", b"localhost")]}
        await portal.gate(scope, receive, send)  # type: ignore[arg-type]
        return sent

    assert asyncio.run(slowly())[0]["status"] == 408


def test_damaged_tokens_let_nobody_in(portal: Portal) -> None:
    """Nor anybody as somebody else; who asks without one is answered as before."""
    token, file = portal.token("public"), portal.world.state / "tokens.json"
    whole = file.read_text()
    file.write_text(whole[:-9])
    try:
        with portal.client(token) as client, portal.client() as anybody:
            told = is_problem(client.get("/v1/sources"), 503)
            assert str(portal.world.state) not in json.dumps(told)
            assert anybody.get("/v1/sources").status_code == 200
    finally:
        file.write_text(whole)


def test_nobody_asks_too_often(world: World) -> None:
    """Each caller has a number of requests a minute of his own; wrong tokens have one, too."""
    portal = Portal(world, per_minute=30)  # five may come at once
    token = portal.token("public")
    with portal.client(token) as one, portal.client() as other:
        assert [one.get("/v1/sources").status_code for _ in range(6)] == [200] * 5 + [429]
        assert int(one.get("/v1/sources").headers["retry-after"]) >= 1
        wrong = {"authorization": "Bearer x"}
        assert [other.get("/v1/sources", headers=wrong).status_code for _ in range(6)] == [401] * 5 + [429]
        is_problem(other.get("/v1/sources"), 429)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/ops/search",
        "/v1/ping",
        "/healthz",
        "/docs",
        "/redoc",
        "/ui",
        "/v1/documents/%2e%2e%2fstatus",
        "/v1/documents/..%2F..%2Fetc%2Fpasswd",
        "/v1/documents//etc/passwd",
        "//v1/sources",
        "/v1/sources/%00/plan",
        "/V1/SOURCES",
    ],
)
def test_there_is_nothing_else_on_a_port(portal: Portal, path: str) -> None:
    """What is the owner's at the socket is not served here, under no spelling."""
    with portal.client(portal.token(everything=True, role=Role.OPERATOR)) as client:
        for method in ("GET", "POST"):
            assert client.request(method, path).status_code in {404, 405, 422}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"query": ""}',
        b'{"query": 3}',
        b'{"query": "x", "top": 0}',
        b'{"query": "x", "top": 1e9}',
        b'{"query": "x", "since": NaN}',
        b'{"query": "x", "surprise": 1}',
        b'{"query": "\\ud800"}',
        b'{"query": "x", "principals": "public"}',
        b'{"query": "x", "paths": [null]}',
        b"\xff\xfe",
        b"[" * 60_000,
    ],
)
def test_a_body_that_does_not_fit_is_refused(anybody: TestClient, body: bytes) -> None:
    """With the place that is wrong, and without what stood there."""
    answer = anybody.post("/v1/search", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    is_problem(answer, answer.status_code)


def test_a_failure_of_a_part_is_no_secret_and_a_bug_is(portal: Portal, anybody: TestClient) -> None:
    """The one is told in its own words; of the other the log has the details."""
    portal.operations.error = IndexUnavailable("It is being rebuilt.")
    assert is_problem(anybody.post("/v1/search", json={"query": "x"}), 503)["detail"] == "It is being rebuilt."
    for error in (RuntimeError("canary-5c1d"), LedgerError("The ledger /srv/canary-5c1d has the older schema 5.")):
        portal.operations.error = error
        assert "canary" not in json.dumps(is_problem(anybody.post("/v1/search", json={"query": "x"}), 500))


def test_an_answer_is_kept_by_nobody(anybody: TestClient) -> None:
    """Neither by a proxy nor by a browser, whatever it is."""
    for answer in (anybody.get("/v1/sources"), anybody.get("/nope"), anybody.get("/v1/sources", headers={"host": "x"})):
        assert answer.headers["cache-control"] == "no-store"


def test_the_description_is_complete(anybody: TestClient) -> None:
    """Every operation has a name, words, its answers and its problems; what is the owner's is not in it."""
    described = anybody.get("/openapi.json").json()
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations) == 17
    for operation in operations:
        assert operation["description"]
        done = (
            "202" if operation["operationId"] == "hook" else "200"
        )  # what a webhook asks for goes on after the answer
        assert {done, "401", "403", "404", "422", "429", "503"} <= operation["responses"].keys()
        assert operation["security"]
    assert not any("ops" in path for path in described["paths"])


def test_one_application_at_the_socket_and_on_a_port(portal: Portal, tmp_path: Path) -> None:
    """At the socket its owner asks, without a token; on a port of this machine anybody does, elsewhere nobody."""
    api = Api(reads=portal.reads, tokens=portal.tokens)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options: dict[str, Any] = {"hosts": [], "per_minute": 600, "port": port}
    body = {"query": "pump"}
    at_socket = serve(portal.operations, tmp_path / "s", api=api)  # type: ignore[arg-type]
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(tmp_path / "s")), base_url="http://x") as owner:
            assert owner.get("/v1/ping").json()["ready"]
            assert owner.get("/v1/status").status_code == 200
            eve = {"authorization": f"Bearer {portal.token('user:eve')}"}
            assert owner.post("/v1/search", json=body, headers=eve).json()["hits"] == []
            for path in ("/v1/status", "/v1/ops/search"):
                assert owner.request("POST" if "ops" in path else "GET", path, headers=eve).status_code == 403
            assert owner.get("/v1/sources", headers={"authorization": "Bearer x"}).status_code == 401
        on_port = serve_port(portal.operations, api, address="127.0.0.1", **options)  # type: ignore[arg-type]
        try:
            answer = httpx.post(f"http://127.0.0.1:{port}/v1/search", json=body, trust_env=False)
            assert len(answer.json()["hits"]) >= 1
            assert "server" not in answer.headers
            assert httpx.get(f"http://localhost:{port}/v1/status", trust_env=False).status_code == 403
        finally:
            on_port.stop()
    finally:
        at_socket.stop()


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.7"])
def test_others_are_not_let_in_without_a_token(portal: Portal, address: str) -> None:
    """The service says what to do, and does not listen; with one it would (here the address is nobody's)."""
    config = build({"http": {"address": address, "port": 1, "hosts": ["docs.example.org"]}}, file=Path("x.toml"))
    context: Any = SimpleNamespace(config=config)
    api = Api(reads=portal.reads, tokens=portal.tokens)
    with pytest.raises(UserError, match="there is no token"), http_port(context, portal.operations, api):  # type: ignore[arg-type]
        pass


def test_elsewhere_nobody_asks_without_a_token(portal: Portal) -> None:
    """Not even for what is public; the description of the API is all there is."""
    gate = PortGate(portal.app, Access(tokens=portal.tokens, without=None), hosts=["testserver"], per_minute=600)
    with TestClient(gate) as client:
        is_problem(client.get("/v1/sources"), 401)
        is_problem(client.post("/v1/search", json={"query": "pump"}), 401)
        is_problem(client.get("/nope"), 401)
        assert client.get("/openapi.json").status_code == 200
        bearer = {"authorization": f"Bearer {portal.token('public')}"}
        assert client.post("/v1/search", json={"query": "pump"}, headers=bearer).json()["hits"]
