"""The entry point: the commands, their global options, and what an error looks like."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ingestor import __version__
from ingestor.cli import (
    approve,
    backfill,
    backup,
    chunk,
    config,
    cost,
    doctor,
    formats,
    generate,
    health,
    history,
    init,
    mcp,
    model,
    pause,
    quarantine,
    rebuild,
    reload,
    restore,
    run,
    runs,
    search,
    source,
    status,
    support_bundle,
    sync,
    token,
    trace,
    verify,
    why,
)
from ingestor.cli.help import help_of
from ingestor.cli.session import Session
from ingestor.cli.signals import Interrupted, handled

# Plain help: rich's frames cost as much time as everything else that --help does.
app = typer.Typer(
    name="ingestor",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ingestor {__version__}")
        raise typer.Exit


def options(
    ctx: typer.Context,
    config_file: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Configuration file instead of the one found.")
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option("--state-dir", metavar="DIR", help="Where the ledger and the index live.")
    ] = None,
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Keep a searchable collection equal to your folders and wikis, continuously.

    Start here:
      ingestor backfill ~/docs ~/handbook          read two folders, once
      ingestor search "how long do refunds take"   ask
      ingestor run                                 keep it current, until stopped

    Exit codes: 0 ok, 1 new documents could not be read, 2 wrong command or configuration, 3 a source is
    unavailable or waits for approval, 4 ledger or index, 130/143 suspended.
    """
    ctx.obj = Session(config_file=config_file, state_dir=state_dir)


_COMMANDS: dict[str, Callable[..., None]] = {
    "backfill": backfill.command,
    "run": run.command,
    "sync": sync.command,
    "mcp": mcp.command,
    "search": search.command,
    "status": status.command,
    "runs": runs.command,
    "cost": cost.command,
    "why": why.command,
    "trace": trace.command,
    "history": history.command,
    "verify": verify.command,
    "approve": approve.command,
    "pause": pause.pause,
    "resume": pause.resume,
    "reload": reload.command,
    "health": health.command,
    "rebuild": rebuild.command,
    "backup": backup.command,
    "restore": restore.command,
    "init": init.command,
    "doctor": doctor.command,
    "formats": formats.command,
    "support-bundle": support_bundle.command,
    "chunk": chunk.command,
}
for _name, _command in _COMMANDS.items():
    app.command(_name, help=help_of(_command))(_command)
app.add_typer(generate.app, name="eval")
app.add_typer(source.app, name="source")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(model.app, name="model")
app.add_typer(token.app, name="token")
app.add_typer(config.app, name="config")
app.callback(help=help_of(options))(options)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. The console script hands it to ``sys.exit``."""
    code = _run(arguments)
    wiring = sys.modules.get("ingestor.wiring")
    if wiring is not None and wiring.loops_still_run():
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    return code


def _run(arguments: Sequence[str] | None) -> int:
    # Before numpy is imported, here and in our children: what a search multiplies is too small to be divided, and
    # threads that wait for more spin: they took as much processor time as the search itself.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A character that the terminal's encoding lacks must not end the command.
            stream.reconfigure(errors="backslashreplace")
    in_main = threading.current_thread() is threading.main_thread()
    try:
        with handled() if in_main else contextlib.nullcontext():
            app(args=None if arguments is None else list(arguments), prog_name="ingestor")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Interrupted as interrupted:
        return interrupted.exit_code
    except BrokenPipeError:
        # The reader of our output left (`| head`); nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the last place where an error can become a sentence
        return _explain(error)
    return 0


def _explain(error: Exception) -> int:
    from ingestor.web.failures import describe

    reply = describe(error)
    if reply is None:
        traceback.print_exception(error)
        sys.stderr.write("This is a bug in ingestor; the lines above say where.\n")
        return 4
    sys.stderr.write(f"{reply.message}\n" + (f"{reply.hint}\n" if reply.hint else ""))
    return reply.exit_code
