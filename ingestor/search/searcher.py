"""One search: candidates, scores, citations. The ledger has the last word on every hit (R7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ingestor.errors import IndexFailure, UserError
from ingestor.model import Candidate, ChunkId, Filters, Hash, Hit, Reader, SearchMode, UnitId, is_whole
from ingestor.pooling import own_units
from ingestor.ports import Embedder, Reranker, SearchLedger, VectorStore
from ingestor.search.citations import cite
from ingestor.search.exact import (
    EXACT_LIMIT,
    PAST_LIMIT,
    ExactScan,
    UnitVectors,
    joined,
    nearest_of_all,
    unit_vectors,
)
from ingestor.search.extent import MERGED_FIRST, Grown, grown, merged, narrowed, with_neighbours
from ingestor.search.reranking import reranked
from ingestor.search.scoring import (
    GATHERED_FIRST,
    Fusion,
    Ranking,
    dense_scores,
    fused_scores,
    gathered,
    hybrid_scores,
    lengths,
    promising,
    ranked,
    unit_scores,
    word_shares,
    words_added,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CANDIDATES = 150
"""Of each index, up to 100,000 chunks: each costs the reading of eight vectors. More of a larger corpus, in which more
is about as near (``depth``)."""

_USUAL, _GROWTH = 100_000, 0.426
_MOST_CANDIDATES = 1_000

_OVER = 3
"""Times as many are asked of Chroma, which answers 450 in 5 ms and 1,200 in 14, and does not know who may see what. By
meaning alone all are compared; with words, those that these speak for (``scoring.promising``)."""

FEW = 4 * CANDIDATES
"""Chunks that are all compared where the index gives fewer than it was asked for."""

_AT_ONCE = 8  # threads that look for words; a search that finds none waits for its turn

TOP_LIMIT = 200
CONTEXT_LIMIT = 10

_PLACES = 10
"""Other places of a text that are listed with a hit."""

_SHOWN_WHOLE = (
    'The model embeds passages whole (vectors = "whole") and does not tell which sentence of one is nearest; they are'
    " shown whole."
)

_EVERYTHING = Filters()
_NO_WORDS: tuple[Mapping[int, float], Sequence[Candidate], UnitVectors | None] = ({}, (), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Hits, best first; ``note`` says in a sentence when the answer was found in a lesser way."""

    hits: tuple[Hit, ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lens:
    """What a search by meaning sees through. The three belong together: vectors of one model are compared with
    each other only. ``nearest`` gives the ids of the nearest chunks and the cosine of each, best first, of these scopes
    where some are named, or raises ``IndexFailure``."""

    embedder: Embedder
    vectors: VectorStore
    nearest: Callable[[NDArray[np.float32], int, Sequence[str]], Mapping[ChunkId, float]]


def depth(chunks: int) -> int:
    """How many of each index are candidates in a corpus of so many chunks: 150 up to 100,000, 400 of a million. Of 150
    there nine in ten of the first five were those that comparing everything finds (tests/results/crowd.md)."""
    return min(int(CANDIDATES * max(1.0, chunks / _USUAL) ** _GROWTH), _MOST_CANDIDATES)


class Searcher:
    """Answers searches. Threads may share it as far as the embedder and the index allow."""

    def __init__(
        self,
        *,
        ledger: SearchLedger,
        lens: Callable[[], Lens],
        unit_texts: Callable[[Sequence[UnitId]], Sequence[str]],
        ranking: Ranking | None = None,
        reranker: Reranker | None = None,
        past: bool = False,
        beside: Executor | None = None,
    ) -> None:
        """``lens`` is asked at the start of each search, and gives what serves then. ``unit_texts`` is asked for the
        units of hits only, that is of what the reader may see; it raises ``KeyError`` for one that is gone.
        ``reranker`` reads the best hits again. ``past``: the ledger shows an earlier moment. ``beside``: threads that
        look for words meanwhile; its own where none are given."""
        self._ledger = ledger
        self._lens = lens
        self._unit_texts = unit_texts
        self._ranking = ranking or Ranking()
        self._reranker = reranker
        self._exact = ExactScan()
        self._past = past
        self._beside = beside or ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="search")

    def of_past(self, ledger: SearchLedger) -> Searcher:
        """The same over what ``ledger`` knew at an earlier time. No index has that, so that all of it is compared."""
        return Searcher(
            ledger=ledger,
            lens=self._lens,
            unit_texts=self._unit_texts,
            ranking=self._ranking,
            reranker=self._reranker,
            past=True,
            beside=self._beside,
        )

    def search(
        self,
        query: str,
        *,
        mode: SearchMode,
        top: int,
        reader: Reader,
        filters: Filters = _EVERYTHING,
        lens: Lens | None = None,
        merge: bool = False,
        passage: int | None = None,
        context: int = 0,
    ) -> Found:
        """``lens`` instead of what serves: for the evaluation of a model that does not serve yet. ``merge``:
        hits that stand next to each other are one. ``passage``: each is cut down to about so many characters
        around the sentence that is nearest. ``context``: so many chunks before and after each hit come with it."""
        if not query.strip():
            raise UserError("The query is empty.", hint="Ask a question or give some words.")
        if not 1 <= top <= TOP_LIMIT:
            raise UserError(f"--top must be from 1 to {TOP_LIMIT}.")
        if not 0 <= context <= CONTEXT_LIMIT:
            raise UserError(f"--context must be from 0 to {CONTEXT_LIMIT}.")
        if passage is not None and context:
            raise UserError("A passage is a part of a chunk, so that no chunk stands beside it.", hint="Leave out one.")
        if passage is not None and (merge or mode is SearchMode.KEYWORD):
            raise UserError(
                "Passages are made around what is near in meaning, in the modes hybrid and dense, and are not merged.",
                hint="Leave out --passage, or --merge and --mode keyword.",
            )
        reranker = self._reranker if lens is None else None  # which must not hide how good a model is by itself
        found = self._search(
            query,
            mode=mode,
            top=max(top, self._ranking.rerank_top) if reranker else top,
            reader=reader,
            filters=filters,
            lens=lens,
            merge=merge,
            passage=passage,
            context=context,
        )
        if reranker is None:
            return found
        hits, note = reranked(found.hits, query, reranker, self._ranking.rerank_top)
        return Found(hits=tuple(hits[:top]), note=f"{found.note} {note}".strip())

    def _search(
        self,
        query: str,
        *,
        mode: SearchMode,
        top: int,
        reader: Reader,
        filters: Filters,
        lens: Lens | None,
        merge: bool,
        passage: int | None,
        context: int,
    ) -> Found:
        if mode is SearchMode.KEYWORD:
            scores, worded = self._by_words(query, max(top, CANDIDATES), reader, filters)
            return self._found(scores, top, worded, reader, "", {}, merge=merge, context=context)
        # By words and by meaning at once: each waits half of its time for SQLite or the model.
        hybrid = mode is SearchMode.HYBRID
        lens = lens or self._lens()
        deep = depth(self._ledger.about_how_many())
        wording = self._beside.submit(self._worded, lens, query, deep, reader, filters) if hybrid else None
        vector = lens.embedder.embed_query(query)
        near, nearness, note = (
            self._all_candidates(lens, vector, reader, filters, mode)
            if self._past
            else self._dense_candidates(lens, vector, deep, top, reader, filters)
        )
        by_words, worded, units_of_words = _NO_WORDS if wording is None else wording.result()
        known = {candidate.chunk for candidate in worded}
        near = [candidate for candidate in near if candidate.chunk not in known]
        ranking = self._ranking
        weighted = hybrid and ranking.fusion is Fusion.WEIGHTED
        added: Mapping[int, float] = {}
        if weighted:
            shares = word_shares(self._ledger.held(query, [candidate.chunk for candidate in (*near, *worded)]))
            length = None if is_whole(lens.vectors.model) else lengths((*near, *worded))
            added = words_added(shares, length, ranking.keyword_weight)
            near = promising(near, nearness, added, deep)
        units = joined(units_of_words, unit_vectors(lens.vectors, [candidate.units for candidate in near]))
        candidates = {candidate.chunk: candidate for candidate in (*near, *worded)}
        scores = dense_scores(vector, list(candidates.values()), *units, ranking.unit_weight)
        resolved: Mapping[ChunkId, Hit] = {}
        if weighted:
            scores, resolved = self._gathered(hybrid_scores(candidates, scores, added), candidates, added, reader)
        elif hybrid:
            scores = fused_scores(candidates, scores, by_words, ranking.keyword_weight)
        if passage is not None:
            if is_whole(lens.vectors.model):
                note = f"{note} {_SHOWN_WHOLE}".strip()
            sentences = unit_scores(vector, list(candidates.values()), *units)
            parts = grown(scores, candidates.values(), sentences, passage, top)
            return Found(hits=tuple(cite(hit) for hit in self._narrowed(parts, reader)), note=note)
        return self._found(scores, top, candidates.values(), reader, note, resolved, merge=merge, context=context)

    def _worded(
        self, lens: Lens, query: str, deep: int, reader: Reader, filters: Filters
    ) -> tuple[Mapping[int, float], Sequence[Candidate], UnitVectors]:
        """Candidates by their words, with the vectors of their units, which are read while the question is embedded.
        BM25 has a part in fusion by places only: to find by it takes five times as long."""
        scores, found = (
            self._by_words(query, deep, reader, filters)
            if self._ranking.fusion is Fusion.RRF
            else ({}, self._ledger.worded(query, deep, reader, filters))
        )
        found = self._embedded(lens, found)
        return scores, found, unit_vectors(lens.vectors, [candidate.units for candidate in found])

    def _by_words(
        self, query: str, limit: int, reader: Reader, filters: Filters
    ) -> tuple[Mapping[int, float], Sequence[Candidate]]:
        """Candidates by their words, and BM25 of each chunk row."""
        scores = dict(self._ledger.keyword(query, limit, reader, filters))
        return scores, self._ledger.candidates(scores, reader, filters)

    def _dense_candidates(
        self, lens: Lens, vector: NDArray[np.float32], deep: int, top: int, reader: Reader, filters: Filters
    ) -> tuple[Sequence[Candidate], Mapping[int, float], str]:
        """From the vector index, unfiltered and resolved here, with the cosine of each row; by exact scan where it
        fails or where too few of its answers are the reader's to see."""
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
            exact = self._exact.nearest(vector, self._embedded(lens, exact), lens.vectors, deep)
            # Besides the index's answers and not instead of them: above the limit the scan sees only a part.
            return list({one.chunk: one for one in (*self._embedded(lens, near), *exact)}.values()), nearness, note
        if len(nearest) < asked:
            # There are few, or some of them cannot be reached: a graph of vectors that are equally far from one another
            # loses some. To compare all of few costs nothing.
            few = self._ledger.all_candidates(reader, filters, FEW + 1)
            if len(near) < len(few) <= FEW:
                return self._exact.nearest(vector, self._embedded(lens, few), lens.vectors, deep), {}, note
        return self._embedded(lens, near), nearness, note

    def _embedded(self, lens: Lens, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """With the units that their vectors are made of, for the model that is searched by."""
        if not is_whole(lens.vectors.model):
            return candidates
        units = self._ledger.text_units(candidate.text_hash for candidate in candidates)
        return [
            replace(one, units=((units[one.text_hash], 1),) if one.text_hash in units else ()) for one in candidates
        ]

    def _all_candidates(
        self, lens: Lens, vector: NDArray[np.float32], reader: Reader, filters: Filters, mode: SearchMode
    ) -> tuple[Sequence[Candidate], Mapping[int, float], str]:
        """The nearest of everything; where that is too much, only what the words of the query name is compared."""
        everything = self._ledger.all_candidates(reader, filters, PAST_LIMIT + 1)
        if len(everything) > PAST_LIMIT:
            too_many = f"More than {PAST_LIMIT:,} passages stood then, too many to be compared by meaning"
            if mode is SearchMode.DENSE:
                raise UserError(f"{too_many}.", hint="Name a source or a folder, or search by words: --mode keyword.")
            return (), {}, f"{too_many}: only those that hold words of the question were. Name a source or a folder."
        near, compared = nearest_of_all(vector, self._embedded(lens, everything), lens.vectors, CANDIDATES)
        lacking = len(everything) - compared
        note = f"{lacking:,} passages of then have no vectors; they are found by words only." if lacking else ""
        return near, {}, note

    def _gathered(
        self,
        scores: Mapping[int, float],
        candidates: Mapping[int, Candidate],
        added: Mapping[int, float],
        reader: Reader,
    ) -> tuple[Mapping[int, float], Mapping[ChunkId, Hit]]:
        """With what the best of one document add to each other; and the hits that this was told by."""
        best = dict(ranked(scores, {row: one.text_hash for row, one in candidates.items()}, GATHERED_FIRST))
        documents = Counter(candidates[row].document for row in best)
        together = [(row, 0.0) for row in best if documents[candidates[row].document] > 1]
        row_of = {candidates[row].chunk_id: row for row, _ in together}
        known = {hit.chunk_id: hit for hit in self._ledger.hits(together, reader)}
        places = {row_of[key]: (hit.document_id, hit.revision, hit.place) for key, hit in known.items()}
        return {**scores, **gathered(best, places, added)}, known

    def _found(
        self,
        scores: Mapping[int, float],
        top: int,
        candidates: Iterable[Candidate],
        reader: Reader,
        note: str,
        known: Mapping[ChunkId, Hit],
        *,
        merge: bool,
        context: int,
    ) -> Found:
        resolved = list(candidates)
        texts = {candidate.chunk: candidate.text_hash for candidate in resolved}
        best = ranked(scores, texts, top + MERGED_FIRST if merge else top)
        hits = self._with_places(best, resolved, known, reader)
        if merge:
            hits = merged(hits)[:top]
        if context:
            hits = [with_neighbours(self._ledger, hit, context, reader) for hit in hits]
        return Found(hits=tuple(cite(hit) for hit in hits), note=note)

    def _with_places(
        self,
        best: Sequence[tuple[int, float]],
        candidates: Sequence[Candidate],
        known: Mapping[ChunkId, Hit],
        reader: Reader,
    ) -> Sequence[Hit]:
        """Citations of these chunks, each with the other candidates that are the same text. ``known`` are resolved."""
        shown = {row for row, _ in best}
        twins: dict[Hash, list[Candidate]] = {one.text_hash: [] for one in candidates if one.chunk in shown}
        for one in candidates:
            if one.chunk not in shown and one.text_hash in twins:
                twins[one.text_hash].append(one)
        asked = [(one.chunk, 0.0) for others in twins.values() for one in others[:_PLACES]]
        places = {hit.chunk_id: cite(hit) for hit in self._ledger.hits(asked, reader)}
        found = {one.chunk: one for one in candidates if one.chunk in shown}
        lacking = [(row, score) for row, score in best if found[row].chunk_id not in known]
        there = {**known, **{hit.chunk_id: hit for hit in self._ledger.hits(lacking, reader)}}
        return [
            replace(
                there[found[row].chunk_id],
                score=score,
                also=tuple(places[o.chunk_id] for o in twins[found[row].text_hash] if o.chunk_id in places),
            )
            for row, score in best
            if found[row].chunk_id in there
        ]

    def _narrowed(self, parts: Sequence[Grown], reader: Reader) -> Iterator[Hit]:
        rows = dict.fromkeys(part.candidate.chunk for part in parts)
        resolved = {hit.chunk_id: hit for hit in self._ledger.hits([(row, 0.0) for row in rows], reader)}
        for part in parts:
            hit = resolved.get(part.candidate.chunk_id)
            if hit is None:
                continue  # it died or was hidden meanwhile
            try:
                strings = self._unit_texts([unit for unit, _ in own_units(part.candidate.units)])
            except KeyError:
                strings = ()
            yield narrowed(hit, part, strings)
