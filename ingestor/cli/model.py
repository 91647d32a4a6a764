"""``ingestor model``: the embedding models, and switching between them."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ingestor.cli.help import help_of
from ingestor.cli.output import ago, clean, emit_json, emit_line, print_table, span
from ingestor.cli.session import Json, context_of, operations, reading

if TYPE_CHECKING:
    from ingestor.wire_models import ModelReply

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List the embedding models, switch between them.")


class Vectors(StrEnum):
    """What the vector of a passage is made of."""

    POOLED = "pooled"
    WHOLE = "whole"


_DAY_S = 86_400.0
_KEEP_DAYS = 7.0
_MARGIN = 0.02
_MOST_DAYS = 3_650.0


def list_(ctx: typer.Context, json: Json = False) -> None:
    """Show the models that the corpus is or was embedded with.

    Serving is the one that search goes by; building is being embedded; kept follows the corpus, so that it
    can be taken back at once.

    Example:
      ingestor model list
    """
    reply = reading(ctx).models()
    if json:
        emit_json(reply)
    elif not reply.models:
        emit_line("Nothing is embedded yet. Name a folder: ingestor backfill FOLDER")
    else:
        rows = [
            (
                model.name,
                model.vectors,
                model.state + (", configured" if model.configured else ""),
                f"{model.waiting:,}" if model.state != "unused" else "-",
                ago(model.kept_until),
            )
            for model in reply.models
        ]
        print_table(("model", "vectors", "state", "waiting", "kept until"), rows, numbers=(3,))


def switch(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A sentence-transformers model or folder.")],
    vectors: Annotated[
        Vectors | None,
        typer.Option("--vectors", help="Of sentences, pooled, or of whole passages. As configured by default."),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option("--eval", metavar="FILE", help="Questions with answers; refuse a model that finds less."),
    ] = None,
    margin: Annotated[
        float, typer.Option("--margin", min=0.0, max=1.0, help="How much less it may find with --eval, of 1.")
    ] = _MARGIN,
    keep_old: Annotated[
        float,
        typer.Option("--keep-old", metavar="DAYS", min=0.0, max=_MOST_DAYS, help="Keep the old one for a rollback."),
    ] = _KEEP_DAYS,
    json: Json = False,
) -> None:
    """Embed everything with another model beside the one that serves, then let it take over.

    Search goes on with the old model until the new one is complete and current. Nothing is read from a
    source. It may be interrupted: the service or the next command goes on with it. The configuration is
    not changed; while its model stays the same, the switch holds.

    FILE has one JSON object a line: {"question": "...", "answer": "a passage as it stands in a document"}.

    Examples:
      ingestor model switch BAAI/bge-small-en-v1.5
      ingestor model switch ~/models/ours --eval questions.jsonl --margin 0.01
      ingestor model switch builtin:all-MiniLM-L6-v2 --vectors whole --keep-old 30
    """
    from ingestor import wire_models
    from ingestor.cli.outcome import SUSPENDED_EXIT
    from ingestor.cli.signals import signals

    request = wire_models.ModelSwitchRequest(
        name=_anywhere(name),
        vectors=vectors.value if vectors is not None else context_of(ctx).config.embedding.vectors,
        keep_s=keep_old * _DAY_S,
        questions=_read(questions) if questions is not None else None,
        margin=margin,
    )
    with operations(ctx) as opened, opened.working() as report:
        reply = opened.operations.model_switch(request, report)
    if json:
        emit_json(reply)
    else:
        _show(reply)
    if reply.outcome == "suspended":
        raise typer.Exit(128 + signals.received if signals.received is not None else SUSPENDED_EXIT)
    if reply.outcome in {"refused", "cancelled"}:
        raise typer.Exit(4)


def rollback(ctx: typer.Context, json: Json = False) -> None:
    """Give up a switch that is under way, or take back the model before, at once.

    Example:
      ingestor model rollback
    """
    from ingestor import wire_models

    with operations(ctx) as opened:
        reply = opened.operations.model_rollback(wire_models.ModelRollbackRequest())
    name, previous = _called(reply.name, reply.vectors), _called(reply.previous, reply.previous_vectors)
    if json:
        emit_json(reply)
    elif reply.outcome == "cancelled":
        emit_line(f"The switch to {name} is given up; {previous} goes on serving.")
    else:
        emit_line(f"{name} serves again, instead of {previous}.")


def _show(reply: ModelReply) -> None:
    name, previous = _called(reply.name, reply.vectors), _called(reply.previous, reply.previous_vectors)
    if (found := reply.evaluation) is not None:
        emit_line(f"{found.modes[0].after.questions:,} questions, before and now:")
        rows = [
            (
                one.mode,
                f"{one.before.recall:.1%}",
                f"{one.after.recall:.1%}",
                f"{one.before.rank:.3f}",
                f"{one.after.rank:.3f}",
            )
            for one in found.modes
        ]
        print_table(("mode", "answers found", "now", "reciprocal rank", "now"), rows, numbers=(1, 2, 3, 4))
    match reply.outcome:
        case "done":
            emit_line(f"{name} serves now, instead of {previous}; {span(reply.duration_s)}")
            emit_line("Take it back with: ingestor model rollback")
        case "unchanged":
            emit_line(f"{name} serves already.")
        case "refused":
            emit_line(f"{name} finds less than the margin allows.")
            emit_line(f"{previous} goes on serving.")
        case "cancelled":
            emit_line(f"The switch to {name} was given up.")
        case _:
            emit_line("Suspended; the service or the next command goes on with it.")


def _called(name: str, vectors: str) -> str:
    return f"{clean(name)} ({vectors})" if vectors != "pooled" else clean(name)


def _read(file: Path) -> str:
    from ingestor.errors import UserError

    try:
        return file.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The evaluation set {file} cannot be read: {error}.") from error


def _anywhere(name: str) -> str:
    """A folder by its whole path, so that another process finds it."""
    folder = Path(name).expanduser()
    return str(folder.absolute()) if name.startswith((".", "~")) or folder.is_dir() else name


_COMMANDS: dict[str, Callable[..., None]] = {"list": list_, "switch": switch, "rollback": rollback}
for _name, _command in _COMMANDS.items():
    app.command(_name, help=help_of(_command))(_command)
