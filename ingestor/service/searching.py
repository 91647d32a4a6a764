"""A search as it is asked for and answered, from request to reply."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ingestor import wire
from ingestor.errors import UnknownId, UserError
from ingestor.ledger.past import shown
from ingestor.model import Filters, Hit, Reader, SearchMode
from ingestor.search.prompt import build
from ingestor.service import spans
from ingestor.service.core import Service
from ingestor.service.passages import hit_reply

_MOST_VALUES = 50


def search(service: Service, request: wire.SearchRequest) -> wire.SearchReply:
    """Raises ``UserError``."""
    began, started = time.perf_counter(), spans.now()
    reader = Reader(principals=None if request.principals is None else frozenset(request.principals))
    filters = _filters(service, request, reader)
    if request.mode != "keyword":
        service.warm()
    searcher, told = service.parts.searcher, ""
    if request.as_of is not None:
        past, when = service.ledger.past(request.as_of), shown(min(request.as_of, time.time()))
        searcher = searcher.of_past(past)
        told = f"As of {when}; what stands there may have been replaced since."
        if past.blank:
            told = f"Nothing was known yet at {when}."
    found = searcher.search(
        request.query,
        mode=SearchMode(request.mode),
        top=request.top,
        reader=reader,
        filters=filters,
        merge=request.merge,
        passage=request.passage,
        context=request.context,
    )
    spans.record("search", started, mode=request.mode, hits=len(found.hits))
    reply = wire.SearchReply(
        query=request.query,
        took_ms=round((time.perf_counter() - began) * 1000, 1),
        hits=tuple(map(hit_reply, found.hits)),
        note=f"{told} {found.note}".strip(),
    )
    if request.kept is None or not service.parts.answers.keeps:
        return reply
    seen = _seen(reply, request.kept, found.hits)
    return reply.model_copy(update={"answer_id": service.parts.answers.note(request.query, reader, seen)})


def _seen(reply: wire.SearchReply, kept: wire.Kept, hits: Sequence[Hit]) -> Sequence[Hit]:
    """What of the hits reaches who asked."""
    if kept.budget is None:
        return hits
    context = build(reply.query, reply.hits, kept.budget, ids=kept.ids)
    chosen = {(one.chunk_id, one.span) for one in context.citations}
    return [hit for hit in hits if (hit.chunk_id, hit.span) in chosen]


def _filters(service: Service, request: wire.SearchRequest, reader: Reader) -> Filters:
    """A source of which the reader may see nothing does not exist, and no scope of such sources (R7)."""
    if request.sources:
        seen = set(service.ledger.search.sources(reader))
        if unknown := [name for name in request.sources if name not in seen]:
            raise UnknownId(f"There is no source named {unknown[0]!r}.", hint="`ingestor source list` shows them.")
    if request.scopes:
        seen = set(service.ledger.search.sources(reader))
        known = {row.scope for row in service.ledger.sources.all() if row.scope and row.name in seen}
        if unknown := [scope for scope in request.scopes if scope not in known]:
            raise UnknownId(f"There is no scope named {unknown[0]!r}.", hint="`ingestor source list` shows them.")
    if max(map(len, (request.sources, request.scopes, request.paths, request.kinds, request.tags))) > _MOST_VALUES:
        raise UserError(f"A search takes at most {_MOST_VALUES} sources, scopes, paths, kinds or tags.")
    if request.since is not None and request.until is not None and request.since > request.until:
        raise UserError("Nothing changed after --since and before --until: --since is the later one.")
    return Filters(
        sources=request.sources,
        paths=request.paths,
        kinds=request.kinds,
        tags=request.tags,
        since=request.since,
        until=request.until,
        scopes=request.scopes,
    )
