"""One search: candidates, scores, citations. The ledger has the last word on every hit (R7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestor.errors import IndexFailure, UserError
from ingestor.model import Candidate, ChunkId, Hit, Reader, SearchMode, UnitId
from ingestor.ports import Embedder, SearchLedger, VectorStore
from ingestor.search.citations import cite
from ingestor.search.scoring import dense_scores, hybrid_scores, ranked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CANDIDATES = 300
"""Asked of each index: Chroma answers 300 in 3 ms and 1,000 in 56 (FACTS), and gains nothing by more."""

EXACT_LIMIT = 20_000
"""Chunks that an exact scan may look at: about 3 s for so many, out of unit vectors (tests/results/ledger.md)."""

TOP_LIMIT = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Hits, best first; ``note`` says in a sentence when the answer was found in a lesser way."""

    hits: tuple[Hit, ...]
    note: str = ""


class Searcher:
    """Answers searches. Threads may share it as far as the embedder and the index allow."""

    def __init__(
        self,
        *,
        ledger: SearchLedger,
        vectors: VectorStore,
        embedder: Embedder,
        nearest: Callable[[NDArray[np.float32], int], Sequence[ChunkId]],
    ) -> None:
        self._ledger = ledger
        self._vectors = vectors
        self._embedder = embedder
        self._nearest = nearest

    def search(self, query: str, *, mode: SearchMode, top: int, reader: Reader, sources: Sequence[str] = ()) -> Found:
        if not query.strip():
            raise UserError("The query is empty.", hint="Ask a question or give some words.")
        if not 1 <= top <= TOP_LIMIT:
            raise UserError(f"--top must be from 1 to {TOP_LIMIT}.")
        keyword: dict[int, float] = {}
        if mode is not SearchMode.DENSE:
            keyword = dict(self._ledger.keyword(query, CANDIDATES, reader, sources))
        if mode is SearchMode.KEYWORD:
            return self._found(ranked(keyword, top), reader, "")
        vector = self._embedder.embed_query(query)
        near, note = self._dense_candidates(vector, top, reader, sources)
        candidates = {candidate.chunk: candidate for candidate in near}
        lacking = [chunk for chunk in keyword if chunk not in candidates]
        candidates |= {found.chunk: found for found in self._ledger.candidates(lacking, reader, sources)}
        every = list(candidates.values())
        dense = dense_scores(vector, every, *self._unit_vectors(every))
        scores = hybrid_scores(every, dense, keyword) if mode is SearchMode.HYBRID else dense
        return self._found(ranked(scores, top), reader, note)

    def _dense_candidates(
        self, vector: NDArray[np.float32], top: int, reader: Reader, sources: Sequence[str]
    ) -> tuple[Sequence[Candidate], str]:
        """From the vector index, unfiltered and resolved here; by exact scan where it fails or where too
        few of its answers are the reader's to see."""
        restricted = reader.principals is not None or bool(sources)
        note = ""
        try:
            near = self._ledger.candidates(self._nearest(vector, CANDIDATES), reader, sources)
        except IndexFailure as failure:
            near, note = (
                (),
                f"The vector index does not answer; exact search over the ledger was used. ({failure.message})",
            )
        if note or (restricted and len(near) < max(top, CANDIDATES // 4)):
            # Besides the index's answers and not instead of them: above the limit the scan sees only a part.
            exact = self._ledger.all_candidates(reader, sources, EXACT_LIMIT)
            near = list({found.chunk: found for found in (*near, *exact)}.values())
        return near, note

    def _unit_vectors(self, candidates: Sequence[Candidate]) -> tuple[list[UnitId], NDArray[np.float32]]:
        units = list(dict.fromkeys(unit for candidate in candidates for unit, _ in candidate.units))
        lacking = set(self._vectors.missing(units))
        there = [unit for unit in units if unit not in lacking]
        return there, self._vectors.get(there)

    def _found(self, scored: Sequence[tuple[int, float]], reader: Reader, note: str) -> Found:
        return Found(hits=tuple(cite(hit) for hit in self._ledger.hits(scored, reader)), note=note)
