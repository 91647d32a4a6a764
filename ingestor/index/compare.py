"""Whether a row of the vector index is what the ledger wants it to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ingestor.model import PendingRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SAME_VECTOR = 0.999  # cosine; both come from the same unit vectors, so rounding alone lies above 0.99999


def row_differs(
    wanted: PendingRow,
    vector: NDArray[np.float32] | None,
    found: tuple[NDArray[np.float32], str, Mapping[str, str | int]],
) -> str:
    """What differs (``text``, ``metadata``, ``vector``), or an empty string. ``vector`` None is not compared."""
    found_vector, text, metadata = found
    if text != wanted.text:
        return "text"
    if dict(metadata) != dict(wanted.metadata):
        return "metadata"
    if vector is not None and not same_vector(vector, found_vector):
        return "vector"
    return ""


def same_vector(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Whether two vectors point the same way, whatever their lengths. NaN is not the same as anything."""
    import numpy as np

    if a.shape != b.shape:
        return False
    scale = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return scale > 0 and float(np.dot(a, b)) >= _SAME_VECTOR * scale
