"""Passages and documents as they stand now, for who may read them, and how fresh their sources are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.base import WHOLE
from ingestor import wire, wire_reading
from ingestor.ledger.ledger import Ledger
from ingestor.ledger.sources import SourceRow
from ingestor.model import ChunkId, DocId, Filters, Hit, Outcome, Reader
from ingestor.search.citations import cite
from ingestor.search.extent import with_neighbours
from ingestor.service.tracing import no_such_chunk, no_such_document

_RUNS = 20  # looked through for one that saw the whole
_SAW = {Outcome.OK: True, Outcome.HELD: True, Outcome.PARTIAL: False}


def passage(ledger: Ledger, chunk_id: str, context: int, reader: Reader) -> wire.SearchHit:
    """Raises ``UnknownId``."""
    rows = [one.chunk for one in ledger.search.candidates([ChunkId(chunk_id)], reader, Filters())]
    for hit in ledger.search.hits([(row, 0.0) for row in rows], reader):
        return hit_reply(cite(with_neighbours(ledger.search, hit, context, reader)))
    raise no_such_chunk(chunk_id)


def document(ledger: Ledger, document_id: str, first: int, count: int, reader: Reader) -> wire_reading.DocumentReply:
    """Raises ``UnknownId``, also for one that holds no text."""
    hits = ledger.search.passages(DocId(document_id), 0, 1, reader)
    if not hits:
        raise no_such_document(document_id)
    head = hits[0]
    shown = ledger.search.passages(DocId(document_id), first, count, reader)
    return wire_reading.DocumentReply(
        document_id=head.document_id,
        source=head.source,
        title=head.title,
        uri=head.uri,
        url=head.url,
        kind=head.kind,
        revision=head.revision,
        changed_at=head.changed_at,
        author=head.author,
        tags=head.tags,
        ingested_at=head.ingested_at,
        first=first,
        total=ledger.search.length(DocId(document_id), reader),
        passages=tuple(neighbour_reply(hit) for hit in shown if hit.revision == head.revision),
    )


def shelf(ledger: Ledger | None, source: str, after: str, count: int, reader: Reader) -> wire_reading.ShelfReply:
    """Of a source that is not there, or shows this reader nothing: no documents."""
    rows = ledger.search.shelf(source, after, count + 1, reader) if ledger is not None else ()
    return wire_reading.ShelfReply(
        source=source,
        more=len(rows) > count,
        documents=tuple(
            wire_reading.Shelved(
                document_id=row.document_id,
                path=row.item_id,
                title=row.title,
                url=row.url,
                kind=row.kind,
                revision=row.revision,
                chunks=row.chunks,
                changed_at=row.changed_at,
            )
            for row in rows[:count]
        ),
    )


def fresh(ledger: Ledger, reader: Reader) -> tuple[wire_reading.Freshness, ...]:
    seen = set(ledger.search.sources(reader))
    return tuple(_fresh(ledger, row) for row in ledger.sources.all() if row.name in seen)


def hit_reply(hit: Hit) -> wire.SearchHit:
    return wire.SearchHit(
        **_place(hit),
        span=hit.span,
        score=round(hit.score, 4),
        text=hit.text,
        revision=hit.revision,
        ingested_at=hit.ingested_at,
        parent=hit.parent.uri if hit.parent is not None else "",
        parent_title=hit.parent.title if hit.parent is not None else "",
        pinned_url=hit.pinned_url,
        kind=hit.kind,
        changed_at=hit.changed_at,
        author=hit.author,
        tags=hit.tags,
        also=tuple(wire.Place(**_place(other)) for other in hit.also),
        before=tuple(map(neighbour_reply, hit.before)),
        after=tuple(map(neighbour_reply, hit.after)),
    )


def neighbour_reply(hit: Hit) -> wire.Neighbour:
    return wire.Neighbour(
        chunk_id=hit.chunk_id, section=hit.section, page=hit.page, lines=hit.lines, span=hit.span, text=hit.text
    )


def _place(hit: Hit) -> Mapping[str, Any]:
    return {name: getattr(hit, name) for name in wire.Place.model_fields}


def _fresh(ledger: Ledger, row: SourceRow) -> wire_reading.Freshness:
    run = next((run for run in ledger.runs.last(row.name, _RUNS) if run.outcome in _SAW and run.scope == WHOLE), None)
    return wire_reading.Freshness(
        name=row.name,
        kind=row.kind,
        scope=row.scope,
        checked_at=run.ended_at if run is not None else None,
        complete=run is not None and _SAW[run.outcome],
    )
