"""The dense candidates of a search: from the serving index, once it is open."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ingestor.errors import IndexUnavailable
from ingestor.index.generations import GenerationManager, IndexState
from ingestor.model import ChunkId

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PATIENCE_S = 2.0
"""A one-shot search starts the index with itself; a service that is rebuilding is not waited for longer."""


def nearest_of(
    index: GenerationManager, stop: threading.Event
) -> Callable[[NDArray[np.float32], int], Sequence[ChunkId]]:
    """``(vector, n)`` to the nearest chunk ids. Raises ``IndexFailure``; the caller then scans the ledger."""

    def nearest(vector: NDArray[np.float32], n: int) -> Sequence[ChunkId]:
        deadline = time.monotonic() + _PATIENCE_S
        while (serving := index.serving()) is None:
            health = index.health()
            if health.state is IndexState.DOWN or time.monotonic() > deadline:
                raise IndexUnavailable(health.note or "It is being opened or rebuilt.")
            stop.wait(0.02)
        return serving.query(vector, n)

    return nearest
