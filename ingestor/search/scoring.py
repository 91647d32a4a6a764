"""How candidates are ranked. Pure numpy; every input is already visible to the reader.

The dense score of a chunk is half its own vector and half its best unit: the chunk says what a passage
is about, the unit that one sentence answers the question. BM25 is added, normalised by the best of the
query, with a weight that was measured on public benchmarks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ingestor.model import Candidate, UnitId
from ingestor.pooling import pool_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK_SHARE = 0.5
UNIT_SHARE = 0.5
KEYWORD_WEIGHT = 0.4


def dense_scores(
    query: NDArray[np.float32],
    candidates: Sequence[Candidate],
    units: Sequence[UnitId],
    vectors: NDArray[np.float32],
) -> dict[int, float]:
    """Chunk row to dense score in [-1, 1]; ``vectors`` are those of ``units``, in order. A chunk whose units
    do not all have vectors is left out."""
    import numpy as np

    row_of = {unit: row for row, unit in enumerate(units)}
    whole = [c for c in candidates if c.units and all(unit in row_of for unit, _ in c.units)]
    if not whole:
        return {}
    chunk_side = pool_vectors([candidate.units for candidate in whole], units, vectors) @ query
    unit_side = vectors @ query
    rows = np.fromiter((row_of[unit] for candidate in whole for unit, _ in candidate.units), dtype=np.int64)
    starts = np.cumsum([0, *(len(candidate.units) for candidate in whole[:-1])])
    best = np.maximum.reduceat(unit_side[rows], starts)
    scores = CHUNK_SHARE * chunk_side + UNIT_SHARE * best
    return {candidate.chunk: float(score) for candidate, score in zip(whole, scores, strict=True)}


def hybrid_scores(
    candidates: Sequence[Candidate], dense: Mapping[int, float], keyword: Mapping[int, float]
) -> dict[int, float]:
    """Dense plus weighted BM25. What is not embedded yet counts as the farthest of the candidates, so
    that a new document is found by its words at once and never ranks by what nobody knows."""
    floor = min(dense.values(), default=0.0)
    best = max(keyword.values(), default=0.0)
    scale = KEYWORD_WEIGHT / best if best > 0 else 0.0
    return {
        candidate.chunk: dense.get(candidate.chunk, floor) + scale * keyword.get(candidate.chunk, 0.0)
        for candidate in candidates
    }


def ranked(scores: Mapping[int, float], top: int) -> list[tuple[int, float]]:
    """The best first; equal scores in the order of chunk rows, so that a search repeats itself."""
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:top]
