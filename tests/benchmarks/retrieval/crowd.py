"""Whether a search finds in a crowd what comparing everything would find.

    python -m tests.benchmarks.retrieval.crowd [--distractors N] [--questions N] [--state FOLDER]

The corpora of the dev part stand in one ledger and one Chroma store with N synthetic passages beside them. Each question
is asked of the program's own searcher, whose candidates are the first of Chroma and of BM25, and then every passage
is scored by the same scoring without candidates. Printed is in how many of the first five places both agree: the same
passage, or one whose score is equal.

The distractors compete: a unit's vector is that of a real one, 0.7 of another real one and 0.7 of a random direction,
added and normalised (so at a cosine of about 0.7 to the first), and units that stand together come from two runs of
units that do. Half of its words are the first one's, the others the second one's. So each question meets passages on
its own subject, in its own words, by the thousand; a million is about a thousand for each real passage.

At 1,000,000 it takes some 12 GB of disk (10,000: 130 MB). What the phases took is printed, and each grows with N.
``--state`` keeps the corpus, with questions in its own words and readers of shares of it, for
``tests.benchmarks.bench_latency --state FOLDER``.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from connectors.base import WHOLE, ItemId, ItemRef, Version
from ingestor.chunking import SemanticCutter
from ingestor.embedding.models import DEFAULT_MODEL
from ingestor.index.generations import GenerationManager
from ingestor.ledger.ledger import LEDGER_FILE, Ledger
from ingestor.model import (
    Passage,
    PutRevision,
    Reader,
    Recipe,
    SearchMode,
    Trigger,
    Unit,
    UnitId,
    blake,
)
from ingestor.pooling import normalised
from ingestor.search.candidates import Lens
from ingestor.search.searcher import Searcher
from tests.benchmarks.latency_corpus import QUESTIONS, STATE, grant
from tests.benchmarks.retrieval import others
from tests.benchmarks.retrieval.data import ROOT, Part, parts
from tests.benchmarks.retrieval.embeddings import KeptEmbedder
from tests.benchmarks.retrieval.exhaustive import EQUAL, MODES, TOP, Vectors, exhaustive
from tests.benchmarks.tables import Table, commit, machine, ms, p50, p95
from tests.support.faults_report import write_report
from tests.support.one_model import OneModel

SEED = 5
PROMISE = 0.98
UNITS = 4  # of a distractor
_WORTH_KEEPING = 100_000
CHUNKS_A_DOCUMENT = 20
DOCUMENTS_A_COMMIT = 20
SECOND, NOISE = 0.7, 0.7
OWNER = Reader()


@dataclass
class Phases:
    """What took how long."""

    table: Table = field(default_factory=lambda: Table(title="Phases", headings=("phase", "seconds", "a second")))

    def note(self, name: str, began: float, count: int) -> None:
        took = time.perf_counter() - began
        self.table.add(name, f"{took:.1f}", f"{count / took:,.0f}" if took else "-")
        print(f"{name}: {took:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.retrieval.crowd",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--distractors", type=int, default=1_000_000)
    parser.add_argument("--questions", type=int, default=0, help="only so many, spread over all")
    parser.add_argument("--state", type=Path, help="a folder that keeps the corpus; one that is there is used")
    chosen = parser.parse_args()
    cache = ROOT / ".cache" / "retrieval"
    cache.mkdir(parents=True, exist_ok=True)
    (dev,) = (part for part in parts() if part.name == "dev")
    print(
        f"{machine()}\ncommit {commit()}, seed {SEED}: {chosen.distractors:,} distractors of {UNITS} units", flush=True
    )
    with tempfile.TemporaryDirectory(prefix="bench-crowd-", dir=cache) as scratch:
        base = chosen.state or Path(scratch)
        (base / STATE).mkdir(parents=True, mode=0o700, exist_ok=True)
        tables, agreed = measure(base, dev, KeptEmbedder(cache / "embeddings.sqlite3"), chosen)
    if chosen.distractors >= _WORTH_KEEPING:
        head = f"seed {SEED}: {chosen.distractors:,} distractors of {UNITS} units; `make bench-crowd` says how they are made."
        write_report("crowd.md", "Found in a crowd", [head, "", *(table.markdown() for table in tables)])
    if min(agreed.values()) < PROMISE:
        raise SystemExit(f"The promise is {PROMISE:.0%} of the places.")


def measure(
    base: Path, dev: Part, embedder: KeptEmbedder, chosen: argparse.Namespace
) -> tuple[list[Table], dict[str, float]]:
    """What was measured, and the share of the places that agree, by mode."""
    folder = base / STATE
    there = (folder / LEDGER_FILE).exists()
    phases, ledger = Phases(), Ledger(folder)
    vectors = ledger.vectors(embedder.model)
    manager = GenerationManager(folder=folder / "chroma", ledger=ledger.index, models=OneModel(vectors))
    try:
        (generation,) = manager.wanted()
        if not there:
            fill(ledger, dev, embedder, chosen.distractors, phases)
        while waiting := ledger.index.unembedded(generation, 5_000):
            ledger.index.mark_ready(generation, [row for row, _ in waiting])
        began, total = time.perf_counter(), ledger.queries.live_chunks()
        while manager.step(5_000).writes:
            pass
        if not there:
            phases.note("chunks written to Chroma", began, total)
        manager.warm()
        ledger.models.configure(embedder.model, DEFAULT_MODEL, keep_s=0.0)
        (base / QUESTIONS).write_text("\n".join(in_words_of(dev, 5_000)), encoding="utf-8")
        index = manager.serving()
        assert index is not None
        lens = Lens(embedder=embedder, vectors=vectors, nearest=index.query)
        searcher = Searcher(ledger=ledger.search, lens=lambda: lens, unit_texts=ledger.index.unit_texts)
        step = max(1, len(dev.asked) // chosen.questions) if chosen.questions else 1
        asked = [one.question for one in dev.asked[::step]]
        found, waits = {}, Table(title="Searches", headings=("mode", "p50 ms", "p95 ms"))
        for mode in MODES:
            began, times = time.perf_counter(), list[float]()
            found[mode] = [_asked(searcher, question, mode, times) for question in asked]
            phases.note(f"searches, {mode}", began, len(asked))
            waits.add(mode, ms(p50(times)), ms(p95(times)))
        began = time.perf_counter()
        wanted = exhaustive(ledger, embedder, asked)
        phases.note("every chunk scored for every question", began, total * len(asked))
    finally:
        manager.close()
        ledger.mark_clean(True)
        ledger.close()
    phases.table.show()
    waits.show()
    table, agreed = _compared(found, wanted)
    return [table, phases.table, waits], agreed


def _asked(searcher: Searcher, question: str, mode: SearchMode, times: list[float]) -> list[tuple[str, float]]:
    began = time.perf_counter()
    hits = searcher.search(question, mode=mode, top=TOP, reader=OWNER).hits
    times.append(time.perf_counter() - began)
    return [(hit.chunk_id, hit.score) for hit in hits]


def _compared(
    found: Mapping[SearchMode, Sequence[Sequence[tuple[str, float]]]],
    wanted: Mapping[SearchMode, Sequence[Sequence[tuple[str, float]]]],
) -> tuple[Table, dict[str, float]]:
    table = Table(
        title=f"The first {TOP} against comparing everything, per cent",
        headings=("mode", "places that agree", "passages that are there", "first places", "questions that agree"),
    )
    agreed: dict[str, float] = {}
    for mode in found:
        pairs = list(zip(found[mode], wanted[mode], strict=True))
        same = [
            [
                at < len(ours) and (ours[at][0] == key or abs(ours[at][1] - score) < EQUAL)
                for at, (key, score) in enumerate(every)
            ]
            for ours, every in pairs
        ]
        there = [len({key for key, _ in ours} & {key for key, _ in every}) / len(every) for ours, every in pairs]
        agreed[mode] = float(np.mean([place for places in same for place in places]))
        shares = (agreed[mode], np.mean(there), np.mean([places[0] for places in same]), np.mean(list(map(all, same))))
        table.add(mode, *(f"{100 * share:.2f}" for share in shares))
    table.show()
    return table, agreed


# -- the crowd -----------------------------------------------------------------------------------------


def fill(ledger: Ledger, dev: Part, embedder: KeptEmbedder, distractors: int, phases: Phases) -> None:
    """The real documents and the others, with the vectors of all their units."""
    from ingestor.model import ParseRequest
    from ingestor.parsing.pool import InlineParser

    parser, cutter, runs = InlineParser(), SemanticCutter(), list[list[Unit]]()
    ledger.sources.put("dev", "files", {"path": "/nonexistent/dev"}, "registered")
    ledger.sources.set_paused("dev", paused=True)
    run = ledger.runs.start_run("dev", Trigger.BACKFILL, WHOLE)
    began = time.perf_counter()
    for corpus, text in dev.corpora.items():
        document = parser.submit(ParseRequest(name=f"{corpus}.md", content=text.encode())).result()
        passages = cutter.cut(document)
        ledger.sync.apply("dev", run, [others.revision(f"{corpus}.md", document, passages)])
        runs.append([unit for passage in passages for unit in passage.units])
    store, texts = ledger.vectors(embedder.model), ledger.index.unit_texts
    real = [UnitId(unit) for (unit,) in ledger.sync._db.read("SELECT id FROM unit ORDER BY id")]
    store.add(real, embedder.embed(texts(real)))
    phases.note("real units embedded (or kept from before)", began, len(real))

    began = time.perf_counter()
    crowd = Crowd([(run_, embedder.embed([unit.text for unit in run_])) for run_ in runs])
    ledger.sources.put("crowd", "files", {"path": "/nonexistent/crowd"}, "registered")
    ledger.sources.set_paused("crowd", paused=True)
    run = ledger.runs.start_run("crowd", Trigger.BACKFILL, WHOLE)
    for first in range(0, -(-distractors // CHUNKS_A_DOCUMENT), DOCUMENTS_A_COMMIT):
        numbers = range(first, min(first + DOCUMENTS_A_COMMIT, -(-distractors // CHUNKS_A_DOCUMENT)))
        made = [crowd.document(min(CHUNKS_A_DOCUMENT, distractors - n * CHUNKS_A_DOCUMENT)) for n in numbers]
        ops = [_revision(number, passages) for number, (passages, _) in zip(numbers, made, strict=True)]
        ledger.sync.apply("crowd", run, ops)
        of_text = {
            unit.text: vector
            for passages, rows in made
            for unit, vector in zip((u for p in passages for u in p.units), rows, strict=True)
        }
        fresh = store.missing(list(map(UnitId, range(crowd.after(real[-1]), crowd.after(real[-1]) + len(of_text)))))
        store.add(fresh, np.stack([of_text[text] for text in texts(fresh)]))
        crowd.written += len(of_text)
    phases.note("distractors made and committed", began, distractors)


def in_words_of(dev: Part, count: int) -> Iterator[str]:
    """Six to ten words as they follow one another in the corpora."""
    rng, corpora = random.Random(SEED + 1), [text.split() for text in dev.corpora.values()]
    for _ in range(count):
        words, many = rng.choice(corpora), rng.randint(6, 10)
        at = rng.randrange(len(words) - many)
        yield " ".join(words[at : at + many])


class Crowd:
    """Makes passages out of runs of real units (texts and vectors) of each corpus."""

    def __init__(self, runs: Sequence[tuple[Sequence[Unit], Vectors]]) -> None:
        self._runs = [(units, rows) for units, rows in runs if len(units) > UNITS]
        self._rng = random.Random(SEED)
        self._noise = np.random.default_rng(SEED)
        self._made = 0
        self.written = 0

    def after(self, last: int) -> int:
        """The id of the next unit: each text is new, so that the ledger numbers them in order."""
        return last + 1 + self.written

    def document(self, chunks: int) -> tuple[list[Passage], Vectors]:
        passages, rows, at = list[Passage](), list[Vectors](), 0
        for _ in range(chunks):
            (first, a), (second, b) = self._run(), self._run()
            noise = normalised(self._noise.standard_normal(a.shape, dtype=np.float32))
            rows.append(normalised(a + SECOND * b + NOISE * noise))
            units = []
            for one, other in zip(first, second, strict=True):
                text = self._words(one.text, other.text)
                units.append(Unit(text=text, start=at, end=at + len(text), weight=len(text)))
                at += len(text) + 1
            text = " ".join(unit.text for unit in units)
            start = units[0].start
            passages.append(
                Passage(start=start, end=start + len(text), text=text, units=tuple(units), length=len(text))
            )
            at += 1
        return passages, np.concatenate(rows)

    def _run(self) -> tuple[Sequence[Unit], Vectors]:
        units, rows = self._rng.choice(self._runs)
        at = self._rng.randrange(len(units) - UNITS)
        return units[at : at + UNITS], rows[at : at + UNITS]

    def _words(self, one: str, other: str) -> str:
        words = [word for text in (one, other) for word in text.split() if self._rng.random() < 0.5]
        self._rng.shuffle(words)
        self._made += 1
        return " ".join([*words, f"n{self._made}."])


def _revision(number: int, passages: Sequence[Passage]) -> PutRevision:
    name = f"crowd{number:07}.txt"
    return PutRevision(
        ref=ItemRef(
            item_id=ItemId(name),
            version=Version("1"),
            name=name,
            grant=grant(number),
            size=passages[-1].end,
        ),
        doc=None,
        content_hash=blake(name.encode()),
        recipe=Recipe("crowd"),
        title="",
        kind="text",
        passages=tuple(passages),
        has_lines=False,
        seen_at=1.0,
    )


if __name__ == "__main__":
    main()
