"""A command line on a scripted backend, in a home folder of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from scripted_backend import Invoke, Result, Scripted

from ingestor.cli import backend as seam
from ingestor.cli.main import main


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Scripted:
    scripted = Scripted()
    monkeypatch.setattr(seam, "backend", lambda: scripted)
    monkeypatch.chdir(tmp_path)
    for name in ("INGESTOR_CONFIG", "INGESTOR_STATE_DIR", "STATE_DIRECTORY", "XDG_CONFIG_HOME", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TERM", "xterm")
    return scripted


@pytest.fixture
def invoke(backend: Scripted, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Invoke]:
    """Run one command; libraries' log set-up is undone at the end."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*arguments: str) -> Result:
        code = main(["--state-dir", str(tmp_path / "state"), *arguments])
        captured = capfd.readouterr()
        return Result(code=code, out=captured.out, err=captured.err)

    yield run
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
