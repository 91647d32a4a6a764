"""``ingestor mcp``: the tools of an assistant, over stdin and stdout."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from ingestor.cli.principals import As, principals_of
from ingestor.cli.session import context_of, operations, reading

if TYPE_CHECKING:
    from ingestor import wire
    from ingestor.web.access import Caller

TOKEN = "INGESTOR_TOKEN"  # noqa: S105  # the name of the variable that may hold one


def command(ctx: typer.Context, who: As = None) -> None:
    """Serve an assistant by the Model Context Protocol: search, read_document, trace, list_sources.

    It is started by the assistant's program and ends with it. Without --as, and without a token in INGESTOR_TOKEN, it
    reads everything. Let the service run beside it: without one, each search loads the model anew.

    Examples:
      ingestor mcp --as group:staff,public
      INGESTOR_TOKEN=ingestor_... ingestor mcp
    """
    from ingestor.web.mcp import server

    asked = principals_of(who)
    _caller(ctx, asked)  # a token that is none is told at once

    def search(request: wire.SearchRequest) -> wire.SearchReply:
        # Opened for each: the session may last for days, and others want the lock, or the service, in between.
        with operations(ctx) as opened:
            return opened.operations.search(request)

    server(search, reading(ctx), lambda _: _caller(ctx, asked)).run("stdio")


def _caller(ctx: typer.Context, asked: tuple[str, ...] | None) -> Caller:
    """Of ``--as`` and a token each narrows what the other allows."""
    from ingestor.errors import UserError
    from ingestor.tokens import Role, Tokens
    from ingestor.web.access import OWNER, Access, Caller, Refused

    caller = OWNER
    if text := os.environ.get(TOKEN, ""):
        try:
            caller = Access(tokens=Tokens(context_of(ctx).state.root), without=None).caller([f"Bearer {text}"])
        except Refused:
            raise UserError(
                f"The token in {TOKEN} is not valid.", hint="`ingestor token list` shows those that are."
            ) from None
    names = caller.reads_as(asked)
    return Caller(key=caller.key, principals=None if names is None else frozenset(names), role=Role.READER)
