"""How a run ended, in an outcome, a sentence and counts. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.errors import ConnectorError
from ingestor.model import Outcome, Plan, RunCounts, Tally
from ingestor.sync.deletions import Proof
from ingestor.sync.listing import Listing


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a run ended."""

    outcome: Outcome
    message: str = ""
    plan: Plan | None = None


def ended(source: str, listing: Listing, proof: Proof, tally: Tally, plan: Plan | None) -> Ended:
    """The outcome of a run that came to its end, the gravest first, in a sentence."""
    if plan is not None:
        message = f"{len(plan.items)} deletion(s) are held. {plan.reason} Run `ingestor approve {source}`."
        return Ended(outcome=Outcome.HELD, message=message, plan=plan)
    if listing.broken:
        return Ended(outcome=Outcome.PARTIAL, message=f"The listing broke off: {listing.broken}")
    if listing.unreadable:
        item_id, reason = next(iter(listing.unreadable.items()))
        more = f" and {len(listing.unreadable) - 1} more" if len(listing.unreadable) > 1 else ""
        kept = f" {len(proof.unproven)} document(s) there are kept as they were." if proof.unproven else ""
        return Ended(outcome=Outcome.PARTIAL, message=f"Could not look into {item_id}{more}: {reason}.{kept}")
    if tally.failed:
        return Ended(
            outcome=Outcome.PARTIAL,
            message=f"{tally.failed:,} document{'s' * (tally.failed != 1)} could not be taken in.",
        )
    return Ended(outcome=Outcome.OK)


def counts(tally: Tally) -> RunCounts:
    """Those of the engine; embedding and index writes are counted by the stages that run beside it."""
    return RunCounts(
        added=tally.added,
        updated=tally.updated,
        moved=tally.moved,
        deleted=tally.deleted,
        unchanged=tally.unchanged,
        failed=tally.failed,
        chunks_added=tally.chunks.chunks_added,
        chunks_removed=tally.chunks.chunks_removed,
        chunks_kept=tally.chunks.chunks_kept,
        bytes_read=tally.bytes_read,
    )


def sentence(error: ConnectorError) -> str:
    """What happened and what to do about it."""
    return f"{error} {error.hint}".strip()
