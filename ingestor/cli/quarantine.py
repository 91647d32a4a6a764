"""``ingestor quarantine``: the documents that are set aside, and what is to become of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote

import typer

from ingestor.cli.help import help_of
from ingestor.cli.output import ago, clean, emit_json, emit_line, print_table
from ingestor.cli.session import Json, operations, place_of, reading

if TYPE_CHECKING:
    from ingestor.wire import QuarantineItem

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show the documents that could not be read, try them again, or leave them alone.",
)

Target = Annotated[str, typer.Argument(metavar="DOCUMENT|PATH", help="A document's id, or a file.")]


def list_(
    ctx: typer.Context,
    source: Annotated[str | None, typer.Option("--source", metavar="NAME", help="Only of this source.")] = None,
    ignored: Annotated[
        bool, typer.Option("--ignored", help="Those that were ignored, instead of those that wait.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the documents that are set aside, each with its reason.

    Examples:
      ingestor quarantine list
      ingestor quarantine list --source handbook --json
    """
    reply = reading(ctx).quarantine(source, ignored=ignored)
    if json:
        emit_json(reply)
        return
    if not reply.items:
        emit_line("Nothing is ignored." if ignored else "Nothing is set aside.")
    else:
        headings = ("reason", "tries", "next try", "source", "document", "file")
        print_table(headings, [_row(item) for item in reply.items], numbers=(1,))
        for reason, says in sorted({(item.reason, _says(item)) for item in reply.items}):
            emit_line(f"{reason}: {says}")
    if reply.ignored and not ignored:
        typer.echo(f"{reply.ignored:,} more are ignored: ingestor quarantine list --ignored", err=True)


def show(ctx: typer.Context, target: Target, json: Json = False) -> None:
    """Say why one document is set aside, and what can be done.

    Examples:
      ingestor quarantine show ~/docs/contract.docx
      ingestor quarantine show 3f1c0a6f8a3d4a0f9b6f0c52a7e4d1b8 --json
    """
    item = _found(ctx, target)
    if json:
        emit_json(item)
        return
    emit_line(clean(_place(item)))
    emit_line(f"  {clean(_says(item))}")
    facts = (
        ("reason", item.reason),
        ("source", item.source),
        ("document", item.document_id),
        ("since", ago(item.since)),
        ("tried", "once" if item.attempts == 1 else f"{item.attempts} times"),
        ("next try", _next_try(item)),
    )
    for name, value in facts:
        emit_line(f"  {name + ':':<10}{clean(value)}")


def retry(
    ctx: typer.Context,
    target: Annotated[str | None, typer.Argument(metavar="DOCUMENT|PATH", help="A document's id, or a file.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every document that is set aside.")] = False,
    source: Annotated[list[str] | None, typer.Option("--source", metavar="NAME", help="All of this source.")] = None,
    json: Json = False,
) -> None:
    """Try documents again now, however often they failed.

    What is ignored is tried only where it is named. Without a service the run happens here.

    Examples:
      ingestor quarantine retry ~/docs/contract.docx
      ingestor quarantine retry --source handbook
      ingestor quarantine retry --all
    """
    from ingestor import wire
    from ingestor.cli.finish import finish
    from ingestor.errors import UserError

    if sum((target is not None, everything, bool(source))) != 1:
        raise UserError("Say which to try again: a document, a file, --source NAME, or --all.")
    documents = () if target is None else (_found(ctx, target).document_id,)
    request = wire.QuarantineRequest(documents=documents, sources=tuple(source or ()), everything=everything)
    with operations(ctx, verbose=True) as opened:
        with opened.working() as report:
            reply = opened.operations.quarantine_retry(request, report)
        if reply.runs or json:
            finish(reply, remote=opened.remote, json=json)
    emit_line("Nothing is set aside.")


def ignore(ctx: typer.Context, target: Target, json: Json = False) -> None:
    """Leave a document alone: it is neither counted nor told of again.

    It stays out of search as before. New content of the file, or `ingestor quarantine retry`, ends this.

    Examples:
      ingestor quarantine ignore ~/docs/logo.png
      ingestor quarantine ignore 3f1c0a6f8a3d4a0f9b6f0c52a7e4d1b8
    """
    from ingestor import wire

    request = wire.QuarantineRequest(documents=(_found(ctx, target).document_id,))
    with operations(ctx) as opened:
        reply = opened.operations.quarantine_ignore(request)
    if json:
        emit_json(reply)
        return
    for item in reply.items:
        emit_line(f"{clean(_place(item))} is left alone until its content changes.")


def _found(ctx: typer.Context, target: str) -> QuarantineItem:
    return reading(ctx).set_aside(target, place_of(target))


def _row(item: QuarantineItem) -> tuple[str, ...]:
    return (item.reason, str(item.attempts), _next_try(item), item.source, item.document_id, _place(item))


def _place(item: QuarantineItem) -> str:
    """Where it is; of an attachment the mail, and what it is called there."""
    _, *attached = item.uri.split("#attachment=")
    return " > ".join([item.url or item.uri.partition("#")[0], *map(unquote, attached)])


def _next_try(item: QuarantineItem) -> str:
    if item.ignored:
        return "ignored"
    if item.next_try is None:
        return "when it changes"
    return ago(item.next_try) if item.next_try > item.since else "now"


def _says(item: QuarantineItem) -> str:
    return f"{item.message} {item.hint}".strip()


_COMMANDS: dict[str, Callable[..., None]] = {"list": list_, "show": show, "retry": retry, "ignore": ignore}
for _name, _command in _COMMANDS.items():
    app.command(_name, help=help_of(_command))(_command)
