"""How candidates are ranked. Pure numpy; every input is already visible to the reader.

The dense score of a chunk is half its own vector and half its best unit: the chunk says what a passage
is about, the unit that one sentence answers the question. A unit is read with what stands beside it, for a sentence
says "it" and "then" of what the one before named. What the chunk holds of the query's words is added.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ingestor.model import Candidate, Hash, UnitId
from ingestor.pooling import pool_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK_SHARE = 0.5
UNIT_SHARE = 0.5
BESIDE = 0.3
"""What each neighbour in the chunk adds to a unit's vector, by its length. From 0.2 to 0.5 the figures differ by a
point; at 1 a unit is no longer told from its neighbours (ARCHITECTURE, Decisions)."""
KEYWORD_WEIGHT = 0.8
KEYWORD_POWER = 3
"""What all words of the query in one chunk add to a dense score, and the power of a part of them. At more than this,
our own questions in other words than their answers find less than by meaning alone (ARCHITECTURE, Decisions)."""


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
    sizes = [len(candidate.units) for candidate in whole]
    starts = np.cumsum([0, *sizes[:-1]])
    rows = np.fromiter((row_of[unit] for candidate in whole for unit, _ in candidate.units), dtype=np.int64)
    weights = np.fromiter((max(weight, 1) for candidate in whole for _, weight in candidate.units), dtype=np.float32)
    beside = _beside(vectors[rows] * weights[:, None], np.repeat(np.arange(len(whole)), sizes))
    best = np.maximum.reduceat(beside @ query, starts)
    scores = CHUNK_SHARE * chunk_side + UNIT_SHARE * best
    return {candidate.chunk: float(score) for candidate, score in zip(whole, scores, strict=True)}


def unit_scores(
    query: NDArray[np.float32],
    candidates: Sequence[Candidate],
    units: Sequence[UnitId],
    vectors: NDArray[np.float32],
) -> dict[int, list[float]]:
    """Chunk row to how near each of its units is to the query; a chunk whose units do not all have vectors is left
    out."""
    if not units:
        return {}
    near = dict(zip(units, (vectors @ query).tolist(), strict=True))
    return {
        candidate.chunk: [near[unit] for unit, _ in candidate.units]
        for candidate in candidates
        if candidate.units and all(unit in near for unit, _ in candidate.units)
    }


def _beside(weighted: NDArray[np.float32], chunk_of: NDArray[np.int64]) -> NDArray[np.float32]:
    """Each unit with its neighbours of the same chunk, normalised. ``weighted`` are vectors times lengths, as they
    are pooled: a heading of two words turns no sentence."""
    import numpy as np

    mixed = weighted.copy()
    together = (chunk_of[1:] == chunk_of[:-1])[:, None]
    mixed[1:] += BESIDE * weighted[:-1] * together
    mixed[:-1] += BESIDE * weighted[1:] * together
    return np.asarray(mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def word_shares(words: Iterable[tuple[float, Collection[int]]]) -> dict[int, float]:
    """Chunk row to the share of the query that stands in the chunk, in [0, 1]; ``words`` are those of the query,
    each with its rarity and the chunks that hold it. A word that stands nowhere counts in the whole: a question
    most of whose words are unknown here is asked in other words than the answer's, and the one that happens to
    match says little."""
    shares: dict[int, float] = {}
    whole = 0.0
    for rarity, chunks in words:
        whole += rarity
        for chunk in chunks:
            shares[chunk] = shares.get(chunk, 0.0) + rarity
    return {chunk: share / whole for chunk, share in shares.items()} if whole > 0 else {}


def hybrid_scores(chunks: Iterable[int], dense: Mapping[int, float], shares: Mapping[int, float]) -> dict[int, float]:
    """Dense plus the words. Words that stand together say more than each alone, so a share counts by its
    cube: half of a question adds an eighth, a stray word next to nothing. What is not embedded yet counts
    as the farthest of the others, so that a new document is found by its words at once and never ranks by
    what nobody knows."""
    floor = min(dense.values(), default=0.0)
    return {
        chunk: dense.get(chunk, floor) + KEYWORD_WEIGHT * shares.get(chunk, 0.0) ** KEYWORD_POWER for chunk in chunks
    }


def ranked(scores: Mapping[int, float], texts: Mapping[int, Hash], top: int) -> list[tuple[int, float]]:
    """The best first, of those that have a text in ``texts``; equal scores in the order of chunk rows, so that a
    search repeats itself. Of chunks with the same text the best is kept: nobody wants to read it twice."""
    best: list[tuple[int, float]] = []
    seen: set[Hash] = set()
    for chunk, score in sorted(scores.items(), key=lambda pair: (-pair[1], pair[0])):
        if len(best) == top:
            break
        if chunk in texts and texts[chunk] not in seen:
            seen.add(texts[chunk])
            best.append((chunk, score))
    return best
