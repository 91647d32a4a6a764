"""Brings the vector index to the state that the ledger wants (R2): write, then settle.

Nothing here decides anything: the ledger hands out the rows that are not as wanted, in the order of R2,
and every write may be repeated. A kill between the write and the settling means the write is done again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from ingestor.errors import IndexFailure, IndexWrecked, VectorsMissing
from ingestor.faultpoint import reached
from ingestor.index.compare import row_differs
from ingestor.index.vectors import chunk_vectors
from ingestor.model import GenerationId, PendingRow
from ingestor.ports import IndexLedger, VectorIndex, VectorStore

_BATCH = 250  # rows between two settlings: what a kill repeats, and what a stop waits for


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectOutcome:
    """Rows that were written and settled; ``sources`` counts them by the source whose run they belong to."""

    upserted: int = 0
    deleted: int = 0
    sources: Mapping[str, int] = field(default_factory=dict)

    @property
    def writes(self) -> int:
        return self.upserted + self.deleted

    def __add__(self, other: ProjectOutcome) -> ProjectOutcome:
        return ProjectOutcome(
            upserted=self.upserted + other.upserted,
            deleted=self.deleted + other.deleted,
            sources=dict(Counter(self.sources) + Counter(other.sources)),
        )


class Projector:
    """For one generation at a time per index; one thread."""

    def __init__(self, ledger: IndexLedger, vectors: VectorStore, index: VectorIndex) -> None:
        self._ledger = ledger
        self._vectors = vectors
        self._index = index
        self._doubt = False

    def step(self, generation: GenerationId, limit: int) -> ProjectOutcome:
        """Write and settle at most ``limit`` pending rows. An empty outcome: nothing is pending.

        Raises ``IndexFailure``; rows not settled stay pending. After a failure the next writes are read
        back before they are settled (R3): the store said nothing or something false, and says "done" next.
        """
        done = ProjectOutcome()
        for rows in _batches(self._ledger.pending(generation, limit)):
            try:
                self._write(rows)
            except IndexFailure:
                self._doubt = True
                raise
            reached("index.settle")
            self._ledger.settle(generation, rows)  # R2: only after the acknowledgement
            reached("index.settle.done")
            alive = rows[0].alive
            done += ProjectOutcome(
                upserted=len(rows) if alive else 0,
                deleted=0 if alive else len(rows),
                sources=Counter(row.source for row in rows),
            )
        self._doubt = False
        return done

    def _write(self, rows: Sequence[PendingRow]) -> None:
        ids, scope = [row.chunk_id for row in rows], rows[0].scope
        if rows[0].everything:
            reached("index.write")
            self._index.delete(None, scope)
            reached("index.write.done")
            if self._doubt and scope in self._index.scopes():
                raise IndexWrecked("The vector index acknowledged that a collection is gone and still has it.")
            return
        if not rows[0].alive:
            reached("index.write")
            self._index.delete(ids, scope)
            reached("index.write.done")
            if self._doubt and self._index.get(ids, scope):
                raise IndexWrecked("The vector index acknowledged a delete and still has the rows.")
            return
        try:
            vectors = chunk_vectors(self._vectors, [row.units for row in rows])
        except KeyError as error:
            raise VectorsMissing(
                f"A chunk is marked as embedded, but its unit {error} has no vector.",
                hint="Run `ingestor verify --repair`.",
            ) from error
        reached("index.write")
        self._index.upsert(ids, vectors, [row.text for row in rows], [row.metadata for row in rows], scope)
        reached("index.write.done")
        if self._doubt:
            found = self._index.get(ids, scope)
            for row, vector in zip(rows, vectors, strict=True):
                if row.chunk_id not in found or row_differs(row, vector, found[row.chunk_id]):
                    raise IndexWrecked("The vector index acknowledged rows that it does not hold.")


def _batches(rows: Sequence[PendingRow]) -> Iterator[Sequence[PendingRow]]:
    """Runs of one kind and collection in the ledger's order (R2: narrowings and erasures, upserts, other deletes)."""
    for _, group in groupby(rows, key=lambda row: (row.alive, row.everything)):
        for _, of_scope in groupby(sorted(group, key=_scope), key=_scope):
            run = list(of_scope)
            for start in range(0, len(run), _BATCH):
                yield run[start : start + _BATCH]


def _scope(row: PendingRow) -> str:
    return row.scope
