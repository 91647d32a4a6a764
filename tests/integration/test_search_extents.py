"""Merged hits and passages over a real ledger: what is shown stands where the citation says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import mean

import numpy as np
import pytest

from ingestor.errors import IndexUnavailable
from ingestor.model import ChunkId, Hit, Reader, SearchMode
from ingestor.search.searcher import Lens, Searcher
from tests.support.world import World

TEXT = "# Harbour\n\n" + "\n\n".join(
    ("" if n % 3 else f"## Pier {n // 3}\n\n")
    + f"Berth {n} takes boats of up to {n} metres. It has a ladder. The fee for berth {n} is due in month {n}.\n"
    f"- Water is at post {n}.\n- Power is at post {n + 1}."
    for n in range(1, 40)
)


def _none(_vector: np.ndarray, _n: int) -> Sequence[ChunkId]:
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
    for shape in ({"merge": True}, {"passage": 100}):
        assert searcher.search("fee for berth 7", mode=SearchMode.HYBRID, top=9, reader=nobody, **shape).hits == ()
