"""``ingestor doctor``: what works on this machine and what does not."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from dataclasses import asdict

import typer

from ingestor.cli.output import clean, console, emit_line
from ingestor.cli.session import Json, context_of, reading

_SAMPLE = 300  # documents: a tenth of them is told from a twentieth


def command(ctx: typer.Context, json: Json = False) -> None:
    """Examine what works on this machine.

    Python, SQLite, model, languages, formats, watches, disk, state folder, configuration. Exit code 2 when the
    configuration is wrong, 4 when something else keeps ingestor from working.

    Example:
      ingestor doctor
    """
    from ingestor.cli.doctor_checks import Level, examine

    checks = []
    out = console()
    marks = {Level.OK: ("ok  ", "green"), Level.WARN: ("warn", "yellow"), Level.FAIL: ("FAIL", "bold red")}
    for check in examine(context_of(ctx), _registered(ctx), _texts(ctx)):
        checks.append(check)
        if not json:
            mark, style = marks[check.level]
            out.print(mark, style=style, end=" ")
            out.print(f"{check.name}: {clean(check.message)}", soft_wrap=True)
            if check.hint:
                out.print(f"     {clean(check.hint)}", soft_wrap=True)
    failed = [check.name for check in checks if check.level is Level.FAIL]
    if json:
        emit_line(jsonlib.dumps({"ok": not failed, "checks": [asdict(check) for check in checks]}))
    if failed:
        raise typer.Exit(2 if failed == ["configuration"] else 4)


def _texts(ctx: typer.Context) -> Sequence[str]:
    """Of some documents; none where the ledger cannot be read."""
    from ingestor.errors import IngestorError

    try:
        return reading(ctx).sample(_SAMPLE)
    except IngestorError:
        return ()


def _registered(ctx: typer.Context) -> list[str]:
    """The folders of the sources that the ledger knows; none where it cannot be read (a check says so)."""
    from ingestor.errors import IngestorError

    try:
        return [source.place for source in reading(ctx).source_list().sources if source.kind == "files"]
    except IngestorError:
        return []
