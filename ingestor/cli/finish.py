"""How every command that makes runs ends: summary or JSON, advice, exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from ingestor.cli.outcome import advice, exit_code, summary
from ingestor.cli.output import emit_json, emit_line
from ingestor.cli.signals import signals

if TYPE_CHECKING:
    from ingestor.wire import RunsReply


def finish(reply: RunsReply, *, remote: bool, json: bool, dry: bool = False) -> None:
    """Show ``reply`` and leave with its exit code."""
    from ingestor import log
    from ingestor.service.replies import canonical

    if remote:
        # In our own process the engine wrote this line; the service wrote it into its log, not ours.
        for run in reply.runs:
            log.get().info("run_finished", **canonical(run))
    if json:
        emit_json(reply)
    else:
        for line in summary(reply, dry=dry):
            emit_line(line)
    for line in advice(reply.runs):
        sys.stderr.write(line + "\n")
    raise typer.Exit(exit_code(reply, signals.received))
