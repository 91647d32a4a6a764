"""Models as the manager of generations asks for them, where there is but one and nobody wishes for another."""

from __future__ import annotations

from ingestor.model import Generation, ModelId
from ingestor.ports import VectorStore


class OneModel:
    def __init__(self, vectors: VectorStore) -> None:
        self._vectors = vectors

    def first(self) -> ModelId:
        return self._vectors.model

    def known(self, model: ModelId) -> bool:
        return model == self._vectors.model

    def store(self, _model: ModelId) -> VectorStore:
        return self._vectors

    def wished(self) -> ModelId | None:
        return None

    def may_serve(self, _generation: Generation) -> bool:
        return False

    def keep_until(self, _now: float) -> float | None:
        return None
