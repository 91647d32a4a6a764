"""One pass over one source, in the order that keeps the rules: list, decide, write, remove, remember.

The order is the correctness. Permissions first (a narrowing is committed before anything else goes
on, R7); then what moved, so that identity is settled before content; then content; deletions only
after every read succeeded well enough (R8); the cursor last (R4). Each step is a transaction of its
own and each is decided from the ledger, so a run that dies anywhere is simply run again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.base import NOBODY, WHOLE, ItemId, ItemRef, Scope, Source
from connectors.errors import ItemUnreadable, ListingIncomplete, SourceUnavailable
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
    RunId,
    RunReport,
    SourceMemory,
    Tally,
    Touch,
    Trigger,
)
from ingestor.ports import Cutter, Parser, Pulse, SyncLedger
from ingestor.sync.content import BudgetExceeded, ContentStage, Suspended, Work
from ingestor.sync.deletions import Decision, Proof, Root, adoptable, confirm, judge, prove
from ingestor.sync.diff import Difference, Pair, compare, must_read
from ingestor.sync.identity import (
    Evidence,
    Match,
    Returned,
    candidates_to_hash,
    lately,
    match_by_file,
    match_by_hash,
    match_departed,
    match_journalled,
    match_returned,
    moved_file,
)
from ingestor.sync.listing import Listing
from ingestor.sync.report import Ended, counts, ended, sentence

_DAY_S = 86_400.0
_OPS_A_COMMIT = 200  # small operations in one transaction: well below 100 ms


@dataclass(frozen=True, kw_only=True, slots=True)
class _Identified:
    """Fresh items divided: known under another id, known from before, really new."""

    fresh: tuple[ItemRef, ...] = ()
    matches: tuple[Match, ...] = ()
    returned: tuple[Returned, ...] = ()


class SyncEngine:
    """Runs of one source. Not for two threads at once."""

    def __init__(self, *, source: Source, ledger: SyncLedger, parser: Parser, cutter: Cutter, pulse: Pulse) -> None:
        self._source = source
        self._ledger = ledger
        self._content = ContentStage(source=source, ledger=ledger, parser=parser, cutter=cutter, pulse=pulse)
        self._pulse = pulse
        self._recipes_known = False
        self._looked_at: float | None = None

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
            end = self._pass(run_id, tuple(scopes), tally, started, approve)
        except Suspended:
            end = Ended(outcome=Outcome.SUSPENDED, message="Stopped at a safe point; the next run carries on.")
        except BudgetExceeded as exceeded:
            end = Ended(outcome=Outcome.FAILED, message=f"{exceeded} Nothing was deleted.")
        except SourceUnavailable as gone:
            end = Ended(outcome=Outcome.UNAVAILABLE, message=sentence(gone))
        return RunReport(
            run_id=run_id,
            source=self._source.name,
            trigger=trigger,
            scope=scopes[0] if len(scopes) == 1 else WHOLE,
            outcome=end.outcome,
            started_at=started,
            ended_at=time.time(),
            counts=counts(tally),
            message=end.message,
            plan_id=end.plan.plan_id if end.plan is not None else None,
        )

    def foresee(self, scopes: Sequence[Scope] = (WHOLE,)) -> tuple[Difference, str]:
        """What a run would find, and what is wrong with the listing; nothing is read or written."""
        listing = self._list(tuple(scopes), None)  # of a journal alone nobody could say what is missing
        return self._compare(listing, self._known(scopes)), listing.broken

    # -- the pass --------------------------------------------------------------------------------

    def _pass(self, run: RunId, scopes: tuple[Scope, ...], tally: Tally, started: float, approve: Plan | None) -> Ended:
        name, memory = self._source.name, self._ledger.memory(self._source.name)
        known = self._known(scopes)
        # What a person approved is judged by what is there now, not by what a journal says has changed (R5).
        listing = self._list(scopes, self._cursor(memory, known, started) if approve is None else None)
        difference = self._compare(listing, known)
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
            self._ledger.save_bookmark(
                name, cursor=None, identity=listing.identity_after, proven_at=None, counted=False
            )
        tally.unchanged += difference.unchanged
        self._regrant(run, difference, listing, memory)
        gone = self._gone(run, proof, difference, listing)
        identified = self._identify(run, gone, difference, listing, proof.root, tally)
        work = self._work(difference, identified)
        tally.expected = tally.unchanged + len(work)
        self._pulse.progress("content", tally)
        self._content.run(run, work, tally, previous_scan=self._looked_at or memory.proven_at)

        moved = {match.known.item_id for match in identified.matches}
        left = [item for item in gone if item.item_id not in moved]
        decision = judge(
            left,
            approve=approve,
            plan=memory.plan,
            listed=listing.listed.keys(),
            moved=moved,
            complete=listing.whole,
            root=proof.root,
            peak_live=max(memory.live_peak, len(listing.listed) if listing.whole else 0),
            live=memory.live + tally.added,
        )
        self._remove(run, decision, tally)
        plan = self._ledger.hold(name, decision.reason, decision.hold)
        steady = proof.root is Root.HOLDS or adopt
        self._ledger.save_bookmark(
            name,
            cursor=None if listing.broken or listing.untold or self._content.unread else listing.cursor,
            identity=None,
            proven_at=started if listing.whole and steady else None,
            # Only here every absence was judged: a run of a part, or one that dies, takes in what came and not yet
            # out what went, and so large a count would let too much go (R5).
            counted=WHOLE in listing.scopes and not listing.broken,
            anew=approve is not None and listing.whole,
        )
        if not listing.broken and WHOLE in scopes:
            self._looked_at, self._recipes_known = started, True
        return ended(name, listing, proof, tally, plan)

    def _list(self, scopes: tuple[Scope, ...], cursor: str | None) -> Listing:
        listing = Listing(scopes=scopes, identity_before=self._source.identity())
        try:
            for scope in scopes:
                for change in self._source.list(scope, cursor):
                    reached("list")
                    if self._pulse.stopping():
                        raise Suspended
                    listing.add(change)
        except ListingIncomplete as broken:
            listing.broken = sentence(broken)
        listing.identity_after = self._source.identity()
        return listing

    def _known(self, scopes: Sequence[Scope]) -> dict[ItemId, KnownItem]:
        known: dict[ItemId, KnownItem] = {}
        for scope in scopes:
            known |= self._ledger.known(self._source.name, scope)
        return known

    def _cursor(self, memory: SourceMemory, known: Mapping[ItemId, KnownItem], now: float) -> str | None:
        """Where a journal is to go on; None for a listing of everything. A journal is trusted for a day (R6), and
        it never tells of what has to be read although the source did not change: by another parser or cutter,
        which only another process can bring, once more after a failure, or in doubt."""
        if memory.cursor is None or memory.proven_at is None or not memory.proven_at <= now < memory.proven_at + _DAY_S:
            return None
        recipes = {item.item_id: item.recipe for item in known.values()}
        if not self._recipes_known:
            recipes = {item.item_id: self._content.recipe_of(item) for item in known.values()}
        if any(must_read(item, recipes[item.item_id], now) for item in known.values()):
            return None
        return memory.cursor

    def _compare(self, listing: Listing, known: Mapping[ItemId, KnownItem]) -> Difference:
        # An item that a scope's listing names may stand outside the scope (a journal's move).
        return compare(known, listing.listed, recipe_of=self._content.recipe_of, now=time.time())

    def _regrant(self, run: RunId, difference: Difference, listing: Listing, memory: SourceMemory) -> None:
        """R7: what the listing says of who may read, before anything else is written or read."""
        grants = listing.grants()
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

    def _gone(self, run: RunId, proof: Proof, difference: Difference, listing: Listing) -> tuple[KnownItem, ...]:
        """Both licences of R5: proven by the listing, or journalled and confirmed by a look-up. A listing that does
        not trust itself gives the first only together with the second."""
        missing = {item.item_id: item for item in difference.missing}
        fresh = {ref.item_id for ref in difference.fresh}
        # What moved onto another document's place leaves its own: the move itself cannot be carried out (R11).
        over = [item_id for item_id, ref in listing.moved.items() if ref.item_id not in fresh]
        reported = [missing[item_id] for item_id in dict.fromkeys([*listing.deleted, *over]) if item_id in missing]
        doubted = any(mark.confirm for mark in listing.checkpoints)
        if doubted:
            reported = list({item.item_id: item for item in (*proof.provable, *reported)}.values())
        confirmed = self._absent(run, reported, listing, proof.root, doubted=doubted)
        proven = () if doubted else proof.provable
        return tuple({item.item_id: item for item in (*proven, *confirmed)}.values())

    def _absent(
        self, run: RunId, items: Sequence[KnownItem], listing: Listing, root: Root, *, doubted: bool = False
    ) -> tuple[KnownItem, ...]:
        """Those whose place a point look-up finds empty, on a root that holds before and after (R5). What the source
        does not let us read any more is shown to nobody (R7). Of a listing that lacks what is there nothing else that
        it says of changes is believed either (R4)."""
        looked_up: dict[ItemId, ItemRef | None] = {}
        for item in items:
            if self._pulse.stopping():
                raise Suspended
            try:
                looked_up[item.item_id] = self._source.lookup(item.item_id)
            except ItemUnreadable as error:  # it exists, or that cannot be told: never a delete
                if not error.hides:
                    listing.untold = True
                elif item.place != NOBODY.place:
                    self._apply(run, [Rebind(doc=item.doc, ref=_hidden(item))])
        if looked_up and self._source.identity() != listing.identity_after:
            listing.untold = True  # another place answered, perhaps
            return ()
        if doubted and any(ref is not None for ref in looked_up.values()):
            listing.untold = True
        return confirm(items, looked_up, root=root)

    def _identify(
        self,
        run: RunId,
        gone: Sequence[KnownItem],
        difference: Difference,
        listing: Listing,
        root: Root,
        tally: Tally,
    ) -> _Identified:
        """R11: which fresh items are known documents under another id. What needs no reading is written before
        anything is read: a narrower grant at the new place must not wait for it (R7)."""
        deceased = self._ledger.deceased(self._source.name) if difference.fresh else ()
        returned, fresh = match_returned(deceased, difference.fresh)
        journalled = match_journalled(listing.moved, difference.missing, fresh)
        taken, left = _ends(journalled)
        by_file = match_by_file(
            [item for item in gone if item.item_id not in left], [ref for ref in fresh if ref.item_id not in taken]
        )
        elsewhere = match_by_file(self._elsewhere(run, by_file.fresh, difference, listing, root), by_file.fresh)
        unread = (*journalled, *by_file.matches, *elsewhere.matches)
        self._small_writes(run, unread, tally, metadata=difference.metadata)

        again = {back.deceased.doc for back in returned}
        departed = [dead for dead in lately(deceased, time.time()) if dead.doc not in again]
        hashed = self._content.hashes(candidates_to_hash(by_file.missing, elsewhere.fresh, departed), tally)
        by_hash = match_by_hash(by_file.missing, elsewhere.fresh, hashed, already=unread)
        self._small_writes(run, by_hash.matches, tally)
        matches = (*unread, *by_hash.matches)
        back, new = match_departed(departed, by_hash.missing, by_hash.fresh, hashed, already=matches)
        return _Identified(fresh=new, matches=matches, returned=(*returned, *back))

    def _elsewhere(
        self, run: RunId, fresh: Sequence[ItemRef], difference: Difference, listing: Listing, root: Root
    ) -> tuple[KnownItem, ...]:
        """Documents outside what was listed whose files stand here now, and no longer there: a listing of a part
        sees one end of a move. This proves a move and no more; nothing is deleted by it (R5)."""
        files = {moved_file(ref) for ref in fresh} - {None}
        if root is not Root.HOLDS or WHOLE in listing.scopes or not files:
            return ()
        missing = {item.item_id for item in difference.missing}
        keys = {ref.file_key for ref in fresh if ref.file_key is not None}
        items = [
            item
            for item in self._ledger.of_files(self._source.name, keys)
            if moved_file(item) in files and item.item_id not in listing.listed and item.item_id not in missing
        ]
        return self._absent(run, items, listing, root)

    def _small_writes(
        self, run: RunId, matches: Sequence[Match], tally: Tally, *, metadata: Sequence[Pair] = ()
    ) -> None:
        """Moves and metadata: rows change, nothing is parsed or embedded."""
        ops: list[Op] = [
            Move(
                doc=match.known.doc,
                item_id=match.known.item_id,
                ref=match.ref,
                seen=match.by is not Evidence.FILE and not self._content.in_doubt(match.ref),
            )
            for match in matches
        ]
        ops += [Touch(doc=item.doc, item_id=item.item_id, ref=ref) for item, ref in metadata]
        self._apply(run, ops)
        tally.moved += len(matches)
        tally.unchanged += len(metadata)

    def _work(self, difference: Difference, identified: _Identified) -> list[Work]:
        """What has to be read, newest edits first: they are what somebody is waiting for."""
        now = time.time()
        work = [Work(ref=ref, known=item) for item, ref in difference.changed]
        work += [Work(ref=ref) for ref in identified.fresh]
        work += [Work(ref=back.ref, returned=back.deceased) for back in identified.returned]
        work += [
            Work(ref=match.ref, known=match.known, moved=True)
            for match in identified.matches
            if must_read(match.known, self._content.recipe_of(match.ref), now)
            or self._content.in_doubt(match.ref)
            # Inode, size and time prove a move, and not that nothing was written before it: only a version that
            # stayed the same does, as it does for what stands in a renamed folder.
            or (match.by is Evidence.FILE and match.known.version != match.ref.version)
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


def _hidden(item: KnownItem) -> ItemRef:
    """The item as it is known, for nobody."""
    return ItemRef(
        item_id=item.item_id,
        name=item.name,
        version=item.version,
        size=item.size,
        file_key=item.file_key,
        move_key=item.move_key,
        url=item.url,
        parent=item.parent,
        grant=NOBODY,
    )


def _ends(matches: Sequence[Match]) -> tuple[set[ItemId], set[ItemId]]:
    """Where these moves came to, and where they came from."""
    return {match.ref.item_id for match in matches}, {match.known.item_id for match in matches}
