"""Merged hits and passages over a real ledger: what is shown stands where the citation says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import mean

import numpy as np
import pytest

from ingestor.errors import IndexUnavailable
from ingestor.model import ChunkId, Hit, Reader, SearchMode
from ingestor.search.candidates import Lens
from ingestor.search.searcher import Searcher
from tests.support.world import World

TEXT = "# Harbour\n\n" + "\n\n".join(
    ("" if n % 3 else f"## Pier {n // 3}\n\n")
    + f"Berth {n} takes boats of up to {n} metres. It has a ladder. The fee for berth {n} is due in month {n}.\n"
    f"- Water is at post {n}.\n- Power is at post {n + 1}."
    for n in range(1, 40)
)


def _none(_vector: np.ndarray, _n: int, _scopes: Sequence[str]) -> Mapping[ChunkId, float]:
    raise IndexUnavailable("The ledger is scanned.")


@pytest.fixture
def searcher(world: World) -> Searcher:
    world.write("harbour.md", TEXT)
    world.sync()
    world.drain()
    lens = Lens(embedder=world.embedder, vectors=world.vectors, nearest=_none)
    return Searcher(ledger=world.ledger.search, lens=lambda: lens, unit_texts=world.ledger.index.unit_texts)


def check(hit: Hit) -> None:
    start, end = hit.span
    assert hit.text.split() == TEXT[start:end].split()
    assert hit.lines == (TEXT.count("\n", 0, start) + 1, TEXT.count("\n", 0, end - 1) + 1)
    assert hit.url.endswith(f"#L{hit.lines[0]}-L{hit.lines[1]}")


def test_merged_hits_stand_where_they_say(searcher: Searcher) -> None:
    """Fewer and longer than the passages they are made of, and none of them twice."""
    plain = searcher.search("fee for berth 7", mode=SearchMode.HYBRID, top=20, reader=Reader()).hits
    merged = searcher.search("fee for berth 7", mode=SearchMode.HYBRID, top=20, reader=Reader(), merge=True).hits
    assert len(plain) > 3
    assert len(merged) < len(plain)
    assert mean(len(hit.text) for hit in merged) > mean(len(hit.text) for hit in plain)
    for hit in (*plain, *merged):
        check(hit)
    spans = sorted(hit.span for hit in merged)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


@pytest.mark.parametrize("length", [1, 120, 5000])
def test_passages_stand_where_they_say(searcher: Searcher, length: int) -> None:
    """However short or long."""
    hits = searcher.search("fee for berth 7", mode=SearchMode.HYBRID, top=9, reader=Reader(), passage=length).hits
    assert hits
    for hit in hits:
        check(hit)
    assert "berth 7 " in hits[0].text


def test_r7_no_part_of_what_is_hidden_is_shown(searcher: Searcher) -> None:
    """Neither merged nor cut down."""
    nobody = Reader(principals=frozenset({"user:eve"}))
    for shape in ({"merge": True}, {"passage": 100}, {"context": 2}):
        assert searcher.search("fee for berth 7", mode=SearchMode.HYBRID, top=9, reader=nobody, **shape).hits == ()


@pytest.mark.parametrize("merge", [False, True])
def test_neighbours_stand_beside_the_hit(searcher: Searcher, merge: bool) -> None:
    """In their order, as many as were asked for while there are any; none of them is a part of the hit."""
    every = searcher.search("fee berth ladder pier", mode=SearchMode.KEYWORD, top=200, reader=Reader()).hits
    whole = sorted(every, key=lambda hit: hit.span)
    hits = searcher.search(
        "fee for berth 7", mode=SearchMode.HYBRID, top=20, reader=Reader(), merge=merge, context=2
    ).hits
    assert any(hit.chunks > 1 for hit in hits) is merge
    for hit in hits:
        check(hit)
        before = [one.span for one in whole if one.span[1] <= hit.span[0]]
        after = [one.span for one in whole if one.span[0] >= hit.span[1]]
        assert [one.span for one in hit.before] == before[-2:]
        assert [one.span for one in hit.after] == after[:2]


def test_the_other_places_of_a_text(world: World, searcher: Searcher) -> None:
    """Those that this reader may see; a hit of its own for none of them."""
    for place in ("a", "b"):
        world.write(f"{place}.md", "# Lighthouse\n\nThe lighthouse is lit at dusk.\n")
    world.sync()
    world.drain()
    reader = Reader(principals=frozenset({"public"}))
    for mode in SearchMode:
        (hit, *others) = searcher.search("when is the lighthouse lit", mode=mode, top=3, reader=reader).hits
        assert sorted(one.uri for one in (hit, *hit.also)) == ["ingestor:docs/a.md", "ingestor:docs/b.md"]
        assert hit.also[0].url.endswith(".md#L1-L3")
        assert all(one.also == () for one in others)
    with world.ledger.sync._db.write() as tx:
        made = tx.execute("INSERT INTO acl (source, place) SELECT id, 'of nobody' FROM source")
        assert tx.seq  # as every narrowing has a commit of its own
        tx.execute("UPDATE binding SET acl = ? WHERE item_id = 'b.md' AND died IS NULL", (made.lastrowid,))
    (hit, *_) = searcher.search("when is the lighthouse lit", mode=SearchMode.HYBRID, top=3, reader=reader).hits
    assert (hit.uri, hit.also) == ("ingestor:docs/a.md", ())
