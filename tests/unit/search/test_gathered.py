"""Words that stand in a row of passages, and how long the passages are that hold them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest

from ingestor.errors import IndexUnavailable
from ingestor.model import Candidate, ChunkId, Filters, HeldWord, Hit, Reader, SearchMode
from ingestor.search.candidates import Lens
from ingestor.search.scoring import (
    GATHERED,
    GATHERED_FIRST,
    KEYWORD_WEIGHT,
    REACH,
    SHORT,
    USUAL_LENGTH,
    Fusion,
    Ranking,
    gathered,
    lengths,
    words_added,
)
from ingestor.search.searcher import Searcher
from tests.unit.search.test_search_parts import OWNER, Embedder, Ledger, Vectors, candidate

FROM = 10  # the first row of those that stand in a row


def test_words_of_a_long_chunk_say_less() -> None:
    """Of the chunk's own units: one of the usual length adds what is promised, a longer one less, a scrap little more."""
    every = [candidate(1, (1, USUAL_LENGTH)), candidate(2, (1, 4 * USUAL_LENGTH), (2, -9)), candidate(3, (1, 1))]
    assert lengths(every) == {1: USUAL_LENGTH, 2: 4 * USUAL_LENGTH, 3: 1}
    added = words_added(dict.fromkeys((1, 2, 3), 1.0), lengths(every))
    assert added[1] == pytest.approx(KEYWORD_WEIGHT)
    assert KEYWORD_WEIGHT / 2 < added[2] < added[1] < added[3] < 2 * KEYWORD_WEIGHT
    assert added[3] == words_added({4: 1.0}, {4: SHORT})[4]


def test_words_of_passages_in_a_row_count_together() -> None:
    """Each gains a part of what words added to those before and behind it; across a gap and from another document nothing
    comes."""
    near = {1: (7, 4), 2: (7, 5), 3: (7, 6), 4: (7, 8), 5: (8, 7)}
    added = {1: 0.1, 2: 0.2, 3: 0.4, 4: 0.8, 5: 0.8}
    found = gathered(dict.fromkeys(near, 1.0), near, added)
    assert found == pytest.approx({1: 1 + 0.6 * GATHERED, 2: 1 + 0.5 * GATHERED, 3: 1 + 0.3 * GATHERED, 4: 1.0, 5: 1.0})


def test_a_passage_gathers_from_no_further_than_its_reach() -> None:
    """So that a long chapter about one thing is not lifted by its length."""
    row = {place: (7, place) for place in range(9)}
    found = gathered(dict.fromkeys(row, 1.0), row, dict.fromkeys(row, 0.1))
    assert found[4] == pytest.approx(1 + 2 * REACH * 0.1 * GATHERED)
    assert found[0] == pytest.approx(1 + REACH * 0.1 * GATHERED)


def test_a_lone_passage_loses_nothing() -> None:
    """What is near in meaning only gives its neighbours nothing, and what has died meanwhile is no neighbour."""
    assert gathered({1: 0.9, 2: 0.8, 3: 0.7}, {1: (7, 0), 2: (7, 1)}, {3: 0.5}) == {1: 0.9, 2: 0.8, 3: 0.7}


class Row(Ledger):
    """Thirty chunks in a row, and one alone in another document. All are equally near; the lone one holds all of the
    words, two of the row nearly all."""

    def __init__(self) -> None:
        self.resolved: list[int] = []
        self.placed: list[int] = []

    def held(self, words: str, chunks: Collection[int]) -> list[HeldWord]:
        return [HeldWord(rarity=19.0, chunks=[1, FROM + 1, FROM + 2]), HeldWord(rarity=1.0, chunks=[1])]

    def keyword(self, words: str, limit: int, reader: Reader, filters: Filters) -> list[tuple[int, float]]:
        return [(1, 2.0), (FROM + 1, 1.0), (FROM + 2, 1.0)]

    def all_candidates(self, reader: Reader, filters: Filters, limit: int) -> Sequence[Candidate]:
        row = [replace(candidate(place, (1, USUAL_LENGTH)), document=FROM) for place in range(FROM, FROM + 30)]
        return [candidate(1, (1, USUAL_LENGTH)), *row]

    def places(self, chunks: Collection[int]) -> dict[int, tuple[int, int]]:
        self.placed += chunks
        return {row: (min(row, FROM), row) for row in chunks}

    def hits(self, scored: Sequence[tuple[int, float]], reader: Reader) -> Sequence[Hit]:
        self.resolved += [row for row, _ in scored]
        return super().hits(scored, reader)


def found(ledger: Ledger, mode: SearchMode, top: int, ranking: Ranking | None = None) -> list[tuple[str, float]]:
    def away(*_: object) -> Sequence[ChunkId]:
        raise IndexUnavailable("It is away.")

    lens = Lens(vectors=Vectors(), embedder=Embedder(), nearest=away)  # type: ignore[arg-type]
    searcher = Searcher(ledger=ledger, lens=lambda: lens, unit_texts=lambda _units: [], ranking=ranking)  # type: ignore[arg-type]
    return [(hit.chunk_id, hit.score) for hit in searcher.search("q", mode=mode, top=top, reader=OWNER).hits]


@pytest.mark.parametrize(
    ("mode", "ranking", "first"),
    [
        (SearchMode.HYBRID, Ranking(), ["c11", "c12", "c1"]),
        (SearchMode.HYBRID, Ranking(fusion=Fusion.RRF), ["c1", "c11", "c12"]),
        (SearchMode.DENSE, Ranking(), ["c1", "c10", "c11"]),
        (SearchMode.KEYWORD, Ranking(), ["c1", "c11", "c12"]),
    ],
)
def test_a_row_of_passages_outranks_one_that_stands_alone(mode: SearchMode, ranking: Ranking, first: list[str]) -> None:
    """Where a question's words gather its answer is likely to be; by meaning, by words alone and by ranks nothing is
    gathered."""
    hits = found(Row(), mode, 3, ranking)
    assert [chunk for chunk, _ in hits] == first
    assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)


def test_only_what_shares_a_document_is_looked_up() -> None:
    """A passage that stands alone among the best has no neighbour there, so that its place is of no interest."""
    ledger = Row()
    assert [chunk for chunk, _ in found(ledger, SearchMode.HYBRID, 1)] == ["c11"]
    assert sorted(ledger.placed) == list(range(FROM, FROM + GATHERED_FIRST - 1))


def test_only_what_is_shown_is_resolved() -> None:
    """Once each."""
    ledger = Row()
    assert len(found(ledger, SearchMode.HYBRID, 3)) == len(ledger.resolved) == 3


class LongFirst(Ledger):
    """Two chunks that are equally near and hold the same words; the first is four times as long."""

    def held(self, words: str, chunks: Collection[int]) -> list[HeldWord]:
        return [HeldWord(rarity=1.0, chunks=[1, 2])]

    def all_candidates(self, reader: Reader, filters: Filters, limit: int) -> Sequence[Candidate]:
        return [candidate(1, (1, 4 * USUAL_LENGTH)), candidate(2, (1, USUAL_LENGTH))]


def test_of_two_that_say_the_same_words_the_shorter_comes_first() -> None:
    """The longer one holds much else besides; by meaning alone its length is nothing against it."""
    assert [chunk for chunk, _ in found(LongFirst(), SearchMode.HYBRID, 2)] == ["c2", "c1"]
    assert [chunk for chunk, _ in found(LongFirst(), SearchMode.DENSE, 2)] == ["c1", "c2"]
