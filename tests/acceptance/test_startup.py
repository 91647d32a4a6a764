"""What a command loads. The seconds are measured by ``make bench``; here it counts what is absent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.acceptance.taken import Taken
from tests.acceptance.tracing import Trace, environment, main_trace

HEAVY = ("torch", "transformers", "sentence_transformers", "unstructured", "chromadb", "spacy", "pypdfium2")
MEDIUM = ("numpy", "uvicorn", "starlette", "apscheduler", "watchdog", "structlog", "httpx", "asyncio")
LIGHT = ("pydantic", "rich", "sqlite3")


def traced(taken: Taken, folder: Path, *arguments: object) -> Trace:
    program = replace(taken.program, environ=environment(folder))
    program(*arguments)
    return main_trace(folder)


@pytest.mark.slow
def test_help_loads_next_to_nothing(taken: Taken, tmp_path: Path) -> None:
    """Help of the installed command needs no library but that of the command line."""
    assert traced(taken, tmp_path, "--help").has(*HEAVY, *MEDIUM, *LIGHT) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [("status",), ("status", "--json"), ("runs",), ("source", "list"), ("why", "{folder}/hr/remote-work.md")],
)
def test_commands_that_read_the_ledger_stay_light(taken: Taken, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Status and its like open the ledger and nothing else: no model, no index, no parser, no server, no child."""
    trace = traced(taken, tmp_path, *(argument.format(folder=taken.folder) for argument in arguments))
    assert trace.has(*HEAVY, *MEDIUM) == set()
    assert trace.starts == ()
    assert trace.talks == ()


@pytest.mark.slow
def test_a_run_without_work_loads_no_machinery(taken: Taken, tmp_path: Path) -> None:
    """A second run over an unchanged corpus reads, embeds and writes nothing, imports neither torch nor
    unstructured nor chromadb, and starts no process (R9)."""
    program = replace(taken.program, environ=environment(tmp_path))
    run = program.backfill(taken.folder)
    assert run["documents"] == {
        "added": 0, "updated": 0, "moved": 0, "deleted": 0, "failed": 0, "unchanged": taken.run["documents"]["added"]
    }  # fmt: skip
    assert (run["embedded"], run["index_writes"], run["bytes_read"]) == (0, 0, 0)
    trace = main_trace(tmp_path)
    assert trace.has(*HEAVY) == set()
    assert trace.starts == ()
    assert trace.outward == ()


@pytest.mark.slow
def test_a_search_by_words_needs_no_model(taken: Taken, tmp_path: Path) -> None:
    """Keyword search answers from the ledger alone."""
    program = replace(taken.program, environ=environment(tmp_path))
    hits = program.search("refund-late", mode="keyword")
    assert hits[0]["uri"].endswith("/support/refunds-and-returns.md")
    assert main_trace(tmp_path).has(*HEAVY) == set()
    assert main_trace(tmp_path).starts == ()
