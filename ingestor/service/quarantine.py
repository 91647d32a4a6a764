"""What is set aside, as a person asks for it, and what a person decides about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from connectors.base import ItemId
from ingestor import wire
from ingestor.errors import UnknownId
from ingestor.ledger.ledger import Ledger
from ingestor.ledger.packing import item_uri
from ingestor.ledger.quarantine import SetAside

Place = Callable[[str], tuple[str, ItemId] | None]
"""The source that a path lies in and the id that it has there; None where no source covers it."""


def listed(ledger: Ledger, source: str | None, *, ignored: bool) -> wire.QuarantineReply:
    """Those of one source, or of all; the ignored ones only where they are asked for."""
    if source is not None:
        ledger.sources.row_id(source)
    found = [one for one in ledger.quarantine.all() if source in {None, one.source}]
    return wire.QuarantineReply(
        items=tuple(item_reply(one) for one in found if one.ignored == ignored),
        ignored=sum(one.ignored for one in found),
    )


def found(ledger: Ledger, target: str, path: str, place: Place) -> wire.QuarantineItem:
    """The one that ``target`` means: a document's id, else ``path``, which is the same word as an absolute path."""
    one = ledger.quarantine.document(target)
    if one is None and (there := place(path)) is not None:
        one = ledger.quarantine.item(*there) or _only_attachment(ledger, *there)
    if one is None:
        raise not_set_aside(target)
    return item_reply(one)


def _only_attachment(ledger: Ledger, source: str, item_id: ItemId) -> SetAside | None:
    """What is meant by a mail that was read: the one of its attachments that was not. Of several none is meant."""
    waiting = [
        one for one in ledger.quarantine.all() if (one.source, one.item_id.partition("#")[0]) == (source, item_id)
    ]
    return waiting[0] if len(waiting) == 1 else None


def retry(ledger: Ledger, request: wire.QuarantineRequest) -> Sequence[str]:
    """Make the chosen ones due; the names of their sources, for a run each."""
    chosen = _chosen(ledger, request)
    ledger.quarantine.retry({one.document_id for one in chosen})
    return sorted({one.source for one in chosen})


def ignore(ledger: Ledger, request: wire.QuarantineRequest) -> wire.QuarantineReply:
    """The chosen ones, now ignored."""
    chosen = {one.document_id for one in _chosen(ledger, request)}
    ledger.quarantine.ignore(chosen)
    everything = [one for one in ledger.quarantine.all() if one.document_id in chosen]
    return wire.QuarantineReply(items=tuple(item_reply(one) for one in everything), ignored=len(everything))


def not_set_aside(target: str) -> UnknownId:
    return UnknownId(
        f"{target} is not set aside.",
        hint="`ingestor quarantine list` shows what is; `ingestor why PATH` says what is known of a file.",
    )


def item_reply(one: SetAside) -> wire.QuarantineItem:
    return wire.QuarantineItem(
        document_id=one.document_id,
        source=one.source,
        uri=item_uri(one.source, one.item_id),
        reason=one.reason,
        hint=one.hint,
        attempts=one.attempts,
        next_try=one.retry_at,
        message=one.message,
        since=one.since,
        ignored=one.ignored,
        url=one.url,
    )


def _chosen(ledger: Ledger, request: wire.QuarantineRequest) -> Sequence[SetAside]:
    """Ignored ones only where they are named. Raises ``UnknownId`` for a document that is not there."""
    for source in request.sources:
        ledger.sources.row_id(source)
    everything = {str(one.document_id): one for one in ledger.quarantine.all()}
    for document in request.documents:
        if document not in everything:
            raise not_set_aside(document)
    named = [everything[document] for document in dict.fromkeys(request.documents)]
    if not (request.everything or request.sources):
        return named
    swept = [one for one in everything.values() if request.everything or one.source in request.sources]
    return [*named, *(one for one in swept if not one.ignored and str(one.document_id) not in request.documents)]
