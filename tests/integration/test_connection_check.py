"""``ingestor doctor --source NAME``: what it says of every kind of source, in what order it gives up, and that what it
says can be sent to anybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.examining import Finding, Level
from connectors.web.examining import clock, way_to
from ingestor import wiring
from ingestor.context import Context
from ingestor.state import resolve
from tests.support.confluence_server import Flavour, confluence
from tests.support.confluence_space import READER
from tests.support.doku_bench import NAMES, TEXT
from tests.support.doku_wiki import DokuWiki, error, method_of
from tests.support.git_servers import HttpServer
from tests.support.git_wiki import Wiki
from tests.support.media_wiki import MediaWiki
from tests.support.program import Program
from tests.support.web_server import Answer, Asked, web_server

CANARY = "canary-7f3a-secret"


@pytest.fixture
def doku() -> Iterator[DokuWiki]:
    wiki = DokuWiki(private=True, login=("reader", CANARY), token=CANARY)
    for name in NAMES:
        wiki.put(name, TEXT.format(name))
    yield wiki
    wiki.close()


def secret(base: Path) -> str:
    (base / "secret").write_text(CANARY + "\n")
    return str(base / "secret")


def configured(base: Path, settings: str) -> Path:
    file = base / "ingestor.toml"
    file.write_text(f'[[source]]\nname = "it"\npermissions = ["group:staff"]\n{settings}')
    return file


def found(base: Path, settings: str) -> list[Finding]:
    """The findings, with the secrets of the settings looked for in each."""
    context = Context(state=resolve(base / "state"), config_file=configured(base, settings))
    findings = list(wiring.examine_source(context, "it"))
    assert not [one for one in findings if CANARY in one.message + one.hint + one.name]
    return findings


def said(findings: list[Finding]) -> dict[str, str]:
    return {one.name: one.message for one in findings}


def failures(findings: list[Finding]) -> list[str]:
    return [one.name for one in findings if one.level is Level.FAIL]


def a_folder(base: Path) -> tuple[str, dict[str, str]]:
    (base / "docs/it").mkdir(parents=True)
    (base / "docs/it/a.md").write_text("# Laptops\n\nWhat they are.\n")
    settings = f'kind = "files"\npath = "{base}/docs"\n'
    return settings, {"in it": "1", "reading": "it/a.md", "parsing": "1 headings", "changes": "each run lists"}


def a_repository(base: Path) -> tuple[str, dict[str, str]]:
    wiki = Wiki(base / "wiki.git")
    wiki.commit(put={"Home.md": b"# Home\n\nWords of it.\n", "it/Laptops.md": b"# Laptops\n\nWords.\n"})
    wanted = {"git": "git version", "in it": "1", "in (top)": "1", "parsing": "markdown", "changes": "journal is read"}
    return f'kind = "gitwiki"\nurl = "{wiki.url}"\n', wanted


@pytest.mark.parametrize("make", [a_folder, a_repository])
def test_places_on_this_machine_are_looked_through(
    make: Callable[[Path], tuple[str, dict[str, str]]], tmp_path: Path
) -> None:
    """What is in them by folders, one item read and parsed, and the changes since."""
    settings, wanted = make(tmp_path)
    findings = found(tmp_path, settings)
    assert failures(findings) == []
    for name, words in {"identity": "answers", "readers": "group:staff", "looking up": "same", **wanted}.items():
        assert words in said(findings)[name], name


@pytest.mark.parametrize("by", ["password", "token"])
def test_a_dokuwiki_is_looked_through(by: str, doku: DokuWiki, tmp_path: Path) -> None:
    """The way to it, who we are there, its release and language, its namespaces with their pages, one page, its feed."""
    login = f'username = "reader"\npassword_file = "{secret(tmp_path)}"\n'
    if by == "token":
        login = f'token_file = "{secret(tmp_path)}"\n'
    findings = found(tmp_path, f'kind = "dokuwiki"\nurl = "{doku.url}"\n{login}')
    assert failures(findings) == []
    wanted = {
        "name": "127.0.0.1",
        "connection": " ms",
        "clock": "ours",
        "limits": "none told",
        "login": f"reader, by {by}",
        "version": "API 14, JSON-RPC",
        "title": "The wiki",
        "wiki's clock": "behind",
        "in pages": "5",
        "in pages/it": "3",
        "parsing": "html",
        "changes": "0 since",
    }
    for name, words in wanted.items():
        assert words in said(findings)[name], name


def test_a_mediawiki_is_looked_through(tmp_path: Path) -> None:
    """Its pages are counted by namespaces, which their numbers do not tell."""
    wiki = MediaWiki()
    try:
        for title in ("Help:One", "Help:Two", "Three"):
            wiki.put(title, "== Laptops ==\nWhat they are.")
        wiki.put("File:Plan.txt", "A plan.", file=b"A plan of the year.")
        findings = found(tmp_path, f'kind = "mediawiki"\nurl = "{wiki.url}"\n')
    finally:
        wiki.close()
    assert failures(findings) == []
    wanted = {"in Help": "2", "in (articles)": "1", "in files": "1", "namespaces": "(articles)", "login": "everybody"}
    for name, words in wanted.items():
        assert words in said(findings)[name], name


@pytest.mark.parametrize("flavour", list(Flavour))
def test_a_confluence_is_looked_through(flavour: Flavour, tmp_path: Path) -> None:
    """Who we are there, its spaces, searches and their clock, restrictions, and how much these hide."""
    with confluence(flavour) as wiki:
        wiki.tokens[CANARY] = READER.key
        for key, kind in (("DOC", "global"), ("OPS", "global"), ("~anna", "personal")):
            wiki.site.add_space(key, kind=kind)
            page = wiki.site.put(key, f"Laptops of {key}", "<h1>Laptops</h1><p>What they are.</p>")
        shut = wiki.site.put("OPS", "Salaries", "<p>Much.</p>")
        wiki.site.restrict(shut, {f"user:{READER.key}"})
        wiki.site.upload(page, "plan.txt", b"A plan of the year.")
        wiki.site.upload(shut, "pay.txt", b"A list of all.")
        login = f'token_file = "{secret(tmp_path)}"\n'
        if wiki.cloud:
            login = f'username = "{READER.email}"\npassword_file = "{secret(tmp_path)}"\n'
        edition = "cloud" if wiki.cloud else "data-center"
        settings = f'kind = "confluence"\nurl = "{wiki.url}"\nedition = "{edition}"\n{login}'
        more = 'hosts = ["127.0.0.1"]\nallow_private = true\n'
        findings = found(tmp_path, settings + more)
        missing = found(tmp_path, f'{settings}{more}spaces = ["DOC", "NOWHERE"]\n')
        wiki.nobody = True
        unknown = found(tmp_path, settings + more)
    assert failures(findings) == []
    wanted = {
        "edition": edition,
        "login": "Reader (acc-reader), by " + ("password or API token" if wiki.cloud else "personal access token"),
        "time zone": "measured",
        "spaces": "3 that we see: 2 global, 1 personal",
        "search": "changed lately",
        "searches": "UTC+1.00 h",
        "restrictions": ": ",
        "in DOC": "1",
        "in OPS": "2",
        "in attachments": "1",
        "hidden": "2 items",
        "changes": "the journal is read",
    }
    for name, words in wanted.items():
        assert words in said(findings)[name], (name, said(findings).get(name))
    assert failures(missing) == ["spaces"]
    assert "NOWHERE" in said(missing)["spaces"]
    assert failures(unknown) == ["API"]
    assert "does not know us" in said(unknown)["API"]


def test_it_ends_where_nothing_more_can_be_asked(doku: DokuWiki, tmp_path: Path) -> None:
    """A name that nobody knows, a closed port, a refused login that repeats the password: the cause is the last word,
    and says what to do."""
    (tmp_path / "wrong").write_text("wrong-" + CANARY + "\n")
    login = f'username = "reader"\npassword_file = "{tmp_path}/wrong"\n'
    cases = {
        f'kind = "dokuwiki"\nurl = "{doku.url}"\n{login}': "API",
        'kind = "dokuwiki"\nurl = "http://127.0.0.1:1/"\n': "connection",
        'kind = "mediawiki"\nurl = "https://nobody.invalid/"\n': "name",
        f'kind = "gitwiki"\nurl = "file://{tmp_path}/nothing.git"\n': "identity",
        f'kind = "files"\npath = "{tmp_path}/nothing"\n': "folder",
    }
    for settings, name in cases.items():
        findings = found(tmp_path, settings)
        assert failures(findings) == [name], settings
        assert findings[-1].name == name
        assert findings[-1].hint
    doku.weather = lambda asked: error(asked, 4711, f"no {CANARY} here") if "login" in method_of(asked) else None
    (tmp_path / "secret").write_text(CANARY + "\n")
    login = f'username = "reader"\npassword_file = "{tmp_path}/secret"\n'
    assert failures(found(tmp_path, f'kind = "dokuwiki"\nurl = "{doku.url}"\n{login}')) == ["API"]


def test_what_is_half_right_is_a_warning(doku: DokuWiki, tmp_path: Path) -> None:
    """A login that sees nothing, a page that cannot be read: the check goes on, and says which."""
    login = f'token_file = "{secret(tmp_path)}"\n'
    settings = f'kind = "dokuwiki"\nurl = "{doku.url}"\n{login}namespaces = ["nothing"]\n'
    (empty,) = [one for one in found(tmp_path, settings) if one.name == "listing"]
    assert (empty.level, empty.message[:2]) == (Level.WARN, "0 ")
    doku.weather = lambda asked: Answer(status=500) if b"getPageHTML" in asked.body else None
    findings = found(tmp_path, f'kind = "dokuwiki"\nurl = "{doku.url}"\n{login}')
    assert failures(findings) == ["reading"]
    assert said(findings)["changes"]


def test_the_certificate_and_its_end(tmp_path: Path) -> None:
    """Trusted by our own authority it says until when, and warns of an end that is near; else it is the last word."""
    server = HttpServer(tmp_path, tls=tmp_path / "tls")
    try:
        trusted = {one.name: one for one in way_to(server.url, ca_file=str(server.ca_file))}
        assert trusted["certificate"].level is Level.WARN  # of two days
        assert "(2 days)" in trusted["certificate"].message or "(1 days)" in trusted["certificate"].message
        assert "answer" in trusted
        *_, last = way_to(server.url)
        assert (last.name, last.level) == ("certificate", Level.FAIL)
        assert "ca_file" in last.hint
    finally:
        server.close()


def test_redirects_limits_and_clocks_are_told() -> None:
    """Where an address leads, what it says of how often it may be asked, and how far its clock is from ours."""

    def answer(asked: Asked) -> Answer:
        if asked.path == "/old":
            return Answer(status=301, headers=(("Location", "/new"),))
        if asked.path == "/new":
            return Answer(headers=(("X-RateLimit-Remaining", "7"), ("Retry-After", "3")))
        return Answer(status=302, headers=(("Location", "https://user:pass@elsewhere.test/x?token=1"),))

    with web_server(answer) as server:
        told = {one.name: one for one in way_to(f"{server.url}/old")}
        assert told["redirect"].message == f"301 to {server.url}/new"
        assert "X-RateLimit-Remaining: 7".lower() in told["limits"].message.lower()
        assert "retry-after: 3" in told["limits"].message.lower()
        told = {one.name: one for one in way_to(f"{server.url}/away")}
        assert told["redirect"].level is Level.WARN
        assert told["redirect"].message == "302 to https://elsewhere.test/x"
        assert told["clock"].level is Level.OK
    far = clock("clock", -3600.0)
    assert (far.level, far.message) == (Level.WARN, "3,600 s behind ours")


def test_the_command_ends_as_scripts_expect(doku: DokuWiki, tmp_path: Path) -> None:
    """0 where all is well, 2 for settings and names that are wrong, 3 where the source cannot be read; no secret in it."""
    file = configured(tmp_path, f'kind = "dokuwiki"\nurl = "{doku.url}"\ntoken_file = "{secret(tmp_path)}"\n')
    program = Program(state=tmp_path / "state", home=tmp_path, config=file)
    done = program("doctor", "--source", "it", "--json")
    assert (done.code, done.json["ok"]) == (0, True), done
    assert done.json["checks"][-1]["name"] == "changes"
    assert CANARY not in done.stdout + done.stderr
    program("doctor", "--source", "nobody", expect=2)
    doku.weather = lambda _asked: Answer(status=401, body=CANARY.encode())
    done = program("doctor", "--source", "it", expect=3)
    assert "FAIL" in done.stdout
    assert CANARY not in done.stdout + done.stderr
