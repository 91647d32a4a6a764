"""``ingestor search``: ask the collection."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ingestor.cli.filters import Kinds, Paths, Scopes, Since, SourceNames, Tags, Until, filters_of, moment_of
from ingestor.cli.output import clean, emit_json, emit_line
from ingestor.cli.principals import As, principals_of
from ingestor.cli.session import Json, operations


class Form(StrEnum):
    HITS = "hits"
    CONTEXT = "context"


class Mode(StrEnum):
    HYBRID = "hybrid"
    DENSE = "dense"
    KEYWORD = "keyword"


def command(
    ctx: typer.Context,
    query: Annotated[str | None, typer.Argument(metavar="QUERY", help="The question or words.")] = None,
    top: Annotated[
        int | None, typer.Option("--top", min=1, max=200, help="How many passages; 10 if nothing else is said.")
    ] = None,
    mode: Annotated[Mode, typer.Option("--mode", help="By meaning, by words, or both.")] = Mode.HYBRID,
    source: SourceNames = None,
    scope: Scopes = None,
    path: Paths = None,
    kind: Kinds = None,
    tag: Tags = None,
    since: Since = None,
    until: Until = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", metavar="TIME", help="As the ledger knew it then: 2026-11-20 (its end), 2026-11-20T14:30 or 7d."
        ),
    ] = None,
    principals: As = None,
    queries: Annotated[
        Path | None,
        typer.Option("--queries", metavar="FILE", help='A query a line, or JSON lines {"query": ...}; - for stdin.'),
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Show hits that stand next to each other as one: fewer, longer hits.")
    ] = False,
    passage: Annotated[
        int | None,
        typer.Option(
            "--passage",
            min=1,
            metavar="N",
            help="Show about N characters around the nearest sentence; 330 are three or four sentences.",
        ),
    ] = None,
    context: Annotated[
        int, typer.Option("--context", min=0, max=10, metavar="N", help="With N passages before and after each hit.")
    ] = 0,
    form: Annotated[
        Form, typer.Option("--format", help="For people, or numbered passages as the context of a language model.")
    ] = Form.HITS,
    budget: Annotated[
        int, typer.Option("--budget", min=200, metavar="TOKENS", help="The most that --format context prints.")
    ] = 3000,
    json: Json = False,
) -> None:
    """Find passages, each with the place it stands at.

    Examples:
      ingestor search "how long do refunds take"
      ingestor search "parental leave" --top 3 --source handbook
      ingestor search "parental leave" --path hr/policies --kind pdf --since 30d
      ingestor search "parental leave" --tag policy --tag 2026
      ingestor search "VPN error 809" --mode keyword --json
      ingestor search "who approves a purchase" --merge
      ingestor search "who approves a purchase" --passage 330
      ingestor search "who approves a purchase" --context 1
      ingestor search "who approves a purchase" --format context --budget 2000
      ingestor search --queries questions.txt > answers.jsonl
      ingestor search "open invoices" --scope acme
      ingestor search "salary bands" --as user:ana,group:staff
      ingestor search "salary bands" --as-of 2026-11-01
    """
    from ingestor.cli.hits import show
    from ingestor.errors import UserError
    from ingestor.search.prompt import CONTEXT_TOP, build, merges
    from ingestor.wire import SearchRequest

    for_model = form is Form.CONTEXT
    if for_model and context:
        raise UserError("The neighbours of hits are for people.", hint="Leave out --context, or --format context.")
    asked = [
        SearchRequest(
            query=text,
            top=top or (CONTEXT_TOP if for_model else 10),
            mode=mode.value,
            principals=principals_of(principals),
            merge=merge or (for_model and passage is None and merges(budget)),
            passage=passage,
            context=context,
            as_of=moment_of(as_of, "--as-of", end=True),
            **filters_of(source, path, kind, tag, since, until, scope),
        )
        for text in _queries(query, queries)
    ]
    with operations(ctx) as opened:
        for request in asked:
            reply = opened.operations.search(request)
            built = build(reply.query, reply.hits, budget, note=reply.note) if for_model else None
            if json or queries is not None:
                emit_json(built or reply)
            elif built is not None:
                emit_line(clean(built.text))
            else:
                show(reply)
            if reply.note:
                sys.stderr.write(reply.note + "\n")


def _queries(query: str | None, file: Path | None) -> list[str]:
    """The one query, or those of the file; blank lines are passed over."""
    from ingestor.errors import UserError

    if (query is None) == (file is None):
        raise UserError("Give either a query or --queries FILE.", hint='Example: ingestor search "opening hours"')
    if file is None:
        if not (query or "").strip():
            raise UserError("The query is empty.")
        return [query or ""]
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The queries in {file} cannot be read: {error}.") from error
    # Not splitlines(): a JSON string may hold U+2028.
    return [_query_of(line, number) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _query_of(line: str, number: int) -> str:
    import json

    from ingestor.errors import UserError

    if not line.lstrip().startswith("{"):
        return line.strip()
    try:
        query = json.loads(line)["query"]
    except (ValueError, KeyError) as error:
        raise UserError(f'Line {number} of the queries is no JSON object with a "query".') from error
    if not isinstance(query, str) or not query.strip():
        raise UserError(f"The query in line {number} is empty or no text.")
    return query
