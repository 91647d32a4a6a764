"""What a search sees through: the model, its vectors and its index, all three of one generation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from ingestor.errors import IndexUnavailable
from ingestor.index.generations import GenerationManager
from ingestor.index.health import IndexState
from ingestor.model import ChunkId, ModelId
from ingestor.search.candidates import Lens
from ingestor.service.models import ModelRegistry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Nearest: TypeAlias = "Callable[[NDArray[np.float32], int, Sequence[str]], Mapping[ChunkId, float]]"

_PATIENCE_S = 2.0
"""A one-shot search starts the index with itself; a service that is rebuilding is not waited for longer."""


class Lenses:
    """Called from the threads that search."""

    def __init__(self, index: GenerationManager, models: ModelRegistry, stop: threading.Event) -> None:
        self._index = index
        self._models = models
        self._stop = stop

    def present(self) -> Lens:
        """What serves now. A model that takes its place meanwhile does not change the answer under way. Raises
        ``EmbedderError``."""
        asked = self._index.asked()
        if asked is not None:
            model, index = asked
            return self._of(model, index.query)
        model = self._index.model()
        return self._of(model, self._awaited(model))

    def of(self, model: ModelId) -> Lens | None:
        """What is being built for ``model``; None while it is not sound. Raises ``EmbedderError``."""
        index = self._index.index_of(model)
        return self._of(model, index.query) if index is not None else None

    def _of(self, model: ModelId, nearest: Nearest) -> Lens:
        return Lens(embedder=self._models.embedder(model), vectors=self._models.store(model), nearest=nearest)

    def _awaited(self, model: ModelId) -> Nearest:
        """Raises ``IndexFailure`` when it is asked and no index comes; the caller then scans the ledger."""

        def nearest(vector: NDArray[np.float32], n: int, scopes: Sequence[str]) -> Mapping[ChunkId, float]:
            deadline = time.monotonic() + _PATIENCE_S
            while (asked := self._index.asked()) is None or asked[0] != model:
                health = self._index.health()
                if health.state is IndexState.DOWN or time.monotonic() > deadline:
                    raise IndexUnavailable(health.note or "It is being opened or rebuilt.")
                self._stop.wait(0.02)
            return asked[1].query(vector, n, scopes)

        return nearest
