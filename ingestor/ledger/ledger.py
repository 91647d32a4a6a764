"""The ledger as one thing: its file, and a view for each stage."""

from __future__ import annotations

from pathlib import Path

from ingestor.ledger.database import Database
from ingestor.ledger.index import IndexStates
from ingestor.ledger.runs import Runs
from ingestor.ledger.search import SearchReads
from ingestor.ledger.sources import Sources
from ingestor.ledger.sync import SyncWrites
from ingestor.ledger.upkeep import Upkeep
from ingestor.ledger.vectors import Vectors
from ingestor.model import ModelId, blake

LEDGER_FILE = "ledger.sqlite3"
RETENTION_S = 30 * 86_400.0


class Ledger:
    """The ledger in one state folder. ``read_only`` needs no lock and sees what a writer commits."""

    def __init__(self, state_dir: Path, *, read_only: bool = False, retention_s: float = RETENTION_S) -> None:
        self._dir = state_dir
        self._db = Database(state_dir / LEDGER_FILE, "migrations", read_only=read_only)
        self._vectors: dict[ModelId, Vectors] = {}
        self.sources = Sources(self._db)
        self.sync = SyncWrites(self._db, self.sources, retention_s=retention_s)
        self.index = IndexStates(self._db)
        self.runs = Runs(self._db, self.sources)
        self.search = SearchReads(self._db)
        self.upkeep = Upkeep(self._db, retention_s=retention_s)

    @staticmethod
    def exists(state_dir: Path) -> bool:
        return (state_dir / LEDGER_FILE).exists()

    def vectors(self, model: ModelId) -> Vectors:
        """The vector file of a model; made when it is not there."""
        if model not in self._vectors:
            digest = blake(model.encode()).hex()[:16]
            self._vectors[model] = Vectors(self._dir / f"vectors-{digest}.sqlite3", model)
        return self._vectors[model]

    def forget(self) -> int:
        """Delete what is past retention, and the units and vectors that only it used; rows deleted."""
        removed = self.upkeep.forget_expired()
        dropped = self.upkeep.drop_unused_units() if removed else []
        for vectors in self._vectors.values():
            for start in range(0, len(dropped), 500):
                vectors.remove(dropped[start : start + 500])
        return removed + len(dropped)

    def purge_removed(self) -> None:
        """Erase the text and vectors of removed sources now."""
        self.upkeep.purge_removed()
        dropped = self.upkeep.drop_unused_units()
        for vectors in self._vectors.values():
            vectors.remove(dropped)

    def close(self) -> None:
        """Close every file; safe to call twice."""
        for vectors in self._vectors.values():
            vectors.close()
        self._vectors.clear()
        self._db.close()
