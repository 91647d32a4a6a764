"""One pass over one source, in the order that keeps the rules: list, decide, write, remove, remember.

The order is the correctness. Permissions first (a narrowing is committed before anything else goes
on, R7); then what moved, so that identity is settled before content; then content; deletions only
after every read succeeded well enough (R8); the cursor last (R4). Each step is a transaction of its
own and each is decided from the ledger, so a run that dies anywhere is simply run again.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from connectors.base import (
    WHOLE,
    Checkpoint,
    Deleted,
    ItemId,
    ItemRef,
    Moved,
    Scope,
    Source,
    Unreadable,
    Upserted,
)
from connectors.errors import ConnectorError, ItemUnreadable, ListingIncomplete, SourceUnavailable
from ingestor.faultpoint import reached
from ingestor.model import (
    KnownItem,
    Move,
    Op,
    Outcome,
    Plan,
    Rebind,
    Regrant,
    Remove,
    RunCounts,
    RunId,
    RunReport,
    SourceMemory,
    Tally,
    Touch,
    Trigger,
)
from ingestor.ports import Cutter, Parser, Pulse, SyncLedger
from ingestor.sync.content import BudgetExceeded, ContentStage, Suspended, Work
from ingestor.sync.deletions import Decision, Proof, Root, adoptable, approved, confirm, decide, prove
from ingestor.sync.diff import Difference, compare, must_read
from ingestor.sync.identity import (
    Evidence,
    Match,
    Returned,
    candidates_to_hash,
    match_by_file,
    match_by_hash,
    match_returned,
)

_OPS_A_COMMIT = 200  # small operations in one transaction: well below 100 ms


@dataclass(kw_only=True, slots=True)
class _Listing:
    """What one listing said, before anything is decided."""

    identity_before: str
    identity_after: str = ""
    listed: dict[ItemId, ItemRef] = field(default_factory=dict)
    moved: dict[ItemId, ItemRef] = field(default_factory=dict)
    deleted: list[ItemId] = field(default_factory=list)
    unreadable: dict[ItemId, str] = field(default_factory=dict)
    untold: bool = False
    hidden: list[Scope] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    broken: str = ""

    @property
    def whole(self) -> bool:
        return not self.broken and any(mark.complete and mark.scope == WHOLE for mark in self.checkpoints)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Identified:
    """Fresh items divided: known under another id, known from before, really new."""

    fresh: tuple[ItemRef, ...] = ()
    matches: tuple[Match, ...] = ()
    returned: tuple[Returned, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ended:
    """How a run ended."""

    outcome: Outcome
    message: str = ""
    plan: Plan | None = None


class SyncEngine:
    """Runs of one source. Not for two threads at once."""

    def __init__(self, *, source: Source, ledger: SyncLedger, parser: Parser, cutter: Cutter, pulse: Pulse) -> None:
        self._source = source
        self._ledger = ledger
        self._content = ContentStage(source=source, ledger=ledger, parser=parser, cutter=cutter, pulse=pulse)
        self._pulse = pulse

    def run(
        self, run_id: RunId, trigger: Trigger, scopes: Sequence[Scope] = (WHOLE,), *, approve: Plan | None = None
    ) -> RunReport:
        """One pass over ``scopes`` together, so that a move from one into another is seen.

        ``approve`` deletes what of that plan a fresh listing of the whole source still lacks. Raises
        only what ends every run: an error of the ledger (R8), or a bug. The embedding and index counts
        of the report are zero; those stages run beside this one.
        """
        started, tally = time.time(), Tally()
        try:
            ended = self._pass(run_id, tuple(scopes), tally, started, approve)
        except Suspended:
            ended = _Ended(outcome=Outcome.SUSPENDED, message="Stopped at a safe point; the next run carries on.")
        except BudgetExceeded as exceeded:
            ended = _Ended(outcome=Outcome.FAILED, message=f"{exceeded} Nothing was deleted.")
        except SourceUnavailable as gone:
            ended = _Ended(outcome=Outcome.UNAVAILABLE, message=_sentence(gone))
        return RunReport(
            run_id=run_id,
            source=self._source.name,
            trigger=trigger,
            scope=scopes[0] if len(scopes) == 1 else WHOLE,
            outcome=ended.outcome,
            started_at=started,
            ended_at=time.time(),
            counts=_counts(tally),
            message=ended.message,
            plan_id=ended.plan.plan_id if ended.plan is not None else None,
        )

    def foresee(self, scopes: Sequence[Scope] = (WHOLE,)) -> tuple[Difference, str]:
        """What a run would find, and what is wrong with the listing; nothing is read or written."""
        name = self._source.name
        listing = self._list(tuple(scopes), self._ledger.memory(name).cursor)
        return self._compare(listing, tuple(scopes)), listing.broken

    # -- the pass --------------------------------------------------------------------------------

    def _pass(
        self, run: RunId, scopes: tuple[Scope, ...], tally: Tally, started: float, approve: Plan | None
    ) -> _Ended:
        name, memory = self._source.name, self._ledger.memory(self._source.name)
        # What a person approved is judged by what is there now, not by what a journal says has changed (R5).
        listing = self._list(scopes, memory.cursor if approve is None else None)
        difference = self._compare(listing, scopes)
        proof = prove(
            difference.missing,
            listing.checkpoints,
            unreadable=listing.unreadable,
            identity_before=listing.identity_before,
            identity_after=listing.identity_after,
            identity_known=memory.identity,
        )
        adopt = adoptable(proof, listing.checkpoints, unreadable=listing.unreadable)
        if proof.root is Root.UNSTEADY or (proof.root is Root.SWAPPED and not adopt):
            # Another place stands where the source stood: neither its absences nor its contents are ours.
            raise SourceUnavailable(
                "The source's root is not the one that was indexed (unmounted, replaced or restored).",
                place=name,
                hint=f"Mount it again. If this is its new place: ingestor source remove {name}, then add it.",
            )
        if adopt:
            # On record before the first item from there is: what a run commits that then dies or is suspended
            # could not be proven gone by the next one (R5).
            self._ledger.save_bookmark(name, cursor=None, identity=listing.identity_after, proven_at=None)
        tally.unchanged += difference.unchanged
        self._regrant(run, difference, listing, memory)
        gone = self._gone(proof, difference, listing)
        identified = self._identify(gone, difference, listing, tally)
        self._small_writes(run, difference, identified.matches, tally)
        work = self._work(difference, identified)
        tally.expected = tally.unchanged + len(work)
        self._pulse.progress("content", tally)
        self._content.run(run, work, tally, previous_scan=memory.proven_at)

        moved = {match.known.item_id for match in identified.matches}
        left = [item for item in gone if item.item_id not in moved]
        decision = _decide(left, moved, listing, memory, proof.root, live=memory.live + tally.added, approve=approve)
        self._remove(run, decision, tally)
        plan = self._ledger.hold(name, decision.reason, decision.hold)
        if approve is not None and listing.whole:
            self._ledger.restart_peak(name)
        steady = proof.root is Root.HOLDS or adopt
        self._ledger.save_bookmark(
            name,
            cursor=None if listing.broken or listing.untold or self._content.unread else _cursor(listing),
            identity=None,
            proven_at=started if listing.whole and steady else None,
        )
        return _ended(name, listing, proof, tally, plan)

    def _list(self, scopes: tuple[Scope, ...], cursor: str | None) -> _Listing:
        listing = _Listing(identity_before=self._source.identity())
        try:
            for scope in scopes:
                for change in self._source.list(scope, cursor):
                    reached("list")
                    if self._pulse.stopping():
                        raise Suspended
                    match change:
                        case Upserted(ref=ref):
                            listing.listed[ref.item_id] = ref
                        case Deleted(item_id=item_id):
                            listing.listed.pop(item_id, None)  # a journal may have told of it before
                            listing.deleted.append(item_id)
                        case Moved(item_id=item_id, ref=ref):
                            listing.listed.pop(item_id, None)
                            listing.listed[ref.item_id] = ref
                            listing.moved[item_id] = ref
                        case Unreadable(item_id=item_id, reason=reason, hides=hides):
                            listing.unreadable[item_id] = reason
                            listing.untold = True
                            if hides:
                                listing.hidden.append(Scope(item_id))
                        case Checkpoint():
                            listing.checkpoints.append(change)
        except ListingIncomplete as broken:
            listing.broken = _sentence(broken)
        listing.identity_after = self._source.identity()
        return listing

    def _compare(self, listing: _Listing, scopes: tuple[Scope, ...]) -> Difference:
        known: dict[ItemId, KnownItem] = {}
        for scope in scopes:
            known |= self._ledger.known(self._source.name, scope)
        # An item that a scope's listing names may stand outside the scope (a journal's move).
        return compare(known, listing.listed, recipe_of=self._content.recipe_of, now=time.time())

    def _regrant(self, run: RunId, difference: Difference, listing: _Listing, memory: SourceMemory) -> None:
        """R7: what the listing says of who may read, before anything else is written or read."""
        grants: dict[str, frozenset[str]] = {}
        for ref in listing.listed.values():
            seen = grants.get(ref.grant.place)
            # Two answers for one place within one listing: it changed meanwhile; the narrower is safe.
            grants[ref.grant.place] = ref.grant.principals if seen is None else seen & ref.grant.principals
        for scope in listing.hidden:
            # Nobody can tell who may read there now; the first listing that can grants it again.
            for item in self._ledger.known(self._source.name, scope).values():
                grants.setdefault(item.place, frozenset())
        ops: list[Op] = [
            Regrant(place=place, principals=principals)
            for place, principals in sorted(grants.items())
            if place in memory.grants and memory.grants[place] != principals
        ]
        # The hours that reading may take, for content or to find out what moved, must not leave a leak open.
        listed = (*difference.changed, *difference.metadata)
        ops += [Rebind(doc=item.doc, ref=ref) for item, ref in listed if item.place != ref.grant.place]
        self._apply(run, ops)

    def _gone(self, proof: Proof, difference: Difference, listing: _Listing) -> tuple[KnownItem, ...]:
        """Both licences of R5: proven by the listing, or journalled and confirmed by a look-up."""
        missing = {item.item_id: item for item in difference.missing}
        fresh = {ref.item_id for ref in difference.fresh}
        # What moved onto another document's place leaves its own: the move itself cannot be carried out (R11).
        over = [item_id for item_id, ref in listing.moved.items() if ref.item_id not in fresh]
        reported = [missing[item_id] for item_id in dict.fromkeys([*listing.deleted, *over]) if item_id in missing]
        looked_up: dict[ItemId, ItemRef | None] = {}
        for item in reported:
            try:
                looked_up[item.item_id] = self._source.lookup(item.item_id)
            except ItemUnreadable:
                listing.untold = True
                continue  # it exists, or that cannot be told: never a delete
        confirmed = confirm(reported, looked_up, root=proof.root)
        return tuple({item.item_id: item for item in (*proof.provable, *confirmed)}.values())

    def _identify(
        self, gone: Sequence[KnownItem], difference: Difference, listing: _Listing, tally: Tally
    ) -> _Identified:
        """R11: which fresh items are known documents under another id."""
        fresh: Sequence[ItemRef] = difference.fresh
        returned: tuple[Returned, ...] = ()
        if not fresh:
            return _Identified()
        returned, fresh = match_returned(self._ledger.deceased(self._source.name), fresh)
        journalled = _journalled(listing, difference, fresh)
        taken = {match.ref.item_id for match in journalled}
        fresh = [ref for ref in fresh if ref.item_id not in taken]
        left = {match.known.item_id for match in journalled}
        by_file = match_by_file([item for item in gone if item.item_id not in left], fresh)
        hashed = self._content.hashes(candidates_to_hash(by_file.missing, by_file.fresh), tally)
        by_hash = match_by_hash(by_file.missing, by_file.fresh, hashed, already=by_file.matches)
        matches = (*journalled, *by_file.matches, *by_hash.matches)
        return _Identified(fresh=tuple(by_hash.fresh), matches=matches, returned=returned)

    def _small_writes(self, run: RunId, difference: Difference, matches: Sequence[Match], tally: Tally) -> None:
        """Moves and metadata: rows change, nothing is parsed or embedded."""
        ops: list[Op] = [Move(doc=match.known.doc, item_id=match.known.item_id, ref=match.ref) for match in matches]
        ops += [Touch(doc=item.doc, item_id=item.item_id, ref=ref) for item, ref in difference.metadata]
        self._apply(run, ops)
        tally.moved += len(matches)
        tally.unchanged += len(difference.metadata)

    def _work(self, difference: Difference, identified: _Identified) -> list[Work]:
        """What has to be read, newest edits first: they are what somebody is waiting for."""
        now = time.time()
        work = [Work(ref=ref, known=item) for item, ref in difference.changed]
        work += [Work(ref=ref) for ref in identified.fresh]
        work += [Work(ref=back.ref, returned=back.deceased) for back in identified.returned]
        work += [
            Work(ref=match.ref, known=match.known, moved=True)
            for match in identified.matches
            if must_read(match.known, self._content.recipe_of(match.ref), now) or self._content.in_doubt(match.ref)
        ]
        return sorted(work, key=lambda item: (-(item.ref.modified_at or 0.0), item.ref.item_id))

    def _remove(self, run: RunId, decision: Decision, tally: Tally) -> None:
        ops: list[Op] = [Remove(doc=item.doc, item_id=item.item_id) for item in decision.delete]
        for start in range(0, len(ops), _OPS_A_COMMIT):
            tally.chunks += self._ledger.apply(self._source.name, run, ops[start : start + _OPS_A_COMMIT])
            tally.deleted += len(ops[start : start + _OPS_A_COMMIT])
            self._pulse.progress("remove", tally)

    def _apply(self, run: RunId, ops: Sequence[Op]) -> None:
        for start in range(0, len(ops), _OPS_A_COMMIT):
            self._ledger.apply(self._source.name, run, ops[start : start + _OPS_A_COMMIT])


def _decide(
    gone: Sequence[KnownItem],
    moved: Collection[ItemId],
    listing: _Listing,
    memory: SourceMemory,
    root: Root,
    *,
    live: int,
    approve: Plan | None,
) -> Decision:
    """R5: what of the proven absences is deleted now, and what waits for a person."""
    if approve is not None and listing.whole:
        chosen = approved(approve, gone)
        ids = {item.item_id for item in chosen}
        # What left since the plan was shown is no part of it, and judged as on any other day.
        others = decide(
            [item for item in gone if item.item_id not in ids],
            plan=None,
            listed=listing.listed.keys(),
            moved=moved,
            whole=True,
            peak_live=live - len(chosen),
            live=live - len(chosen),
        )
        return Decision(delete=(*chosen, *others.delete), hold=others.hold, reason=others.reason)
    return decide(
        gone,
        plan=memory.plan,
        listed=listing.listed.keys(),
        moved=moved,
        whole=listing.whole and root is Root.HOLDS,
        peak_live=memory.live_peak,
        live=live,
    )


def _journalled(listing: _Listing, difference: Difference, fresh: Sequence[ItemRef]) -> tuple[Match, ...]:
    """Moves that the source itself told of."""
    missing = {item.item_id: item for item in difference.missing}
    ids = {ref.item_id for ref in fresh}
    return tuple(
        Match(known=missing[old], ref=ref, by=Evidence.FILE)
        for old, ref in listing.moved.items()
        if old in missing and ref.item_id in ids
    )


def _ended(source: str, listing: _Listing, proof: Proof, tally: Tally, plan: Plan | None) -> _Ended:
    """The outcome, the gravest first, in a sentence."""
    if plan is not None:
        message = f"{len(plan.items)} deletion(s) are held. {plan.reason} Run `ingestor approve {source}`."
        return _Ended(outcome=Outcome.HELD, message=message, plan=plan)
    if listing.broken:
        return _Ended(outcome=Outcome.PARTIAL, message=f"The listing broke off: {listing.broken}")
    if listing.unreadable:
        item_id, reason = next(iter(listing.unreadable.items()))
        more = f" and {len(listing.unreadable) - 1} more" if len(listing.unreadable) > 1 else ""
        kept = f" {len(proof.unproven)} document(s) there are kept as they were." if proof.unproven else ""
        return _Ended(outcome=Outcome.PARTIAL, message=f"Could not look into {item_id}{more}: {reason}.{kept}")
    if tally.failed:
        return _Ended(outcome=Outcome.PARTIAL, message=f"{tally.failed} document(s) could not be taken in.")
    return _Ended(outcome=Outcome.OK)


def _cursor(listing: _Listing) -> str | None:
    """R4: of a listing of the whole source only; the mark of a part says nothing of what changed elsewhere."""
    cursors = [mark.cursor for mark in listing.checkpoints if mark.cursor is not None and mark.scope == WHOLE]
    return cursors[-1] if cursors else None


def _counts(tally: Tally) -> RunCounts:
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


def _sentence(error: ConnectorError) -> str:
    return f"{error} {error.hint}".strip()
