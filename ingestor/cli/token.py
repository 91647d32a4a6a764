"""``ingestor token``: who may ask over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ingestor.cli.help import help_of
from ingestor.cli.output import ago, emit_json, emit_line, print_table
from ingestor.cli.principals import As, principals_of
from ingestor.cli.session import Json, context_of

if TYPE_CHECKING:
    from ingestor.tokens import Tokens

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make, list and revoke tokens for the HTTP API.")


class RoleName(StrEnum):
    READER = "reader"
    OPERATOR = "operator"


def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is, or what for.")],
    who: As = None,
    everything: Annotated[bool, typer.Option("--everything", help="Instead of --as: reads every document.")] = False,
    role: Annotated[
        RoleName, typer.Option("--role", help="An operator may also see all sources and set them to work.")
    ] = RoleName.READER,
    days: Annotated[int | None, typer.Option("--days", min=1, metavar="N", help="Ends after N days.")] = None,
) -> None:
    """Make a token, and print it, this once.

    Examples:
      ingestor token add assistant --as group:staff,public
      ingestor token add dashboard --as public --role operator --days 90
    """
    from ingestor.errors import UserError
    from ingestor.tokens import Role

    if (who is None) is not everything:
        raise UserError("Say what it reads: --as PRINCIPALS, or --everything.")
    if not name.strip() or len(name) > 64:
        raise UserError("A token's name has from 1 to 64 characters.")
    context_of(ctx).state.prepare()
    emit_line(_tokens(ctx).add(name.strip(), principals_of(who), Role(role.value), days=days))


def list_(ctx: typer.Context, json: Json = False) -> None:
    """Show the tokens: name, role, what they read as. The tokens themselves are kept nowhere.

    Example:
      ingestor token list
    """
    from ingestor.wire_service import TokenReply, TokensReply

    tokens = _tokens(ctx).all()
    if json:
        known = [
            TokenReply(
                id=token.id,
                name=token.name,
                role=token.role.value,
                principals=token.principals,
                created_at=token.created_at,
                expires_at=token.expires_at,
            )
            for token in tokens
        ]
        emit_json(TokensReply(tokens=tuple(known)))
    elif not tokens:
        emit_line("There are no tokens. Make one: ingestor token add NAME --as group:staff")
    else:
        rows = [
            (
                token.id,
                token.name,
                token.role.value,
                "everything" if token.principals is None else ",".join(token.principals),
                ago(token.created_at),
                _end(token.expires_at),
            )
            for token in tokens
        ]
        print_table(("id", "token", "role", "reads as", "made", "ends"), rows)


def revoke(ctx: typer.Context, token: Annotated[str, typer.Argument(metavar="TOKEN", help="Its name or id.")]) -> None:
    """Revoke a token: the very next request with it is refused.

    Example:
      ingestor token revoke assistant
    """
    gone = _tokens(ctx).revoke(token)
    emit_line(f"The token {gone.name!r} ({gone.id}) is revoked.")


def _tokens(ctx: typer.Context) -> Tokens:
    from ingestor.tokens import Tokens

    return Tokens(context_of(ctx).state.root)


def _end(at: float | None) -> str:
    if at is None:
        return "never"
    return "ended" if at <= time.time() else ago(at)


_COMMANDS: dict[str, Callable[..., None]] = {"add": add, "list": list_, "revoke": revoke}
for _name, _command in _COMMANDS.items():
    app.command(_name, help=help_of(_command))(_command)
