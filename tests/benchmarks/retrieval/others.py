"""Chunks that others made: where they stand, how they are usually searched, and what our scoring makes of them."""

from __future__ import annotations

import bisect
import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from connectors.base import Grant, ItemId, ItemRef, Version
from ingestor.chunking.length import length
from ingestor.chunking.units import pieces
from ingestor.embedding.worker import EmbedStep
from ingestor.errors import IndexUnavailable
from ingestor.ledger.ledger import Ledger
from ingestor.model import (
    ChunkId,
    Document,
    GenerationState,
    ParseRequest,
    Passage,
    PutRevision,
    Reader,
    Recipe,
    RunId,
    SearchMode,
    Unit,
    blake,
)
from ingestor.parsing.pool import InlineParser
from ingestor.search.candidates import Lens
from ingestor.search.searcher import Searcher
from tests.benchmarks.retrieval.data import Part
from tests.benchmarks.retrieval.embeddings import KeptEmbedder
from tests.benchmarks.retrieval.measures import Place
from tests.benchmarks.retrieval.ours import TOP

_RRF = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What one chunker made. ``texts`` are what is embedded, which need not be the text of the place."""

    name: str
    cpu_s: float
    places: Sequence[Place]
    texts: Sequence[str]


def rows(part: Part, made: Path, names: Sequence[str]) -> list[Row]:
    """What ``chunkers.py`` wrote, of the corpora of this part; of these chunkers, or all."""
    found = []
    for path in sorted(made.glob("*.json")):
        one = json.loads(path.read_text(encoding="utf-8"))
        if names and one["name"] not in names:
            continue
        pairs = [
            ((corpus, *span), text)
            for corpus, whole in part.corpora.items()
            for span, text in located(whole, one["chunks"][corpus])
        ]
        places, strings = zip(*pairs, strict=True)
        found.append(Row(name=one["name"], cpu_s=one["cpu_s"], places=places, texts=strings))
    return found


def located(
    text: str, chunks: Sequence[str], counts: Callable[[str], bool] = lambda c: not c.isspace()
) -> list[tuple[tuple[int, int], str]]:
    """Where chunks stand that are made of the text in order, white space aside; else by letters and digits alone.
    Chunks without any are left out."""
    where = [at for at, sign in enumerate(text) if counts(sign)]
    dense, cursor = "".join(text[at] for at in where), 0
    found = []
    for chunk in chunks:
        wanted = "".join(sign for sign in chunk if counts(sign))
        if not wanted:
            continue
        at = dense.find(wanted, cursor)
        if at < 0:
            at = dense.find(wanted)
        if at < 0:
            if counts is str.isalnum:
                raise ValueError(f"A chunk does not stand in its corpus: {chunk[:80]!r}")
            return located(text, chunks, str.isalnum)
        found.append(((where[at], where[at + len(wanted) - 1] + 1), chunk))
        cursor = at + 1
    return found


# -- the usual ways -----------------------------------------------------------------------------------


def dense(part: Part, row: Row, embedder: KeptEmbedder) -> list[list[int]]:
    """By the vector of the whole chunk."""
    chunks = embedder.plain(row.texts)
    asked = embedder.plain([one.question for one in part.asked])
    return [np.argsort(-likeness, kind="stable")[:TOP].tolist() for likeness in asked @ chunks.T]


def words(part: Part, row: Row) -> list[list[int]]:
    """By BM25 over stemmed words, any of which may match."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE chunk USING fts5(text, tokenize='porter unicode61')")
    db.executemany("INSERT INTO chunk(rowid, text) VALUES (?, ?)", list(enumerate(row.texts)))
    found = []
    for one in part.asked:
        plain = "".join(sign if sign.isalnum() else " " for sign in one.question.lower())
        match = " OR ".join(f'"{word}"' for word in dict.fromkeys(plain.split()))
        ranked = db.execute(
            "SELECT rowid FROM chunk WHERE chunk MATCH ? ORDER BY bm25(chunk), rowid LIMIT ?", (match, TOP)
        )
        found.append([rowid for (rowid,) in ranked])
    db.close()
    return found


def fused(one: Sequence[Sequence[int]], other: Sequence[Sequence[int]]) -> list[list[int]]:
    """Reciprocal rank fusion of two rankings."""
    found = []
    for lists in zip(one, other, strict=True):
        score: dict[int, float] = defaultdict(float)
        for ranked in lists:
            for rank, chunk in enumerate(ranked, 1):
                score[chunk] += 1 / (_RRF + rank)
        found.append(sorted(score, key=lambda chunk: -score[chunk])[:TOP])
    return found


def at(row: Row, ranked: Sequence[Sequence[int]]) -> list[list[Place]]:
    return [[row.places[chunk] for chunk in chunks] for chunks in ranked]


# -- our scoring ---------------------------------------------------------------------------------------


def given_our_scoring(
    part: Part, places: Sequence[Place], embedder: KeptEmbedder, mode: SearchMode = SearchMode.HYBRID
) -> list[list[Place]]:
    """Search over these chunks by the program's own ledger and searcher, compared exactly."""
    revisions = [
        _revision(corpus, text, [place for place in places if place[0] == corpus])
        for corpus, text in part.corpora.items()
    ]
    with searcher_over(revisions, embedder) as searcher:
        return [
            [
                (hit.uri.rpartition("/")[2], *hit.span)
                for hit in searcher.search(one.question, mode=mode, top=TOP, reader=Reader()).hits
            ]
            for one in part.asked
        ]


@contextmanager
def searcher_over(revisions: Sequence[PutRevision], embedder: KeptEmbedder) -> Iterator[Searcher]:
    """A ledger that holds these and nothing else, wholly embedded."""
    with TemporaryDirectory(prefix="bench-retrieval-") as scratch, closing(Ledger(Path(scratch))) as ledger:
        ledger.sources.put("given", "files", {}, "registered")
        for revision in revisions:
            ledger.sync.apply("given", RunId("r"), [revision])
        generation = ledger.index.add_generation(embedder.model, "none", GenerationState.SERVING)
        vectors = ledger.vectors(embedder.model)
        step = EmbedStep(ledger.index, vectors, embedder)
        while step.step(generation.generation_id, 500).ready:
            pass
        lens = Lens(embedder=embedder, vectors=vectors, nearest=_none)
        yield Searcher(ledger=ledger.search, lens=lambda: lens, unit_texts=ledger.index.unit_texts)


def _none(_vector: np.ndarray, _n: int, _scopes: Sequence[str]) -> Mapping[ChunkId, float]:
    raise IndexUnavailable("The ledger is scanned.")


def _revision(corpus: str, text: str, places: Sequence[Place]) -> PutRevision:
    document = InlineParser().submit(ParseRequest(name=f"{corpus}.md", content=text.encode())).result()
    units = [piece.unit for piece in pieces(document)]
    passages = [_passage(text, start, end, _clipped(text, start, end, units)) for _, start, end in places]
    return revision(corpus, document, [passage for passage in passages if passage.units])


def revision(name: str, document: Document, passages: Sequence[Passage]) -> PutRevision:
    return PutRevision(
        ref=ItemRef(
            item_id=ItemId(name),
            name=name,
            version=Version("1"),
            grant=Grant(place="given", principals=frozenset({"public"})),
        ),
        doc=None,
        content_hash=blake(document.text.encode()),
        recipe=Recipe("given"),
        title=document.title,
        kind=document.kind,
        passages=tuple(passages),
        has_lines=False,
        seen_at=0.0,
    )


def _passage(text: str, start: int, end: int, units: tuple[Unit, ...]) -> Passage:
    return Passage(start=start, end=end, text=text[start:end], units=units, length=end - start)


def _clipped(text: str, start: int, end: int, units: Sequence[Unit]) -> tuple[Unit, ...]:
    """Our units inside of a foreign chunk; one that its ends run through counts with what is left of it."""
    first = bisect.bisect_right([unit.end for unit in units], start)
    found = []
    for unit in units[first:]:
        if unit.start >= end:
            break
        if unit.start >= start and unit.end <= end:
            found.append(unit)
            continue
        a, b = max(start, unit.start), min(end, unit.end)
        string = " ".join(text[a:b].split())
        if string:
            found.append(Unit(text=string, start=a, end=b, weight=length(string)))
    return tuple(found)
