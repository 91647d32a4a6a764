"""Which chunks a search compares: by meaning from the vector index, by words from the ledger, never more than the
reader may see (R7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ingestor.errors import IndexFailure, UserError
from ingestor.model import Candidate, ChunkId, Filters, Reader, SearchMode, is_whole
from ingestor.ports import Embedder, SearchLedger, VectorStore
from ingestor.search.exact import EXACT_LIMIT, PAST_LIMIT, ExactScan, UnitVectors, nearest_of_all, unit_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CANDIDATES = 150
"""Of each index, up to 100,000 chunks: each costs the reading of eight vectors. More of a larger corpus, in which more
is about as near (``depth``)."""

_USUAL, _GROWTH = 100_000, 0.6021
_MOST_CANDIDATES = 1_000

_OVER = 2
"""Times as many are asked of Chroma, which answers 300 in 4 ms and 1,200 in 14, and does not know who may see what. By
meaning alone all are compared; with words, those that these speak for (``scoring.promising``)."""

FEW = 4 * CANDIDATES
"""Chunks that are all compared where the index gives fewer than it was asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lens:
    """What a search by meaning sees through. The three belong together: vectors of one model are compared with
    each other only. ``nearest`` gives the ids of the nearest chunks and the cosine of each, best first, of these scopes
    where some are named, or raises ``IndexFailure``."""

    embedder: Embedder
    vectors: VectorStore
    nearest: Callable[[NDArray[np.float32], int, Sequence[str]], Mapping[ChunkId, float]]


def depth(chunks: int) -> int:
    """How many of each index are candidates in a corpus of so many chunks: 150 up to 100,000, 600 of a million. Of 150
    there nine in ten of the first five were those that comparing everything finds (tests/results/crowd.md)."""
    return min(int(CANDIDATES * max(1.0, chunks / _USUAL) ** _GROWTH), _MOST_CANDIDATES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Worded:
    """Candidates by their words, with the vectors of their units. ``scores`` is BM25 of each row where it was asked
    for."""

    candidates: Sequence[Candidate] = ()
    units: UnitVectors | None = None
    scores: Mapping[int, float] = field(default_factory=dict)


class Finder:
    """Of one ledger. Threads may share it as far as the embedder and the index allow."""

    def __init__(self, ledger: SearchLedger) -> None:
        self._ledger = ledger
        self._exact = ExactScan()

    def worded(self, lens: Lens, query: str, deep: int, reader: Reader, filters: Filters, *, ranked: bool) -> Worded:
        """BM25 is needed for fusion by places only (``ranked``): to find by it takes five times as long."""
        scores, found = (
            self.by_words(query, deep, reader, filters)
            if ranked
            else ({}, self._ledger.worded(query, deep, reader, filters))
        )
        found = self.embedded(lens, found)
        return Worded(
            candidates=found, units=unit_vectors(lens.vectors, [candidate.units for candidate in found]), scores=scores
        )

    def by_words(
        self, query: str, limit: int, reader: Reader, filters: Filters
    ) -> tuple[Mapping[int, float], Sequence[Candidate]]:
        """Candidates by their words, and BM25 of each chunk row."""
        scores = dict(self._ledger.keyword(query, limit, reader, filters))
        return scores, self._ledger.candidates(scores, reader, filters)

    def near(
        self, lens: Lens, vector: NDArray[np.float32], deep: int, top: int, reader: Reader, filters: Filters
    ) -> tuple[Sequence[Candidate], Mapping[int, float], str]:
        """From the vector index, unfiltered and resolved here, with the cosine of each row; by exact scan where it
        fails or where too few of its answers are the reader's to see. The note says in a sentence what was lesser."""
        restricted, asked = reader.principals is not None or bool(filters), _OVER * deep
        near, nearness, note = list[Candidate](), dict[int, float](), ""
        try:
            nearest = lens.nearest(vector, asked, filters.scopes)
            seen = {one.chunk_id: one for one in self._ledger.candidates(nearest, reader, filters)}
            near = [seen[chunk] for chunk in nearest if chunk in seen]
            nearness = {candidate.chunk: nearest[candidate.chunk_id] for candidate in near}
        except IndexFailure as failure:
            note = f"The vector index does not answer; exact search over the ledger was used. ({failure.message})"
        if note or (restricted and len(near) < max(top, deep // 2)):
            exact = self._ledger.all_candidates(reader, filters, EXACT_LIMIT + 1)
            if len(exact) > EXACT_LIMIT:
                exact = exact[:EXACT_LIMIT]
                note = f"{note} Only {EXACT_LIMIT:,} of the passages were compared by meaning.".strip()
            exact = self._exact.nearest(vector, self.embedded(lens, exact), lens.vectors, deep)
            # Besides the index's answers and not instead of them: above the limit the scan sees only a part.
            return list({one.chunk: one for one in (*self.embedded(lens, near), *exact)}.values()), nearness, note
        if len(nearest) < asked:
            # There are few, or some of them cannot be reached: a graph of vectors that are equally far from one another
            # loses some. To compare all of few costs nothing.
            few = self._ledger.all_candidates(reader, filters, FEW + 1)
            if len(near) < len(few) <= FEW:
                return self._exact.nearest(vector, self.embedded(lens, few), lens.vectors, deep), {}, note
        return self.embedded(lens, near), nearness, note

    def near_of_all(
        self, lens: Lens, vector: NDArray[np.float32], reader: Reader, filters: Filters, mode: SearchMode
    ) -> tuple[Sequence[Candidate], Mapping[int, float], str]:
        """The nearest of everything; where that is too much, only what the words of the query name is compared."""
        everything = self._ledger.all_candidates(reader, filters, PAST_LIMIT + 1)
        if len(everything) > PAST_LIMIT:
            too_many = f"More than {PAST_LIMIT:,} passages stood then, too many to be compared by meaning"
            if mode is SearchMode.DENSE:
                raise UserError(f"{too_many}.", hint="Name a source or a folder, or search by words: --mode keyword.")
            return (), {}, f"{too_many}: only those that hold words of the question were. Name a source or a folder."
        near, compared = nearest_of_all(vector, self.embedded(lens, everything), lens.vectors, CANDIDATES)
        lacking = len(everything) - compared
        note = f"{lacking:,} passages of then have no vectors; they are found by words only." if lacking else ""
        return near, {}, note

    def embedded(self, lens: Lens, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """With the units that their vectors are made of, for the model that is searched by."""
        if not is_whole(lens.vectors.model):
            return candidates
        units = self._ledger.text_units(candidate.text_hash for candidate in candidates)
        return [
            replace(one, units=((units[one.text_hash], 1),) if one.text_hash in units else ()) for one in candidates
        ]
