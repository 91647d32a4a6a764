"""``ingestor config``: what is in force, and whether it is right."""

from __future__ import annotations

import json as jsonlib

import typer

from ingestor.cli.help import help_of
from ingestor.cli.output import emit_line, print_table
from ingestor.cli.session import Json, context_of

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Show and check the configuration.")


def show(ctx: typer.Context, json: Json = False) -> None:
    """Show every value in force and where it comes from. Secrets are hidden.

    Example:
      ingestor config show
    """
    context = context_of(ctx)
    rows = context.config.shown()
    if json:
        entries = {key: {"value": value, "from": origin} for key, value, origin in rows}
        emit_line(jsonlib.dumps({"state_dir": str(context.state.root), "config": entries}, default=str))
    else:
        emit_line(f"State folder: {context.state.root}")
        emit_line(f"File: {context.config.file or 'none found, so all values are defaults'}")
        print_table(("key", "value", "from"), [(key, jsonlib.dumps(v, default=str), by) for key, v, by in rows])


def check(ctx: typer.Context, json: Json = False) -> None:
    """List every problem of the configuration at once. Exit code 2 when there is one.

    Examples:
      ingestor config check
      ingestor --config new.toml config check
    """
    from ingestor.errors import ConfigError

    context = context_of(ctx)
    try:
        config = context.config
    except ConfigError as error:
        if not json:
            raise
        emit_line(jsonlib.dumps({"ok": False, "problems": list(error.problems)}))
        raise typer.Exit(2) from error
    if json:
        emit_line(jsonlib.dumps({"ok": True, "problems": []}))
    else:
        emit_line(f"{config.file or 'There is no file; the defaults'}: no problems, {len(config.sources)} sources.")


for _name, _command in {"show": show, "check": check}.items():
    app.command(_name, help=help_of(_command))(_command)
