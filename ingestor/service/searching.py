"""A search as it is asked for and answered, from request to reply."""

from __future__ import annotations

import time

from ingestor import wire
from ingestor.errors import UnknownId, UserError
from ingestor.model import Filters, Reader, SearchMode
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
    found = service.parts.searcher.search(
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
    return wire.SearchReply(
        query=request.query,
        took_ms=round((time.perf_counter() - began) * 1000, 1),
        hits=tuple(map(hit_reply, found.hits)),
        note=found.note,
    )


def _filters(service: Service, request: wire.SearchRequest, reader: Reader) -> Filters:
    """A source of which the reader may see nothing does not exist (R7)."""
    if request.sources:
        seen = set(service.ledger.search.sources(reader))
        if unknown := [name for name in request.sources if name not in seen]:
            raise UnknownId(f"There is no source named {unknown[0]!r}.", hint="`ingestor source list` shows them.")
    if max(map(len, (request.sources, request.paths, request.kinds))) > _MOST_VALUES:
        raise UserError(f"A search takes at most {_MOST_VALUES} sources, paths or kinds.")
    if request.since is not None and request.until is not None and request.since > request.until:
        raise UserError("Nothing changed after --since and before --until: --since is the later one.")
    return Filters(
        sources=request.sources,
        paths=request.paths,
        kinds=request.kinds,
        since=request.since,
        until=request.until,
    )
