"""What a command imports: the start-up budget, kept by what is absent and not by a clock."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_HEAVY = {"torch", "numpy", "unstructured", "chromadb", "spacy", "sentence_transformers", "transformers", "uvicorn"}
_HEAVY |= {"starlette", "apscheduler", "watchdog", "pypdfium2", "fastapi", "pandas"}

_PROBE = """
import json, sys
from contextlib import contextmanager
from ingestor.cli import backend as seam
class Reading:
    def status(self):
        from ingestor.wire import StatusReply
        return StatusReply(sources=())
class Backend:
    def read_only(self, context): return Reading()
seam.backend = lambda: Backend()
from ingestor.cli.main import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def imported_by(*arguments: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", _PROBE, *arguments], capture_output=True, text=True, check=True)
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    return set(modules)


def test_help_imports_almost_nothing() -> None:
    """Neither pydantic nor rich nor structlog nor httpx, so that help comes at once."""
    modules = imported_by("--help")
    assert not modules & (_HEAVY | {"pydantic", "rich", "structlog", "httpx", "asyncio", "sqlite3"})


@pytest.mark.parametrize("arguments", [("status",), ("status", "--json"), ("config", "check"), ("init", "--help")])
def test_commands_that_only_read_stay_light(arguments: tuple[str, ...]) -> None:
    """No log, no HTTP, no model, no index."""
    assert not imported_by(*arguments) & (_HEAVY | {"structlog", "httpx", "asyncio"})
