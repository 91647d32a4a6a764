"""Nobody is told what he may not see: random histories of documents and grants, and every operation asked by every
reader. What the operations are is read from the program: the OpenAPI document, the tools, the commands, the socket. One
that has no case here fails the suite.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import structlog
import typer.main
from mcp import Client

from ingestor.cli import backend as seam
from ingestor.cli.main import app, main
from ingestor.ledger import filters
from ingestor.tokens import Role
from ingestor.web.access import Caller
from ingestor.web.api import ROUTES
from ingestor.web.http import NO_HOOK
from ingestor.web.mcp import server
from ingestor.web.page.actions import ACTIONS
from ingestor.web.page.routes import HITS
from tests.support.faults_report import campaign_seed, write_report
from tests.support.permission_world import COMMON, READERS, SOURCE, PermissionWorld, words
from tests.support.portal import Portal, Quick, mark_of

HISTORIES, STEPS, CHECKED = 50, 6, 2
LONG_HISTORIES = 500

# -- the cases: one for each operation -------------------------------------------------------------------

Http = Callable[[Quick, PermissionWorld], list[httpx.Response]]


def _searches(client: Quick, made: PermissionWorld) -> list[httpx.Response]:
    common = {"query": "common sentence harbour", "top": 200}
    asked: list[dict[str, Any]] = [
        {**common, "mode": "keyword"},
        {**common, "context": 2},
        {**common, "merge": True, "context": 1},
        {**common, "passage": 60, "mode": "dense"},
        {**common, "paths": ["hr", "/hr"], "kinds": ["markdown"], "since": 0},
        {**common, "principals": ["group:board", "group:staff", "public", "user:ana", "user:eve"]},
        {**common, "sources": [SOURCE]},
        {**common, "tags": [COMMON.lower()]},
    ]
    return [client.post("/v1/search", json=body) for body in asked]


def _each(path: str, ids: str) -> Http:
    def ask(client: Quick, made: PermissionWorld) -> list[httpx.Response]:
        every = made.documents() if ids == "documents" else made.chunks()[-8:]
        return [client.get(path.format(id=one)) for one in every]

    return ask


NOW: Mapping[str, Http] = {
    "search": _searches,
    "context": lambda client, made: [client.post("/v1/context", json={"query": "common sentence", "budget": 5_000})],
    "document": _each("/v1/documents/{id}", "documents"),
    "chunk": _each("/v1/chunks/{id}?context=2", "chunks"),
    "sources": lambda client, made: [client.get("/v1/sources")],
    "answer": lambda client, made: [client.get(f"/v1/answers/{one}") for one in made.answers[-4:]],
}
"""What these show stands now; a search as of an earlier time is ``check_past``."""

PAST: Mapping[str, Http] = {
    "history": _each("/v1/documents/{id}/history", "documents"),
    "trace": _each("/v1/chunks/{id}/trace", "chunks"),
}
"""What these show was to be seen by the reader at some time, and its document is now."""

PAGES_NOW: Mapping[str, Http] = {
    "overview": lambda client, made: [client.get("/")],
    "search": lambda client, made: [
        client.get("/ui/search?q=common+sentence+harbour"),
        client.get(f"/ui/search?q=common+sentence&mode=keyword&source={SOURCE}"),
    ],
    "source": lambda client, made: [client.get(f"/ui/sources/{SOURCE}")],
}
"""The pages that show what stands now."""

PAGES_PAST: Mapping[str, Http] = {"document": _each("/ui/documents/{id}", "documents")}
"""Those that say what happened, too."""

PAGES_OPERATORS: Mapping[str, Http] = {
    "plan": lambda client, made: [client.get(f"/ui/sources/{SOURCE}/plan")],
    "quarantine": lambda client, made: [client.get("/ui/quarantine"), client.get("/ui/quarantine?ignored=1")],
    "do": lambda client, made: [
        client.send(f"/ui/do/{action}", {"mark": _mark(client), "source": SOURCE, "plan": "x", "document": "x"})
        for action in ACTIONS
    ],
}
"""Refused to readers, as the operations are."""

PAGES_OF_NOTHING = {"login", "logout", "static"}
"""Those that show nothing of any source."""


def _mark(client: Quick) -> str:
    return mark_of(client.get("/").text)


OPERATORS: Mapping[str, Http] = {
    "status": lambda client, made: [client.get("/v1/status")],
    "runs": lambda client, made: [client.get("/v1/runs")],
    "sync": lambda client, made: [client.post("/v1/sync", json={"sources": [SOURCE]})],
    "plan": lambda client, made: [client.get(f"/v1/sources/{SOURCE}/plan")],
    "approve": lambda client, made: [client.post("/v1/approve", json={"source": SOURCE, "plan_id": "x"})],
    "quarantine": lambda client, made: [client.get("/v1/quarantine?ignored=true")],
    "quarantine_retry": lambda client, made: [client.post("/v1/quarantine/retry", json={"everything": True})],
    "quarantine_ignore": lambda client, made: [
        client.post("/v1/quarantine/ignore", json={"documents": made.documents()[:1]})
    ],
}
"""Refused to readers; operators are told names, and no text."""

CALLS: Mapping[str, Http] = {
    "hook": lambda client, made: [client.post(f"/v1/hooks/{name}", json={}) for name in (SOURCE, "d0cs")],
}
"""What anybody may send who proves to know a secret: of each name everybody else is told the same, and nothing."""

TOOLS: Mapping[str, Callable[[PermissionWorld], list[dict[str, Any]]]] = {
    "search": lambda made: [
        {"query": "common sentence", "budget": 5_000},
        {"query": "x", "sources": [SOURCE], "tags": [COMMON]},
    ],
    "read_document": lambda made: [{"document_id": one} for one in made.documents()],
    "trace": lambda made: [{"chunk_id": one} for one in made.chunks()[-8:]],
    "trace_answer": lambda made: [{"answer_id": one} for one in made.answers[-4:]],
    "list_sources": lambda made: [{}],
}

COMMANDS: Mapping[str, Callable[[PermissionWorld], list[list[str]]]] = {
    "search": lambda made: [
        ["common sentence harbour", "--top", "200", "--json", "--context", "1"],
        ["common sentence harbour", "--format", "context"],
        ["common sentence harbour", "--path", "hr", "--source", SOURCE],
        ["common sentence harbour", "--tag", COMMON],
    ],
    "eval": lambda made: [[str(made.folder / "questions.jsonl"), "--explain", "--json"]],
    "eval:generate": lambda made: [["--count", "1000"], ["--source", SOURCE]],
    "trace": lambda made: [[one, "--json"] for one in (*made.chunks()[-4:], *made.answers[-4:])],
    "history": lambda made: [[one, "--json"] for one in made.documents()],
}
"""The commands that ask as somebody; `mcp` does by the tools, and `token add` only says as whom."""

OWNERS = set(
    "approve backfill backup config:check config:show chunk cost doctor formats health init model:list model:rollback"
    " model:switch pause quarantine:ignore quarantine:list quarantine:retry quarantine:show rebuild reload restore"
    " resume run runs source:add source:list source:remove status support-bundle sync token:list token:revoke verify why".split()
)
"""The commands that are for the owner of the state folder, who reads everything."""

SOCKET = set(
    "approve backfill backup model_rollback model_switch pause plan quarantine_ignore quarantine_retry rebuild reload"
    " resume source_add source_remove sync verify".split()
)
"""The operations of the socket that show no text; `search` is a case above."""


# -- nothing is left out ---------------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path: Path) -> Iterator[PermissionWorld]:
    world = PermissionWorld(folder=tmp_path, seed=1)
    yield world
    world.world.close()


def test_every_operation_of_the_api_has_a_case(made: PermissionWorld) -> None:
    """By its name in the OpenAPI document."""
    with Portal(made.world).client() as client:
        described = client.get("/openapi.json").json()["paths"].values()
    assert {operation["operationId"] for path in described for operation in path.values()} == {
        *(*NOW, *PAST, *OPERATORS, *CALLS)
    }


def test_every_page_has_a_case(made: PermissionWorld) -> None:
    """By the routes that a port has besides the operations."""
    names = {getattr(route, "name", "") for route in Portal(made.world).page.routes()}
    assert names == {*PAGES_NOW, *PAGES_PAST, *PAGES_OPERATORS} | PAGES_OF_NOTHING


def test_every_tool_has_a_case(made: PermissionWorld) -> None:
    """By the list that an assistant is given."""

    async def listed() -> set[str]:
        async with Client(_tools(Portal(made.world), "ana")) as client:
            return {tool.name for tool in (await client.list_tools()).tools}

    assert asyncio.run(listed()) == set(TOOLS)


def test_every_command_has_a_case_or_is_the_owners() -> None:
    """One that takes --as is asked; one that does not is known to be the owner's."""
    group: Any = typer.main.get_command(app)
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found |= {f"{name}:{below}": one for below, one in inner.items()} if inner else {name: command}
        if (usual := getattr(command, "default", None)) is not None:
            found[name] = found.pop(f"{name}:{usual}")  # what the group's name alone calls
    restricted = {name for name, one in found.items() if any("--as" in parameter.opts for parameter in one.params)}
    assert restricted == {*COMMANDS, "mcp", "token:add"}
    assert found.keys() - restricted == OWNERS


def test_every_operation_of_the_socket_has_a_case() -> None:
    """Those that know principals are asked with them."""
    assert {name for name, route in ROUTES.items() if "principals" in route.request.model_fields} == {"search"}
    assert set(ROUTES) - {"search"} == SOCKET


# -- histories -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
def test_no_operation_shows_what_its_reader_may_not_see(tmp_path: Path, part: int) -> None:
    """Fifty histories: twice in each, every reader asks everything; at the end one of them by tools and commands."""
    for seed in range(part * HISTORIES // 5, (part + 1) * HISTORIES // 5):
        played(tmp_path, seed)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_500_histories(tmp_path: Path) -> None:
    """The long form, each time with others."""
    first, asked = campaign_seed() * 1_000, 0
    for seed in range(first, first + LONG_HISTORIES):
        asked += played(tmp_path, seed)
        shutil.rmtree(tmp_path / f"state-{seed}")
    write_report(
        "permissions.md",
        "Permissions: random histories, every operation asked by every reader",
        [
            f"{LONG_HISTORIES} histories from seed {first}; {asked:,} answers over HTTP, and those of tools and commands.",
            "None held a word that its reader may not see, and none that he may see was missing from his search.",
            "What was hidden was answered like what is not there: status, headers and body.",
        ],
    )


def test_a_leak_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite itself: where the reader is forgotten in one place, it says so."""
    visible = filters.visible

    def forgetful(reader: Any, what: Any, *, walk: bool = False) -> Any:
        return visible(type(reader)(), what, walk=walk)

    monkeypatch.setattr("ingestor.ledger.search.visible", forgetful)
    with pytest.raises(AssertionError, match="was told"):
        for seed in range(3):
            played(tmp_path, seed)


@pytest.mark.parametrize("forgotten", ["now", "then"])
def test_a_leak_of_the_past_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: str) -> None:
    """Where only the present is asked for, or only the past."""

    def by_now(reader: Any, what: Any) -> Any:
        shown, values = filters.visible(reader, what)
        return shown.replace(
            "binding.acl", "(SELECT acl FROM binding AS b WHERE b.doc = document.id AND b.died IS NULL)"
        ), values

    def by_then(reader: Any, what: Any) -> Any:
        shown, values = filters.visible_then(reader, what)
        return shown.partition(" AND EXISTS (SELECT 1 FROM binding AS present")[0], values

    monkeypatch.setattr("ingestor.ledger.past.visible_then", by_now if forgotten == "then" else by_then)
    with pytest.raises(AssertionError, match="was told of the past"):
        for seed in range(5):
            made = PermissionWorld(folder=tmp_path, seed=seed)
            try:
                portal = Portal(made.world)
                for reader in READERS:
                    with portal.quick(portal.token(*READERS[reader])) as client:
                        for _ in range(STEPS):
                            made.step()
                            check_past(client, made, reader)
            finally:
                made.world.close()


def played(folder: Path, seed: int) -> int:
    """One history; how many answers over HTTP were looked at."""
    asked = 0
    made = PermissionWorld(folder=folder, seed=seed)
    try:
        portal = Portal(made.world, answers=True)
        tokens = {reader: portal.token(*principals) for reader, principals in READERS.items()}
        operator = portal.token(*READERS["eve"], role=Role.OPERATOR)
        for step in range(STEPS):
            made.step()
            if step % (STEPS // CHECKED) == STEPS // CHECKED - 1:
                looks = list(tokens)[(seed + step) % len(tokens)]  # pages cost as much as all the rest: one reader's
                for reader, token in tokens.items():
                    with portal.quick(token) as client:
                        check_http(client, made, reader, pages=reader == looks)
                        check_past(client, made, reader)
                        check_tags(client, made, reader)
                        asked += client.asked
                portal.operations.answers.flush()
        with portal.quick(operator) as client:
            check_operator(client, made)
        reader = list(READERS)[seed % len(READERS)]
        asyncio.run(check_tools(portal, made, reader))
        check_commands(portal, made, reader)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}, {' '.join(made.told)}: {error}") from error
    finally:
        made.world.close()
    return asked


def check_http(client: Quick, made: PermissionWorld, reader: str, *, pages: bool) -> None:
    told: dict[str, list[httpx.Response]] = {}
    now, past = made.may_see(reader), made.ever[reader]
    kinds = ((NOW, now, ""), (PAST, past, ""), (PAGES_NOW, now, "page "), (PAGES_PAST, past, "page "))
    for names, may, kind in kinds if pages else kinds[:2]:
        for called, ask in names.items():
            name = f"{kind}{called}"
            told[name] = ask(client, made)
            for answer in told[name]:
                assert answer.status_code in {200, 404}, answer.text
                no_leak(answer.text, may, f"{reader} was told by {name}")
    made.answers.append(told["search"][0].json()["answer_id"])
    assert words(told["search"][0].text) >= made.texts(reader), f"{reader} was not told what he may see"
    visible = made.visible_documents(reader)
    looked = ["document", "history"]
    if pages:
        assert words(told["page search"][0].text) >= made.texts(reader) or len(made.texts(reader)) > HITS
        looked.append("page document")
    for name in looked:
        statuses = {one: answer.status_code for one, answer in zip(made.documents(), told[name], strict=True)}
        assert statuses == {one: 200 if one in visible else 404 for one in made.documents()}, name
    for answer in (answer for answers in told.values() for answer in answers if answer.status_code == 404):
        same(client, answer)
    for name, ask in CALLS.items():
        known, unknown = ask(client, made)
        assert (known.status_code, known.json()["detail"]) == (401, NO_HOOK), name
        assert (known.status_code, known.headers, known.text) == (unknown.status_code, unknown.headers, unknown.text)
    for name, ask in (*OPERATORS.items(), *(PAGES_OPERATORS.items() if pages else ())):
        for answer in ask(client, made):
            assert (answer.status_code, words(answer.text)) == (403, set()), name


def check_past(client: Quick, made: PermissionWorld, reader: str) -> None:
    """As of any time a reader is told what he could see then, of what he may see now, and all of it."""
    for mode, tags in (("keyword", [COMMON]), ("keyword", []), ("hybrid", [])):
        moment = made.moment()
        texts, may = made.past(reader, moment, tagged=bool(tags))
        asked = {"query": "common sentence harbour", "top": 200, "mode": mode, "as_of": moment.at, "context": 1}
        asked["tags"] = tags
        answer = client.post("/v1/search", json=asked)
        assert answer.status_code == 200, answer.text
        no_leak(answer.text, may, f"{reader} was told of the past by search ({mode})")
        assert words(answer.text) >= texts, f"{reader} was not told by search ({mode}) what he may see of the past"
    answer = client.post("/v1/context", json={"query": "common sentence", "budget": 5_000, "as_of": moment.at})
    no_leak(answer.text, may, f"{reader} was told of the past by context")


def check_tags(client: Quick, made: PermissionWorld, reader: str) -> None:
    """By a tag a reader finds what has it and is his to see, and all of that; by one of hidden documents alone as little
    as by one that is nowhere."""
    nothing = {"query": "common sentence harbour", "mode": "keyword", "tags": ["about zq0x"]}
    for tag in made.some_tags():
        answer = client.post("/v1/search", json={**nothing, "top": 200, "tags": [tag.upper()]})
        wanted = made.texts(reader, tag)
        hits = {word for hit in answer.json()["hits"] for word in words(hit["text"])}
        assert hits == wanted, f"{reader} was told of {tag} {hits ^ wanted}"
        no_leak(answer.text, made.may_see(reader), f"{reader} was told by the tag {tag}")
        if not wanted:
            assert _unlike(answer) == _unlike(client.post("/v1/search", json=nothing))


def _unlike(answer: httpx.Response) -> tuple[int, dict[str, Any]]:
    """What answers of the same question have to have in common."""
    return answer.status_code, {**answer.json(), "took_ms": 0, "answer_id": ""}


def past_of(made: PermissionWorld, reader: str) -> tuple[str, set[str]]:
    """A time as people write it, and what the reader may be told of it."""
    moment = made.moment()
    return datetime.fromtimestamp(moment.at, UTC).isoformat(), made.past(reader, moment)[1]


def same(client: Quick, hidden: httpx.Response) -> None:
    """What is not there is answered alike to the letter, but for what was asked for."""
    path = hidden.request.url.raw_path.decode()
    if hidden.request.method == "POST":  # a search of a source that shows this reader nothing
        asked = json.loads(hidden.request.content)
        nowhere, key = client.post(path, {**asked, "sources": ["d0cs"]}), SOURCE
        other = "d0cs"
    else:
        key = SOURCE if SOURCE in path else path.split("/")[3].partition("?")[0]
        other = "d0cs" if key == SOURCE else "0" * len(key)
        nowhere = client.get(path.replace(key, other))
    assert (hidden.status_code, hidden.headers) == (nowhere.status_code, nowhere.headers)
    assert _timeless(hidden).replace(key, other) == _timeless(nowhere).replace(key, other)


def _timeless(answer: httpx.Response) -> str:
    """Each page says from when it is."""
    return re.sub(r"<time [^>]*>[^<]*</time>", "", answer.text)


def check_operator(client: Quick, made: PermissionWorld) -> None:
    for name, ask in (*OPERATORS.items(), *PAGES_OPERATORS.items(), *PAGES_NOW.items()):
        for answer in ask(client, made):
            assert answer.status_code in {200, 303, 404, 409}, (name, answer.text)
            assert not words(answer.text) & made.hidden_texts(), f"the operator was told texts by {name}"


async def check_tools(portal: Portal, made: PermissionWorld, reader: str) -> None:
    async with Client(_tools(portal, reader)) as client:
        for name, arguments in TOOLS.items():
            may = made.ever[reader] if name == "trace" else made.may_see(reader)
            for asked in arguments(made):
                answer = await client.call_tool(name, asked)
                no_leak(answer.model_dump_json(), may, f"{reader} was told by the tool {name}")
        then, may = past_of(made, reader)
        answer = await client.call_tool("search", {"query": "common sentence", "as_of": then})
        assert not answer.is_error, answer
        no_leak(answer.model_dump_json(), may, f"{reader} was told of the past by the tool search")


def _tools(portal: Portal, reader: str) -> Any:
    caller = Caller(key=reader, principals=frozenset(READERS[reader]), role=Role.READER)
    return server(portal.operations.search, portal.reads, lambda _: caller)


def check_commands(portal: Portal, made: PermissionWorld, reader: str) -> None:
    questions = [{"question": "common sentence", "answer": f"A sentence that stands nowhere, {n}."} for n in range(2)]
    (made.folder / "questions.jsonl").write_text("\n".join(map(json.dumps, questions)))
    with commands(portal) as run:
        for name, arguments in COMMANDS.items():
            may = made.ever[reader] if name in {"trace", "history"} else made.may_see(reader)
            for asked in arguments(made):
                said = run([*name.split(":"), *asked, "--as", ",".join(READERS[reader])])
                no_leak(said, may, f"{reader} was told by the command {name}")
        then, may = past_of(made, reader)
        said = run(["search", "common sentence", "--as-of", then, "--json", "--as", ",".join(READERS[reader])])
        assert '"hits"' in said, said
        no_leak(said, may, f"{reader} was told of the past by the command search")


@contextmanager
def commands(portal: Portal) -> Iterator[Callable[[list[str]], str]]:
    """The command line over the portal's ledger; what it says on both streams."""
    opened = contextlib.nullcontext(portal.operations)
    backend = SimpleNamespace(open_operations=lambda _context: opened, read_only=lambda _context: portal.reads)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(arguments: list[str]) -> str:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main(["--config", os.devnull, "--state-dir", str(portal.world.state), *arguments])
        return said.getvalue()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seam, "backend", lambda: backend)
        patch.setattr("ingestor.cli.main.app", typer.main.get_command(app))  # made once: it takes a tenth of a second
        yield run
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def no_leak(text: str, allowed: set[str], who: str) -> None:
    assert not words(text) - allowed, f"{who} {sorted(words(text) - allowed)}"
