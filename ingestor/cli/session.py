"""From the global options to a context, and from a context to operations, with logs set up."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ingestor.cli import backend as seam
from ingestor.cli.signals import Interrupted, signals

if TYPE_CHECKING:
    from ingestor.cli.backend import Reading
    from ingestor.context import Context
    from ingestor.web.api import Operations, Report

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON on one line.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """The global options of one invocation."""

    config_file: Path | None = None
    state_dir: Path | None = None


def context_of(ctx: typer.Context) -> Context:
    """The surroundings that the global options describe. Reads and writes nothing yet."""
    from ingestor.context import Context
    from ingestor.state import resolve

    session: Session = ctx.obj
    return Context(state=resolve(session.state_dir), config_file=session.config_file)


def reading(ctx: typer.Context) -> Reading:
    """For commands that only read. They log nothing, so no logs are set up (it costs a tenth of a second)."""
    return seam.backend().read_only(context_of(ctx))


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """The operations, and whether the work is done by the service (``remote``) or here."""

    operations: Operations
    remote: bool
    stop: threading.Event

    @contextmanager
    def working(self, *, suspendable: bool = True) -> Iterator[Report]:
        """Around one long operation: shows its progress and settles what a signal means. Here, suspendable
        work ends at a safe point; work of the service goes on, and only the waiting for it ends."""
        from ingestor.cli.progress import shown

        with shown() as report:
            if self.remote:
                try:
                    yield report
                except Interrupted:
                    typer.echo("The work goes on in the service; `ingestor status` shows it.", err=True)
                    raise
            elif suspendable:
                with signals.suspending(self.stop):
                    yield report
            else:
                yield report


@contextmanager
def operations(ctx: typer.Context, *, verbose: bool = False) -> Iterator[Opened]:
    """For commands that need the writer or Chroma. ``verbose`` commands log as configured where no person
    watches their progress; the others log warnings only."""
    from ingestor.web.client import RemoteOperations

    context = context_of(ctx)
    set_up_log(context, quiet=not verbose or sys.stderr.isatty())
    with seam.backend().open_operations(context) as opened:
        yield Opened(operations=opened, remote=isinstance(opened, RemoteOperations), stop=context.stop)


def set_up_log(context: Context, *, quiet: bool) -> None:
    """As configured. ``quiet``: warnings only, where a person reads the command's own output instead."""
    from ingestor import log

    settings = context.config.log
    level = "warning" if quiet and "log.level" not in context.config.explicit else settings.level
    log.configure(level=level, form=settings.format)


def invoker() -> str:
    """The name of the user who runs the command; it owns what ``backfill PATH`` registers."""
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def place_of(text: str) -> str:
    """What a person points at, as sources know it: a path made absolute, an address as it stands."""
    return text if re.match(r"[a-z][a-z0-9+.-]*://", text) else str(Path(text).expanduser().absolute())
