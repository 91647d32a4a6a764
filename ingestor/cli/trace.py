"""``ingestor trace``: where does this passage come from, and is it still true? And what of an earlier answer is?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ingestor.cli.hits import tagged, where
from ingestor.cli.output import ago, clean, emit_json, emit_line
from ingestor.cli.principals import As, principals_of
from ingestor.cli.session import Json, reading

if TYPE_CHECKING:
    from ingestor.wire_reading import AnswerPassage, AnswerReply, TraceReply


_ANSWER = "answer-"


def command(
    ctx: typer.Context,
    cited: Annotated[str, typer.Argument(metavar="ID", help="The chunk_id of a hit, or the answer_id of an answer.")],
    who: As = None,
    json: Json = False,
) -> None:
    """Trace a passage to its source: document, revision, run, and whether it still stands there.

    What was replaced is kept for 30 days, so that an answer given with it can be explained. Of an answer
    that was given over HTTP or to an assistant, and kept, each passage is said to be current, changed or deleted.

    Examples:
      ingestor search "refunds" --json        shows each passage's chunk_id
      ingestor trace 6f0c31d4
      ingestor trace 6f0c31d4 --json
      ingestor trace answer-0a4be1d2
    """
    if cited.startswith(_ANSWER):
        answer = reading(ctx).answer(cited, principals_of(who))
        emit_json(answer) if json else _show(answer)
        return
    reply = reading(ctx).trace(cited, principals_of(who))
    if json:
        emit_json(reply)
        return
    emit_line(clean(reply.url or reply.uri))
    emit_line(f"  {_verdict(reply)}")
    for name, value in _facts(reply):
        emit_line(f"  {name + ':':<13}{clean(value)}")
    emit_line("")
    for line in clean(reply.text).splitlines():
        emit_line(f"    {line}" if line.strip() else "")


def _show(answer: AnswerReply) -> None:
    asked = f" to {answer.asked_as}" if answer.asked_as else ""
    stands = "All of it still stands." if answer.current else "Not all of it still stands."
    emit_line(f"Given {ago(answer.at)}{clean(asked)}. {stands}")
    if answer.question:
        emit_line(f"  {clean(answer.question)}")
    for number, passage in enumerate(answer.passages, 1):
        emit_line(f"{number:>3}. {_standing(passage)}")
        if passage.uri:
            emit_line(f"     {clean(passage.title)}  {clean(passage.url or passage.uri)}")
        emit_line(f"     chunk {passage.chunk_id}, revision {passage.revision}")


def _standing(passage: AnswerPassage) -> str:
    match passage.standing:
        case "current":
            return "current"
        case "changed":
            return f"changed: the document is at revision {passage.now}"
        case "deleted":
            return "deleted"
        case "unavailable":
            return "deleted, or hidden from this reader"


def _verdict(reply: TraceReply) -> str:
    if reply.current:
        return "This passage stands in its source as of the last run."
    if reply.superseded_at is not None:
        return f"This passage was replaced or deleted {ago(reply.superseded_at)}; no search shows it."
    return "This passage's document has left its source; no search shows it."


def _facts(reply: TraceReply) -> list[tuple[str, str]]:
    facts = [
        ("source", reply.source),
        ("title", reply.title),
        ("section", " > ".join(reply.section)),
        ("place", where(reply)),
        ("document", reply.document_id),
        ("as read", reply.pinned_url),
        ("author", reply.author),
        ("tags", tagged(reply.tags)),
        ("revision", str(reply.revision) if reply.revision else "past retention"),
        ("committed", ago(reply.ingested_at)),
        ("run", reply.run),
        ("recipe", reply.recipe),
        ("model", reply.model),
    ]
    return [(name, value) for name, value in facts if value]
