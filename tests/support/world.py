"""A small world for tests of the engine: a real folder, a real ledger, the real parsers and cutter in
process, a stub embedder. What a run does to it can be asked in one line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from connectors.base import WHOLE, Scope, Source
from connectors.files.config import FilesConfig
from connectors.files.source import FilesSource
from ingestor.chunking.cutter import SemanticCutter
from ingestor.embedding.worker import EmbedStep
from ingestor.index.projector import Projector
from ingestor.ledger.ledger import Ledger
from ingestor.model import Filters, GenerationState, ModelId, Outcome, Plan, Reader, RunReport, Tally, Trigger
from ingestor.parsing.pool import InlineParser
from ingestor.sync.engine import SyncEngine
from tests.support.memory_index import MemoryIndex
from tests.support.stub_embedder import StubEmbedder

SOURCE = "docs"


class Pulse:
    """Stops after ``stop_after`` questions, never by default."""

    def __init__(self) -> None:
        self.stop_after: int | None = None

    def stopping(self) -> bool:
        if self.stop_after is None:
            return False
        self.stop_after -= 1
        return self.stop_after < 0

    def progress(self, stage: str, tally: Tally) -> None:
        pass


class World:
    """One source in one ledger, with a generation that serves."""

    def __init__(self, root: Path, state: Path, *, source: Source | None = None) -> None:
        self.root = root
        self.state = state
        self.ledger = Ledger(state)
        self.ledger.sources.put(SOURCE, "files", {"path": str(root)}, "registered")
        self.source: Source = source or FilesSource(FilesConfig(name=SOURCE, path=str(root), permissions=("public",)))
        self.pulse = Pulse()
        self.embedder = StubEmbedder()
        self.vectors = self.ledger.vectors(ModelId("stub"))
        generations = self.ledger.index.generations()
        self.generation = (
            generations[0]
            if generations
            else self.ledger.index.add_generation(ModelId("stub"), "memory", GenerationState.SERVING)
        )
        self.index = MemoryIndex()
        self.engine = SyncEngine(
            source=self.source,
            ledger=self.ledger.sync,
            parser=InlineParser(),
            cutter=SemanticCutter(),
            pulse=self.pulse,
        )

    def write(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def run(self, *scopes: str, approve: Plan | None = None) -> RunReport:
        wanted = tuple(Scope(scope) for scope in scopes) or (WHOLE,)
        run_id = self.ledger.runs.start_run(SOURCE, Trigger.SYNC, wanted[0])
        report = self.engine.run(run_id, Trigger.SYNC, wanted, approve=approve)
        self.ledger.runs.finish_run(report)
        return report

    def sync(self) -> RunReport:
        """A run that has to end well."""
        report = self.run()
        assert report.outcome is Outcome.OK, report.message
        return report

    def drain(self) -> tuple[int, int]:
        """Embed and write everything that is pending; (units embedded, rows written)."""
        embed = EmbedStep(self.ledger.index, self.vectors, self.embedder)
        projector = Projector(self.ledger.index, self.vectors, self.index)
        embedded = written = 0
        while (outcome := embed.step(self.generation.generation_id, 100)).ready:
            embedded += outcome.embedded
        while (done := projector.step(self.generation.generation_id, 100)).writes:
            written += done.writes
        return embedded, written

    def doc_ids(self) -> dict[str, str]:
        """Item id to DocId of every live document."""
        rows = self.ledger.sync._db.read(
            "SELECT item.item_id, document.doc_id FROM item JOIN document ON document.id = item.doc"
        )
        return dict(rows)

    def texts(self) -> Counter[tuple[str, str]]:
        """(item, text) of every live chunk."""
        rows = self.ledger.sync._db.read(
            "SELECT item.item_id, chunk.text FROM chunk JOIN cut ON cut.chunk = chunk.id AND cut.died IS NULL"
            " JOIN item ON item.doc = chunk.doc"
        )
        return Counter(rows)

    def found(self, words: str, *, tags: tuple[str, ...] = ()) -> list[str]:
        """Item names that a keyword search finds."""
        scored = self.ledger.search.keyword(words, 50, Reader(), Filters(tags=tags))
        return [hit.uri for hit in self.ledger.search.hits(scored, Reader())]

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of the ledger that a run may not touch when nothing changed."""
        tables = self.ledger.sync._db.read("SELECT name FROM sqlite_master WHERE type = 'table'")
        skipped = {"run", "source", "live_count", "sqlite_sequence", "keyword", "keyword_idx", "keyword_data"}
        return {name: self.ledger.sync._db.read(f"SELECT * FROM {name}") for (name,) in tables if name not in skipped}

    def healthy(self) -> None:
        """The ledger agrees with itself, and the index with the ledger."""
        assert self.ledger.upkeep.quick_check() == []
        assert self.ledger.upkeep.keyword_problems() == []
        assert self.ledger.upkeep.row_problems() == []

    def close(self) -> None:
        self.ledger.close()
