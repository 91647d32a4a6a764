"""Compares a generation of the vector index with the ledger, row by row.

A count proves nothing and a query finds what it finds; so every id is listed, and rows are read whole
with ``get`` and compared with what the ledger would write. The host's crash or time-out during the probe
is a finding too (``wrecked``). The probe reads only; mending is ``IndexLedger.unsettle`` with the ids that
it names, after which the projector writes them again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ingestor.errors import IndexWrecked
from ingestor.index.compare import row_differs, same_vector
from ingestor.index.vectors import chunk_vectors
from ingestor.model import ChunkId, GenerationId, PendingRow
from ingestor.ports import IndexLedger, VectorIndex, VectorStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PAGE = 1_000
_IDS = 200_000
"""Ids that are listed at once, 20 MB. Chroma puts all of a collection in order for each page, on the disk where there
are many: a million took 3 s a page, and in pages of 5,000 ten minutes."""
_QUESTIONS = 5  # rows whose vector is also asked for by query
_NEAREST = 10

_Key = tuple[str, ChunkId]
"""A scope and an id: what one row is known by."""


class Damage(StrEnum):
    LOST = "lost"
    ORPHAN = "orphan"
    STALE = "stale"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One row that is not as the ledger wants it in the collection of ``scope``; ``note`` says what differs."""

    damage: Damage
    chunk_id: ChunkId
    note: str = ""
    scope: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeReport:
    """``checked`` counts rows of the ledger; ``wrecked`` means that the store cannot be mended row by row.

    ``finished`` is false when the probe was stopped; then only what it found holds.
    """

    checked: int = 0
    findings: tuple[Finding, ...] = ()
    wrecked: bool = False
    reason: str = ""
    finished: bool = True

    @property
    def clean(self) -> bool:
        return self.finished and not self.wrecked and not self.findings

    def count(self, damage: Damage) -> int:
        return sum(finding.damage is damage for finding in self.findings)

    def to_mend(self) -> Mapping[str, Sequence[ChunkId]]:
        """The ids to unsettle in each scope, each once."""
        found: dict[str, dict[ChunkId, None]] = {}
        for finding in self.findings:
            found.setdefault(finding.scope, {})[finding.chunk_id] = None
        return {scope: tuple(ids) for scope, ids in found.items()}


def probe(
    generation: GenerationId,
    *,
    ledger: IndexLedger,
    vectors: VectorStore,
    index: VectorIndex,
    sample: int | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> ProbeReport:
    """Compare every id, and the content of all rows or of about ``sample`` rows spread evenly.

    Rows that are pending are no findings: they are not yet as wanted, and nobody says that they are. Where
    both upserts and deletes were pending from the start, a row that is due to go may be called an orphan:
    mending it changes nothing. What ends or changes while the probe looks is never a finding.
    Raises ``IndexUnavailable`` when the index does not answer; then nothing is known.
    """
    work = _Probe(generation, ledger, vectors, index, stopping)
    try:
        return work.run(sample)
    except IndexWrecked as error:
        return ProbeReport(checked=work.checked, findings=tuple(work.findings), wrecked=True, reason=str(error))


class _Probe:
    def __init__(
        self,
        generation: GenerationId,
        ledger: IndexLedger,
        vectors: VectorStore,
        index: VectorIndex,
        stopping: Callable[[], bool],
    ) -> None:
        self._generation = generation
        self._ledger = ledger
        self._vectors = vectors
        self._index = index
        self._stopping = stopping
        self._known: dict[_Key, NDArray[np.float32]] = {}
        self.checked = 0
        self.findings: list[Finding] = []

    def run(self, sample: int | None) -> ProbeReport:
        # The ledger goes on meanwhile: what was settled at the start and is no longer is in flight.
        settled_before = self._settled()
        present = self._list_ids()
        stride = 1 if sample is None else max(1, len(present) // max(1, sample))
        after = ChunkId("")
        while not self._stopping():
            rows = self._ledger.expected(self._generation, after, _PAGE)
            if not rows:
                self._ask_questions()
                self._find_orphans(present - settled_before)
                self._forgive_pending()
                return self._report(finished=True)
            after = rows[-1].chunk_id
            there = self._check_presence(rows, present)[::stride]
            for scope in sorted({row.scope for row in there}):
                self._check_content(scope, [row for row in there if row.scope == scope])
            self.checked += len(rows)
        return self._report(finished=False)

    def _report(self, *, finished: bool) -> ProbeReport:
        return ProbeReport(checked=self.checked, findings=tuple(self.findings), finished=finished)

    def _settled(self) -> set[_Key]:
        """Every row that the ledger says is written."""
        keys: set[_Key] = set()
        after = ChunkId("")
        while not self._stopping() and (rows := self._ledger.expected(self._generation, after, 5 * _PAGE)):
            keys.update((row.scope, row.chunk_id) for row in rows)
            after = rows[-1].chunk_id
        return keys

    def _list_ids(self) -> set[_Key]:
        """Every row in the store, by collections."""
        present: set[_Key] = set()
        for scope in ("", *sorted(self._index.scopes())):
            if not self._stopping():
                self._list_collection(scope, present)
        return present

    def _list_collection(self, scope: str, present: set[_Key]) -> None:
        """An id listed twice is damage; a count that disagrees is a wreck."""
        counted = self._index.count(scope)
        offset = 0
        while offset <= counted and (page := self._index.page(offset, _IDS, scope)):
            for chunk_id in page:
                if (scope, chunk_id) in present:
                    self.findings.append(Finding(damage=Damage.DUPLICATE, chunk_id=chunk_id, scope=scope))
                present.add((scope, chunk_id))
            offset += len(page)
            if self._stopping():
                return
        if offset != counted:
            raise IndexWrecked(f"The vector index counts {counted} rows and lists {offset}.")

    def _check_presence(self, rows: Sequence[PendingRow], present: set[_Key]) -> list[PendingRow]:
        """Take the ids of one page of the ledger out of ``present``; the rows that are there."""
        there = []
        for row in rows:
            if (row.scope, row.chunk_id) in present:
                present.discard((row.scope, row.chunk_id))
                there.append(row)
            else:
                self.findings.append(Finding(damage=Damage.LOST, chunk_id=row.chunk_id, scope=row.scope))
        return there

    def _check_content(self, scope: str, rows: Sequence[PendingRow]) -> None:
        found = self._index.get([row.chunk_id for row in rows], scope)
        # A unit whose vector the ledger has lost is the ledger's damage; the rest of the row is compared.
        bare = set(self._vectors.missing([unit for row in rows for unit, _ in row.units]))
        whole = [row for row in rows if row.units and bare.isdisjoint(unit for unit, _ in row.units)]
        wanted: dict[ChunkId, NDArray[np.float32]] = {}
        if whole:
            pooled = chunk_vectors(self._vectors, [row.units for row in whole])
            wanted = {row.chunk_id: vector for row, vector in zip(whole, pooled, strict=True)}
        for row in rows:
            if row.chunk_id not in found:
                raise IndexWrecked("The vector index lists a row that it cannot show.")
            vector = wanted.get(row.chunk_id)
            if note := row_differs(row, vector, found[row.chunk_id]):
                self.findings.append(Finding(damage=Damage.STALE, chunk_id=row.chunk_id, note=note, scope=scope))
            elif vector is not None and sum(known == scope for known, _ in self._known) < _QUESTIONS:
                self._known[scope, row.chunk_id] = vector

    def _ask_questions(self) -> None:
        """A known vector, asked for by query, leads to its row or to another with the same vector.

        A sound graph misses a node in some hundreds, so one answer of each collection is enough; a graph that is
        broken answers none."""
        for scope in {scope for scope, _ in self._known}:
            known = [(chunk_id, vector) for (at, chunk_id), vector in self._known.items() if at == scope]
            if not any(self._answers(scope, chunk_id, vector) for chunk_id, vector in known):
                raise IndexWrecked("Queries for known vectors do not find their rows.")

    def _answers(self, scope: str, chunk_id: ChunkId, vector: NDArray[np.float32]) -> bool:
        nearest = self._index.query(vector, _NEAREST, [scope])
        if chunk_id in nearest:
            return True
        return any(same_vector(vector, found) for found, _, _ in self._index.get(list(nearest)[:1], scope).values())

    def _find_orphans(self, present: set[_Key]) -> None:
        """What the ledger's walk has left over."""
        self.findings += [
            Finding(damage=Damage.ORPHAN, chunk_id=chunk_id, scope=scope) for scope, chunk_id in sorted(present)
        ]

    def _forgive_pending(self) -> None:
        """Rows in flight are no findings: an upsert that was never acknowledged, a delete that is due,
        metadata that are about to change."""
        if self.findings:
            rows = self._ledger.pending(self._generation, len(self.findings) + 10 * _PAGE)
            pending = {(row.scope, row.chunk_id) for row in rows}
            dropped = {row.scope for row in rows if row.everything}
            self.findings = [
                one for one in self.findings if one.scope not in dropped and (one.scope, one.chunk_id) not in pending
            ]
