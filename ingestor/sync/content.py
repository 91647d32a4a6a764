"""The middle of a run: read, compare hashes, parse, cut, commit; several documents under way at once.

Reading is the source's, so its errors count against the source's budget (R8); parsing is the
document's own, so its failures go to quarantine. Results are committed in the order in which they
were read, some together: one commit costs a disk flush, and a transaction stays below 100 ms.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field

from connectors.base import Fetched, ItemId, ItemRef, Source
from connectors.errors import ItemUnreadable, ItemVanished
from ingestor.errors import ParseFailure, ParseReason
from ingestor.faultpoint import reached
from ingestor.model import (
    Deceased,
    Document,
    Hash,
    KnownItem,
    Op,
    ParseRequest,
    Passage,
    PutRevision,
    Recipe,
    RunId,
    Tally,
    Touch,
    blake,
)
from ingestor.ports import Cutter, Parser, Pulse, SyncLedger
from ingestor.sync.attachments import AttachmentStage, Holder
from ingestor.sync.budget import ErrorBudget
from ingestor.sync.diff import is_due
from ingestor.sync.failures import is_ignored, put_failure
from ingestor.sync.lag import edited_at

_IN_FLIGHT = 6  # documents being parsed: enough to keep every worker of a small machine busy
_IN_FLIGHT_BYTES = 64 * 1024 * 1024
_KEPT_BYTES = 32 * 1024 * 1024  # contents read for their hash and kept for parsing
_ROWS_A_COMMIT = 150  # chunks; below 100 ms at 1,900 a second (tests/results/ledger.md)
_COMMIT_AFTER_S = 0.1
_DOUBT_ROUNDS = 3
_DOUBT_WAIT_S = 0.02


class Suspended(Exception):
    """The run was asked to stop and did, at a safe point."""


class BudgetExceeded(Exception):
    """So many items could not be read that the source itself must be at fault (R8)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One item to read: known under this id, moved here, back from the dead, or new."""

    ref: ItemRef
    known: KnownItem | None = None
    returned: Deceased | None = None
    moved: bool = False

    @property
    def doc(self) -> int | None:
        if self.known is not None:
            return self.known.doc
        return self.returned.doc if self.returned is not None else None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parsing:
    """A document under way: what was read, and the parser's promise."""

    work: Work
    fetched: Fetched
    digest: Hash
    recipe: Recipe
    seen_at: float
    future: Future[Document]


@dataclass(kw_only=True, slots=True)
class _Batch:
    """Operations waiting for one transaction."""

    ops: list[Op] = field(default_factory=list)
    rows: int = 0
    since: float = 0.0

    def add(self, op: Op, rows: int) -> None:
        if not self.ops:
            self.since = time.monotonic()
        self.ops.append(op)
        self.rows += rows

    def due(self) -> bool:
        return bool(self.ops) and (self.rows >= _ROWS_A_COMMIT or time.monotonic() - self.since >= _COMMIT_AFTER_S)


class ContentStage:
    """Reads and commits the content of one source's items."""

    def __init__(self, *, source: Source, ledger: SyncLedger, parser: Parser, cutter: Cutter, pulse: Pulse) -> None:
        self._source = source
        self._ledger = ledger
        self._parser = parser
        self._cutter = cutter
        self._pulse = pulse
        self._attachments = AttachmentStage(ledger=ledger, parser=parser, cut=self._cut, recipe_of=self.recipe_of)
        self._kept: dict[ItemId, Fetched] = {}
        self._doubted: set[ItemId] = set()
        self.unread = False
        """Whether the last run left an item unread: a journal must tell of it again (R4)."""

    def recipe_of(self, item: ItemRef | KnownItem) -> Recipe:
        """What would parse and cut this item today. Of a known item the name alone is on record."""
        media_type = item.media_type if isinstance(item, ItemRef) else None
        digest = blake(self._parser.recipe(item.name, media_type).encode(), self._cutter.recipe().encode())
        return Recipe(digest.hex()[:16])

    def hashes(self, refs: Sequence[ItemRef], tally: Tally) -> dict[ItemId, Hash]:
        """Content hashes of items that may be known ones under another id; unreadable ones are left out."""
        found: dict[ItemId, Hash] = {}
        self._doubted.clear()
        room = _KEPT_BYTES
        for ref in refs:
            self._check_stop()
            try:
                fetched = self._source.fetch(ref)
            except (ItemUnreadable, ItemVanished):
                continue  # the content stage reads it again and reports it
            tally.bytes_read += len(fetched.content)
            found[ref.item_id] = blake(fetched.content)
            if fetched.doubtful:
                self._doubted.add(ref.item_id)
            if len(fetched.content) <= room:
                room -= len(fetched.content)
                self._kept[ref.item_id] = fetched
        return found

    def in_doubt(self, ref: ItemRef) -> bool:
        """Whether the read for the hash has to be repeated (R9)."""
        return ref.item_id in self._doubted

    def run(self, run: RunId, work: Sequence[Work], tally: Tally, *, previous_scan: float | None) -> None:
        """Bring every item of ``work`` into the ledger. Raises ``Suspended``, ``BudgetExceeded`` and the
        source's ``SourceUnavailable``; what was read before that is committed."""
        doubtful: list[Work] = []
        self.unread = False
        try:
            self._round(run, work, tally, previous_scan, doubtful)
            for _ in range(_DOUBT_ROUNDS):  # R9: nothing stays doubtful after the run
                if not doubtful:
                    break
                again, doubtful = doubtful, []
                self._wait_out_doubt(again)
                self._round(run, self._fresh_view(again), tally, previous_scan, doubtful, recheck=True)
        finally:
            self._kept.clear()

    # -- one round over the work ------------------------------------------------------------------

    def _round(
        self,
        run: RunId,
        work: Iterable[Work],
        tally: Tally,
        previous_scan: float | None,
        doubtful: list[Work],
        *,
        recheck: bool = False,
    ) -> None:
        batch, under_way, budget = _Batch(), deque[_Parsing](), ErrorBudget()
        counts = not recheck
        try:
            for item in work:
                self._check_stop()
                while len(under_way) >= _IN_FLIGHT or _bytes(under_way) > _IN_FLIGHT_BYTES:
                    self._finish(run, under_way.popleft(), batch, tally, previous_scan, counts=counts)
                seen_at = time.time()
                try:
                    fetched = self._fetch(item.ref)
                except ItemVanished:
                    self.unread = True
                    continue  # not a delete; the next listing decides
                except ItemUnreadable as error:
                    budget = budget.failed()
                    tally.failed += 1
                    self.unread = True
                    tally.current = str(error)
                    if budget.exceeded:
                        raise BudgetExceeded(budget.reason) from error
                    continue
                budget = budget.succeeded()
                tally.bytes_read += len(fetched.content)
                tally.current = item.ref.name
                if fetched.doubtful:
                    doubtful.append(item)
                parsing = self._compare(item, fetched, seen_at, batch, tally, counts=counts)
                if parsing is not None:
                    under_way.append(parsing)
                while under_way and under_way[0].future.done():
                    self._finish(run, under_way.popleft(), batch, tally, previous_scan, counts=counts)
                self._flush(run, batch, tally, force=False)
            while under_way:
                self._finish(run, under_way.popleft(), batch, tally, previous_scan, counts=counts)
        finally:
            for parsing in under_way:
                parsing.future.cancel()
            # What was decided before an error or a stop is as true as ever.
            self._flush(run, batch, tally, force=True)

    def _fetch(self, ref: ItemRef) -> Fetched:
        kept = self._kept.pop(ref.item_id, None)
        if kept is not None and kept.ref.version == ref.version:
            return kept
        reached("fetch")
        return self._source.fetch(ref)

    def _compare(
        self, work: Work, fetched: Fetched, seen_at: float, batch: _Batch, tally: Tally, *, counts: bool
    ) -> _Parsing | None:
        """Equal content parsed with today's recipe is only touched; anything else is parsed."""
        digest, recipe, known = blake(fetched.content), self.recipe_of(fetched.ref), work.known
        if known is not None and _same(known, digest, recipe) and not is_due(known, time.time()):
            batch.add(Touch(doc=known.doc, item_id=known.item_id, ref=fetched.ref, doubtful=fetched.doubtful), 1)
            tally.unchanged += int(counts and not work.moved)
            return None
        reached("parse")
        request = ParseRequest(name=fetched.ref.name, content=fetched.content, media_type=fetched.ref.media_type)
        return _Parsing(
            work=work,
            fetched=fetched,
            digest=digest,
            recipe=recipe,
            seen_at=seen_at,
            future=self._parser.submit(request),
        )

    def _finish(
        self, run: RunId, parsing: _Parsing, batch: _Batch, tally: Tally, previous_scan: float | None, *, counts: bool
    ) -> None:
        work, ref = parsing.work, parsing.fetched.ref
        try:
            document = self._await(run, parsing.future, batch, tally)
            passages = self._cut(document)
        except ParseFailure as failure:
            op = put_failure(
                failure,
                ref=ref,
                doc=work.doc,
                known=work.known,
                content_hash=parsing.digest,
                recipe=parsing.recipe,
                seen_at=parsing.seen_at,
                doubtful=parsing.fetched.doubtful,
            )
            batch.add(op, 1)
            ignored = is_ignored(work.known, parsing.digest)
            tally.failed += int(counts and not ignored)
            tally.unchanged += int(counts and ignored and not work.moved)
        else:
            edited = edited_at(ref.modified_at, seen_at=parsing.seen_at, previous_scan_started_at=previous_scan)
            attached = self._attachments.take(
                Holder(ref=ref, doc=work.doc, seen_at=parsing.seen_at, edited_at=edited),
                document.attachments,
                lambda future: self._await(run, future, batch, tally),
            )
            tally.failed += attached.failed * counts
            revision = PutRevision(
                ref=ref,
                doc=work.doc,
                content_hash=parsing.digest,
                recipe=parsing.recipe,
                title=document.title,
                kind=document.kind,
                passages=passages,
                has_lines=document.has_lines,
                seen_at=parsing.seen_at,
                edited_at=edited,
                doubtful=parsing.fetched.doubtful,
                tags=document.tags,
                attachments=attached.ops,
            )
            batch.add(revision, len(passages) + 1 + attached.rows)
            known = work.known
            if counts and known is None:
                tally.added += 1
            elif counts and known is not None and _same(known, parsing.digest, parsing.recipe) and not known.failed:
                tally.unchanged += not work.moved  # read again for what is attached to it
            elif counts and not work.moved:
                tally.updated += 1
        self._flush(run, batch, tally, force=False)

    def _cut(self, document: Document) -> tuple[Passage, ...]:
        """A text that the cutter trips over costs one document, not every run of its source (R8)."""
        try:
            return self._cutter.cut(document)
        except Exception as error:
            raise ParseFailure(
                ParseReason.CRASHED,
                f"The text could not be cut into passages ({type(error).__name__}).",
                hint="This is a bug in ingestor; the document is tried again with the next version.",
            ) from error

    def _await(self, run: RunId, future: Future[Document], batch: _Batch, tally: Tally) -> Document:
        """The parser's answer; while it takes its time, what waits is committed and a stop is heard."""
        while not wait_for([future], timeout=0.05).done:
            self._flush(run, batch, tally, force=False)
            self._check_stop(future)
        return future.result()

    def _flush(self, run: RunId, batch: _Batch, tally: Tally, *, force: bool) -> None:
        if not (batch.due() or (force and batch.ops)):
            return
        ops, batch.ops, batch.rows = batch.ops, [], 0
        tally.chunks += self._ledger.apply(self._source.name, run, ops)
        self._pulse.progress("content", tally)

    # -- doubt (R9) ---------------------------------------------------------------------------------

    def _wait_out_doubt(self, again: Sequence[Work]) -> None:
        """Until the file system's clock has moved past the moment of the reads."""
        latest = max((work.ref.modified_at or 0.0) for work in again)
        # A fetch says only that it doubts; 10 ms pass on local disks, 2 s where the clock is coarse.
        until = time.monotonic() + _DOUBT_WAIT_S
        if latest > time.time() - 2.0 and latest == int(latest):
            until = time.monotonic() + 2.0
        while time.monotonic() < until:
            self._check_stop()
            time.sleep(0.01)

    def _fresh_view(self, again: Sequence[Work]) -> Iterator[Work]:
        """The same items as the ledger and the source have them now."""
        for work in again:
            try:
                ref = self._source.lookup(work.ref.item_id)
            except ItemUnreadable:
                continue
            known = self._ledger.known(self._source.name, work.ref.item_id).get(work.ref.item_id)  # type: ignore[arg-type]  # an item id is a scope
            if ref is not None and known is not None:
                yield Work(ref=ref, known=known)

    def _check_stop(self, future: Future[Document] | None = None) -> None:
        if self._pulse.stopping():
            if future is not None:
                future.cancel()
            raise Suspended


def _same(known: KnownItem, digest: Hash, recipe: Recipe) -> bool:
    return known.content_hash == digest and known.recipe == recipe


def _bytes(under_way: Sequence[_Parsing]) -> int:
    return sum(len(parsing.fetched.content) for parsing in under_way)
