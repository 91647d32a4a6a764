"""What the ledger costs at 100,000 chunks: commits, keyword search, vectors, exact scans, listings, bytes.

    python -m tests.benchmarks.bench_ledger [--chunks N] [--chroma] [--write FILE]

The text is made up of a vocabulary whose word frequencies fall as in a real language (Zipf), from a fixed
seed, ten chunks a document and six units a chunk, each below a title and two headings; vectors are random directions. ``--chroma`` also fills a
Chroma store through the index host (a minute and a half at full size). Results go to ``--write``.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from connectors.base import WHOLE, Grant, ItemId, ItemRef, Version
from ingestor.errors import IndexUnavailable
from ingestor.ledger.ledger import LEDGER_FILE, Ledger
from ingestor.model import (
    Filters,
    ModelId,
    Passage,
    PutRevision,
    Reader,
    Recipe,
    RunId,
    SearchMode,
    Trigger,
    Unit,
    UnitId,
    blake,
)
from ingestor.search.candidates import Lens
from ingestor.search.searcher import Searcher
from tests.benchmarks.tables import Table, commit, machine, ms, p50, p95, rate, repeated, timed, today
from tests.support.one_model import OneModel

QUICK = ("--chunks", "2000", "--repeats", "5")
SEED = 7
RESULTS = Path(__file__).parents[1] / "results" / "ledger.md"

CHUNKS_A_DOCUMENT = 10
UNITS_A_CHUNK = 6
WORDS_A_UNIT = 12
WORDS_A_HEADING = 3
VOCABULARY = 30_000
DIMENSIONS = 384
MODEL = ModelId("benchmark")
DOCUMENTS_A_COMMIT = 40  # 400 chunks, as the engine commits them
BYTES_A_UNIT = 1_300  # the promise, in all

CLASSES = {
    "6 words of 0.1-0.6 % of chunks": (0.001, 0.006),
    "6 words of 0.6-2 %": (0.006, 0.02),
    "6 words of 0.6-7 %": (0.006, 0.07),
    "6 words of more than 20 %": (0.2, 1.0),
}


class Text:
    """Made-up sentences; remembers in how many chunks each word stands."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        letters = "abcdefghijklmnoprstuvwz"
        words = {"".join(rng.choices(letters, k=rng.randint(4, 10))) for _ in range(VOCABULARY)}
        self.words = sorted(words)
        rng.shuffle(self.words)
        self._cumulated = list(itertools.accumulate(1 / (rank + 1) for rank in range(len(self.words))))
        self.frequency: Counter[str] = Counter()

    def heading(self) -> str:
        return " ".join(self._rng.choices(self.words, cum_weights=self._cumulated, k=WORDS_A_HEADING))

    def passage(self, start: int, path: tuple[str, ...]) -> Passage:
        units: list[Unit] = []
        place, seen = start, set[str]()
        for _ in range(UNITS_A_CHUNK):
            words = self._rng.choices(self.words, cum_weights=self._cumulated, k=WORDS_A_UNIT)
            seen.update(words)
            text = f"{' '.join(words)}."
            units.append(Unit(text=text, start=place, end=place + len(text), weight=len(text)))
            place += len(text) + 1
        self.frequency.update(seen)
        text = " ".join(unit.text for unit in units)
        return Passage(
            start=start,
            end=place - 1,
            text=text,
            units=tuple(units),
            length=len(text),
            section=path,
            context=path,
            lines=(1, 1),
        )

    def document(self, chunks: int) -> tuple[Passage, ...]:
        passages: list[Passage] = []
        title, section = self.heading(), self.heading()
        for _ in range(chunks):
            path = (title, section, self.heading())
            passages.append(self.passage(passages[-1].end + 2 if passages else 0, path))
        return tuple(passages)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A filled ledger and what is measured on it."""

    ledger: Ledger
    folder: Path
    text: Text
    rng: random.Random
    run: RunId
    chunks: int
    repeats: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--chroma", action="store_true")
    parser.add_argument("--write", type=Path, help=f"default at 100,000 chunks and more: {RESULTS}")
    chosen = parser.parse_args()
    report = chosen.write or (RESULTS if chosen.chunks >= 100_000 else None)
    with tempfile.TemporaryDirectory(prefix="bench-ledger-") as scratch:
        head = (
            f"{machine()}\ncommit {commit()}, {today()}, seed {SEED}: {chosen.chunks:,} chunks, "
            f"{UNITS_A_CHUNK} units of {WORDS_A_UNIT} words each, {DIMENSIONS} dimensions, {chosen.repeats} repeats"
        )
        print(head)
        tables = measure(Path(scratch), chosen.chunks, chosen.repeats, chroma=chosen.chroma)
        head += f"; load at the end {os.getloadavg()[0]:.1f}"
    if report is not None:
        report.parent.mkdir(exist_ok=True)
        body = "\n".join(table.markdown() for table in tables)
        report.write_text(f"# Ledger\n\n`python -m tests.benchmarks.bench_ledger`\n\n{head}\n\n{body}")
        print(f"\nwritten to {report}")


def measure(folder: Path, chunks: int, repeats: int, *, chroma: bool = False) -> list[Table]:
    """Every table, shown as soon as it is there."""
    rng = random.Random(SEED)
    ledger = Ledger(folder)
    ledger.sources.put("bench", "files", {"path": "/bench"}, "registered")
    run = ledger.runs.start_run("bench", Trigger.BACKFILL, WHOLE)
    text = Text(rng)
    bench = Bench(ledger=ledger, folder=folder, text=text, rng=rng, run=run, chunks=chunks, repeats=repeats)
    tables = []
    for part in (filling, keywords, vectors_and_scans, sizes, edits, listing):
        tables.append(part(bench))
        tables[-1].show()
    if chroma:
        tables.append(nearest(bench))
        tables[-1].show()
    ledger.close()
    return tables


# -- the parts ---------------------------------------------------------------------------------------------


def filling(bench: Bench) -> Table:
    """The first backfill as the ledger sees it; the making of the text does not count."""
    table = Table(title="Filling", headings=("what", "seconds", "a second"))
    documents = bench.chunks // CHUNKS_A_DOCUMENT
    seconds, commits, longest = 0.0, 0, 0.0
    for start in range(0, documents, DOCUMENTS_A_COMMIT):
        numbers = range(start, min(start + DOCUMENTS_A_COMMIT, documents))
        ops = [
            _revision(number, bench.text.document(CHUNKS_A_DOCUMENT), _place(number, documents)) for number in numbers
        ]
        took = timed(lambda ops=ops: bench.ledger.sync.apply("bench", bench.run, ops))
        seconds, commits, longest = seconds + took, commits + 1, max(longest, took)
    units = documents * CHUNKS_A_DOCUMENT * UNITS_A_CHUNK
    table.add(f"{documents:,} documents", f"{seconds:.1f}", rate(documents, seconds))
    table.add(f"{bench.chunks:,} chunks with keyword rows", "", rate(bench.chunks, seconds))
    table.add(f"{units:,} units", "", rate(units, seconds))
    table.add(f"{commits:,} commits, longest {ms(longest)} ms", "", rate(commits, seconds))
    table.add("vectors", f"{(took := _fill_vectors(bench)):.1f}", rate(units, took))
    return table


def edits(bench: Bench) -> Table:
    """One changed sentence of a ten-chunk document a commit, flushed to the disk each time."""
    table = Table(
        title="Small commits (one edited sentence each, synchronous=FULL)",
        headings=("what", "p50 ms", "p95 ms", "a second"),
    )
    documents = bench.chunks // CHUNKS_A_DOCUMENT
    kept = bench.text.document(CHUNKS_A_DOCUMENT)
    bench.ledger.sync.apply("bench", bench.run, [_revision(0, kept, _place(0, documents), edition=1)])
    doc = bench.ledger.sync.known("bench", WHOLE)[ItemId("doc0000000.txt")].doc
    times: list[float] = []
    for edition in range(2, 2 + 4 * bench.repeats):
        place = edition % CHUNKS_A_DOCUMENT
        kept = (*kept[:place], bench.text.passage(kept[place].start, kept[place].section), *kept[place + 1 :])
        op = _revision(0, kept, _place(0, documents), edition=edition, doc=doc)
        times.append(timed(lambda op=op: bench.ledger.sync.apply("bench", bench.run, [op])))
    table.add("revision with 9 chunks kept", ms(p50(times)), ms(p95(times)), rate(len(times), sum(times)))
    return table


def keywords(bench: Bench) -> Table:
    """BM25 over the keyword index, as search asks it: 300 candidates for any of six words."""
    table = Table(title="Keyword candidates (FTS5 BM25, top 300)", headings=("words", "p50 ms", "p95 ms"))
    total = bench.chunks
    for name, (low, high) in CLASSES.items():
        fitting = [word for word, count in bench.text.frequency.items() if low <= count / total < high]
        if len(fitting) < 6:
            continue
        queries = [" ".join(bench.rng.sample(fitting, 6)) for _ in range(bench.repeats)]
        bench.ledger.search.keyword(queries[0], 300, Reader(), Filters())
        times = [timed(lambda q=query: bench.ledger.search.keyword(q, 300, Reader(), Filters())) for query in queries]
        table.add(name, ms(p50(times)), ms(p95(times)))
    return table


def vectors_and_scans(bench: Bench) -> Table:
    """The vector side of a search without Chroma: units of the candidates, and every chunk that a reader sees."""
    table = Table(title="Vectors", headings=("what", "p50 ms", "p95 ms"))
    vectors, search = bench.ledger.vectors(MODEL), bench.ledger.search
    ids = [row[0] for row in _sql(bench, "SELECT chunk_id FROM chunk")]
    some = [bench.rng.sample(ids, min(600, len(ids))) for _ in range(bench.repeats)]
    found = [search.candidates(part, Reader(), Filters()) for part in some]
    times = [timed(lambda part=part: search.candidates(part, Reader(), Filters())) for part in some]
    table.add("600 candidates resolved in the ledger", ms(p50(times)), ms(p95(times)))
    units = [[unit for candidate in part for unit, _ in candidate.units] for part in found]
    times = [timed(lambda part=part: vectors.get(part)) for part in units]
    table.add(f"their {len(units[0]):,} unit vectors from the vector file", ms(p50(times)), ms(p95(times)))

    lens = Lens(vectors=vectors, embedder=_Fixed(), nearest=_unavailable)
    searcher = Searcher(ledger=search, lens=lambda: lens, unit_texts=bench.ledger.index.unit_texts)
    for group, count in _visible(bench.chunks // CHUNKS_A_DOCUMENT).items():
        reader = Reader(principals=frozenset({f"group:{group}"}))
        ask = _asker(searcher, reader)
        times = repeated(ask, max(3, bench.repeats // 6))
        table.add(
            f"exact scan of {count * CHUNKS_A_DOCUMENT:,} visible chunks, whole search", ms(p50(times)), ms(p95(times))
        )
    return table


def sizes(bench: Bench) -> Table:
    """Bytes on disk. A unit's are those of its vector, its row and its hash's index."""
    table = Table(title="Bytes", headings=("what", "MB", "bytes a unit"))
    (vector_file,) = bench.folder.glob("vectors-*.sqlite3")
    for name in (LEDGER_FILE, vector_file.name):
        _sql(bench, "PRAGMA wal_checkpoint(TRUNCATE)", name)
    units = bench.chunks * UNITS_A_CHUNK
    ledger, vectors = (bench.folder / LEDGER_FILE).stat().st_size, vector_file.stat().st_size
    rows = sum(_table_bytes(bench, name) for name in ("unit", "sqlite_autoindex_unit_1"))
    table.add("vector file", f"{vectors / 1e6:,.1f}", f"{vectors / units:,.0f}")
    table.add("unit rows with their hashes", f"{rows / 1e6:,.1f}", f"{rows / units:,.0f}")
    total = (vectors + rows) / units
    table.add(f"a unit in all (promise: {BYTES_A_UNIT:,})", f"{(vectors + rows) / 1e6:,.1f}", f"{total:,.0f}")
    table.add("the whole ledger file", f"{ledger / 1e6:,.1f}", f"{ledger / units:,.0f}")
    if total > BYTES_A_UNIT:
        raise SystemExit(f"A unit takes {total:,.0f} bytes; the promise is {BYTES_A_UNIT:,}.")
    return table


def listing(bench: Bench) -> Table:
    """What a run over an unchanged source asks first: all its items."""
    table = Table(title="Known items", headings=("what", "p50 ms", "p95 ms"))
    ledger = bench.ledger
    ledger.sources.put("many", "files", {"path": "/many"}, "registered")
    run = ledger.runs.start_run("many", Trigger.BACKFILL, WHOLE)
    for start in range(0, bench.chunks, 400):
        numbers = range(start, min(start + 400, bench.chunks))
        ledger.sync.apply("many", run, [_revision(number, (), "all") for number in numbers])
    times = repeated(lambda: ledger.sync.known("many", WHOLE), max(3, bench.repeats // 6))
    table.add(f"known() of {bench.chunks:,} items", ms(p50(times)), ms(p95(times)))
    return table


def nearest(bench: Bench) -> Table:
    """The same chunks in Chroma, written and asked through the index host."""
    from ingestor.index.generations import GenerationManager

    table = Table(title="Chroma through the index host", headings=("what", "p50 ms", "p95 ms", "a second"))
    ledger, vectors = bench.ledger, bench.ledger.vectors(MODEL)
    manager = GenerationManager(folder=bench.folder / "chroma", ledger=ledger.index, models=OneModel(vectors))
    _fill_vectors(bench)  # of what the edits brought
    try:
        (generation,) = manager.wanted()
        while waiting := ledger.index.unembedded(generation, 5_000):
            ledger.index.mark_ready(generation, [row for row, _ in waiting])
        began = time.perf_counter()
        while manager.step(5_000).writes:
            pass
        took = time.perf_counter() - began
        table.add(f"{bench.chunks:,} chunks written and settled", ms(took), "", rate(bench.chunks, took))
        index = manager.serving()
        assert index is not None
        rng = np.random.default_rng(SEED)
        queries = [_directions(rng, 1)[0] for _ in range(bench.repeats)]
        index.query(queries[0], 300)
        times = [timed(lambda query=query: index.query(query, 300)) for query in queries]
        table.add("query, n = 300, ids only", ms(p50(times)), ms(p95(times)), rate(len(times), sum(times)))
    finally:
        manager.close()
    return table


# -- helpers -------------------------------------------------------------------------------------------------


def _revision(
    number: int, passages: Sequence[Passage], place: str, *, edition: int = 0, doc: int | None = None
) -> PutRevision:
    name = f"doc{number:07}.txt"
    ref = ItemRef(
        item_id=ItemId(name),
        version=Version(f"v{edition}"),
        name=name,
        url=f"file:///bench/{name}",
        grant=Grant(place=place, principals=frozenset({f"group:{place}", "group:owners"})),
        size=5_000,
        file_key=f"{number}",
        move_key=f"{number}:{edition}",
    )
    return PutRevision(
        ref=ref,
        doc=doc,
        content_hash=blake(f"{number}/{edition}".encode()),
        recipe=Recipe("text-1"),
        title=f"Document {number}",
        kind="text",
        passages=tuple(passages),
        has_lines=True,
        seen_at=1.0,
        edited_at=1.0,
    )


def _visible(documents: int) -> dict[str, int]:
    """Groups and how many documents each sees: at full size 1,000 and 20,000 chunks."""
    return {"few": max(1, documents // 100), "some": max(2, documents // 5)}


def _place(number: int, documents: int) -> str:
    few, some = _visible(documents).values()
    return "few" if number < few else "some" if number < few + some else "rest"


def _fill_vectors(bench: Bench) -> float:
    """Seconds for writing a vector for every unit; their making does not count."""
    rng, vectors, seconds = np.random.default_rng(SEED), bench.ledger.vectors(MODEL), 0.0
    for part in _parts([UnitId(row[0]) for row in _sql(bench, "SELECT id FROM unit")], 2_000):
        made = _directions(rng, len(part))
        seconds += timed(lambda part=part, made=made: vectors.add(part, made))
    return seconds


def _directions(rng: np.random.Generator, count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    made = rng.standard_normal((count, DIMENSIONS), dtype=np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def _parts(values: Sequence[UnitId], size: int) -> Iterator[Sequence[UnitId]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


class _Fixed:
    """An embedder for questions whose answer does not matter."""

    model = MODEL
    dimensions = DIMENSIONS

    def embed(self, texts: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return _directions(np.random.default_rng(SEED), len(texts))

    def embed_query(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        return _directions(np.random.default_rng(len(text)), 1)[0]


def _unavailable(_vector: object, _count: int, _scopes: object) -> Sequence[object]:
    raise IndexUnavailable("There is none in this measurement.")


def _asker(searcher: Searcher, reader: Reader) -> Callable[[], object]:
    return lambda: searcher.search("anything", mode=SearchMode.DENSE, top=10, reader=reader)


def _sql(bench: Bench, statement: str, file: str = LEDGER_FILE) -> list[tuple[object, ...]]:
    """A look past the ledger's own methods, for what only a benchmark wants to know."""
    import sqlite3

    connection = sqlite3.connect(bench.folder / file)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def _table_bytes(bench: Bench, name: str) -> int:
    """Pages of a table or an index; where SQLite cannot count them, the sum of what its rows hold."""
    import sqlite3

    try:
        return int(str(_sql(bench, f"SELECT sum(pgsize) FROM dbstat WHERE name = '{name}'")[0][0]))
    except sqlite3.OperationalError:
        content = "length(text) + length(hash) + 12" if name == "unit" else "length(hash) + 12"
        return int(str(_sql(bench, f"SELECT sum({content}) FROM unit")[0][0]))


if __name__ == "__main__":
    main()
