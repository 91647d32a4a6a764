"""Chunk vectors out of unit vectors. Pure numpy, no loop over rows.

One definition for what is written to an index and for what a search scores: the length-weighted mean of the chunk's
own units, normalised, and a fifth of what stands with it outside of its span: title, headings, a table's header.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ingestor.model import UnitId

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Weighted = tuple[tuple[UnitId, int], ...]
"""The units of one chunk in order, each with its weight; behind them those of its context, whose weights are negative:
the nearer to the chunk, the heavier among each other."""

CONTEXT_SHARE = 0.2
"""Of the context beside a chunk's or a unit's own vector. From 0.15 to 0.3 the figures do not differ; with the path
as a score of its own the heading ranks before the answer (ARCHITECTURE, Decisions)."""


def own_units(chunk: Weighted) -> Weighted:
    """The units that the chunk is made of, without its context."""
    count = len(chunk)
    while count and chunk[count - 1][1] < 0:
        count -= 1
    return chunk[:count]


def pool_vectors(
    chunks: Sequence[Weighted], units: Sequence[UnitId], vectors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Pool rows of ``vectors``, which belong to ``units`` in that order. Every chunk has at least one unit of its own.

    One whose weight is 0 counts as 1, so that no chunk is without a vector.
    """
    import numpy as np

    if not chunks:
        return np.empty((0, vectors.shape[1]), dtype=np.float32)
    own = [own_units(chunk) for chunk in chunks]
    sizes = [len(chunk) for chunk in own]
    if min(sizes) == 0:
        raise ValueError("A chunk without units has no vector.")
    row_of = {unit: row for row, unit in enumerate(units)}
    rows = np.fromiter((row_of[unit] for chunk in own for unit, _ in chunk), dtype=np.int64)
    weights = np.fromiter((max(weight, 1) for chunk in own for _, weight in chunk), dtype=np.float32)
    starts = np.cumsum([0, *sizes[:-1]])
    pooled = np.add.reduceat(vectors[rows].astype(np.float32, copy=False) * weights[:, None], starts, axis=0)
    # Opposite units may cancel out; the chunk is then as near to its first unit as to anything.
    cancelled = np.linalg.norm(pooled, axis=1) < 1e-6 * np.add.reduceat(weights, starts)
    if cancelled.any():
        pooled[cancelled] = vectors[rows[starts[cancelled]]]
    pooled = normalised(pooled)
    context = context_vectors(chunks, units, vectors)
    return pooled if context is None else normalised(pooled + CONTEXT_SHARE * context)


def context_vectors(
    chunks: Sequence[Weighted], units: Sequence[UnitId], vectors: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """The mean of each chunk's context, normalised; zeros where it has none. None where no chunk has any. What has no
    vector yet is left out: an edited heading hides none of the passages below it."""
    import numpy as np

    row_of = {unit: row for row, unit in enumerate(units)}
    pairs = [
        (place, row_of[unit], -weight)
        for place, chunk in enumerate(chunks)
        for unit, weight in chunk
        if weight < 0 and unit in row_of
    ]
    if not pairs:
        return None
    places, rows, weights = (np.array(column) for column in zip(*pairs, strict=True))
    found = np.zeros((len(chunks), vectors.shape[1]), dtype=np.float32)
    np.add.at(found, places, vectors[rows].astype(np.float32, copy=False) * weights[:, None].astype(np.float32))
    return normalised(found)


def normalised(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1; zeros stay zeros."""
    import numpy as np

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)
