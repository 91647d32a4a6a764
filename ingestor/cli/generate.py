"""``ingestor eval generate``, and ``ingestor eval`` as the group of it and of the evaluation itself."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ingestor.cli import evaluate
from ingestor.cli.filters import SourceNames
from ingestor.cli.help import help_of
from ingestor.cli.output import emit_line
from ingestor.cli.principals import As, principals_of
from ingestor.cli.session import reading


class Evaluation(TyperGroup):
    """``eval QUESTIONS.jsonl`` is ``eval ask QUESTIONS.jsonl``."""

    default = "ask"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [self.default, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=Evaluation,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Ask the questions of a file, and say how much of their answers is found: eval QUESTIONS.jsonl.",
)


def generate(
    ctx: typer.Context,
    count: Annotated[int, typer.Option("--count", min=1, max=1_000, metavar="N", help="At most so many.")] = 50,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another number gives other questions.")] = 0,
    source: SourceNames = None,
    who: As = None,
) -> None:
    """Make a first set of questions from the headings and titles of documents, without a language model.

    These are easier than what people ask, for they use the words of their answers. They show what is broken, and
    which of two searches finds less; not how good a search is. Take them as a start: put real questions beside them.

    Examples:
      ingestor eval generate > questions.jsonl
      ingestor eval generate --count 200 --source handbook --seed 7 > questions.jsonl
      ingestor eval questions.jsonl
    """
    import json
    from dataclasses import asdict

    from ingestor.errors import UserError

    found = reading(ctx).generate(count, seed, tuple(source or ()), principals_of(who))
    if not found:
        raise UserError("There is no document with a heading or title of its own to ask about.")
    for one in found:
        emit_line(json.dumps({key: value for key, value in asdict(one).items() if value}, ensure_ascii=False))
    sys.stderr.write(
        f"{len(found)} questions, made from headings and titles: easier than what people ask, for they use the words of"
        " their answers.\n"
    )


app.command("ask", help=help_of(evaluate.command))(evaluate.command)
app.command("generate", help=help_of(generate))(generate)
