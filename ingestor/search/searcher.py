"""One search: candidates, scores, citations. The ledger has the last word on every hit (R7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace

from ingestor.errors import UserError
from ingestor.model import Candidate, Filters, Hash, Hit, Reader, SearchMode, UnitId, is_whole
from ingestor.pooling import own_units
from ingestor.ports import Reranker, SearchLedger
from ingestor.search.candidates import CANDIDATES, Finder, Lens, Worded, depth
from ingestor.search.citations import cite
from ingestor.search.exact import joined, unit_vectors
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
        self._finder = Finder(ledger)
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
        finder, ranking = self._finder, self._ranking
        if mode is SearchMode.KEYWORD:
            scores, by_words = finder.by_words(query, max(top, CANDIDATES), reader, filters)
            return self._found(scores, top, by_words, reader, "", merge=merge, context=context)
        lens = lens or self._lens()
        deep = depth(self._ledger.about_how_many())
        weighted = mode is SearchMode.HYBRID and ranking.fusion is Fusion.WEIGHTED
        # By words and by meaning at once: each waits half of its time for SQLite or the model.
        wording = (
            self._beside.submit(finder.worded, lens, query, deep, reader, filters, ranked=not weighted)
            if mode is SearchMode.HYBRID
            else None
        )
        vector = lens.embedder.embed_query(query)
        near, nearness, note = (
            finder.near_of_all(lens, vector, reader, filters, mode)
            if self._past
            else finder.near(lens, vector, deep, top, reader, filters)
        )
        worded = Worded() if wording is None else wording.result()
        known = {candidate.chunk for candidate in worded.candidates}
        near = [candidate for candidate in near if candidate.chunk not in known]
        added: dict[int, float] = {}
        if weighted:
            added = self._added(query, [*near, *worded.candidates], lens)
            near = promising(near, nearness, added, deep)
        units = joined(worded.units, unit_vectors(lens.vectors, [candidate.units for candidate in near]))
        candidates = {candidate.chunk: candidate for candidate in (*near, *worded.candidates)}
        scores = dense_scores(vector, list(candidates.values()), *units, ranking.unit_weight)
        if weighted:
            scores = hybrid_scores(candidates, scores, added)
            scores |= self._gathered(scores, candidates, added)
        elif wording is not None:
            scores = fused_scores(candidates, scores, worded.scores, ranking.keyword_weight)
        if passage is not None:
            if is_whole(lens.vectors.model):
                note = f"{note} {_SHOWN_WHOLE}".strip()
            sentences = unit_scores(vector, list(candidates.values()), *units)
            parts = grown(scores, candidates.values(), sentences, passage, top)
            return Found(hits=tuple(cite(hit) for hit in self._narrowed(parts, reader)), note=note)
        return self._found(scores, top, candidates.values(), reader, note, merge=merge, context=context)

    def _added(self, query: str, candidates: Sequence[Candidate], lens: Lens) -> dict[int, float]:
        """What the words of the question add to each of these."""
        shares = word_shares(self._ledger.held(query, [candidate.chunk for candidate in candidates]))
        length = None if is_whole(lens.vectors.model) else lengths(candidates)
        return words_added(shares, length, self._ranking.keyword_weight)

    def _gathered(
        self, scores: Mapping[int, float], candidates: Mapping[int, Candidate], added: Mapping[int, float]
    ) -> dict[int, float]:
        """The best, with what those of one document add to each other."""
        best = dict(ranked(scores, {row: one.text_hash for row, one in candidates.items()}, GATHERED_FIRST))
        documents = Counter(candidates[row].document for row in best)
        together = [row for row in best if documents[candidates[row].document] > 1]
        return gathered(best, self._ledger.places(together) if together else {}, added)

    def _found(
        self,
        scores: Mapping[int, float],
        top: int,
        candidates: Iterable[Candidate],
        reader: Reader,
        note: str,
        *,
        merge: bool,
        context: int,
    ) -> Found:
        resolved = list(candidates)
        texts = {candidate.chunk: candidate.text_hash for candidate in resolved}
        best = ranked(scores, texts, top + MERGED_FIRST if merge else top)
        hits = self._with_places(best, resolved, reader)
        if merge:
            hits = merged(hits)[:top]
        if context:
            hits = [with_neighbours(self._ledger, hit, context, reader) for hit in hits]
        return Found(hits=tuple(cite(hit) for hit in hits), note=note)

    def _with_places(
        self,
        best: Sequence[tuple[int, float]],
        candidates: Sequence[Candidate],
        reader: Reader,
    ) -> Sequence[Hit]:
        """Citations of these chunks, each with the other candidates that are the same text."""
        shown = {row for row, _ in best}
        twins: dict[Hash, list[Candidate]] = {one.text_hash: [] for one in candidates if one.chunk in shown}
        for one in candidates:
            if one.chunk not in shown and one.text_hash in twins:
                twins[one.text_hash].append(one)
        asked = [(one.chunk, 0.0) for others in twins.values() for one in others[:_PLACES]]
        places = {hit.chunk_id: cite(hit) for hit in self._ledger.hits(asked, reader)}
        found = {one.chunk: one for one in candidates if one.chunk in shown}
        there = {hit.chunk_id: hit for hit in self._ledger.hits(best, reader)}
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
