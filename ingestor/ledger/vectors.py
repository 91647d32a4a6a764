"""Unit vectors of one model: one database file, half precision, appended, content-addressed by unit id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ingestor.errors import LedgerError
from ingestor.faultpoint import reached
from ingestor.ledger.database import Database
from ingestor.model import ModelId, UnitId

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PAGE = 900  # ids a statement; SQLite's bound on parameters was 999 for long
_OFF = 0.01  # how far from 1 a length may be; half precision alone stays below 0.001


class Vectors:
    """Implements ``ports.VectorStore``."""

    def __init__(self, path: Path, model: ModelId) -> None:
        self._db = Database(path, "vector_migrations")
        self._model = model

    @property
    def model(self) -> ModelId:
        return self._model

    @property
    def damage(self) -> LedgerError | None:
        """The damage that was met in the file, if any."""
        return self._db.damage

    def missing(self, units: Sequence[UnitId]) -> list[UnitId]:
        distinct = list(dict.fromkeys(units))
        there: set[int] = set()
        for part in _parts(distinct):
            there.update(
                unit
                for (unit,) in self._db.read(f"SELECT unit FROM vector WHERE unit IN ({_marks(part)})", tuple(part))
            )
        return [unit for unit in distinct if unit not in there]

    def add(self, units: Sequence[UnitId], vectors: NDArray[np.float32]) -> None:
        import numpy as np

        half = vectors.astype("<f2")
        if not np.isfinite(half).all():
            raise ValueError("a vector holds a value that half precision cannot hold")
        with self._db.write() as tx:
            tx.executemany(
                "INSERT OR IGNORE INTO vector (unit, v, sum) VALUES (?1, ?2, vector_sum(?1, ?2))",
                [(unit, row.tobytes()) for unit, row in zip(units, half, strict=True)],
            )
            reached("embed.commit")

    def get(self, units: Sequence[UnitId]) -> NDArray[np.float32]:
        import numpy as np

        if not units:
            return np.zeros((0, 0), dtype=np.float32)
        distinct, places = np.unique(np.fromiter(units, dtype=np.int64, count=len(units)), return_inverse=True)
        found: list[tuple[int, bytes]] = []
        for part in _parts(distinct.tolist()):
            found += self._db.read(
                f"SELECT unit, v FROM vector WHERE unit IN ({_marks(part)}) ORDER BY unit", tuple(part)
            )
        if len(found) < len(distinct):
            raise KeyError(min(set(distinct.tolist()).difference(unit for unit, _ in found)))
        half = np.frombuffer(b"".join([v for _, v in found]), dtype="<f2").reshape(len(distinct), -1)
        found_all = half.astype(np.float32)
        in_order = len(distinct) == len(units) and bool((places[1:] > places[:-1]).all())
        return found_all if in_order else found_all[places]  # a search asks in order, and 4 MB need no copy

    def remove(self, units: Sequence[UnitId]) -> None:
        with self._db.write() as tx:
            tx.executemany("DELETE FROM vector WHERE unit = ?", [(unit,) for unit in units])

    def units(self) -> Iterator[UnitId]:
        after = -1
        while rows := self._db.read("SELECT unit FROM vector WHERE unit > ? ORDER BY unit LIMIT 10000", (after,)):
            for (unit,) in rows:
                yield UnitId(unit)
            after = rows[-1][0]

    def unsound(self) -> list[UnitId]:
        """Units whose vector is not the one that was stored, by its checksum, or is none: of another size than the
        others, not finite, or not of length 1."""
        import numpy as np

        sizes = dict(self._db.read("SELECT length(v), count(*) FROM vector GROUP BY 1"))
        size = max(sizes, key=lambda one: sizes[one], default=0)
        found, after = [], -1
        while rows := self._db.read(
            "SELECT unit, v, sum = vector_sum(unit, v) FROM vector WHERE unit > ? ORDER BY unit LIMIT 10000", (after,)
        ):
            after = rows[-1][0]
            found += [UnitId(unit) for unit, v, same in rows if len(v) != size or not same]
            whole = [(unit, v) for unit, v, same in rows if len(v) == size and same]
            if whole:
                half = np.frombuffer(b"".join(v for _, v in whole), dtype="<f2").reshape(len(whole), -1)
                lengths = np.linalg.norm(half.astype(np.float32), axis=1)
                found += [
                    UnitId(unit) for (unit, _), length in zip(whole, lengths, strict=True) if not abs(length - 1) < _OFF
                ]
        return found

    def close(self) -> None:
        self._db.close()


def _parts(units: Sequence[UnitId]) -> Iterator[Sequence[UnitId]]:
    for start in range(0, len(units), _PAGE):
        yield units[start : start + _PAGE]


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
