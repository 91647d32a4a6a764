"""The nearest of the chunks that a reader sees, without the vector index: every one is compared.

To read and pool the units of 20,000 chunks takes a second, to compare their vectors 10 ms; so the vectors are
kept for the next scan.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ingestor.model import Candidate, ModelId, UnitId
from ingestor.pooling import Weighted, pool_vectors
from ingestor.ports import VectorStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXACT_LIMIT = 20_000
"""Chunks that a scan compares (tests/results/ledger.md). Where there are more, the answer says that it saw a part."""

_KEPT = 30_000
"""Chunk vectors kept in memory: 46 MB of 384 dimensions. Readers see different chunks, so more than one scan's."""

_KEPT_S = 600.0
"""A chunk's vector follows from its units, so it never goes out of date by an edit; but units are erased, and
damaged ones replaced, and neither may live on here for long."""

PAST_LIMIT = 50_000
"""Chunks of a past moment that one scan compares, with nothing kept: 1.1 s of a processor, four units each."""

UnitVectors: TypeAlias = "tuple[list[UnitId], NDArray[np.float32]]"
"""Units, and the vector of each in a row, in that order."""

_BLOCK = 1_000
"""Chunks whose unit vectors are in memory at once: about 10 MB."""


class ExactScan:
    """Threads may share it; one scans at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: ModelId | None = None
        self._since = 0.0
        self._rows: dict[Weighted, int] = {}
        self._matrix: NDArray[np.float32] | None = None

    def nearest(
        self, query: NDArray[np.float32], candidates: Sequence[Candidate], vectors: VectorStore, n: int
    ) -> list[Candidate]:
        """The ``n`` candidates whose chunk vectors are nearest, best first. Those that are not wholly embedded
        are left out. At most ``EXACT_LIMIT`` candidates."""
        import numpy as np

        with self._lock:
            self._keep(candidates, vectors)
            if self._matrix is None:
                return []
            rows = np.array([self._rows.get(candidate.units, -1) for candidate in candidates], dtype=np.int64)
            scores = self._matrix[: len(self._rows)] @ query
        (places,) = np.nonzero(rows >= 0)
        best = np.argsort(-scores[rows[places]], kind="stable")[:n]
        return [candidates[place] for place in places[best]]

    def _keep(self, candidates: Sequence[Candidate], vectors: VectorStore) -> None:
        """Pool what is not there yet."""
        if self._model != vectors.model or time.monotonic() - self._since > _KEPT_S:
            self._forget(vectors.model)
        fresh = self._fresh(candidates)
        if len(self._rows) + len(fresh) > _KEPT:
            self._forget(vectors.model)
            fresh = self._fresh(candidates)
        for start in range(0, len(fresh), _BLOCK):
            self._take(fresh[start : start + _BLOCK], vectors)

    def _fresh(self, candidates: Sequence[Candidate]) -> list[Weighted]:
        return list(dict.fromkeys(c.units for c in candidates if c.units and c.units not in self._rows))

    def _take(self, chunks: Sequence[Weighted], vectors: VectorStore) -> None:
        import numpy as np

        units, there = unit_vectors(vectors, chunks)
        known = set(units)
        whole = [chunk for chunk in chunks if known.issuperset(unit for unit, _ in chunk)]
        if not whole:
            return
        pooled = pool_vectors(whole, units, there)
        if self._matrix is None:
            self._matrix = np.empty((_KEPT, pooled.shape[1]), dtype=np.float32)  # pages are taken as they are filled
        first = len(self._rows)
        self._matrix[first : first + len(whole)] = pooled
        self._rows.update(zip(whole, range(first, first + len(whole)), strict=True))

    def _forget(self, model: ModelId) -> None:
        self._model, self._since = model, time.monotonic()
        self._rows, self._matrix = {}, None


def nearest_of_all(
    query: NDArray[np.float32], candidates: Sequence[Candidate], vectors: VectorStore, n: int
) -> tuple[list[Candidate], int]:
    """The same for what is asked for once, with nothing kept; and how many of them are wholly embedded."""
    best: list[tuple[float, Candidate]] = []
    compared = 0
    for start in range(0, len(candidates), _BLOCK):
        block = candidates[start : start + _BLOCK]
        units, there = unit_vectors(vectors, [candidate.units for candidate in block])
        known = set(units)
        whole = [one for one in block if one.units and known.issuperset(unit for unit, _ in one.units)]
        if not whole:
            continue
        compared += len(whole)
        scores = (pool_vectors([one.units for one in whole], units, there) @ query).tolist()
        best = sorted([*best, *zip(scores, whole, strict=True)], key=lambda pair: -pair[0])[:n]
    return [candidate for _, candidate in best], compared


def unit_vectors(vectors: VectorStore, chunks: Sequence[Weighted]) -> UnitVectors:
    """The units of these chunks that have vectors, and these, in order."""
    units = sorted(set(_units(chunks)))  # as they are stored
    try:
        return units, vectors.get(units)
    except KeyError:  # some are not embedded yet; to ask for those first would cost each search a second pass
        lacking = set(vectors.missing(units))
        there = [unit for unit in units if unit not in lacking]
        return there, vectors.get(there)


def joined(*parts: UnitVectors | None) -> UnitVectors:
    """All of them, those that stand in several again and again."""
    import numpy as np

    there = [part for part in parts if part is not None and part[0]]
    if len(there) == 1:
        return there[0]
    return [unit for units, _ in there for unit in units], np.concatenate(
        [vectors for _, vectors in there] or [np.zeros((0, 0), dtype=np.float32)]
    )


def _units(chunks: Sequence[Weighted]) -> Iterator[UnitId]:
    return (unit for chunk in chunks for unit, _ in chunk)
