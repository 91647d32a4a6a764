"""The status page of a running service in a real browser: what an administrator does there, by keyboard and by mouse, with
and without JavaScript, on a desk and on a phone."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ingestor.ledger.ledger import Ledger
from ingestor.tokens import Role, Tokens
from tests.support.browser import DESK, PHONE, Seen, barriers, chromium, needs_chromium, opened, overflows
from tests.support.program import Program, Service

pytestmark = [pytest.mark.slow, needs_chromium]

HOSTILE = "<img src=x onerror=document.title='owned'>"
LONG = "minutes of the committee for names that are " + "very " * 30 + "long"
LEAST_HELD = 10


@dataclass(frozen=True, kw_only=True)
class Office:
    """A service with two sources: ``docs`` has a held plan whenever a test takes its files away."""

    service: Service
    browser: Browser
    at: str
    docs: Path
    notes: Path
    tokens: Tokens

    def token(self, *principals: str, role: Role = Role.READER) -> str:
        for known in self.tokens.all():
            self.tokens.revoke(known.id)
        return self.tokens.add("browser", principals or None, role)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    docs, notes, state = folder / "docs", folder / "notes", folder / "state"
    for one in (docs, notes):
        one.mkdir()
    state.mkdir(mode=0o700)
    for number in range(2 * LEAST_HELD):
        (docs / f"ship {number}.md").write_text(
            f"# Ship {number}\n\nThe ship of the number {number} lies at the quay.\n"
        )
    (notes / "pump.md").write_text("# The pump\n\nThe pump of the harbour leaks at its lower seal.\n")
    (notes / "hostile.md").write_text(f"# {HOSTILE}\n\nA derrick says {HOSTILE} here.\n")
    (notes / f"{LONG}.md").write_text(f"# {LONG.title()}\n\nNothing was decided.\n")
    (notes / "scan.pdf").write_bytes(b"%PDF-1.4 broken")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "ingestor.toml"
    config.write_text(
        f"[http]\nport = {port}\nper_minute = 100000\n"
        f'[[source]]\nname = "docs"\nkind = "files"\npath = "{docs}"\npermissions = ["public"]\n'
        f'[[source]]\nname = "notes"\nkind = "files"\npath = "{notes}"\npermissions = ["group:staff"]\n'
    )
    program = Program(state=state, home=folder, config=config)
    with program.service() as service, chromium() as browser:
        yield Office(
            service=service,
            browser=browser,
            at=f"http://127.0.0.1:{port}",
            docs=docs,
            notes=notes,
            tokens=Tokens(state),
        )


def logged_in(page: Page, token: str) -> None:
    """By keyboard alone: the field has the focus."""
    page.goto("/ui/login")
    expect(page.get_by_label("Token")).to_be_focused()  # which may come after the page is loaded
    page.keyboard.type(token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def reach(page: Page, name: str) -> None:
    """Tab until the button or link of this name has the focus; it has to come, and to be seen."""
    for _ in range(80):
        page.keyboard.press("Tab")
        has = page.evaluate("document.activeElement.innerText || document.activeElement.id")
        if " ".join(str(has).split()) == name:
            assert page.evaluate("document.activeElement.matches(':focus-visible')")
            return
    raise AssertionError(f"{name!r} cannot be reached by the keyboard")


def press(page: Page, name: str, *, keyboard: bool) -> None:
    """A link or a button, to the page that it leads to."""
    if keyboard:
        reach(page, name)
    with page.expect_navigation():
        if keyboard:
            page.keyboard.press("Enter")
        else:
            page.get_by_text(name, exact=True).first.click()


def is_calm(seen: Seen, office: Office) -> None:
    """No error, which a rule of CSP would be, and nothing was asked of anybody else."""
    assert seen.errors == []
    assert {re.match(r"\w+://[^/]+", address)[0] for address in seen.addresses} == {office.at}


@pytest.mark.parametrize(("keyboard", "script"), [(True, True), (False, False)], ids=["keyboard", "mouse, no script"])
def test_what_an_administrator_does(office: Office, keyboard: bool, script: bool) -> None:
    """Log in, pause, resume, sync, look at a reason, leave it alone, approve a plan, search, read, log out."""
    size = DESK if keyboard else PHONE
    with opened(office.browser, office.at, size=size, script=script) as (page, seen):
        logged_in(page, office.token(role=Role.OPERATOR))
        card = page.locator("li.card", has=page.get_by_role("link", name="docs", exact=True))

        press(page, "Pause docs", keyboard=keyboard)
        expect(page.get_by_role("status").first).to_contain_text("docs is paused")
        expect(card).to_contain_text("paused")
        press(page, "Resume docs", keyboard=keyboard)
        expect(page.get_by_role("status").first).to_contain_text("docs is resumed")
        office.service.until(lambda: state_of(office, "docs") != "running", "the scan after the pause")
        press(page, "Sync docs", keyboard=keyboard)
        expect(page.get_by_role("status").first).to_contain_text(re.compile("nothing new|goes on"))

        press(page, "Look at the reasons", keyboard=keyboard)
        expect(page.get_by_role("heading", name="notes/scan.pdf")).to_be_visible()
        expect(page.get_by_text("corrupt")).to_be_visible()
        press(page, "Leave alone notes/scan.pdf", keyboard=keyboard)
        expect(page.get_by_role("status").first).to_contain_text("1 document left alone")
        press(page, "Left alone (1)", keyboard=keyboard)
        press(page, "Try again notes/scan.pdf", keyboard=keyboard)
        expect(page.get_by_text("corrupt")).to_be_visible()

        taken = {path: path.read_bytes() for path in office.docs.iterdir()}
        for path in taken:
            path.unlink()
        office.service.until(lambda: state_of(office, "docs") == "held", "the plan")
        page.goto("/")
        press(page, "Look at the plan of docs", keyboard=keyboard)
        expect(page.get_by_text("ship 3.md")).to_be_visible()
        press(page, f"Delete {len(taken)} documents from the search", keyboard=keyboard)
        office.service.until(lambda: office.service.search("ship quay") == [], "the deletions")
        for path, content in taken.items():
            path.write_bytes(content)
        office.service.until(lambda: len(office.service.search("ship quay")) == LEAST_HELD, "the ships to be back")

        page.goto("/ui/search")
        page.locator("#q").fill("leaking pump")
        page.locator("#q").press("Enter")
        expect(page.locator(".hits li").first).to_contain_text("pump.md")
        press(page, "The pump", keyboard=keyboard)
        expect(page.locator("li.sought")).to_contain_text("leaks at its lower seal")
        press(page, "Log out", keyboard=keyboard)
        expect(page.get_by_role("link", name="Log in")).to_be_visible()
        is_calm(seen, office)


def state_of(office: Office, name: str) -> str:
    ledger = Ledger(office.service.program.state, read_only=True)
    try:
        return next(row.state.value for row in ledger.sources.all() if row.name == name)
    finally:
        ledger.close()


@pytest.mark.parametrize(("size", "dark"), [(DESK, False), (PHONE, True)], ids=["desk, light", "phone, dark"])
def test_no_page_has_a_barrier(office: Office, size: tuple[int, int], dark: bool) -> None:
    """axe-core finds nothing, and no page is wider than its window, whatever names it shows."""
    with opened(office.browser, office.at, size=size, dark=dark) as (page, seen):
        assert barriers(page) == []  # for anybody
        page.goto("/ui/login")
        assert barriers(page) == []
        logged_in(page, office.token(role=Role.OPERATOR))
        paths = ["/", "/ui/sources/notes", "/ui/sources/notes/plan", "/ui/quarantine", "/ui/search?q=committee+derrick"]
        for path in paths:
            page.goto(path)
            assert (path, barriers(page), overflows(page)) == (path, [], False)
        page.locator(".hits a").first.click()
        assert (barriers(page), overflows(page)) == ([], False)
        assert seen.errors == []
        page.goto("/ui/documents/nothing")
        assert (barriers(page), overflows(page)) == ([], False)


def test_the_page_keeps_itself_fresh_and_the_focus(office: Office) -> None:
    """A new document is counted without a reload; what somebody types stays; a revoked token ends it."""
    with opened(office.browser, office.at) as (page, seen):
        logged_in(page, office.token(role=Role.OPERATOR))
        card = page.locator("li.card", has=page.get_by_role("link", name="notes", exact=True))
        before = int(card.locator("dd").first.inner_text())
        page.locator("#q").press_sequentially("half a quest")
        (office.notes / "fresh.md").write_text("# Fresh\n\nA fresh text.\n")
        expect(card.locator("dd").first).to_have_text(str(before + 1))
        assert page.locator("#q").input_value() == "half a quest"
        assert page.evaluate("document.activeElement.id") == "q"
        is_calm(seen, office)
        office.tokens.revoke("browser")
        expect(page.get_by_role("link", name="Log in")).to_be_visible()
        (office.notes / "fresh.md").unlink()


def test_what_documents_say_is_shown_and_not_done(office: Office) -> None:
    """A title that is a piece of a page stays a title."""
    with opened(office.browser, office.at) as (page, seen):
        logged_in(page, office.token("group:staff"))
        for path in ("/ui/search?q=derrick", "/ui/sources/notes"):
            page.goto(path)
            assert page.title() != "owned"
            expect(page.locator("main")).to_contain_text("onerror=document.title")
        page.locator("main a", has_text="onerror").first.click()
        expect(page.locator(".passages")).to_contain_text(HOSTILE)
        assert page.title() != "owned"
        is_calm(seen, office)


def test_readers_see_what_is_theirs(office: Office) -> None:
    """Without a login what is public, with one what the token reads, and no button that is an operator's."""
    with opened(office.browser, office.at) as (page, _seen):
        expect(page.get_by_role("link", name="docs")).to_be_visible()
        expect(page.get_by_role("link", name="notes")).to_have_count(0)
        logged_in(page, office.token("group:staff"))
        expect(page.get_by_role("link", name="notes")).to_be_visible()
        expect(page.get_by_role("link", name="docs")).to_have_count(0)
        expect(page.get_by_role("button", name="Sync")).to_have_count(0)
        page.goto("/ui/search?q=ship+quay")
        expect(page.locator("main")).not_to_contain_text("number 3")
        page.goto("/ui/sources/docs")
        expect(page.get_by_role("heading", name="Not found")).to_be_visible()
