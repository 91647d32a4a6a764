"""A vector index in memory that keeps the port's contract and can be told to fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ingestor.model import ChunkId

Row = tuple[NDArray[np.float32], str, Mapping[str, str | int]]


class MemoryIndex:
    """``fail`` is called with the name of each operation before it is done, and may raise."""

    def __init__(self, fail: Callable[[str], None] = lambda _: None) -> None:
        self.rows: dict[ChunkId, Row] = {}
        self.fail = fail
        self.calls: list[tuple[str, tuple[ChunkId, ...]]] = []

    def upsert(
        self,
        ids: Sequence[ChunkId],
        vectors: NDArray[np.float32],
        texts: Sequence[str],
        metadata: Sequence[Mapping[str, str | int]],
    ) -> None:
        self._enter("upsert", ids)
        for chunk_id, vector, text, values in zip(ids, vectors, texts, metadata, strict=True):
            self.rows[chunk_id] = (vector.copy(), text, dict(values))

    def delete(self, ids: Sequence[ChunkId]) -> None:
        self._enter("delete", ids)
        for chunk_id in ids:
            self.rows.pop(chunk_id, None)

    def get(self, ids: Sequence[ChunkId]) -> Mapping[ChunkId, Row]:
        self._enter("get", ids)
        return {chunk_id: self.rows[chunk_id] for chunk_id in ids if chunk_id in self.rows}

    def page(self, offset: int, limit: int) -> Sequence[ChunkId]:
        self._enter("page", ())
        return list(self.rows)[offset : offset + limit]

    def count(self) -> int:
        self._enter("count", ())
        return len(self.rows)

    def query(self, vector: NDArray[np.float32], n: int) -> Sequence[ChunkId]:
        self._enter("query", ())
        if not self.rows:
            return []
        ids = list(self.rows)
        scores = np.stack([self.rows[chunk_id][0] for chunk_id in ids]) @ vector
        return [ids[place] for place in np.argsort(-scores)[:n]]

    def close(self) -> None:
        self.calls.append(("close", ()))

    def _enter(self, operation: str, ids: Sequence[ChunkId]) -> None:
        if len(ids) > 5_000:
            raise ValueError("too many rows")
        self.calls.append((operation, tuple(ids)))
        self.fail(operation)
