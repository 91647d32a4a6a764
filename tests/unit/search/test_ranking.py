"""Orders of hits that a configuration may ask for: fused ranks, other weights, a reranker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ingestor.errors import EmbedderError
from ingestor.model import ChunkId, Reader, SearchMode
from ingestor.search.candidates import Lens
from ingestor.search.reranking import reranked
from ingestor.search.scoring import RRF_K, Fusion, Ranking, dense_scores, fused_scores
from ingestor.search.searcher import Found, Searcher
from tests.unit.search.test_search_parts import BOTH, FULL, Embedder, Ledger, Vectors, X, Y, candidate, hit


class Judge:
    """A reranker that prefers the texts it is told to, and remembers what it was given."""

    def __init__(self, *best: str, fails: bool = False) -> None:
        self.best, self.fails, self.asked = best, fails, list[str]()

    def scores(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        self.asked += texts
        if self.fails:
            raise EmbedderError("The reranking model /m failed.")
        return [1.0 if any(word in text for word in self.best) else 0.0 for text in texts]


def test_fused_ranks_count_places_and_not_scores() -> None:
    """First in both orders is first; a chunk that stands in one only has nothing from the other; words weigh as
    they are told to."""
    scores = fused_scores([1, 2, 3], {1: 0.9, 2: 0.1}, {1: 3.0, 3: 50.0})
    assert scores == pytest.approx({1: 1 / (RRF_K + 1) + 0.9 / (RRF_K + 2), 2: 1 / (RRF_K + 2), 3: 0.9 / (RRF_K + 1)})
    assert fused_scores([2, 3], {2: 0.1}, {3: 50.0}, 2.0)[3] == pytest.approx(2 / (RRF_K + 1))


def test_the_share_of_the_best_unit_is_a_choice() -> None:
    """From the chunk's vector alone to its best sentence alone."""
    mixed = [candidate(1, (1, 3), (2, 4))]
    chunk, unit = (dense_scores(X, mixed, BOTH, np.stack([X, Y]), share)[1] for share in (0.0, 1.0))
    assert chunk == pytest.approx(0.6)
    assert unit > 0.9


def test_the_first_hits_change_their_order() -> None:
    """Those that the reranker reads, with what they stand under; behind them the rest. Scores fall from hit to hit."""
    hits = [
        hit(chunk_id=ChunkId(name), text=name, title="T", section=("S",), score=3.0 - n)
        for n, name in enumerate("abcd")
    ]
    model = Judge("c", "d")
    found, note = reranked(hits, "q", model, 3)
    assert [(h.chunk_id, h.score) for h in found] == [("c", 3.0), ("a", 2.0), ("b", 1.0), ("d", 0.0)]
    assert model.asked == ["T > S\na", "T > S\nb", "T > S\nc"]
    assert note == ""


def test_a_reranker_that_fails_changes_nothing() -> None:
    """The hits come as they were, and the answer says why."""
    hits = [hit(chunk_id=ChunkId(name), text=name) for name in "ab"]
    found, note = reranked(hits, "q", Judge(fails=True), 3)
    assert (found, note) == (hits, "The hits were not reranked. (The reranking model /m failed.)")


def asked(ranking: Ranking | None = None, model: Judge | None = None, *, top: int, own: bool = False) -> Found:
    """A search over three scripted chunks; ``own``: seen through a lens that does not serve."""
    lens = Lens(vectors=Vectors(), embedder=Embedder(), nearest=lambda *_: dict.fromkeys(map(ChunkId, FULL), 0.0))  # type: ignore[arg-type]
    searcher = Searcher(
        ledger=Texts(),  # type: ignore[arg-type]
        lens=lambda: lens,
        unit_texts=lambda _units: [],
        ranking=ranking,
        reranker=model,
    )
    return searcher.search("a word", mode=SearchMode.HYBRID, top=top, reader=Reader(), lens=lens if own else None)


class Texts(Ledger):
    def hits(self, scored: Sequence[tuple[int, float]], reader: Reader) -> list[object]:
        return [hit(chunk_id=ChunkId(f"c{row}"), text=f"text {row}", score=score) for row, score in scored]


def test_a_search_reads_more_than_it_shows() -> None:
    """What the reranker prefers is shown though it would not have been among the first."""
    assert [h.chunk_id for h in asked(top=1).hits] == ["c1"]
    assert [h.chunk_id for h in asked(model=Judge("text 2"), top=1).hits] == ["c2"]
    assert [h.chunk_id for h in asked(Ranking(rerank_top=1), Judge("text 2"), top=1).hits] == ["c1"]
    assert "not reranked" in asked(model=Judge(fails=True), top=1).note


def test_the_evaluation_of_a_model_is_its_own() -> None:
    """No reranker hides how much less of the answers it finds."""
    assert [h.chunk_id for h in asked(model=Judge("text 2"), top=1, own=True).hits] == ["c1"]


def test_a_search_goes_by_the_ranking_it_was_given() -> None:
    """Fused ranks, or other weights."""
    fused = asked(Ranking(fusion=Fusion.RRF, keyword_weight=2.0), top=2).hits
    assert [(h.chunk_id, h.score) for h in fused] == [
        ("c2", pytest.approx(2 / (RRF_K + 1) + 1 / (RRF_K + 2))),
        ("c1", pytest.approx(1 / (RRF_K + 1))),
    ]
    assert [h.chunk_id for h in asked(Ranking(keyword_weight=2.0), top=2).hits] == ["c2", "c1"]
    assert [h.chunk_id for h in asked(Ranking(keyword_weight=0.0), top=2).hits] == ["c1", "c2"]
