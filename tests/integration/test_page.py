"""The status page: who gets which page, what its forms do, and that nothing of a document becomes a part of it."""

from __future__ import annotations

import html
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from connectors.base import ItemRef
from connectors.memory import MemorySource
from ingestor import wire
from ingestor.errors import IndexUnavailable
from ingestor.tokens import Role
from ingestor.web import sessions
from ingestor.web.access import ANYBODY
from ingestor.web.page import actions
from tests.support.portal import HOST, Portal, mark_of
from tests.support.world import SOURCE, World

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """One for all: what tests do to it is undone after each."""
    folder = tmp_path_factory.mktemp("page")
    for name in ("docs", "state"):
        (folder / name).mkdir()
    world = World(folder / "docs", folder / "state")
    world.write("harbour.md", "# Harbour\n\nThe pump leaks.\n\n# Quay\n\nThe crane stands still.\n")
    for number in range(14):
        world.write(f"ship {number}.md", f"# Ship {number}\n\nA ship of the name {number}.\n")
    text = f"---\ntags: ['{HOSTILE}']\n---\n# {HOSTILE}\n\nA text with {HOSTILE} and a derrick in it.\n"
    world.write(f"{HOSTILE.replace('/', '')}.md", text)
    (world.root / "scan.pdf").write_bytes(b"%PDF-1.4 broken")
    world.run()
    world.drain()
    yield Portal(world)
    world.close()


@pytest.fixture
def portal(harbour: Portal) -> Iterator[Portal]:
    yield harbour
    harbour.operations.error = None
    harbour.operations.did.clear()
    harbour.world.ledger.sources.set_paused(SOURCE, False)
    for token in harbour.tokens.all():
        harbour.tokens.revoke(token.id)


@contextmanager
def browser(portal: Portal, token: str | None = None, without: Any = ANYBODY) -> Iterator[TestClient]:
    """Keeps cookies as a browser does; logged in where there is a token."""
    with TestClient(
        portal.gate_for(without), base_url=f"http://{HOST}", follow_redirects=False, raise_server_exceptions=False
    ) as client:
        if token is not None:
            assert login(client, token).status_code == 303
        yield client


def login(client: TestClient, token: str, **headers: str) -> httpx.Response:
    mark = mark_of(client.get("/ui/login").text)
    return client.post("/ui/login", data={"mark": mark, "token": token}, headers=headers)


@pytest.fixture
def operator(portal: Portal) -> Iterator[TestClient]:
    with browser(portal, portal.token(everything=True, role=Role.OPERATOR)) as client:
        yield client


@pytest.fixture
def reader(portal: Portal) -> Iterator[TestClient]:
    with browser(portal, portal.token("public")) as client:
        yield client


def press(client: TestClient, action: str, **fields: str) -> httpx.Response:
    """A button of the first page."""
    return client.post(f"/ui/do/{action}", data={"mark": mark_of(client.get("/").text), **fields})


def document(client: TestClient, query: str) -> str:
    """The address of the first document that a search shows."""
    found = re.search(r'href="(/ui/documents/[^"]+)"', client.get("/ui/search", params={"q": query}).text)
    assert found
    return html.unescape(found[1])


class Parts(HTMLParser):
    """The elements of a page with their attributes, as a browser takes them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def is_ours(text: str) -> None:
    """No script but ours, nothing that only an inline rule would allow, no address but ours and the web's."""
    for tag, attributes in Parts(text).found:
        assert tag not in {"style", "iframe", "object", "embed", "base"}, (tag, attributes)
        assert tag != "script" or (attributes["src"] or "").startswith("/ui/static/page.js?"), attributes
        assert tag != "img" or (attributes["src"] or "").startswith("/ui/static/icon.svg?"), attributes
        assert not any(name == "style" or name.startswith("on") for name in attributes), (tag, attributes)
        for name in ("href", "src", "action"):
            address = attributes.get(name)
            assert address is None or re.match(r"/(?!/)|#|https?://", address), (tag, attributes)


# -- logging in ------------------------------------------------------------------------------------------


def test_a_login_is_a_cookie_that_is_not_the_token(portal: Portal) -> None:
    """No script reads it, no other site sends it, and it is nothing outside of the page."""
    token = portal.token("public", role=Role.OPERATOR)
    with browser(portal) as client:
        answer = login(client, token)
        (cookie,) = [value for value in answer.headers.get_list("set-cookie") if value.startswith("ingestor_session=")]
        assert answer.headers["location"] == "/"
        assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        value = client.cookies["ingestor_session"]
        assert token.split("_", 2)[2] not in value
        assert "Sync all" in client.get("/").text
        assert client.get("/v1/status").status_code == 403  # anybody: the cookie counts for the page alone
        assert client.get("/v1/status", headers={"authorization": f"Bearer {value}"}).status_code == 401


def test_where_the_browser_speaks_https_the_cookie_is_for_https_alone(portal: Portal) -> None:
    """The browser says so in its form, whatever stands between."""
    token = portal.token("public")
    with browser(portal) as client:
        for headers in ({"origin": "https://docs.example.org"}, {"x-forwarded-proto": "https"}):
            answer = login(client, token, **headers)
            cookies = answer.headers.get_list("set-cookie")
            assert any("ingestor_session=" in value and "; Secure" in value for value in cookies), cookies


def test_a_session_ends_with_its_token_with_its_time_and_with_a_logout(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next request, each of them."""
    token = portal.token("public", role=Role.OPERATOR)
    with browser(portal, token) as client:
        portal.tokens.revoke(token.split("_")[1])
        assert "Sync all" not in client.get("/").text
    token = portal.token("public", role=Role.OPERATOR)
    with browser(portal, token) as client:
        mark, value = mark_of(client.get("/").text), client.cookies["ingestor_session"]
        assert client.post("/ui/logout", data={"mark": mark}).status_code == 303
        assert "ingestor_session" not in client.cookies
        client.cookies.set("ingestor_session", value)
        assert "Sync all" not in client.get("/").text
    with browser(portal, token) as client:
        monkeypatch.setattr(time, "time", lambda now=time.time: now() + sessions.LIFE_S + 1)
        assert "Sync all" not in client.get("/").text


def test_a_wrong_token_logs_nobody_in(portal: Portal) -> None:
    """Nor does a session value that was made up or chosen before the login."""
    with browser(portal) as client:
        client.cookies.set("ingestor_session", "chosen")
        answer = login(client, "ingestor_00000000_x")
        assert answer.status_code == 401
        assert "not valid" in answer.text
        assert "Sync all" not in client.get("/").text
    with browser(portal, portal.token("public", role=Role.OPERATOR)), browser(portal) as other:
        other.cookies.set("ingestor_session", "chosen")
        assert "Sync all" not in other.get("/").text


def test_where_nobody_may_look_without_a_token_every_page_leads_to_the_login(portal: Portal) -> None:
    """But for the login itself, and the files that it needs."""
    with browser(portal, without=None) as client:
        for path in ("/", "/ui/search?q=pump", f"/ui/sources/{SOURCE}", "/ui/quarantine", "/ui/documents/x"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/ui/login"), path
        assert client.post("/ui/do/sync", data={"mark": "x"}).headers["location"] == "/ui/login"
        assert client.get("/ui/login").status_code == 200
        assert client.get("/ui/static/page.css").headers["content-type"] == "text/css; charset=utf-8"
        assert client.get("/ui/static/..%2Frouting.py").status_code == 404
        assert client.get("/ui/nothing").status_code == 404
        assert portal.operations.did == []


def test_a_link_from_elsewhere_arrives_logged_in(portal: Portal, operator: TestClient) -> None:
    """A browser sends no cookie with it; asked again by a page of ours it does."""
    with browser(portal, without=None) as client:
        answer = client.get("/ui/search?q=a%22b&mode=x", headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 200
        assert 'content="0; url=/ui/search?q=a%22b&amp;mode=x"' in answer.text
        assert "set-cookie" not in answer.headers
    assert "Sync all" in operator.get("/", headers={"sec-fetch-site": "cross-site"}).text


# -- what every answer is ----------------------------------------------------------------------------------


def test_every_page_keeps_the_browser_from_what_is_not_wanted(operator: TestClient) -> None:
    """Whatever it is: an error, a redirect, a file of ours."""
    paths = ["/", "/ui/search?q=pump", f"/ui/sources/{SOURCE}", f"/ui/sources/{SOURCE}/plan", "/ui/quarantine"]
    paths += ["/ui/documents/nope", "/ui/login", "/ui/static/page.js", document(operator, "pump")]
    for path in paths:
        answer = operator.get(path)
        assert answer.headers["content-security-policy"] == CSP, path
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        if answer.headers["content-type"].startswith("text/html"):
            is_ours(answer.text)


def test_what_a_document_says_is_text(operator: TestClient) -> None:
    """Its title, its path, its tags, its passages, a question: shown as they are, and no part of the page."""
    address = document(operator, "derrick")
    for path in (
        address,
        "/ui/search?q=derrick",
        f"/ui/sources/{SOURCE}",
        f"/ui/search?{httpx.QueryParams(q=HOSTILE)}",
    ):
        is_ours(operator.get(path).text)
    assert html.escape("<script>alert(1)</script>") in operator.get(address).text
    assert "tagged &#34;&gt;&lt;script&gt;" in operator.get(address).text
    assert html.escape("onerror=alert(2)") in operator.get("/ui/search", params={"q": HOSTILE}).text


def test_only_the_web_is_linked(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An address of a source may be of any scheme; one that a browser would carry out is shown and not linked."""
    folder = tmp_path_factory.mktemp("links")
    addresses = {
        "a.md": "javascript:alert(1)",
        "b.md": "data:text/html,x",
        "c.md": "https://docs.example.org/c",
        "d.md": "JavaScript://docs.example.org/%0aalert(1)",
        "e.md": "file:///etc/passwd",
    }

    class Addressed(MemorySource):
        def _ref(self, item_id: str) -> ItemRef:
            return replace(super()._ref(item_id), url=addresses[item_id])

    source = Addressed(SOURCE)
    (folder / "state").mkdir()
    world = World(folder, folder / "state", source=source)
    try:
        for path in addresses:
            source.put(path, f"# {path}\n\nA derrick in {path}.\n")
        world.sync()
        world.drain()
        portal = Portal(world)
        with browser(portal, portal.token(everything=True)) as client:
            text = client.get("/ui/search?q=derrick").text
            assert text.count('<li class="card">') == len(addresses)
            assert 'href="https://docs.example.org/c' in text
            is_ours(text)
    finally:
        world.close()


# -- forms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["", "x", "0" * 64, "ü"])
def test_a_form_of_somebody_else_does_nothing(portal: Portal, operator: TestClient, mark: str) -> None:
    """Neither a button nor a login nor a logout: each carries what only our page could give this browser."""
    for path in ("/ui/do/sync", "/ui/logout", "/ui/login"):
        fields = {"mark": mark, "source": SOURCE, "token": portal.token("public")}
        assert operator.post(path, data=fields).status_code == 403, path
    with browser(portal, portal.token("user:eve", role=Role.OPERATOR)) as other:
        theirs = mark_of(other.get("/").text)
    assert operator.post("/ui/do/sync", data={"mark": theirs, "source": SOURCE}).status_code == 403
    assert operator.post("/ui/do/sync", json={"mark": mark_of(operator.get("/").text)}).status_code == 403
    assert operator.post("/ui/do/sync?mark=" + mark_of(operator.get("/").text)).status_code == 403
    ours = {"mark": mark_of(operator.get("/").text), "source": SOURCE}
    for site in ("cross-site", "same-site"):
        assert operator.post("/ui/do/sync", data=ours, headers={"sec-fetch-site": site}).status_code == 403
        mark = mark_of(operator.get("/ui/login").text)
        answer = operator.post("/ui/login", data={"mark": mark, "token": "x"}, headers={"sec-fetch-site": site})
        assert answer.status_code == 403
    assert portal.operations.did == []
    assert "Log out" in operator.get("/").text


def test_operators_set_sources_to_work(portal: Portal, operator: TestClient) -> None:
    """Each button does what the command does, says so once, and shows the page that it was pressed on."""
    answer = press(operator, "sync", source=SOURCE, back="source")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/ui/sources/{SOURCE}")
    assert press(operator, "sync").headers["location"] == "/"
    assert portal.operations.did == [wire.SyncRequest(sources=(SOURCE,)), wire.SyncRequest()]
    assert press(operator, "pause", source=SOURCE, back="https://evil.example").headers["location"] == "/"
    page = operator.get("/").text
    assert "docs is paused" in page
    assert 'action="/ui/do/resume"' in page
    assert "docs is paused" not in operator.get("/").text
    press(operator, "resume", source=SOURCE)
    assert 'action="/ui/do/pause"' in operator.get("/").text
    portal.operations.did.clear()
    key = re.findall(r'name="document" value="([^"]+)"', operator.get("/ui/quarantine").text)[0]
    press(operator, "retry", document=key)
    press(operator, "retry", source=SOURCE)
    press(operator, "retry")
    assert portal.operations.did == [
        wire.QuarantineRequest(documents=(key,)),
        wire.QuarantineRequest(sources=(SOURCE,)),
        wire.QuarantineRequest(everything=True),
    ]
    assert press(operator, "ignore", document=key, back="quarantine").headers["location"] == "/ui/quarantine"
    assert "1 document left alone" in operator.get("/ui/quarantine").text
    assert key in operator.get("/ui/quarantine?ignored=1").text
    assert press(operator, "nothing").status_code == 404
    assert press(operator, "pause").status_code == 403


def test_what_goes_wrong_is_told_on_the_page(portal: Portal, operator: TestClient) -> None:
    """In the words of the command; of a bug no word."""
    press(operator, "approve", source=SOURCE, plan="old")
    assert "The plan has changed." in operator.get("/").text
    press(operator, "sync", source="nope")
    assert "no source named" in operator.get("/").text
    portal.operations.error = IndexUnavailable("It is being rebuilt.")
    answer = operator.get("/ui/search?q=pump")
    assert (answer.status_code, "It is being rebuilt." in answer.text) == (503, True)
    portal.operations.error = RuntimeError("canary-5c1d")
    answer = operator.get("/ui/search?q=pump")
    assert (answer.status_code, "canary" in answer.text) == (500, False)


def test_work_that_takes_long_does_not_keep_the_page(
    portal: Portal, operator: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that it goes on."""
    monkeypatch.setattr(actions, "PATIENCE_S", 0.05)
    go = threading.Event()

    def slow(*_: object) -> wire.RunsReply:
        go.wait(60)
        return wire.RunsReply(runs=())

    monkeypatch.setattr(portal.operations, "sync", slow)
    assert press(operator, "sync", source=SOURCE).status_code == 303
    assert "goes on" in operator.get("/").text
    go.set()


def test_readers_read_and_do_nothing_else(portal: Portal, reader: TestClient) -> None:
    """No button is shown to them, and none that they make up is obeyed."""
    first = reader.get("/").text
    assert SOURCE in first
    assert "/ui/do/" not in first
    assert "/ui/do/" not in reader.get(f"/ui/sources/{SOURCE}").text
    for path in ("/ui/quarantine", f"/ui/sources/{SOURCE}/plan"):
        assert reader.get(path).status_code == 403
    for action in actions.ACTIONS:
        assert press(reader, action, source=SOURCE).status_code == 403
    assert portal.operations.did == []
    assert reader.get(document(reader, "pump")).status_code == 200


def test_what_is_not_for_a_reader_is_not_there(portal: Portal) -> None:
    """A source and a document are answered to him as ones that never were; an operator reads no text by being one."""
    with browser(portal, portal.token("public")) as client:
        address = document(client, "pump").partition("?")[0]
    for role in Role:
        with browser(portal, portal.token("user:eve", role=role)) as eve:
            assert eve.get(address).status_code == 404
            assert "No documents that you may read" in eve.get(f"/ui/sources/{SOURCE}").text or role is Role.READER
            assert "pump leaks" not in eve.get("/ui/search?q=pump").text
            hidden, missing = eve.get(address).text, eve.get("/ui/documents/" + "0" * 32).text
            assert re.sub("<time.*?</time>", "", hidden) == re.sub("<time.*?</time>", "", missing)
    with browser(portal, portal.token("user:eve")) as eve:
        assert SOURCE not in eve.get("/").text
        assert eve.get(f"/ui/sources/{SOURCE}").status_code == eve.get("/ui/sources/nope").status_code == 404


# -- what the pages show ---------------------------------------------------------------------------------------


def test_a_held_plan_is_shown_and_named_by_its_id(portal: Portal, operator: TestClient) -> None:
    """What would go, and a button for exactly this plan."""
    kept = {path: path.read_bytes() for path in portal.world.root.glob("ship *.md")}
    for path in kept:
        path.unlink()
    try:
        portal.world.run()
        plan = portal.world.ledger.sources.plan(SOURCE)
        assert plan is not None
        assert "14 deletions held" in operator.get("/").text
        page = operator.get(f"/ui/sources/{SOURCE}/plan").text
        assert f'name="plan" value="{plan.plan_id}"' in page
        assert "Delete 14 documents" in page
        assert "<li>ship 3.md</li>" in page
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
        portal.world.run()
    assert "Nothing is held" in operator.get(f"/ui/sources/{SOURCE}/plan").text


def test_documents_are_listed_in_pages(portal: Portal, operator: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, in the order of their paths."""
    monkeypatch.setattr("ingestor.web.page.routes._DOCUMENTS", 5)
    seen: list[str] = []
    address: str | None = f"/ui/sources/{SOURCE}"
    while address is not None:
        text = operator.get(address).text
        seen += re.findall(r'<span class="path">(ship \d+\.md|harbour\.md)</span>', text)
        found = re.search(r'href="([^"]+)">Next', text)
        address = html.unescape(found[1]) if found else None
    assert sorted(seen) == sorted(["harbour.md", *(f"ship {n}.md" for n in range(14))])
    assert len(set(seen)) == len(seen)


def test_a_document_is_shown_at_its_passage(operator: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where that is on a later page of it; one that left it leads to the beginning."""
    monkeypatch.setattr("ingestor.web.page.routes._PASSAGES", 1)
    address = document(operator, "crane")
    passage = address.partition("?passage=")[2].partition("#")[0]
    text = operator.get(address).text
    assert f'<li id="{passage}" class="sought">' in text
    assert "crane stands" in text
    assert "Previous passages" in text
    assert "pump leaks" in operator.get(address.replace(passage, "0" * 40)).text
    assert "revision 1" in text


@pytest.mark.parametrize(
    "path",
    [
        "/ui/search?q=" + "x" * 10_000,
        "/ui/search?q=%ff%fe",
        "/ui/search?q=pump&mode=nothing&source=nope",
        "/ui/quarantine?first=-1&source=nope",
        "/ui/quarantine?first=99999999999999999999",
        "/ui/documents/%00?first=x&passage=%00",
        f"/ui/sources/{SOURCE}?after=%00%ff",
        "/ui/sources/%2e%2e%2fetc",
        "/ui/sources/x/plan",
    ],
)
def test_no_address_makes_a_page_fail(operator: TestClient, path: str) -> None:
    """What makes no sense is not found, or is left out."""
    assert operator.get(path).status_code in {200, 404}


def test_without_anything_the_page_says_what_to_do(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Before the first source, and before the first run."""
    folder = tmp_path_factory.mktemp("empty")
    (folder / "state").mkdir()
    world = World(folder, folder / "state")
    try:
        portal = Portal(world)
        with browser(portal, portal.token(everything=True, role=Role.OPERATOR)) as client:
            assert "Last run" in client.get("/").text
            assert "No run yet." in client.get(f"/ui/sources/{SOURCE}").text
            assert "No edit became searchable" in client.get("/").text
            world.ledger.sources.remove(SOURCE)
            assert "There is no source yet." in client.get("/").text
        with browser(portal) as anybody:
            assert "without logging in" in anybody.get("/").text
    finally:
        world.close()
