"""``ingestor doctor``: what works on this machine and what does not, or on the way to one source."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ingestor.cli import backend as seam
from ingestor.cli.output import clean, console, emit_line
from ingestor.cli.session import Json, context_of, reading

if TYPE_CHECKING:
    from connectors.examining import Finding

_SAMPLE = 300  # documents: a tenth of them is told from a twentieth


def command(
    ctx: typer.Context,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="Check the connection to this source instead.")
    ] = None,
    json: Json = False,
) -> None:
    """Examine what works on this machine, or the connection to one source.

    Of the machine: Python, SQLite, model, languages, formats, watches, disk, state folder, configuration. Exit code 2
    when the configuration is wrong, 4 when something else keeps ingestor from working.

    Of a source: the way to its server, certificate, login, version, what is in it, one item read and parsed, its
    changes. Exit code 2 when its settings are wrong, 3 when it cannot be read. The answer holds names and no secret.

    Examples:
      ingestor doctor
      ingestor doctor --source handbook-wiki
    """
    from ingestor.cli.doctor_checks import examine

    if source is None:
        failed = _shown(examine(context_of(ctx), _registered(ctx), _texts(ctx)), json=json)
        code, wrong = 4, "configuration"
    else:
        failed = _shown(seam.backend().examine_source(context_of(ctx), source), json=json)
        code, wrong = 3, "settings"
    if failed:
        raise typer.Exit(2 if set(failed) == {wrong} else code)


def _shown(checks: Iterable[Finding], *, json: bool) -> list[str]:
    """Each check as it comes; the names of those that failed."""
    from connectors.examining import Level

    done = []
    out = console()
    marks = {Level.OK: ("ok  ", "green"), Level.WARN: ("warn", "yellow"), Level.FAIL: ("FAIL", "bold red")}
    for check in checks:
        done.append(check)
        if not json:
            mark, style = marks[check.level]
            out.print(mark, style=style, end=" ")
            out.print(f"{check.name}: {clean(check.message)}", soft_wrap=True)
            if check.hint:
                out.print(f"     {clean(check.hint)}", soft_wrap=True)
    failed = [check.name for check in done if check.level is Level.FAIL]
    if json:
        emit_line(jsonlib.dumps({"ok": not failed, "checks": [asdict(check) for check in done]}))
    return failed


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
