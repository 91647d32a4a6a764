"""A source folder, a state folder and an index, in one process that can be made to die at any fault point.

Everything is real but the model and Chroma. Death is a ``BaseException`` at a fault point, and from then on
at every other one, so that no ``finally`` writes what a dead process could not. What is opened afterwards
is a copy of the files as they lay there, write-ahead log included, never a cleanly closed database.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from connectors.base import WHOLE, Scope, Source
from connectors.files.config import FilesConfig
from connectors.files.source import FilesSource
from ingestor import faultpoint
from ingestor.chunking.cutter import SemanticCutter
from ingestor.embedding.worker import EmbedStep
from ingestor.errors import IndexUnavailable
from ingestor.index.projector import Projector
from ingestor.ledger.ledger import Ledger
from ingestor.model import Filters, GenerationState, Outcome, Plan, Reader, RunReport, Tally, Trigger
from ingestor.parsing.pool import InlineParser
from ingestor.sync.engine import SyncEngine
from tests.support.faults_oracle import Wanted, difference, held, row_differences, wanted
from tests.support.memory_index import MemoryIndex
from tests.support.stub_embedder import StubEmbedder

SOURCE = "tree"
_BATCH = 8  # chunks a step: small, so that a small corpus takes several

# What a run leaves even where it finds nothing: its own row, and when absence was last proven.
_OF_RUNS = frozenset({"run", "source"})


class SimulatedCrash(BaseException):
    """The process died here."""


class Death:
    """A hook: dies at the ``at``-th fault point (from 1; 0 never), counting only those called ``point`` where
    one is given. ``seen`` names the points counted, in order."""

    def __init__(self, at: int = 0, *, point: str = "") -> None:
        self._at = at
        self._point = point
        self.seen: list[str] = []
        self.dead = False

    def __call__(self, name: str) -> None:
        if not self.dead and self._point in {"", name}:
            self.seen.append(name)
            self.dead = len(self.seen) == self._at
        if self.dead:
            raise SimulatedCrash(name)


@contextmanager
def hooked(hook: Callable[[str], None]) -> Iterator[None]:
    """``hook`` is called at every fault point within."""
    faultpoint.install(hook)
    try:
        yield
    finally:
        faultpoint.install(None)


class World:
    """``root`` is the source; ``state`` is where the ledger lies now (another folder after each death)."""

    def __init__(
        self, root: Path, states: Path, *, index: MemoryIndex | None = None, source: Source | None = None
    ) -> None:
        """``source`` instead of the folder ``root``; its name is ``SOURCE``."""
        self.root = root
        self._states = states
        self._number = 0
        self.index = index or MemoryIndex()
        self.embedder = StubEmbedder()
        self.parser = InlineParser()
        self.cutter = SemanticCutter()
        self.source = source or FilesSource(FilesConfig(name=SOURCE, path=str(root)))
        self.scope = ""
        self.state = states / "state-0"
        self.state.mkdir(parents=True)
        self._open()

    def _open(self, ledger: Ledger | None = None) -> None:
        self.ledger = ledger or Ledger(self.state)
        self.put_source()
        self.engine = SyncEngine(
            source=self.source, ledger=self.ledger.sync, parser=self.parser, cutter=self.cutter, pulse=_Calm()
        )
        self.vectors = self.ledger.vectors(self.embedder.model)
        generations = self.ledger.index.generations()
        made = generations or [self.ledger.index.add_generation(self.vectors.model, "memory", GenerationState.SERVING)]
        self.generation = made[0].generation_id
        self._embed = EmbedStep(self.ledger.index, self.vectors, self.embedder)
        self._project = Projector(self.ledger.index, self.vectors, self.index)

    def put_source(self) -> None:
        """As the configuration has it, ``scope`` included: what each start and each reload does."""
        self.ledger.sources.put(SOURCE, "files", {"path": str(self.root)}, "registered", self.scope)

    def close(self) -> None:
        self.ledger.close()

    def copy(self, states: Path) -> World:
        """The same source with a second, independent state that is equal to this one."""
        index = MemoryIndex()
        index.rows = dict(self.index.rows)
        index.scoped = {scope: dict(rows) for scope, rows in self.index.scoped.items()}
        twin = World.__new__(World)
        twin.__dict__.update(self.__dict__)
        twin.index, twin.embedder, twin._states, twin._number = index, StubEmbedder(), states, 0
        twin.state = states / "state-0"
        _copy_files(self.state, twin.state)
        twin._open()
        return twin

    # -- the stages ------------------------------------------------------------------------------

    def sync(self, scopes: Sequence[Scope] = (WHOLE,), *, approve: Plan | None = None) -> RunReport:
        """One run."""
        run = self.ledger.runs.start_run(SOURCE, Trigger.SYNC, scopes[0])
        report = self.engine.run(run, Trigger.SYNC, scopes, approve=approve)
        self.ledger.runs.finish_run(report)
        return report

    def sync_all(self) -> RunReport:
        """Runs of the whole source until one is complete; a person approves whatever is held."""
        report = self.sync()
        if report.outcome is Outcome.HELD:
            report = self.sync(approve=self.ledger.sources.plan(SOURCE))
        assert report.outcome in {Outcome.OK, Outcome.PARTIAL}, report
        return report

    def embed(self) -> int:
        """One step of the embed worker; the number of chunks completed."""
        return self._embed.step(self.generation, _BATCH).ready

    def project(self) -> int:
        """One step of the projector; the number of rows written."""
        return self._project.step(self.generation, _BATCH).writes

    def drain(self) -> None:
        """Both until nothing is left. An index that does not answer is asked again."""
        while True:
            try:
                if not self.embed() and not self.project():
                    return
            except IndexUnavailable:
                continue

    def everything(self) -> RunReport:
        report = self.sync_all()
        self.drain()
        return report

    def dies(self, hook: Death, work: Callable[[], object]) -> bool:
        """Do ``work`` with ``hook``; where that kills, the next process has opened what was left."""
        try:
            with hooked(hook):
                work()
        except SimulatedCrash:
            self.reopen()
            return True
        return False

    def reopen(self) -> None:
        """What a process finds that starts after the last one died here."""
        self._number += 1
        left = self._states / f"state-{self._number}"
        _copy_files(self.state, left)
        self.ledger.close()
        shutil.rmtree(self.state)
        self.state = left
        self._open()

    def restart(self) -> None:
        """The stages are made anew over the same ledger, as a new version of the program would."""
        self._open(self.ledger)

    # -- the checks ------------------------------------------------------------------------------

    def wanted(self) -> Wanted:
        return wanted(self.source, self.parser, self.cutter)

    def rows(self, sql: str) -> Sequence[tuple[object, ...]]:
        return self.ledger._db.read(sql)

    def check_rows(self) -> None:
        """What must hold at any moment, also in the middle of everything: no two tables disagree."""
        assert self.ledger.upkeep.keyword_problems() == []
        assert self.ledger.upkeep.row_problems() == []

    def check_ledger(self, expected: Wanted | None = None) -> Wanted:
        """After a complete run: the ledger is f(source), and search by keyword is, too."""
        expected = expected or self.wanted()
        self.check_rows()
        assert difference(held(self.ledger._db.read), expected.passages) == ""
        items = {item for (item,) in self.rows("SELECT item_id FROM item")}
        assert items == expected.items
        assert self.ledger.sources.plan(SOURCE) is None
        return expected

    def check_index(self, expected: Wanted | None = None) -> None:
        """After draining: the index is f(source), and nothing waits."""
        assert self.ledger.index.backlog(self.generation) == (0, 0)
        rows = self.index.of(self.scope)
        assert row_differences(rows, expected or self.wanted()) == []
        live = {
            key for (key,) in self.rows("SELECT chunk_id FROM cut JOIN chunk ON chunk.id = chunk WHERE died IS NULL")
        }
        assert set(rows) == live
        self.check_elsewhere(self.index)

    def check_elsewhere(self, index: MemoryIndex) -> None:
        """A scope that the source is not in has no collection; the one without a name is always there."""
        assert index.scoped.keys() <= {self.scope}
        assert not (self.scope and index.rows)

    def found(self, word: str) -> set[str]:
        """The items that a search for a word by keyword shows."""
        scored = self.ledger.search.keyword(word, 1_000, Reader(), Filters())
        return {hit.uri.partition("/")[2] for hit in self.ledger.search.hits(scored, Reader())}

    def doc_ids(self) -> dict[str, str]:
        """Item to DocId, of the live items."""
        return {
            str(item): str(doc_id)
            for item, doc_id in self.rows("SELECT item_id, doc_id FROM item JOIN document ON document.id = item.doc")
        }

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table but those of runs."""
        names = [str(name) for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: sorted(self.rows(f"SELECT * FROM {name}"), key=repr)
            for name in names
            if name not in _OF_RUNS and not name.startswith("keyword")
        }


class _Calm:
    """A pulse that nobody stops."""

    def stopping(self) -> bool:
        return False

    def progress(self, stage: str, tally: Tally) -> None:
        pass


def _copy_files(state: Path, to: Path) -> None:
    """The database files as they lie on the disk. Not the ``-shm`` files: those are memory, and a process
    that finds none makes them from the write-ahead log."""
    to.mkdir(parents=True)
    for path in state.iterdir():
        if not path.name.endswith("-shm"):
            shutil.copy(path, to / path.name)
