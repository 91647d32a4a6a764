"""``ingestor source``: list, add and remove sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ingestor.cli.help import help_of
from ingestor.cli.output import clean, emit_json, emit_line, print_table
from ingestor.cli.session import Json, invoker, operations, reading

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List, add and remove sources.")


def list_(ctx: typer.Context, json: Json = False) -> None:
    """Show the sources, configured and added.

    Example:
      ingestor source list
    """
    reply = reading(ctx).source_list()
    if json:
        emit_json(reply)
    elif not reply.sources:
        emit_line("There are no sources. Name a folder: ingestor source add FOLDER")
    else:
        rows = [(s.name, s.kind, s.place, s.origin, s.scope) for s in reply.sources]
        shown = 5 if any(s.scope for s in reply.sources) else 4
        print_table(("source", "kind", "place", "from", "scope")[:shown], [row[:shown] for row in rows])


def add(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The folder.")],
    name: Annotated[str | None, typer.Option("--name", help="Its name; without, that of the folder.")] = None,
    scope: Annotated[
        str | None,
        typer.Option(
            "--scope", help="The scope whose collection it belongs to; of a source that is there, the new one."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Register a folder as a source, without reading it yet.

    Examples:
      ingestor source add ~/docs
      ingestor source add /srv/share/docs --name share
      ingestor source add /srv/customers/acme --scope acme
    """
    from ingestor import wire

    request = wire.SourceAddRequest(path=str(path.expanduser().absolute()), name=name, owner=invoker(), scope=scope)
    with operations(ctx) as opened:
        reply = opened.operations.source_add(request)
    if json:
        emit_json(reply)
    else:
        said = "is now a source" if reply.created else "was a source already"
        where = f", in the scope {reply.scope}" if reply.scope else ""
        emit_line(f"{clean(reply.place)} {said}: {clean(reply.name)}{where}")


def remove(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The source.")],
    purge: Annotated[
        bool, typer.Option("--purge", help="Forget its documents at once, past revisions included.")
    ] = False,
    json: Json = False,
) -> None:
    """Remove a source that was added; nothing in its folder is touched.

    Its documents leave search at once.

    Examples:
      ingestor source remove docs
      ingestor source remove docs --purge
    """
    from ingestor import wire

    with operations(ctx) as opened:
        reply = opened.operations.source_remove(wire.SourceRemoveRequest(name=name, purge=purge))
    if json:
        emit_json(reply)
    else:
        emit_line(f"{clean(reply.name)} is no source any more.")


_COMMANDS: dict[str, Callable[..., None]] = {"list": list_, "add": add, "remove": remove}
for _name, _command in _COMMANDS.items():
    app.command(_name, help=help_of(_command))(_command)
