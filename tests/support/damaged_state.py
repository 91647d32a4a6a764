"""A state folder to be damaged: through its open service, or its files with SQLite's own tools while nobody has
them open."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from ingestor.chunking.cutter import SemanticCutter
from ingestor.ledger.ledger import LEDGER_FILE
from ingestor.ledger.packing import unpack_units
from ingestor.model import ChunkId
from ingestor.parsing.pool import InlineParser
from ingestor.ports import VectorIndex
from tests.support.faults_corpus import markdown, word
from tests.support.faults_oracle import row_differences, wanted
from tests.support.served import Served

SOURCE = "docs"
FILES = {"a.md": [1, 2, 3, 4, 5, 6], "b.md": [7, 8], "c.md": [9], "d/e.md": [10, 11, 12], "d/f.md": [13, 14]}
GONE = "gone.md"
_GONE_NUMBER = 20


def make_original(place: Path) -> None:
    """A folder ``docs`` with everything in order about it in ``state``, and a document that lived and was deleted."""
    root = place / "docs"
    for name, numbers in {**FILES, GONE: [_GONE_NUMBER]}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(markdown(f"Document {name}", numbers))
    served = Served(place / "state")
    served.add(root, SOURCE)
    served.sync(SOURCE)
    (root / GONE).unlink()
    served.sync(SOURCE)
    served.until_settled(SOURCE)
    served.close()


class Bench:
    """A copy of the state, ours to break."""

    def __init__(self, place: Path, state: Path) -> None:
        shutil.copytree(place / "state", state, copy_function=shutil.copy2, ignore=shutil.ignore_patterns("*.sock"))
        self.state = state
        self.served: Served | None = None

    def open(self) -> Served:
        self.served = self.served or Served(self.state)
        return self.served

    def close(self) -> None:
        if self.served is not None:
            self.served.close()
            self.served = None

    @property
    def index(self) -> VectorIndex:
        served = self.open()
        served.until(lambda: served.service.parts.index.serving() is not None, "the index to be looked at")
        index = served.service.parts.index.serving()
        assert index is not None
        return index

    def sql(self, *statements: str) -> None:
        """Into the ledger's file, which nobody has open, past everything that guards it."""
        assert self.served is None
        _execute(self.state / LEDGER_FILE, statements)

    def vector_sql(self, *statements: str) -> None:
        """``{n}`` stands for the n-th unit of the live chunks."""
        assert self.served is None
        (path,) = self.state.glob("vectors-*.sqlite3")
        _execute(path, [statement.format(*self.units()) for statement in statements])

    def units(self) -> list[int]:
        """The units of live chunks."""
        with closing(sqlite3.connect(self.state / LEDGER_FILE)) as db:
            rows = db.execute("SELECT units FROM cut WHERE died IS NULL")
            return sorted({unit for (packed,) in rows for unit, _ in unpack_units(packed)})

    def chunks(self, item: str = "%", *, alive: bool = True) -> list[ChunkId]:
        """Chunk ids of an item."""
        with closing(sqlite3.connect(self.state / LEDGER_FILE)) as db:
            rows = db.execute(
                "SELECT DISTINCT chunk_id FROM chunk JOIN cut ON cut.chunk = chunk.id JOIN binding USING (doc)"
                f" WHERE item_id LIKE ? AND (cut.died IS NULL) = {int(alive)} ORDER BY chunk.id",
                (item,),
            )
            return [ChunkId(key) for (key,) in rows]

    def equals_the_oracle(self) -> None:
        """Passages, keyword rows and rows of the index are those of a corpus made anew."""
        served = self.open()
        expected = wanted(served.source(SOURCE), InlineParser(), SemanticCutter())
        assert served.differs(SOURCE) == ""
        ids = self.index.page(0, 1_000)
        assert row_differences(self.index.get(ids), expected) == []
        for numbers in FILES.values():
            for number in numbers:
                assert len(served.search(word(number), "keyword").hits) == 1
        assert served.search(word(_GONE_NUMBER), "keyword").hits == ()


def _execute(path: Path, statements: Sequence[str]) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            assert db.execute(statement).rowcount != 0, statement
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
