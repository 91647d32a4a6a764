"""Chunk vectors out of unit vectors. Pure numpy.

One definition for what is written to an index and for what a search scores: the length-weighted mean of the chunk's
own units, normalised, and a fifth of what stands with it outside of its span: title, headings, a table's header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Chunks laid out flat. Of their own units, chunk after chunk: ``rows`` of the vectors (-1: there is none),
    ``weights``, the places of their chunks; ``starts`` says where each chunk begins. The same of their contexts."""

    rows: NDArray[np.int64]
    weights: NDArray[np.float32]
    chunk_of: NDArray[np.int64]
    starts: NDArray[np.int64]
    context_rows: NDArray[np.int64]
    context_weights: NDArray[np.float32]
    context_of: NDArray[np.int64]


def columns(chunks: Sequence[Weighted], units: Sequence[UnitId]) -> Columns:
    """``units`` are those that have vectors, in the order of these. Every chunk has at least one unit of its own. A
    weight of 0 counts as 1, so that no chunk is without a vector."""
    import numpy as np

    flat = np.fromiter(chain.from_iterable(chain.from_iterable(chunks)), dtype=np.int64).reshape(-1, 2)
    chunk_of = np.repeat(np.arange(len(chunks)), [len(chunk) for chunk in chunks])
    rows, weights = _rows(flat[:, 0], units), flat[:, 1].astype(np.float32)
    own = weights >= 0
    sizes = np.bincount(chunk_of[own], minlength=len(chunks))
    if sizes.min(initial=1) == 0:
        raise ValueError("A chunk without units has no vector.")
    return Columns(
        rows=rows[own],
        weights=np.maximum(weights[own], 1),
        chunk_of=chunk_of[own],
        starts=np.cumsum(sizes) - sizes,
        context_rows=rows[~own],
        context_weights=-weights[~own],
        context_of=chunk_of[~own],
    )


def pool_vectors(
    chunks: Sequence[Weighted], units: Sequence[UnitId], vectors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Pool rows of ``vectors``, which belong to ``units`` in that order. Every chunk has at least one unit of its own,
    and these all have vectors."""
    import numpy as np

    if not chunks:
        return np.empty((0, vectors.shape[1]), dtype=np.float32)
    laid = columns(chunks, units)
    if laid.rows.min() < 0:
        raise KeyError("A unit has no vector.")
    own = vectors[laid.rows].astype(np.float32, copy=False)
    pooled = normalised(pooled_own(laid, own))
    context = context_vectors(laid, vectors)
    return pooled if context is None else normalised(pooled + CONTEXT_SHARE * context)


def pooled_own(laid: Columns, own: NDArray[np.float32]) -> NDArray[np.float32]:
    """The weighted sum of each chunk's own units; ``own`` are their vectors, in order."""
    import numpy as np

    pooled = _sums(laid.weights, own, laid.starts)
    # Opposite units may cancel out; the chunk is then as near to its first unit as to anything.
    cancelled = np.linalg.norm(pooled, axis=1) < 1e-6 * np.add.reduceat(laid.weights, laid.starts)
    if cancelled.any():
        pooled[cancelled] = own[laid.starts[cancelled]]
    return pooled


def context_vectors(laid: Columns, vectors: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The mean of each chunk's context, normalised; zeros where it has none. None where no chunk has any. What has no
    vector yet is left out: an edited heading hides none of the passages below it."""
    import numpy as np

    (there,) = np.nonzero(laid.context_rows >= 0)
    if not len(there):
        return None
    rows, places = laid.context_rows[there], laid.context_of[there]
    beside = vectors[rows].astype(np.float32, copy=False)
    (starts,) = np.nonzero(np.diff(places, prepend=-1))
    found = np.zeros((len(laid.starts), vectors.shape[1]), dtype=np.float32)
    found[places[starts]] = normalised(_sums(laid.context_weights[there], beside, starts))
    return found


def _sums(weights: NDArray[np.float32], vectors: NDArray[np.float32], starts: NDArray[np.int64]) -> NDArray[np.float32]:
    """The weighted sums of runs of ``vectors``, each from its start to the next one's."""
    import numpy as np

    found = np.empty((len(starts), vectors.shape[1]), dtype=np.float32)
    ends = [*starts[1:].tolist(), len(weights)]
    # A product for each run takes a fifth of what numpy's reduceat does along this axis.
    for place, (start, end) in enumerate(zip(starts.tolist(), ends, strict=True)):
        np.dot(weights[start:end], vectors[start:end], out=found[place])
    return found


def _rows(wanted: NDArray[np.int64], units: Sequence[UnitId]) -> NDArray[np.int64]:
    """Where each of ``wanted`` stands in ``units``; -1 where it does not."""
    import numpy as np

    if not len(units):
        return np.full(len(wanted), -1)
    known = np.fromiter(units, dtype=np.int64, count=len(units))
    order = np.argsort(known)
    rows = order[np.searchsorted(known, wanted, sorter=order) % len(known)]
    return np.where(known[rows] == wanted, rows, -1)


def normalised(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1; zeros stay zeros."""
    import numpy as np

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)
