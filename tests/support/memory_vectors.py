"""A vector store in memory, half precision as the port says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ingestor.model import ModelId, UnitId


class MemoryVectors:
    def __init__(self, model: str = "stub") -> None:
        self._model = ModelId(model)
        self.rows: dict[UnitId, NDArray[np.float16]] = {}

    @property
    def model(self) -> ModelId:
        return self._model

    def missing(self, units: Sequence[UnitId]) -> list[UnitId]:
        return [unit for unit in dict.fromkeys(units) if unit not in self.rows]

    def add(self, units: Sequence[UnitId], vectors: NDArray[np.float32]) -> None:
        for unit, vector in zip(units, vectors, strict=True):
            self.rows.setdefault(unit, vector.astype(np.float16))

    def get(self, units: Sequence[UnitId]) -> NDArray[np.float32]:
        if not units:
            return np.empty((0, 384), dtype=np.float32)
        return np.stack([self.rows[unit] for unit in units]).astype(np.float32)

    def remove(self, units: Sequence[UnitId]) -> None:
        for unit in units:
            self.rows.pop(unit, None)

    def units(self) -> Iterator[UnitId]:
        return iter(sorted(self.rows))

    def close(self) -> None:
        pass
