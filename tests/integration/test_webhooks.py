"""Webhooks over real HTTP: a git repository whose next scheduled look is a day away."""

from __future__ import annotations

import hmac
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingestor import wire_service, wiring
from ingestor.context import Context
from ingestor.model import Trigger
from ingestor.service.hooks import LEAST_S
from ingestor.state import resolve
from ingestor.tokens import Role, Tokens
from ingestor.web import guard
from ingestor.web.api import Api
from ingestor.web.server import serve_port
from tests.support.git_wiki import Wiki
from tests.support.program import Program
from tests.support.served import PATIENCE_S, Served

SECRET = "canary-7a1c-the-secret"
PAGE = "# {0}\n\nThe word of this page is {0}, and it stands in a sentence of its own.\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def put(wiki: Wiki, *words: str) -> None:
    wiki.commit(put={f"{word}.md": PAGE.format(word).encode() for word in words})


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, "sha256").hexdigest()}


class Desk:
    """A service with a git wiki, a folder without a webhook and a port, in this process."""

    def __init__(self, base: Path) -> None:
        self.wiki = Wiki(base / "wiki.git")
        put(self.wiki, "zebra", "giraffe")
        (base / "docs").mkdir()
        (base / "docs" / "a.md").write_text("# A\n\nA lion.\n")
        self.secret = base / "secret"
        self.secret.write_text(f"{SECRET}\n")
        self.config = base / "state.toml"
        self.served = Served(base / "state", settings=self.settings(f'webhook_secret_file = "{self.secret}"'))
        self.served.service.watch()
        self.tokens = Tokens(base / "state")
        context = Context(state=resolve(base / "state"), config_file=self.config)
        api = Api(reads=wiring.read_only(context), tokens=self.tokens, hook=self.served.service.hooks.call)
        port = free_port()
        self.server = serve_port(
            self.served.operations, api, address="127.0.0.1", port=port, hosts=["hooks.example"], per_minute=1_000_000
        )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_S)
        for name in ("wiki", "docs"):
            self.served.until_settled(name)
            self.served.until(lambda name=name: self.runs(name, Trigger.STARTUP), f"the first look at {name}")

    def settings(self, secret: str) -> str:
        docs = f'[[source]]\nname = "docs"\nkind = "files"\npath = "{self.config.parent}/docs"\n'
        wiki = f'[[source]]\nname = "wiki"\nkind = "gitwiki"\nurl = "{self.wiki.url}"\nschedule = "1d"\n'
        return f"{docs}{wiki}{secret}\n"

    def call(self, source: str = "wiki", body: bytes = b"{}", headers: dict[str, str] | None = None) -> httpx.Response:
        """As its system makes it, or with other headers than that."""
        given = signed(body) if headers is None else headers
        return self.client.post(f"/v1/hooks/{source}", content=body, headers=given)

    def runs(self, source: str, trigger: Trigger) -> int:
        """Finished ones."""
        return sum(run.trigger is trigger for run in self.served.ledger.runs.last(source, 1_000))

    def found(self, word: str) -> bool:
        return any(word in hit.text for hit in self.served.search(word, "keyword").hits)

    def until_found(self, word: str) -> None:
        self.served.until(lambda: self.found(word), f"{word!r} to be found")

    def rest(self) -> None:
        """Until no call is owed a look; the next one is heeded at once, as after two seconds."""
        hooks = self.served.service.hooks
        self.served.until(lambda: not hooks._due, "what calls asked for to be begun")
        time.sleep(0.2)  # what is no longer owed is asked for in the next moment
        self.served.sync("wiki")  # behind every run that was asked for before
        hooks._next.clear()

    def close(self) -> None:
        self.client.close()
        self.server.stop()
        self.served.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(tmp_path_factory.mktemp("hooks"))
    yield made
    made.close()


@pytest.fixture
def desk(shared: Desk) -> Desk:
    shared.rest()
    return shared


def test_an_edit_is_found_after_a_call(desk: Desk) -> None:
    """Without waiting for the schedule, whatever the call says changed; the answer comes at once and says nothing."""
    put(desk.wiki, "okapi")
    answer = desk.call(body=b'{"pages": [{"action": "deleted", "title": "zebra"}]}')
    assert (answer.status_code, answer.content) == (202, b"")
    desk.until_found("okapi")
    assert desk.found("zebra")
    assert desk.runs("wiki", Trigger.SCHEDULE) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Gitlab-Token": SECRET},
        {"Authorization": f"Bearer {SECRET}"},
        {"X-Gitea-Signature": signed(b"{}")["X-Hub-Signature-256"].removeprefix("sha256=")},
        {"X-Hub-Signature": signed(b"{}")["X-Hub-Signature-256"]},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_every_form_is_taken(shared: Desk, headers: dict[str, str]) -> None:
    """On the port as in the table of forms: no token of ours is asked for, and none is mistaken for one."""
    assert shared.call(headers=headers).status_code == 202


def test_a_call_that_is_refused_tells_nothing(desk: Desk) -> None:
    """An unknown source, one without a secret, a wrong or a missing signature, a token of ours: status, headers and
    body are the same, and nothing is looked at."""
    operator = desk.tokens.add("operator", None, Role.OPERATOR)
    before = desk.runs("wiki", Trigger.HOOK), desk.runs("docs", Trigger.HOOK)
    bad: list[tuple[str, dict[str, str]]] = [
        ("wiki", {}),
        ("wiki", signed(b"{}", "wrong")),
        ("wiki", signed(b"another body")),
        ("wiki", {"X-Gitlab-Token": "wrong"}),
        ("wiki", {"Authorization": f"Bearer {operator}"}),
        ("docs", {}),
        ("docs", signed(b"{}")),
        ("docs", {"Authorization": f"Bearer {operator}"}),
        ("nobody", signed(b"{}")),
        ("nobody", {}),
        ("x" * 5_000, {}),
    ]
    answers = [desk.call(source, headers=headers) for source, headers in bad]
    told = {
        (answer.status_code, tuple(item for item in answer.headers.items() if item[0] != "date"), answer.text)
        for answer in answers
    }
    assert len(told) == 1
    assert answers[0].status_code == 401
    assert answers[0].headers["content-type"] == "application/problem+json"
    assert "cache-control" in answers[0].headers
    desk.rest()
    assert (desk.runs("wiki", Trigger.HOOK), desk.runs("docs", Trigger.HOOK)) == before


def test_an_old_call_that_is_sent_again_is_harmless(desk: Desk) -> None:
    """It leads to one more look, and a look at what did not change reads and changes nothing: so no clock and no
    number has to tell old calls from new ones."""
    body = b'{"ref": "refs/heads/main"}'
    kept = signed(body)
    assert desk.call(body=body, headers=kept).status_code == 202
    desk.rest()
    before, runs, began = desk.served.passages("wiki"), desk.runs("wiki", Trigger.HOOK), time.time()
    for _ in range(3):
        assert desk.call(body=body, headers=kept).status_code == 202
    desk.served.until(lambda: desk.runs("wiki", Trigger.HOOK) > runs, "the look that it leads to")
    desk.rest()
    assert desk.served.passages("wiki") == before
    again = [run.counts for run in desk.served.ledger.runs.last("wiki", 20) if run.started_at >= began]
    assert again
    assert sum(run.bytes_read + run.added + run.updated + run.deleted for run in again) == 0


def test_a_burst_costs_two_runs(desk: Desk) -> None:
    """One at once and one behind the last call, which sees what came meanwhile; one more for each two seconds that the
    burst takes."""
    before, began = desk.runs("wiki", Trigger.HOOK), time.monotonic()
    for number in range(200):
        if number == 150:
            put(desk.wiki, "lemur")
        assert desk.call().status_code == 202
    desk.until_found("lemur")
    desk.rest()
    seconds = time.monotonic() - began
    assert 1 <= desk.runs("wiki", Trigger.HOOK) - before <= 2 + seconds / LEAST_S


def test_a_paused_source_is_let_alone(desk: Desk) -> None:
    """A call is taken and leads to nothing; what it was about is found when the source is resumed."""
    desk.served.operations.pause(wire_service.PauseRequest(sources=("wiki",)))
    put(desk.wiki, "marmot")
    before = desk.runs("wiki", Trigger.HOOK)
    assert desk.call().status_code == 202
    time.sleep(LEAST_S)
    assert desk.runs("wiki", Trigger.HOOK) == before
    assert not desk.found("marmot")
    desk.served.operations.resume(wire_service.PauseRequest(sources=("wiki",)))
    desk.until_found("marmot")


def test_a_reload_takes_another_secret(desk: Desk) -> None:
    """Or none; the source's loop goes on as it was, and the reply names it."""
    runner, other = desk.served.service.runner("wiki"), desk.secret.with_name("other")
    other.write_text("another secret")
    before = desk.config.read_text()
    try:
        desk.config.write_text(desk.settings(f'webhook_secret_file = "{other}"'))
        assert desk.served.operations.reload(wire_service.ReloadRequest()).changed == ("wiki",)
        assert desk.call().status_code == 401
        assert desk.call(headers=signed(b"{}", "another secret")).status_code == 202
        desk.config.write_text(desk.settings(""))
        assert desk.served.operations.reload(wire_service.ReloadRequest()).changed == ("wiki",)
        assert desk.call(headers=signed(b"{}", "another secret")).status_code == 401
    finally:
        desk.config.write_text(before)
        desk.served.operations.reload(wire_service.ReloadRequest())
    assert desk.call().status_code == 202
    assert desk.served.service.runner("wiki") is runner


def test_a_call_has_the_limits_of_every_request(shared: Desk) -> None:
    """A name of ours, a length (of a push with many files more than of a question), a method."""
    assert shared.call(headers=signed(b"{}") | {"Host": "hooks.example"}).status_code == 202
    assert shared.call(headers=signed(b"{}") | {"Host": "elsewhere.example"}).status_code == 421
    large = b"x" * guard.HOOK_BODY_LIMIT
    assert shared.call(body=large).status_code == 202
    assert shared.call(body=large + b"x").status_code == 413
    assert shared.client.post("/v1/search", content=b"x" * (guard.BODY_LIMIT + 1)).status_code == 413
    assert shared.client.get("/v1/hooks/wiki").status_code == 405


def test_calls_have_a_rate_of_their_own(world: Any) -> None:
    """A flood of them from one address is refused and takes nothing from those who read from there."""
    from tests.support.portal import Portal

    portal = Portal(world, per_minute=30)  # five may come at once
    with portal.client() as anybody:
        assert [anybody.post("/v1/hooks/docs").status_code for _ in range(6)] == [401] * 5 + [429]
        assert anybody.get("/v1/sources").status_code == 200


@pytest.mark.slow
def test_a_service_takes_calls_and_a_hangup_another_secret(tmp_path: Path) -> None:
    """The program itself: a push is found by the call, SIGHUP brings another secret, and neither of them is in what
    the service says anywhere."""
    wiki, port, config = Wiki(tmp_path / "wiki.git"), free_port(), tmp_path / "ingestor.toml"
    put(wiki, "zebra")
    (tmp_path / "second").write_text("canary-9b2e-another\n")
    table = f'[http]\nport = {port}\n[[source]]\nname = "wiki"\nkind = "gitwiki"\nurl = "{wiki.url}"\nschedule = "1d"\n'
    config.write_text(f'{table}webhook_secret_env = "HOOK_SECRET"\n')
    program = Program(state=tmp_path / "state", home=tmp_path / "home", config=config, environ={"HOOK_SECRET": SECRET})
    address = f"http://127.0.0.1:{port}/v1/hooks/wiki"

    def call(secret: str) -> int:
        headers = signed(b"push", secret)
        return httpx.post(address, content=b"push", headers=headers, trust_env=False, timeout=PATIENCE_S).status_code

    (tmp_path / "home").mkdir()
    with program.service() as service:
        service.until(lambda: service.search("zebra"), "the look at the start to be over")
        put(wiki, "okapi")
        assert (call("wrong"), call(SECRET)) == (401, 202)
        service.until(lambda: [hit for hit in service.search("okapi") if "okapi" in hit.text], "the push to be found")
        assert program("runs", "--json").json["runs"][0]["trigger"] == "hook"
        config.write_text(f'{table}webhook_secret_file = "second"\n')
        service.process.send_signal(signal.SIGHUP)
        service.until(lambda: call("canary-9b2e-another") == 202, "the new secret to count")
        assert call(SECRET) == 401
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(service.socket)), base_url="http://x") as owner:
            metrics = owner.get("/metrics").text
            # At the socket as on the port: by what the call proves, and not by a token that is none.
            assert (
                owner.post("/v1/hooks/wiki", headers={"Authorization": "Bearer canary-9b2e-another"}).status_code == 202
            )
        assert 'ingestor_log_events_total{event="hook_refused"' in metrics
        said = [program("config", "show").stdout, program("status").stdout, metrics]
        events = [event["event"] for event in service.log]
    assert {"hook_taken", "hook_refused"} <= set(events)
    said.append((tmp_path / "home" / "service.log").read_text())
    assert not [text for text in said if "canary" in text]
