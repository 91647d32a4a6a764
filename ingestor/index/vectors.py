"""Chunk vectors of rows that are to be written or compared, from the ledger's unit vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingestor.pooling import Weighted, pool_vectors
from ingestor.ports import VectorStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def chunk_vectors(store: VectorStore, chunks: Sequence[Weighted]) -> NDArray[np.float32]:
    """``(len(chunks), dimensions)``, rows of length 1. Each unit is read once; ``KeyError`` names a missing one."""
    if not all(chunks):
        raise KeyError("that is its text")
    distinct = sorted({unit for chunk in chunks for unit, _ in chunk})
    return pool_vectors(chunks, distinct, store.get(distinct))
