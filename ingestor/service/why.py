"""Why a file is found or not: what its source says of it, and what the ledger holds."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.base import ItemId, ItemRef, Source
from connectors.errors import ConnectorError, ItemUnreadable
from ingestor import wire_reading
from ingestor.ledger.runs import ItemFacts
from ingestor.ledger.sources import SourceRow


def why(
    source: Source, row: SourceRow, path: str, item_id: ItemId, facts: ItemFacts | None, *, served: bool
) -> wire_reading.WhyReply:
    """The first thing that keeps the file from being found, in the order in which it would be met. ``served``: a
    service runs that goes on with what waits. Closes the source."""
    rule, ref, trouble = _ask_source(source, item_id)
    reply = wire_reading.WhyReply(path=path, verdict="", source=row.name, included=rule is None, rule=rule)
    if facts is not None:
        stale = ref is not None and (ref.version != facts.version or facts.doubtful)
        reply = reply.model_copy(update={**_facts(facts), "stale": stale})
    if rule is not None:
        gone = " Its passages leave with the next run." if facts is not None else ""
        return _verdict(reply, f"{rule}{gone}")
    if trouble:
        return _verdict(reply, trouble, "Check that this user may read it: ingestor doctor")
    if ref is None:
        if facts is None:
            return _verdict(reply, "There is no such file, and none is indexed.")
        hint = f"Run `ingestor sync {row.name}`."
        return _verdict(reply, "The file is gone; its passages leave with the next run.", hint)
    if facts is None:
        hint = f"Run `ingestor sync {row.name}`, or wait for the service's next scan."
        return _verdict(reply, "The file is included, but no run has taken it in yet.", hint)
    if facts.quarantine is not None:
        reason, message, hint = facts.quarantine
        how = ", and ignored as a person wished" if facts.ignored else ""
        return _verdict(reply, f"The file is set aside ({reason}){how}: {message}", hint)
    if reply.stale:
        hint = f"Run `ingestor sync {row.name}`, or wait for the service's next scan."
        return _verdict(reply, "The file has changed since it was taken in.", hint)
    if facts.pending_embed or facts.pending_index:
        hint = "" if served else "Run `ingestor sync` to finish the work."
        return _verdict(reply, "The file is found by its words; search by meaning follows in a moment.", hint)
    if facts.chunks == 0:
        return _verdict(reply, "The file was taken in, but holds no text.")
    return _verdict(reply, f"The file is searchable: {facts.chunks} passage(s).")


def _ask_source(source: Source, item_id: ItemId) -> tuple[str | None, ItemRef | None, str]:
    """(the rule that excludes it, the item as it is now, what is wrong with asking)."""
    try:
        rule = source.explain(item_id)
        return rule, source.lookup(item_id) if rule is None else None, ""
    except ItemUnreadable as error:
        return None, None, f"The file cannot be read: {error}"
    except ConnectorError as error:
        return None, None, str(error)
    finally:
        source.close()


def _facts(facts: ItemFacts) -> Mapping[str, object]:
    lag = None
    state = "pending" if facts.pending_embed + facts.pending_index else "ok" if facts.chunks else "no_text"
    if facts.searchable_at is not None and facts.edited_at is not None:
        lag = round(max(0.0, facts.searchable_at - facts.edited_at), 3)
    return {
        "document_id": facts.document_id,
        "revision": facts.revision,
        "chunks": facts.chunks,
        "state": "quarantined" if facts.quarantine else state,
        "quarantine": facts.quarantine[0] if facts.quarantine else None,
        "pending_embed": facts.pending_embed,
        "pending_index": facts.pending_index,
        "committed_at": facts.committed_at,
        "searchable_at": facts.searchable_at,
        "lag_s": lag,
    }


def _verdict(reply: wire_reading.WhyReply, verdict: str, hint: str = "") -> wire_reading.WhyReply:
    return reply.model_copy(update={"verdict": verdict, "hint": hint})
