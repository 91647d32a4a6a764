"""A vector index in memory that keeps the port's contract and can be told to fail, or to a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ingestor.errors import IndexUnavailable
from ingestor.model import ChunkId

Row = tuple[NDArray[np.float32], str, Mapping[str, str | int]]


class MemoryIndex:
    """``fail`` is called with the name of each operation before it is done, and may raise."""

    def __init__(self, fail: Callable[[str], None] = lambda _: None) -> None:
        self.rows: dict[ChunkId, Row] = {}
        self.scoped: dict[str, dict[ChunkId, Row]] = {}
        self.fail = fail
        self.calls: list[tuple[str, tuple[ChunkId, ...]]] = []

    def upsert(
        self,
        ids: Sequence[ChunkId],
        vectors: NDArray[np.float32],
        texts: Sequence[str],
        metadata: Sequence[Mapping[str, str | int]],
        scope: str = "",
    ) -> None:
        self._enter("upsert", ids)
        rows = self.scoped.setdefault(scope, {}) if scope else self.rows
        for chunk_id, vector, text, values in zip(ids, vectors, texts, metadata, strict=True):
            rows[chunk_id] = (vector.copy(), text, dict(values))

    def delete(self, ids: Sequence[ChunkId] | None, scope: str = "") -> None:
        if ids is None:
            if not scope:
                raise ValueError("it stays")
            self._enter("drop", ())
            self.scoped.pop(scope, None)
            return
        self._enter("delete", ids)
        for chunk_id in ids:
            self.of(scope).pop(chunk_id, None)

    def get(self, ids: Sequence[ChunkId], scope: str = "") -> Mapping[ChunkId, Row]:
        self._enter("get", ids)
        rows = self.of(scope)
        return {chunk_id: rows[chunk_id] for chunk_id in ids if chunk_id in rows}

    def page(self, offset: int, limit: int, scope: str = "") -> Sequence[ChunkId]:
        self._enter("page", ())
        return list(self.of(scope))[offset : offset + limit]

    def count(self, scope: str = "") -> int:
        self._enter("count", ())
        return len(self.of(scope))

    def scopes(self) -> Collection[str]:
        self._enter("scopes", ())
        return list(self.scoped)

    def query(self, vector: NDArray[np.float32], n: int, scopes: Collection[str] = ()) -> Mapping[ChunkId, float]:
        self._enter("query", ())
        asked = {"": self.rows, **self.scoped}
        rows = {key: row for scope in scopes or asked for key, row in asked.get(scope, {}).items()}
        if not rows:
            return {}
        ids = list(rows)
        scores = np.stack([rows[chunk_id][0] for chunk_id in ids]) @ vector
        return {ids[place]: float(scores[place]) for place in np.argsort(-scores)[:n]}

    def of(self, scope: str) -> dict[ChunkId, Row]:
        """The rows of one collection, to look at and to damage; a new dictionary where there is none."""
        return self.scoped.get(scope, {}) if scope else self.rows

    def close(self) -> None:
        self.calls.append(("close", ()))

    def _enter(self, operation: str, ids: Sequence[ChunkId]) -> None:
        if len(ids) > 5_000:
            raise ValueError("too many rows")
        self.calls.append((operation, tuple(ids)))
        self.fail(operation)


class PlannedIndex(MemoryIndex):
    """Each write follows the next letter of ``plan``; without letters all goes well.

    ``.`` well; ``E`` an error before anything was done; ``D`` an error after all was done; ``H`` an error after
    half of the rows; ``C`` the process dies before, ``K`` after the write. ``die`` has to raise. ``hits`` counts
    the letters that were followed.
    """

    def __init__(self, die: Callable[[str], None]) -> None:
        super().__init__()
        self.plan = ""
        self.hits: Counter[str] = Counter()
        self._die = die

    def upsert(
        self,
        ids: Sequence[ChunkId],
        vectors: NDArray[np.float32],
        texts: Sequence[str],
        metadata: Sequence[Mapping[str, str | int]],
        scope: str = "",
    ) -> None:
        def write(rows: int) -> None:
            super(PlannedIndex, self).upsert(ids[:rows], vectors[:rows], texts[:rows], metadata[:rows], scope)

        self._follow(write, len(ids))

    def delete(self, ids: Sequence[ChunkId] | None, scope: str = "") -> None:
        """A collection goes whole or not at all."""
        if ids is None:
            self._follow(lambda rows: super(PlannedIndex, self).delete(None, scope) if rows else None, 1)
            return
        self._follow(lambda rows: super(PlannedIndex, self).delete(ids[:rows], scope), len(ids))

    def _follow(self, write: Callable[[int], None], rows: int) -> None:
        letter, self.plan = self.plan[:1] or ".", self.plan[1:]
        self.hits[letter] += letter != "."
        if letter == "C":
            self._die("index.write")
        write({"E": 0, "H": rows // 2}.get(letter, rows))
        if letter == "K":
            self._die("index.write.done")
        if letter in "EDH":
            raise IndexUnavailable("no answer")
