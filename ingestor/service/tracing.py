"""``trace`` and ``history``: from a citation to its source, and what happened to a document over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from connectors.base import ItemId
from ingestor import wire_reading
from ingestor.errors import UnknownId
from ingestor.ledger.ledger import Ledger
from ingestor.ledger.packing import item_uri, shown_title
from ingestor.ledger.traces import Cutting, DocumentPast
from ingestor.model import GenerationState, Reader, Standing
from ingestor.search.citations import cite

Place = Callable[[str], tuple[str, ItemId] | None]
"""The source that a path lies in and the id that it has there; None where no source covers it."""

_URI = "ingestor:"


def reader_of(principals: Sequence[str] | None) -> Reader:
    return Reader(principals=None if principals is None else frozenset(principals))


def traced(ledger: Ledger, chunk_id: str, reader: Reader) -> wire_reading.TraceReply:
    """The chunk of that id, current or superseded. Hidden and unknown are the same answer (R7)."""
    facts = ledger.traces.chunk(chunk_id, reader)
    if facts is None:
        raise no_such_chunk(chunk_id)
    hit = cite(facts.hit)
    serving = next((g for g in ledger.index.generations() if g.state is GenerationState.SERVING), None)
    return wire_reading.TraceReply(
        chunk_id=hit.chunk_id,
        current=facts.current,
        document_id=hit.document_id,
        uri=hit.uri,
        url=hit.url,
        pinned_url=hit.pinned_url,
        revision=hit.revision,
        superseded_at=facts.superseded_at,
        run=facts.run,
        recipe=facts.recipe,
        model=serving.model if serving is not None else "",
        text=hit.text,
        source=hit.source,
        title=hit.title,
        section=hit.section,
        page=hit.page,
        lines=hit.lines,
        ingested_at=hit.ingested_at,
        author=hit.author,
        tags=hit.tags,
    )


def answered(ledger: Ledger, answer_id: str, reader: Reader) -> wire_reading.AnswerReply:
    """What became of the passages of an answer. One of somebody else and none are the same answer (R7)."""
    found = ledger.answers.find(answer_id, reader)
    if found is None:
        raise no_such_answer(answer_id)
    answer, passages = found
    owner = reader.principals is None
    return wire_reading.AnswerReply(
        answer_id=answer.answer_id,
        at=answer.at,
        current=all(one.standing is Standing.CURRENT for one in passages),
        passages=tuple(
            wire_reading.AnswerPassage(
                chunk_id=one.shown.chunk_id,
                document_id=one.shown.document_id,
                revision=one.shown.revision,
                standing=one.standing.value,
                now=one.revision,
                source=one.source,
                title=one.title,
                uri=one.uri,
                url=one.url,
            )
            for one in passages
        ),
        asked_as="" if not owner else "the owner" if answer.reader is None else ", ".join(sorted(answer.reader)),
        question=(answer.question or "") if owner else "",
    )


def history(ledger: Ledger, target: str, path: str, place: Place, reader: Reader) -> wire_reading.HistoryReply:
    """What happened to the document that ``target`` means: its id, its uri, else ``path``, the same word as an
    absolute path."""
    past = ledger.traces.document(target, reader)
    if past is None and (there := _place_of(target) or place(path)) is not None:
        found = ledger.traces.document_at(*there)
        past = ledger.traces.document(found, reader) if found is not None else None
    if past is None:
        raise no_such_document(target)
    if not past.places:
        raise UnknownId(f"What was known of {target} is past retention.")
    last = past.places[-1]
    return wire_reading.HistoryReply(
        document_id=past.document_id,
        source=past.source,
        title=shown_title(last.title, last.name),
        uri=item_uri(past.source, last.item_id),
        url=last.url,
        current=last.died is None,
        tags=past.tags,
        events=tuple(sorted((*_contents(past), *_places(past)), key=lambda event: event.at)),
    )


def no_such_chunk(chunk_id: str) -> UnknownId:
    return UnknownId(
        f"There is no passage {chunk_id}.",
        hint="Its id is the chunk_id of a search with --json. What was replaced is kept for 30 days.",
    )


def no_such_answer(answer_id: str) -> UnknownId:
    return UnknownId(
        f"There is no answer {answer_id}.",
        hint="Answers are kept where answers.keep says so, for answers.days, and a moment after they were given.",
    )


def no_such_document(target: str) -> UnknownId:
    return UnknownId(
        f"No document is known by {target}.",
        hint="Give a file of a source, or the document_id of a search with --json.",
    )


def _place_of(target: str) -> tuple[str, str] | None:
    """Source and item of a uri."""
    if not target.startswith(_URI):
        return None
    source, _, item = target.removeprefix(_URI).partition("/")
    return source, item


def _contents(past: DocumentPast) -> Iterator[wire_reading.HistoryEvent]:
    """What each revision changed; and where another recipe cut a revision anew, what that changed."""
    kept = {cutting.revision for cutting in past.cuttings}
    before: Cutting | None = None
    for revision in past.revisions:
        observed = wire_reading.HistoryEvent(
            kind="revision",
            at=revision.committed_at,
            revision=revision.number,
            run=revision.run,
            edited_at=revision.edited_at,
            author=revision.author,
            known=False,
        )
        cuttings = [cutting for cutting in past.cuttings if cutting.revision == revision.number]
        if not cuttings:
            yield observed
        for number, cutting in enumerate(cuttings):
            event = observed
            if number > 0:
                event = wire_reading.HistoryEvent(kind="cut", at=cutting.born, revision=revision.number, known=False)
            changes = _difference(before, cutting)
            # The first one that is kept can be compared with nothing, unless it is the document's first.
            comparable = number > 0 or revision.number == 1 or revision.number - 1 in kept
            if comparable and cutting.shown and (before is None or before.shown):
                event = event.model_copy(update={"known": True, **changes})
            if number == 0 or changes["added"] or changes["removed"]:
                yield event
            before = cutting


def _difference(before: Cutting | None, after: Cutting) -> Mapping[str, Any]:
    """Texts of the chunks that came and that went, in their order, and how many stayed."""
    old = dict(before.chunks) if before is not None else {}
    new = dict(after.chunks)
    added = tuple(text for key, text in new.items() if key not in old)
    removed = tuple(text for key, text in old.items() if key not in new)
    return {"added": added, "removed": removed, "kept": len(new) - len(added)}


def _places(past: DocumentPast) -> Iterator[wire_reading.HistoryEvent]:
    """Moves, deletions and returns, from one place to the next; what a document was only called is no event."""
    for place, following in zip(past.places, (*past.places[1:], None), strict=True):
        if place.died is None:
            continue
        uri = item_uri(past.source, place.item_id)
        if following is None or following.born > place.died:
            yield wire_reading.HistoryEvent(kind="deleted", at=place.died, uri=uri)
        if following is not None:
            there = item_uri(past.source, following.item_id)
            if following.born > place.died:
                yield wire_reading.HistoryEvent(kind="returned", at=following.born, uri=there, was=uri)
            elif there != uri:
                yield wire_reading.HistoryEvent(kind="moved", at=following.born, uri=there, was=uri)
