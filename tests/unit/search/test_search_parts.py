"""Scoring and citing: pure tables, and one searcher over scripted parts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import pytest

from ingestor.errors import IndexUnavailable, UserError
from ingestor.model import Candidate, ChunkId, DocId, Filters, Hash, HeldWord, Hit, Reader, SearchMode, UnitId
from ingestor.pooling import CONTEXT_SHARE, normalised, pool_vectors
from ingestor.search.candidates import CANDIDATES, Lens, depth
from ingestor.search.citations import cite
from ingestor.search.scoring import (
    BESIDE,
    CONTEXT_WORDS,
    KEYWORD_WEIGHT,
    UNIT_SHARE,
    USUAL_LENGTH,
    dense_scores,
    hybrid_scores,
    promising,
    ranked,
    unit_scores,
    word_shares,
    words_added,
)
from ingestor.search.searcher import Searcher

BOTH = [UnitId(1), UnitId(2)]
X, Y = np.array([1, 0], dtype=np.float32), np.array([0, 1], dtype=np.float32)


def candidate(row: int, *units: tuple[int, int], text: str = "") -> Candidate:
    packed = tuple((UnitId(unit), weight) for unit, weight in units)
    digest = Hash((text or f"text of {row}").encode())
    return Candidate(chunk=row, chunk_id=ChunkId(f"c{row}"), document=row, text_hash=digest, units=packed)


def hit(**changes: object) -> Hit:
    values: dict[str, object] = {
        "chunk_id": ChunkId("c"),
        "document_id": DocId("d"),
        "source": "s",
        "title": "T",
        "uri": "u",
        "url": "file:///x",
        "section": (),
        "page": None,
        "lines": None,
        "span": (0, 1),
        "score": 1.0,
        "text": "t",
        "revision": 1,
        "ingested_at": 0.0,
    }
    return Hit(**{**values, **changes})  # type: ignore[arg-type]


def test_a_chunk_is_itself_and_its_best_unit() -> None:
    """One sentence that answers lifts a passage that speaks of other things too."""
    every = [candidate(1, (1, 1)), candidate(2, (1, 1), (2, 1)), candidate(3, (2, 1))]
    scores = dense_scores(X, every, BOTH, np.stack([X, Y]))
    assert scores[1] == pytest.approx(1.0)
    assert scores[2] == pytest.approx((1 - UNIT_SHARE) * np.sqrt(0.5) + UNIT_SHARE / np.hypot(1, BESIDE))
    assert scores[3] == pytest.approx(0.0)


def test_a_unit_is_read_with_its_neighbours() -> None:
    """Of two passages with the same units the one in which those that answer stand together is better; what stands
    in another chunk changes nothing."""
    z = np.array([0, 0, 1], dtype=np.float32)
    x, y = np.array([1, 0, 0], dtype=np.float32), np.array([0, 1, 0], dtype=np.float32)
    units, vectors = [UnitId(1), UnitId(2), UnitId(3)], np.stack([x, y, z])
    query = np.array([1, 1, 0], dtype=np.float32) / np.sqrt(2, dtype=np.float32)
    every = [candidate(1, (1, 1), (3, 1), (2, 1)), candidate(2, (1, 1), (2, 1), (3, 1)), candidate(3, (1, 1))]
    scores = dense_scores(query, every, units, vectors)
    assert scores[2] > scores[1]
    assert scores[3] == pytest.approx(np.sqrt(0.5))


def test_nearness_is_told_of_each_unit() -> None:
    """In the order of the chunk; one that is not wholly embedded is left out."""
    every = [candidate(1, (2, 1), (1, 1)), candidate(2, (9, 1))]
    assert unit_scores(X, every, BOTH, np.stack([X, Y])) == {1: [0.0, 1.0]}


def test_length_weighs_in_a_chunks_vector() -> None:
    """A heading of two words does not turn a long passage."""
    long_x = dense_scores(X, [candidate(1, (1, 9), (2, 1))], BOTH, np.stack([X, Y]))[1]
    long_y = dense_scores(X, [candidate(1, (1, 1), (2, 9))], BOTH, np.stack([X, Y]))[1]
    assert long_x > long_y


def test_a_chunk_without_all_its_vectors_has_no_dense_score() -> None:
    """It is found by its words, and ranks behind what is known to be near."""
    every = [candidate(1, (1, 1)), candidate(2, (9, 1))]
    dense = dense_scores(X, every, BOTH[:1], np.stack([X]))
    assert dense.keys() == {1}
    both = hybrid_scores([1, 2], dense, words_added({2: 1.0}))
    assert both[1] == pytest.approx(1.0)
    assert both[2] == pytest.approx(1.0 + KEYWORD_WEIGHT)


def words(*held: tuple[float, Collection[int]]) -> list[HeldWord]:
    return [HeldWord(rarity=rarity, chunks=chunks) for rarity, chunks in held]


def test_a_chunk_holds_a_share_of_the_query() -> None:
    """Words count by their rarity, and one that stands nowhere counts in the whole."""
    shares = word_shares(words((6.0, [1, 2]), (2.0, [2]), (4.0, [])))
    assert shares == pytest.approx({1: 0.5, 2: 8 / 12})
    assert word_shares([]) == {}


def test_a_heading_says_less_than_the_text() -> None:
    """A word above a chunk counts half, and less still where it stands above many; in both places it counts once."""
    share = word_shares(
        [
            HeldWord(rarity=4.0, chunks=[1], context_rarity=4.0, context=[1, 2]),
            HeldWord(rarity=4.0, chunks=[], context_rarity=1.0, context=[3]),
        ]
    )
    assert share == pytest.approx({1: 4 / 8, 2: 4 * CONTEXT_WORDS / 8, 3: CONTEXT_WORDS / 8})


def test_no_heading_outranks_the_passage_that_answers() -> None:
    """Of two equally near passages the one that says the words is first, though the other stands below them all."""
    share = word_shares([HeldWord(rarity=3.0, chunks=[1], context_rarity=9.0, context=[2]) for _ in range(4)])
    scores = hybrid_scores([1, 2], {1: 0.4, 2: 0.4}, words_added(share))
    assert scores[1] > scores[2] > 0.4


def test_what_stands_above_a_chunk_turns_it_a_little() -> None:
    """Below a heading that is near a passage is nearer than without, and never as near as one that is near itself."""
    every = [candidate(1, (2, 5)), candidate(2, (2, 5), (1, -1)), candidate(3, (1, 5), (2, -1))]
    scores = dense_scores(X, every, BOTH, np.stack([X, Y]))
    assert 0 == scores[1] < scores[2] < 0.3 < 0.9 < scores[3]
    assert unit_scores(X, every, BOTH, np.stack([X, Y])) == {1: [0.0], 2: [0.0], 3: [1.0]}


def test_a_score_is_what_the_mixed_vectors_give() -> None:
    """Nothing is mixed to get it, and it is the same: a third the chunk's vector as the index has it, two thirds the
    best of its units, each with its neighbours and with the context."""
    rng = np.random.default_rng(5)
    units, vectors = [UnitId(n) for n in range(60)], normalised(rng.standard_normal((60, 8), dtype=np.float32))
    query = normalised(rng.standard_normal((1, 8), dtype=np.float32))[0]
    every = []
    for row in range(30):
        own = [(int(unit), int(rng.integers(0, 90))) for unit in rng.integers(0, 60, rng.integers(1, 6))]
        context = [(int(unit), -place) for place, unit in enumerate(rng.integers(0, 60, rng.integers(0, 3)), 1)]
        every.append(candidate(row, *own, *context))
    scores = dense_scores(query, every, units, vectors)
    for one in every:
        own = [(vectors[unit] * max(weight, 1)) for unit, weight in one.units if weight >= 0]
        context = sum((vectors[unit] * -weight for unit, weight in one.units if weight < 0), np.zeros(8, np.float32))
        context = normalised(context[None])[0]
        best = -1.0
        for place, vector in enumerate(own):
            beside = sum((own[n] for n in (place - 1, place + 1) if 0 <= n < len(own)), np.zeros(8, np.float32))
            read = normalised((vector + BESIDE * beside)[None])[0]
            best = max(best, float(normalised((read + CONTEXT_SHARE * context)[None])[0] @ query))
        (pooled,) = pool_vectors([one.units], units, vectors)
        assert scores[one.chunk] == pytest.approx(
            (1 - UNIT_SHARE) * float(pooled @ query) + UNIT_SHARE * best, abs=1e-5
        )


def test_a_heading_that_is_not_embedded_yet_hides_nothing() -> None:
    """What stands below it is found by what it says."""
    scores = dense_scores(X, [candidate(1, (1, 1), (9, -1))], BOTH[:1], np.stack([X]))
    assert scores == pytest.approx({1: 1.0})


def test_a_stray_word_does_not_outrank_what_is_meant() -> None:
    """A question in other words than the answer's: the one word that matches by chance moves nothing far."""
    asked = word_shares(words((4.0, [2]), *((4.0, ()) for _ in range(5))))
    scores = hybrid_scores([1, 2], {1: 0.4, 2: 0.3}, words_added(asked))
    assert scores[1] > scores[2]


def test_words_that_stand_together_outrank_a_likeness() -> None:
    """A question in the words of the answer is answered by it."""
    asked = word_shares(words((4.0, [2]), (4.0, [2]), (4.0, [2]), (4.0, [1])))
    scores = hybrid_scores([1, 2], {1: 0.5, 2: 0.3}, words_added(asked))
    assert scores[2] > scores[1]


def test_equal_scores_keep_an_order() -> None:
    """A search that is repeated gives the same list."""
    apart = {row: Hash(b"%d" % row) for row in (1, 2, 3)}
    assert ranked({3: 1.0, 1: 1.0, 2: 2.0}, apart, 2) == [(2, 2.0), (1, 1.0)]


def test_of_equal_texts_the_best_is_shown() -> None:
    """The place of the others goes to the next."""
    same, other = Hash(b"same"), Hash(b"other")
    texts = {1: same, 2: same, 3: other}
    assert ranked({1: 0.7, 2: 0.9, 3: 0.5}, texts, 2) == [(2, 0.9), (3, 0.5)]


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({"kind": "pdf", "page": 3}, "file:///x#page=3"),
        ({"kind": "pptx", "page": 3}, "file:///x"),
        ({"kind": "pdf", "page": 3, "uri": "ingestor:s/m.eml#attachment=a.pdf"}, "file:///x"),
        ({"anchor": "refunds", "lines": (3, 4)}, "file:///x#L3-L4"),
        ({"anchor": "refunds", "lines": (3, 4), "url": "https://w/a"}, "https://w/a#refunds"),
        ({"anchor": "refunds", "kind": "odt"}, "file:///x"),
        ({"anchor": "über uns"}, "file:///x#%C3%BCber%20uns"),
        ({"lines": (3, 4)}, "file:///x#L3-L4"),
        (
            {"kind": "html", "text": "***\n- 14 days, \u00fcber all"},
            "file:///x#:~:text=%2D%2014%20days%2C%20%C3%BCber%20all",
        ),
        ({"kind": "html", "text": "eco class | 007"}, "file:///x#:~:text=eco%20class"),
        ({"kind": "html", "text": "a b c d e f g h i j"}, "file:///x#:~:text=a%20b%20c%20d%20e%20f%20g%20h"),
        ({"kind": "html", "text": "x", "anchor": "top"}, "file:///x#top"),
        ({"url": ""}, ""),
        ({"url": "https://w/a#b", "anchor": "c"}, "https://w/a#b"),
    ],
)
def test_a_link_opens_at_the_place(changes: dict[str, object], url: str) -> None:
    """A page, else a heading, else lines, else the words of a web page, else the document."""
    assert cite(hit(**changes)).url == url


class Ledger:
    """Three live chunks; the third is hidden from readers who are not the owner."""

    def keyword(self, words: str, limit: int, reader: Reader, filters: Filters) -> list[tuple[int, float]]:
        return [(2, 4.0)] if "word" in words else []

    def about_how_many(self) -> int:
        return 3

    def worded(self, words: str, limit: int, reader: Reader, filters: Filters) -> Sequence[Candidate]:
        return self.candidates([row for row, _ in self.keyword(words, limit, reader, filters)], reader, filters)

    def held(self, words: str, chunks: Collection[int]) -> list[HeldWord]:
        return [HeldWord(rarity=1.0, chunks={2} & set(chunks))] if "word" in words else []

    def places(self, chunks: Collection[int]) -> dict[int, tuple[int, int]]:
        return {chunk: (chunk, 0) for chunk in chunks}

    def candidates(self, chunks: Iterable[ChunkId | int], reader: Reader, filters: Filters) -> Sequence[Candidate]:
        wanted = set(chunks)
        return [c for c in self.all_candidates(reader, filters, 10) if c.chunk in wanted or c.chunk_id in wanted]

    def all_candidates(self, reader: Reader, filters: Filters, limit: int) -> Sequence[Candidate]:
        every = [candidate(1, (1, 1)), candidate(2, (2, USUAL_LENGTH)), candidate(3, (1, 1), (2, 1))]
        return every if reader.principals is None else every[:2]

    def hits(self, scored: Sequence[tuple[int, float]], reader: Reader) -> Sequence[Hit]:
        return [hit(chunk_id=ChunkId(f"c{row}"), score=score) for row, score in scored]


class Vectors:
    model = "m"

    def missing(self, units: Sequence[UnitId]) -> list[UnitId]:
        return [unit for unit in units if unit not in (1, 2, 3)]

    def get(self, units: Sequence[UnitId]) -> np.ndarray:
        return np.stack([{1: X, 2: Y, 3: -X}[unit] for unit in units]) if units else np.zeros((0, 0), dtype=np.float32)


class Embedder:
    def embed_query(self, text: str) -> np.ndarray:
        return X


FULL = ("c1", *(f"gone {number}" for number in range(2 * CANDIDATES - 1)))
"""As many as the index is asked for, one of them known to the ledger."""


def searcher(*, down: bool = False, answer: Sequence[str] = FULL) -> Searcher:
    def nearest(vector: np.ndarray, n: int, scopes: Sequence[str]) -> dict[ChunkId, float]:
        if down:
            raise IndexUnavailable("It is away.")
        return dict.fromkeys(map(ChunkId, answer), 0.0)

    def texts(units: Sequence[UnitId]) -> list[str]:
        return [{1: "near", 2: "far"}[unit] for unit in units]

    lens = Lens(vectors=Vectors(), embedder=Embedder(), nearest=nearest)  # type: ignore[arg-type]
    return Searcher(ledger=Ledger(), lens=lambda: lens, unit_texts=texts)  # type: ignore[arg-type]


OWNER = Reader()


def test_by_meaning_alone_no_words_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest chunks are the candidates, whatever they say."""
    monkeypatch.delattr(Ledger, "worded")
    monkeypatch.delattr(Ledger, "held")
    found = searcher().search("a word", mode=SearchMode.DENSE, top=5, reader=OWNER)
    assert {h.chunk_id: h.score for h in found.hits} == pytest.approx({"c1": 1.0})


def test_the_nearest_give_way_to_those_that_words_speak_for() -> None:
    """Whose vectors are read is told by how near a chunk is and what its words will add; what was compared itself comes
    first, and no more are taken than asked for."""
    near = [candidate(row, (1, 1)) for row in range(1, 6)]
    nearness = {1: 0.9, 2: 0.8, 3: 0.7, 4: 0.1}
    taken = promising(near, nearness, {3: 0.125, 4: 1.0}, 4)
    assert [one.chunk for one in taken] == [5, 4, 1, 3]
    assert [one.chunk for one in promising(near, nearness, {}, 9)] == [5, 1, 2, 3, 4]


@pytest.mark.parametrize(("chunks", "most"), [(0, 150), (100_000, 150), (1_000_000, 600), (10**9, 1_000)])
def test_of_a_large_corpus_more_are_looked_at(chunks: int, most: int) -> None:
    """As many as it takes to find what comparing everything finds, up to an end."""
    assert depth(chunks) == most


def test_candidates_of_both_indexes_are_scored_together() -> None:
    """What the vector index names and the ledger does not know does not exist (R7)."""
    found = searcher().search("a word", mode=SearchMode.HYBRID, top=5, reader=OWNER)
    assert {h.chunk_id: h.score for h in found.hits} == pytest.approx({"c2": KEYWORD_WEIGHT, "c1": 1.0})
    assert found.note == ""


def test_without_the_vector_index_the_ledger_is_scanned() -> None:
    """The answer is the same, and says how it was found."""
    found = searcher(down=True).search("nothing", mode=SearchMode.DENSE, top=5, reader=OWNER)
    assert [h.chunk_id for h in found.hits] == ["c1", "c3", "c2"]
    assert "away" in found.note


def test_few_passages_are_all_compared() -> None:
    """An approximate index may lose some of few; it names fewer than it was asked for then."""
    found = searcher(answer=["c2"]).search("nothing", mode=SearchMode.DENSE, top=5, reader=OWNER)
    assert [h.chunk_id for h in found.hits] == ["c1", "c3", "c2"]
    assert found.note == ""


def test_a_reader_who_sees_little_is_answered_by_scan() -> None:
    """The nearest 300 may all be hidden from this reader."""
    reader = Reader(principals=frozenset({"public"}))
    found = searcher(answer=["c3"]).search("nothing", mode=SearchMode.DENSE, top=5, reader=reader)
    assert [h.chunk_id for h in found.hits] == ["c1", "c2"]


def test_a_scan_that_sees_a_part_takes_nothing_from_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above its limit the scan sees any part of the chunks; the nearest ones that the index named stay."""

    def first_only(self: Ledger, reader: Reader, filters: Filters, limit: int) -> Sequence[Candidate]:
        return [candidate(2, (2, 1)), candidate(4, (2, 1))]

    def named(self: Ledger, chunks: Iterable[object], reader: Reader, filters: Filters) -> Sequence[Candidate]:
        return [candidate(1, (1, 1))]

    monkeypatch.setattr(Ledger, "all_candidates", first_only)
    monkeypatch.setattr(Ledger, "candidates", named)
    reader = Reader(principals=frozenset({"public"}))
    found = searcher(answer=["c1"]).search("nothing", mode=SearchMode.DENSE, top=5, reader=reader)
    assert [h.chunk_id for h in found.hits] == ["c1", "c2", "c4"]


def test_a_scan_that_saw_a_part_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """And compares no more than its limit."""
    monkeypatch.setattr("ingestor.search.candidates.EXACT_LIMIT", 1)
    found = searcher(down=True).search("nothing", mode=SearchMode.DENSE, top=5, reader=OWNER)
    assert [h.chunk_id for h in found.hits] == ["c1"]
    assert "Only 1 of the passages" in found.note


def test_the_same_text_is_one_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    """In whichever mode, and wherever it stands."""

    def copies(self: Ledger, reader: Reader, filters: Filters, limit: int) -> Sequence[Candidate]:
        return [candidate(1, (1, 1), text="a"), candidate(2, (1, 1), text="a"), candidate(3, (2, 1), text="b")]

    def twice(self: Ledger, words: str, limit: int, reader: Reader, filters: Filters) -> list[tuple[int, float]]:
        return [(2, 4.0), (1, 3.0), (3, 2.0)]

    monkeypatch.setattr(Ledger, "all_candidates", copies)
    monkeypatch.setattr(Ledger, "keyword", twice)
    shown = {
        mode: [h.chunk_id for h in searcher(down=True).search("a word", mode=mode, top=2, reader=OWNER).hits]
        for mode in SearchMode
    }
    assert shown == {SearchMode.HYBRID: ["c2", "c3"], SearchMode.DENSE: ["c1", "c3"], SearchMode.KEYWORD: ["c2", "c3"]}


def test_hits_are_merged_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that stand next to each other in a document, before the list is cut to its length."""

    def placed(self: Ledger, scored: Sequence[tuple[int, float]], reader: Reader) -> Sequence[Hit]:
        return [
            hit(chunk_id=ChunkId(f"c{row}"), score=score, place=row, span=(row * 10, row * 10 + 9), text=f"t{row}")
            for row, score in scored
        ]

    monkeypatch.setattr(Ledger, "hits", placed)
    found = searcher(down=True).search("nothing", mode=SearchMode.DENSE, top=1, reader=OWNER, merge=True)
    assert [(h.chunk_id, h.span, h.text) for h in found.hits] == [("c1", (10, 39), "t1 t2 t3")]


def test_hits_are_narrowed_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk may give several passages; one that died meanwhile gives none (R7)."""

    def resolved(self: Ledger, scored: Sequence[tuple[int, float]], reader: Reader) -> Sequence[Hit]:
        return [hit(chunk_id=ChunkId(f"c{row}"), text="near far") for row, _ in scored if row == 3]

    monkeypatch.setattr(Ledger, "hits", resolved)
    monkeypatch.setattr(Ledger, "candidates", lambda *_: [candidate(3, (1, 9), (2, 9)), candidate(4, (3, 9))])
    answer = ("c3", "c4", *FULL[2:])
    found = searcher(answer=answer).search("nothing", mode=SearchMode.DENSE, top=5, reader=OWNER, passage=9)
    assert [(h.text, h.span) for h in found.hits] == [("near", (0, 4)), ("far", (5, 8))]


@pytest.mark.parametrize(("mode", "merge"), [(SearchMode.KEYWORD, False), (SearchMode.DENSE, True)])
def test_passages_are_made_by_meaning_and_not_merged(mode: SearchMode, merge: bool) -> None:
    """What cannot be done is said, and not done in part."""
    with pytest.raises(UserError, match="Passages"):
        searcher().search("x", mode=mode, top=5, reader=OWNER, passage=9, merge=merge)


def test_keyword_mode_needs_no_model() -> None:
    """Neither the embedder nor the vector index is asked."""
    found = searcher(down=True).search("a word", mode=SearchMode.KEYWORD, top=5, reader=OWNER)
    assert [h.chunk_id for h in found.hits] == ["c2"]


@pytest.mark.parametrize(("query", "top"), [("", 5), ("  ", 5), ("x", 0), ("x", 100_000)])
def test_a_senseless_question_is_a_sentence(query: str, top: int) -> None:
    """And no traceback."""
    with pytest.raises(UserError):
        searcher().search(query, mode=SearchMode.HYBRID, top=top, reader=OWNER)


def test_a_reader_who_sees_nothing_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """In whichever mode, and however the hits are shown."""
    monkeypatch.setattr(Ledger, "all_candidates", lambda *_: [])
    monkeypatch.setattr(Ledger, "keyword", lambda *_: [])
    for mode in SearchMode:
        assert searcher(down=True).search("a word", mode=mode, top=5, reader=OWNER).hits == ()
    assert searcher(down=True).search("a word", mode=SearchMode.DENSE, top=5, reader=OWNER, passage=9).hits == ()
