"""The ledger as one thing: its file, and a view for each stage."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ingestor import space
from ingestor.errors import LedgerError
from ingestor.ledger.answers import ANSWERS_S, Answers
from ingestor.ledger.copying import Copied, Copy, copy_closed, copy_files
from ingestor.ledger.database import Database, LedgerDamaged, newest_schema, schema_of
from ingestor.ledger.index import IndexStates
from ingestor.ledger.measures import Measures
from ingestor.ledger.models import Models
from ingestor.ledger.past import PastReads, seq_at
from ingestor.ledger.quarantine import Quarantine
from ingestor.ledger.queries import WORDS, Queries
from ingestor.ledger.runs import Runs
from ingestor.ledger.search import SearchReads
from ingestor.ledger.sources import PURGE, Sources
from ingestor.ledger.sync import SyncWrites
from ingestor.ledger.traces import Traces
from ingestor.ledger.upkeep import Upkeep
from ingestor.ledger.usage import Usage
from ingestor.ledger.vectors import Vectors
from ingestor.model import GenerationState, ModelId, blake

LEDGER_FILE = "ledger.sqlite3"
RETENTION_S = 30 * 86_400.0

_VECTOR_FILES = "vectors-*.sqlite3"
_CLEAN = "closed_cleanly"


class Ledger:
    """The ledger in one state folder. ``read_only`` needs no lock and sees what a writer commits."""

    def __init__(
        self,
        state_dir: Path,
        *,
        read_only: bool = False,
        retention_s: float = RETENTION_S,
        answers_s: float = ANSWERS_S,
    ) -> None:
        self._dir = state_dir
        if not read_only and not self.exists(state_dir):
            self.remove_orphans(state_dir)
        self._db = Database(state_dir / LEDGER_FILE, "migrations", read_only=read_only, each=WORDS)
        self._retention_s = retention_s
        self._vectors: dict[ModelId, Vectors] = {}
        self._opening = threading.Lock()
        self.sources = Sources(self._db)
        self.sync = SyncWrites(self._db, self.sources, retention_s=retention_s)
        self.index = IndexStates(self._db)
        self.models = Models(self._db)
        self.runs = Runs(self._db, self.sources)
        self.measures = Measures(self._db)
        self.usage = Usage(self._db)
        self.quarantine = Quarantine(self._db)
        self.queries = Queries(self._db)
        self.search = SearchReads(self._db, self.queries)
        self.traces = Traces(self._db)
        self.answers = Answers(self._db, keep_s=answers_s)
        self.upkeep = Upkeep(self._db, retention_s=retention_s)

    @staticmethod
    def exists(state_dir: Path) -> bool:
        return (state_dir / LEDGER_FILE).exists()

    @staticmethod
    def schemas(state_dir: Path) -> Mapping[Path, int]:
        """Of every file, which is only read; 0 where it cannot be told."""
        return {path: schema_of(path) for path in _files(state_dir)}

    @staticmethod
    def outdated(state_dir: Path) -> Mapping[Path, int]:
        """The files that are there, with their schemas, where opening them would bring one of them to a newer one;
        else nothing."""
        found = Ledger.schemas(state_dir)
        return found if any(0 < schema < newest_schema(_package(path)) for path, schema in found.items()) else {}

    @staticmethod
    def upgrade(state_dir: Path) -> None:
        """Bring every file to the schema of this program, those too that would be opened much later or never."""
        for path in _files(state_dir):
            Database(path, _package(path)).close()

    @staticmethod
    def copy_closed(state_dir: Path, into: Path, copied: Copied = lambda *_: None) -> list[Copy]:
        """Copies of every file as it is, of whatever schema, while nobody has one open."""
        return copy_closed(_files(state_dir), into, copied)

    @staticmethod
    def remove_orphans(state_dir: Path) -> None:
        """Remove vectors whose ledger is gone: they go by the numbers of its units, which another ledger gives to
        other texts."""
        for path in state_dir.glob(_VECTOR_FILES):
            _unlink(path)

    def past(self, at: float) -> PastReads:
        """What search could show at that time. Raises ``UserError`` for a time that is past retention."""
        return PastReads(self._db, self.queries, seq_at(self._db, at, retention_s=self._retention_s))

    def vectors(self, model: ModelId) -> Vectors:
        """The vector file of a model; made when it is not there."""
        with self._opening:
            if model not in self._vectors:
                self._vectors[model] = Vectors(self._vector_path(model), model)
            return self._vectors[model]

    def _vector_path(self, model: ModelId) -> Path:
        return self._dir / f"vectors-{blake(model.encode()).hex()[:16]}.sqlite3"

    # -- the files ------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """Where the files are: the state folder."""
        return self._dir

    def ensure_sound(self) -> Sequence[Path]:
        """Where the last process did not end well, check every file before anything is written or a vector file is
        opened. Raises ``LedgerDamaged``. A damaged vector file is no loss, only work: it is set aside and
        its units are embedded again; returns those files."""
        if self.upkeep.setting(_CLEAN) != "0":
            return ()
        if problems := self.upkeep.quick_check():
            raise LedgerDamaged(self._db.path, problems[0])
        return [path for path in sorted(self._dir.glob(_VECTOR_FILES)) if self._set_aside(path)]

    def mark_clean(self, clean: bool) -> None:
        """Whether the files may be trusted without a check at the next start."""
        self.upkeep.set_setting(_CLEAN, "1" if clean else "0")

    @property
    def damage(self) -> LedgerError | None:
        """The damage that was met since the files were opened; writing is refused from then on."""
        return self._db.damage or next((v.damage for v in self._vectors.values() if v.damage is not None), None)

    def has_room(self) -> bool:
        """Whether the disk of the state folder takes more."""
        return not space.is_full(self._dir)

    def require_room(self) -> None:
        """Raise ``NoSpace`` where it does not."""
        space.require(self._dir)

    def copy(self, into: Path, copied: Copied = lambda *_: None) -> list[Copy]:
        """Copies of every file as of one moment, into an empty folder (``copying.copy_files``)."""
        return copy_files(self._db, sorted(self._dir.glob(_VECTOR_FILES)), into, copied)

    def _set_aside(self, path: Path) -> bool:
        try:
            check = Database(path, "vector_migrations")
        except LedgerDamaged:
            broken = True
        else:
            broken = bool(check.quick_check())
            with contextlib.suppress(LedgerError):
                check.close()
        if broken:
            path.replace(path.with_suffix(".damaged"))
            for generation in self.index.generations():
                if self._vector_path(generation.model) == path:
                    self.index.unready(generation.generation_id)
            _unlink(path)
        return broken

    # -- retention ------------------------------------------------------------------------------

    def forget(self) -> int:
        """Delete what is past retention, and the units and vectors that only it used; rows deleted."""
        removed = self.upkeep.forget_expired()
        dropped = self.upkeep.drop_unused_units() if removed else []
        for vectors in self._every_vectors():
            for start in range(0, len(dropped), 500):
                vectors.remove(dropped[start : start + 500])
        return removed + len(dropped) + self.answers.forget_expired()

    def retire_models(self, keep: Collection[ModelId]) -> int:
        """Delete the vectors of models that no generation follows and that are not among ``keep``; files deleted.
        A unit is embedded once per model as long as the model is used; what was given up may go."""
        used = {g.model for g in self.index.generations() if g.state is not GenerationState.CONDEMNED}
        retired = [model for model in self.models.names() if model not in used and model not in keep]
        paths = [(model, self._vector_path(model)) for model in retired if self._vector_path(model).exists()]
        for model, path in paths:
            with self._opening:
                if (opened := self._vectors.pop(model, None)) is not None:
                    opened.close()
                _unlink(path)
        return len(paths)

    def _every_vectors(self) -> list[Vectors]:
        """Those of every model that has a file, open or not."""
        known = {*self._vectors, *self.models.names(), *(g.model for g in self.index.generations())}
        return [self.vectors(model) for model in known if self._vector_path(model).exists()]

    def finish_removals(self) -> None:
        """Take out what removed sources held and, where that was asked for, erase its text and vectors now. At
        each start as well: the process that removed a source may have died over it."""
        self.sync.forget_removed()
        if self.upkeep.setting(PURGE) is None:
            return
        self.upkeep.purge_removed()
        dropped = self.upkeep.drop_unused_units()
        for vectors in self._every_vectors():
            vectors.remove(dropped)
        self.upkeep.drop_setting(PURGE)

    def close(self) -> None:
        """Close every file; safe to call twice."""
        for vectors in self._vectors.values():
            vectors.close()
        self._vectors.clear()
        self._db.close()


def _files(state_dir: Path) -> list[Path]:
    """The database files that are there; vectors first, as they are copied."""
    ledger = state_dir / LEDGER_FILE
    return [*sorted(state_dir.glob(_VECTOR_FILES)), ledger] if ledger.exists() else []


def _package(file: Path) -> str:
    return "migrations" if file.name == LEDGER_FILE else "vector_migrations"


def _unlink(path: Path) -> None:
    """A database file with what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
