"""Chunk vectors out of unit vectors: the length-weighted mean, normalised. Pure numpy, no loop over rows.

One definition for what is written to an index and for what a search scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingestor.model import UnitId

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Weighted = tuple[tuple[UnitId, int], ...]
"""The units of one chunk in order, each with its weight."""


def pool_vectors(
    chunks: Sequence[Weighted], units: Sequence[UnitId], vectors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Pool rows of ``vectors``, which belong to ``units`` in that order. Every chunk has at least one unit.

    A unit whose weight is not positive counts as 1, so that no chunk is without a vector.
    """
    import numpy as np

    sizes = [len(chunk) for chunk in chunks]
    if not sizes:
        return np.empty((0, vectors.shape[1]), dtype=np.float32)
    if min(sizes) == 0:
        raise ValueError("A chunk without units has no vector.")
    row_of = {unit: row for row, unit in enumerate(units)}
    rows = np.fromiter((row_of[unit] for chunk in chunks for unit, _ in chunk), dtype=np.int64)
    weights = np.fromiter((max(weight, 1) for chunk in chunks for _, weight in chunk), dtype=np.float32)
    starts = np.cumsum([0, *sizes[:-1]])
    pooled = np.add.reduceat(vectors[rows].astype(np.float32, copy=False) * weights[:, None], starts, axis=0)
    lengths = np.linalg.norm(pooled, axis=1, keepdims=True)
    # Opposite units may cancel out; the chunk is then as near to its first unit as to anything.
    cancelled = lengths[:, 0] < 1e-6 * np.add.reduceat(weights, starts)
    if cancelled.any():
        pooled[cancelled] = vectors[rows[starts[cancelled]]]
        lengths = np.linalg.norm(pooled, axis=1, keepdims=True)
    return np.asarray(pooled / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)
