"""Each command: what it asks for, what it prints, how it ends."""

from __future__ import annotations

import io
import json
import os
import pwd
import sys
from datetime import datetime
from pathlib import Path

import pytest
from scripted_backend import HIT, Invoke, Scripted, run_reply

from connectors.errors import SourceUnavailable
from ingestor import __version__, wire, wire_reading
from ingestor.errors import LedgerError, StateBusy, UserError

ME = pwd.getpwuid(os.getuid()).pw_name


class Terminal(io.StringIO):
    """A stdin at which somebody sits."""

    def isatty(self) -> bool:
        return True


def test_backfill_asks_for_absolute_paths_in_the_name_of_the_invoker(
    invoke: Invoke, backend: Scripted, tmp_path: Path
) -> None:
    """The service runs elsewhere and as somebody else, so paths and owner travel with the request."""
    result = invoke("backfill", "docs", str(tmp_path / "x"), "--source", "wiki", "--dry-run")
    [(_, request)] = backend.asked
    paths = (str(tmp_path / "docs"), str(tmp_path / "x"))
    assert request == wire.BackfillRequest(paths=paths, sources=("wiki",), dry_run=True, owner=ME)
    assert "Dry run: nothing was written." in result.out


def test_backfill_ends_with_a_summary_for_people(invoke: Invoke) -> None:
    """A line per source on stdout, and nothing else there."""
    result = invoke("backfill")
    assert (result.code, result.err) == (0, "")
    assert result.out == "handbook: 3 added; 12 chunks added, 0 removed, 1,234 units embedded; 2.5 s\n"


def test_backfill_json_has_the_shape_of_the_contract(invoke: Invoke) -> None:
    """One object on one line with at least the promised keys."""
    result = invoke("backfill", "--json")
    assert result.out.count("\n") == 1
    (run,) = json.loads(result.out)["runs"]
    assert run["documents"] == {"added": 3, "updated": 0, "moved": 0, "deleted": 0, "unchanged": 0, "failed": 0}
    assert run["chunks"] == {"added": 12, "removed": 0, "kept": 3}
    assert {"source", "trigger", "outcome", "embedded", "index_writes", "bytes_read", "duration_s"} <= run.keys()


@pytest.mark.parametrize("command", ["backfill", "sync"])
@pytest.mark.parametrize(
    ("run", "code", "said"),
    [
        (run_reply(outcome="partial", failed=2), 1, "2 documents could not be read"),
        (run_reply(outcome="held", message="Half is gone."), 3, "ingestor approve handbook"),
        (run_reply(source="my docs", outcome="held"), 3, "ingestor approve 'my docs'"),
        (run_reply(outcome="unavailable"), 3, "cannot be reached"),
        (run_reply(outcome="failed", message="Disk full."), 4, "Disk full."),
        (run_reply(outcome="suspended"), 143, "carries on"),
    ],
)
def test_what_a_person_must_do_stands_on_stderr(
    invoke: Invoke, backend: Scripted, command: str, run: wire.RunReply, code: int, said: str
) -> None:
    """Each outcome has its exit code and its advice, with --json too, and stdout stays clean JSON."""
    backend.answers[command] = wire.RunsReply(runs=(run,))
    result = invoke(command, "--json")
    assert result.code == code
    assert said in result.err
    assert json.loads(result.out)["runs"][0]["outcome"] == run.outcome


def test_sync_names_its_sources(invoke: Invoke, backend: Scripted) -> None:
    """Without names all sources are meant."""
    invoke("sync", "a", "b")
    invoke("sync")
    assert [request.sources for _, request in backend.asked] == [("a", "b"), ()]


def test_search_shows_title_place_and_passage(invoke: Invoke) -> None:
    """Number, title, section, score; link, source and lines; the passage. No escape codes in a pipe."""
    result = invoke("search", "how long do refunds take")
    assert result.code == 0
    assert result.out.splitlines() == [
        " 1. Refunds > How long  0.83",
        "    file:///srv/handbook/refunds.md#how-long  handbook, lines 12-18",
        "    A refund takes",
        "    five working days.",
    ]
    assert "\x1b" not in result.out


def test_search_options_become_the_request(invoke: Invoke, backend: Scripted) -> None:
    """Top, mode, sources and principals as the contract names them."""
    invoke(
        "search", "x", "--top", "3", "--mode", "keyword", "--source", "a", "--source", "b", "--as", "user:ana,public"
    )
    assert backend.asked == [
        (
            "search",
            wire.SearchRequest(query="x", top=3, mode="keyword", sources=("a", "b"), principals=("user:ana", "public")),
        )
    ]


def test_filters_become_the_request(invoke: Invoke, backend: Scripted, tmp_path: Path) -> None:
    """Of a search and of an evaluation alike: paths, kinds, tags, scopes and times."""
    asked = tmp_path / "questions.jsonl"
    asked.write_text('{"question": "x", "answer": "y"}')
    filters = ("--path", "hr", "--path", "/srv/./docs/", "--kind", ".PDF", "--since", "2026-11-20T00:00+00:00")
    filters += ("--tag", "Policy", "--tag", "2026", "--scope", "acme")
    invoke("search", "x", "--context", "2", *filters, "--until", "2026-11-21T00:00+00:00")
    invoke("eval", str(asked), "--mode", "dense", *filters, "--until", "2026-11-21T00:00+00:00")
    for (_, request), context in zip(backend.asked, (2, 0), strict=True):
        assert (request.paths, request.kinds, request.context) == (("hr", "/srv/docs"), ("pdf",), context)
        assert request.tags == ("Policy", "2026")
        assert (request.since, request.until) == (1_795_132_800.0, 1_795_219_200.0)
        assert request.scopes == ("acme",)


def test_the_time_of_a_past_search_is_the_end_of_its_day(invoke: Invoke, backend: Scripted) -> None:
    """A day alone is what was known when it ended; a time is that time."""
    invoke("search", "x", "--as-of", "2026-11-20T00:00+00:00")
    invoke("search", "x", "--as-of", "2026-11-20")
    (_, at), (_, day) = backend.asked
    assert at.as_of == 1_795_132_800.0
    assert day.as_of == datetime(2026, 11, 20, 23, 59, 59, 999_999).timestamp()  # this machine's day
    assert invoke("search", "x", "--as-of", "then").err.startswith("--as-of: 'then' is no time")


def test_a_time_that_is_none_is_refused(invoke: Invoke, backend: Scripted) -> None:
    """With the option and how to write one."""
    result = invoke("search", "x", "--since", "yesterday")
    assert (result.code, backend.asked) == (2, [])
    assert "--since: 'yesterday' is no time; write one like 2026-11-20" in result.err


def test_a_context_is_made_for_a_model(invoke: Invoke, backend: Scripted) -> None:
    """Of many hits, merged where there is room, as text or with its citations as JSON."""
    shown = invoke("search", "how long", "--format", "context", "--budget", "500")
    reply = json.loads(invoke("search", "how long", "--format", "context", "--top", "5", "--json").out)
    assert '<passage number="1" title="Refunds"' in shown.out
    assert [(request.top, request.merge) for _, request in backend.asked] == [(40, False), (5, True)]
    assert (reply["budget"], [c["chunk_id"] for c in reply["citations"]]) == (3000, ["c1"])
    assert invoke("search", "x", "--format", "context", "--context", "1").code == 2


@pytest.mark.parametrize("who", ["", " , ", "ana", "user:", "owner:ana", "group:a,ana"])
def test_an_odd_reader_is_refused(invoke: Invoke, backend: Scripted, who: str) -> None:
    """A mistyped --as must not become everybody, nor a search that quietly finds nothing."""
    result = invoke("search", "x", "--as", who)
    assert (result.code, result.out, backend.asked) == (2, "", [])
    assert "--as takes" in result.err


def test_search_json_has_the_shape_of_the_contract(invoke: Invoke) -> None:
    """One object on one line; the text is not escaped to ASCII and not wrapped."""
    result = invoke("search", "x", "--json")
    reply = json.loads(result.out)
    assert {"query", "took_ms", "hits"} <= reply.keys()
    assert reply["hits"][0] == json.loads(HIT.model_dump_json())
    assert set(reply["hits"][0]) == {
        *("chunk_id", "document_id", "source", "title", "uri", "url", "section", "page", "lines"),
        *("span", "score", "text", "revision", "ingested_at", "parent", "parent_title", "pinned_url"),
        *("kind", "changed_at", "author", "tags", "also", "before", "after"),
    }


def test_a_file_of_queries_is_answered_line_by_line(invoke: Invoke, backend: Scripted, tmp_path: Path) -> None:
    """Plain lines and JSON lines, one object out for each, in one process."""
    file = tmp_path / "q.txt"
    file.write_text('first question\n\n{"query": "second \u2028 one", "id": 7}\n', encoding="utf-8")
    result = invoke("search", "--queries", str(file))
    assert [json.loads(line)["query"] for line in result.out.split("\n") if line] == [
        "first question",
        "second \u2028 one",
    ]


@pytest.mark.parametrize(
    "arguments",
    [(), ("x", "--queries", "q"), ("--queries", "none.txt"), ("  ",), ("--queries", "bad.jsonl"), ("x", "--top", "0")],
)
def test_a_search_without_a_clear_question_is_refused(
    invoke: Invoke, backend: Scripted, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Neither nor, both, a missing file, an empty query, a line that is no query: exit code 2."""
    (tmp_path / "bad.jsonl").write_text('{"question": "x"}\n')
    result = invoke("search", *arguments)
    assert (result.code, result.out, backend.asked) == (2, "", [])
    assert result.err


def test_search_that_finds_nothing_says_so(invoke: Invoke, backend: Scripted) -> None:
    """An empty answer is an answer; what the search wants to say about itself goes to stderr."""
    backend.answers["search"] = wire.SearchReply(query="x", took_ms=1.0, hits=(), note="By keyword only.")
    result = invoke("search", "x")
    assert (result.code, result.out, result.err) == (0, "Nothing was found.\n", "By keyword only.\n")


STATUS = wire.StatusReply(
    sources=(
        wire.SourceStatus(
            name="handbook",
            kind="files",
            state="held",
            documents=1200,
            chunks=5400,
            pending=wire.Pending(embed=7, index=3),
            quarantined=2,
            last_run=run_reply(outcome="held", started_at=1.0),
            next_run=None,
            lag_s=wire.Lag(p50=0.4, p95=3.0),
            held=120,
            note="Half is gone.",
        ),
    ),
    service="running, process 7",
)


def test_status_is_a_table_for_people(invoke: Invoke, backend: Scripted) -> None:
    """Name, state, counts, pending, lag; what is held comes with its command on stderr."""
    backend.answers["status"] = STATUS
    result = invoke("status")
    assert result.code == 0
    for expected in ("handbook", "held", "1,200", "5,400", "0.4 s / 3.0 s", "Service: running, process 7"):
        assert expected in result.out
    assert "ingestor approve handbook" in result.err


def test_scopes_are_shown_where_there_are_some(invoke: Invoke, backend: Scripted, tmp_path: Path) -> None:
    """`status` and `source list` have the column only then; `source add` passes the name on."""
    assert "scope" not in invoke("source", "list").out
    backend.answers["status"] = STATUS
    assert "scope" not in invoke("status").out
    backend.answers["status"] = STATUS.model_copy(
        update={"sources": (STATUS.sources[0].model_copy(update={"scope": "acme"}),)}
    )
    row = wire.SourceReply(name="docs", kind="files", place="/srv/docs", origin="added", scope="acme")
    backend.answers["source_list"] = wire.SourcesReply(sources=(row,))
    for words in (("status",), ("source", "list")):
        assert {"scope", "acme"} <= set(invoke(*words).out.split())
    backend.answers["source_add"] = row
    added = invoke("source", "add", "d", "--scope", "acme")
    assert added.out == "/srv/docs was a source already: docs, in the scope acme\n"
    assert backend.asked[-1] == ("source_add", wire.SourceAddRequest(path=f"{tmp_path}/d", owner=ME, scope="acme"))


def test_status_json_has_the_shape_of_the_contract(invoke: Invoke, backend: Scripted) -> None:
    """One object on one line with at least the promised keys."""
    backend.answers["status"] = STATUS
    (source,) = json.loads(invoke("status", "--json").out)["sources"]
    assert {
        *("name", "kind", "state", "documents", "chunks", "pending", "quarantined", "last_run", "next_run", "lag_s")
    } <= source.keys()
    assert (source["pending"], source["lag_s"]) == ({"embed": 7, "index": 3}, {"p50": 0.4, "p95": 3.0})


def test_status_of_an_empty_machine_says_how_to_begin(invoke: Invoke) -> None:
    """A newcomer's first command leads on."""
    result = invoke("status")
    assert result.code == 0
    assert "ingestor backfill FOLDER" in result.out


def test_runs_lists_the_latest(invoke: Invoke, backend: Scripted) -> None:
    """With limit and source, as a table or as JSON."""
    assert invoke("runs").out == "There were no runs yet.\n"
    backend.answers["runs"] = wire.RunsReply(runs=(run_reply(added=1500, started_at=5.0),))
    table = invoke("runs", "--limit", "5", "--source", "handbook").out
    assert "1,500" in table
    assert backend.asked[-1] == ("runs", (5, "handbook"))
    assert json.loads(invoke("runs", "--json").out)["runs"][0]["documents"]["added"] == 1500


def test_verify_ends_with_4_when_something_differs(invoke: Invoke, backend: Scripted) -> None:
    """Clean is 0; a difference is 4 and says how to mend it; --list names the rows."""
    assert invoke("verify").out == "15 rows checked: no differences.\n"
    broken = wire.VerifyReply(ok=False, checked=15, lost=1, orphan=2, duplicate=0, stale=3, details=("c1 lost",))
    backend.answers["verify"] = broken
    result = invoke("verify", "--list")
    assert result.code == 4
    assert "lost 1, orphan 2, duplicate 0, stale 3" in result.out
    assert "ingestor verify --repair" in result.out
    assert "  c1 lost" in result.out
    assert backend.asked[-1] == ("verify", wire.VerifyRequest(repair=False, details=True))
    reply = json.loads(invoke("verify", "--json").out)
    assert {"ok": False, "checked": 15, "lost": 1, "orphan": 2, "duplicate": 0, "stale": 3}.items() <= reply.items()


def test_sources_are_listed_added_and_removed(invoke: Invoke, backend: Scripted, tmp_path: Path) -> None:
    """Each of the three commands asks for its operation and says what happened."""
    assert "/srv/docs" in invoke("source", "list").out
    assert json.loads(invoke("source", "list", "--json").out)["sources"][0]["name"] == "docs"
    assert invoke("source", "add", "d", "--name", "docs").out == f"{tmp_path}/d is now a source: docs\n"
    assert backend.asked[-1][1] == wire.SourceAddRequest(path=str(tmp_path / "d"), name="docs", owner=ME)
    assert invoke("source", "remove", "docs", "--purge").out == "docs is no source any more.\n"
    assert backend.asked[-1][1] == wire.SourceRemoveRequest(name="docs", purge=True)


def test_approve_shows_the_plan_and_asks(invoke: Invoke, backend: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan is printed with readable names; y carries it out, anything else leaves it held."""
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    result = invoke("approve", "handbook")
    assert result.code == 3
    assert "30 deletions held" in result.out
    assert "old/café-0.md" in result.out
    assert "and 10 more" in result.out
    assert [name for name, _ in backend.asked] == ["plan"]
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    result = invoke("approve", "handbook")
    assert result.code == 0
    assert "30 deleted" in result.out
    assert backend.asked[-1] == ("approve", wire.ApproveRequest(source="handbook", plan_id="5f2c9a"))


def test_approve_without_a_person_needs_the_plan(
    invoke: Invoke, backend: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script gets the plan's id and must name it; --json shows the plan and changes nothing."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    result = invoke("approve", "handbook")
    assert result.code == 2
    assert "--plan 5f2c9a" in result.err
    shown = invoke("approve", "handbook", "--json")
    assert (shown.code, json.loads(shown.out)["plan_id"]) == (3, "5f2c9a")
    assert {name for name, _ in backend.asked} == {"plan"}
    assert invoke("approve", "handbook", "--plan", "5f2c9a").code == 0
    backend.answers["plan"] = wire.PlanReply(source="handbook")
    assert invoke("approve", "handbook").out == "Nothing of handbook is held.\n"


def test_why_gives_the_verdict_and_the_facts(invoke: Invoke, backend: Scripted, tmp_path: Path) -> None:
    """The sentence first, then what is known; a path in no source is exit code 2."""
    backend.answers["why"] = lambda path: wire_reading.WhyReply(
        path=path,
        verdict="Left out by a rule.",
        source="docs",
        included=False,
        rule="exclude **/drafts/**",
        hint="Change it.",
    )
    result = invoke("why", "a.md")
    assert result.out.splitlines() == [
        str(tmp_path / "a.md"),
        "  Left out by a rule.",
        "  Change it.",
        "  source:      docs",
        "  rule:        exclude **/drafts/**",
    ]
    assert json.loads(invoke("why", "a.md", "--json").out)["included"] is False
    del backend.answers["why"]
    assert invoke("why", "a.md").code == 2


def test_run_hands_over_to_the_service(invoke: Invoke, backend: Scripted, tmp_path: Path) -> None:
    """Its exit code is that of the service, and it knows the state folder."""
    assert invoke("run").code == 0
    assert backend.context is not None
    assert backend.context.state.root == tmp_path / "state"
    backend.answers["run_service"] = 4
    assert invoke("run").code == 4


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            UserError("No such source: x.", hint="See ingestor source list."),
            2,
            "No such source: x.\nSee ingestor source list.\n",
        ),
        (SourceUnavailable("The share is offline.", hint="Mount it."), 3, "The share is offline.\nMount it.\n"),
        (LedgerError("The ledger is broken."), 4, "The ledger is broken.\n"),
        (StateBusy("Process 7 does not answer."), 4, "Process 7 does not answer.\n"),
        (PermissionError(13, "Permission denied", "/x"), 4, "/x: Permission denied.\n"),
    ],
)
def test_an_error_is_sentences_and_an_exit_code(
    invoke: Invoke, backend: Scripted, error: Exception, code: int, said: str
) -> None:
    """No traceback for what a person can act on, and nothing on stdout."""
    backend.answers["open"] = error
    result = invoke("search", "x")
    assert (result.code, result.out, result.err) == (code, "", said)


def test_a_bug_shows_its_traceback(invoke: Invoke, backend: Scripted) -> None:
    """What nobody foresaw is shown whole and ends with 4."""
    backend.answers["status"] = ZeroDivisionError("oops")
    result = invoke("status")
    assert result.code == 4
    assert "Traceback" in result.err
    assert "This is a bug" in result.err


@pytest.mark.parametrize(
    "arguments", [("statsu",), ("status", "--jsn"), ("search", "x", "--mode", "psychic"), ("why",)]
)
def test_a_mistyped_command_is_exit_code_2(invoke: Invoke, arguments: tuple[str, ...]) -> None:
    """The usage goes to stderr."""
    result = invoke(*arguments)
    assert (result.code, result.out) == (2, "")
    assert "Usage: ingestor" in result.err


def test_help_and_version(invoke: Invoke) -> None:
    """Every command has help with an example."""
    assert invoke("--version").out == f"ingestor {__version__}\n"
    listing = invoke("--help").out
    leaves = (
        "backfill run sync search status runs why verify approve rebuild backup restore init doctor formats".split()
    )
    for command in [*leaves, "source", "quarantine", "config"]:
        assert f"\n  {command} " in listing
    for command in (
        [[leaf] for leaf in leaves]
        + [["source", s] for s in ("list", "add", "remove")]
        + [["quarantine", s] for s in ("list", "show", "retry", "ignore")]
        + [["config", s] for s in ("show", "check")]
    ):
        result = invoke(*command, "--help")
        assert result.code == 0
        assert f"\n    ingestor {command[0]}" in result.out.replace(" --config /etc/ingestor/ingestor.toml", ""), (
            command
        )


def test_config_show_and_check(invoke: Invoke, tmp_path: Path) -> None:
    """The values in force with their origin; every problem at once with exit code 2."""
    assert "no problems, 0 sources" in invoke("config", "check").out
    file = tmp_path / "ingestor.toml"
    file.write_text("[retention]\ndays = 7\n")
    shown = invoke("config", "show").out
    assert "retention.days" in shown
    assert str(file) in shown
    entries = json.loads(invoke("config", "show", "--json").out)["config"]
    assert entries["retention.days"] == {"value": 7, "from": str(file)}
    file.write_text("[retention]\ndays = 0\nday = 3\n")
    result = invoke("config", "check")
    assert (result.code, result.out, result.err.count("\n  - ")) == (2, "", 2)
    result = invoke("config", "check", "--json")
    assert (result.code, len(json.loads(result.out)["problems"])) == (2, 2)
    assert invoke("search", "x").code == 2


def test_a_configuration_named_by_flag_is_used(invoke: Invoke, backend: Scripted, tmp_path: Path) -> None:
    """--config reaches the context that the wiring gets."""
    (tmp_path / "other.toml").write_text('[log]\nlevel = "error"\n')
    invoke("--config", "other.toml", "search", "x")
    assert backend.context is not None
    assert backend.context.config.log.level == "error"
    assert invoke("--config", "none.toml", "search", "x").code == 2


def test_init_writes_a_file_that_is_valid_and_replaces_none(invoke: Invoke, tmp_path: Path) -> None:
    """The template holds the defaults, and its commented source works when it is uncommented."""
    from ingestor.config import Config, load

    assert invoke("init").code == 0
    file = tmp_path / "ingestor.toml"
    written = load(file, {})
    assert [row[:2] for row in written.shown()] == [row[:2] for row in Config().shown()]
    again = invoke("init")
    assert again.code == 2
    assert "--force" in again.err
    assert invoke("init", "--force", "--output", str(file)).code == 0
    head, _, source = file.read_text().partition("# [[source]]")
    file.write_text(head + "\n".join(line.removeprefix("# ") for line in ("# [[source]]" + source).splitlines()))
    handbook, wiki, company, doku, confluence = load(file, {}).sources
    assert (handbook.name, handbook.settings["path"]) == ("handbook", "/srv/handbook")
    assert (wiki.name, wiki.settings["token_file"]) == ("team-wiki", str(tmp_path / "team-wiki.token"))
    assert company.settings["password_file"] == str(tmp_path / "company-wiki.password")
    assert doku.settings["password_file"] == str(tmp_path / "handbook-wiki.password")
    assert confluence.settings["password_file"] == str(tmp_path / "confluence.token")


def test_the_example_names_every_key_of_a_source() -> None:
    """What a person may set stands in the file that they start from."""
    from dataclasses import fields

    from connectors.files.config import FilesConfig
    from ingestor.cli.init import TEMPLATE

    keys = {*(field.name for field in fields(FilesConfig)), "kind", "schedule", "cron"}
    assert {key for key in keys if f"# {key} = " not in TEMPLATE and f"{key} = " not in TEMPLATE} == set()


def test_the_example_in_the_repository_is_what_init_writes() -> None:
    """One text, so that they cannot differ."""
    from ingestor.cli.init import TEMPLATE

    example = Path(__file__).parents[3] / "config.example.toml"
    assert example.read_text(encoding="utf-8") == TEMPLATE
