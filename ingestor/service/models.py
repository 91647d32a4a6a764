"""The models of the ledger as objects: what embeds with each, where its vectors are, which is wished for."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ingestor.embedding.worker import EmbedStep
from ingestor.errors import EmbedderError
from ingestor.ledger.ledger import Ledger
from ingestor.model import Generation, ModelId, is_whole
from ingestor.ports import Embedder, VectorStore

DEFAULT_KEEP_S = 7 * 86_400.0
"""How long what a switch replaced follows the ledger, where nothing else is said."""


class ModelRegistry:
    """Implements ``index.models.Models``. Called from several threads at once."""

    def __init__(self, ledger: Ledger, configured: Embedder, load: Callable[[str, bool], Embedder]) -> None:
        """``load`` makes an embedder of a name, of one that embeds passages whole or not, without loading its model."""
        self._ledger = ledger
        self._first = configured.model
        self._load = load
        self._lock = threading.Lock()
        self._embedders: dict[ModelId, Embedder] = {configured.model: configured}
        self._steps: dict[ModelId, EmbedStep] = {}
        self.judge: Callable[[Generation], bool] = lambda _: False
        """Whether a generation of the wished model may serve (``service.switching``)."""

    def first(self) -> ModelId:
        return self._first

    def known(self, model: ModelId) -> bool:
        return model == self._first or model in self._ledger.models.names()

    def store(self, model: ModelId) -> VectorStore:
        return self._ledger.vectors(model)

    def wished(self) -> ModelId | None:
        wish = self._ledger.models.wish()
        return wish.model if wish is not None else None

    def may_serve(self, generation: Generation) -> bool:
        return self.judge(generation)

    def keep_until(self, now: float) -> float | None:
        wish = self._ledger.models.wish()
        return now + wish.keep_s if wish is not None and wish.keep_s > 0 else None

    def embedder(self, model: ModelId) -> Embedder:
        """Raises ``EmbedderError`` where the files that the name means now are not those of ``model``."""
        with self._lock:
            if model not in self._embedders:
                name = self._ledger.models.names().get(model, "")
                embedder = self._load(name, is_whole(model))
                if embedder.model != model:
                    raise EmbedderError(
                        f"The files of the model {name} have changed since the corpus was embedded with it.",
                        hint=f"Put the old files back, or switch to what they are now: ingestor model switch {name}.",
                    )
                self._embedders[model] = embedder
            return self._embedders[model]

    def offer(self, name: str, *, whole: bool) -> Embedder:
        """An embedder of a name that may be new. Raises ``EmbedderError``."""
        embedder = self._load(name, whole)
        with self._lock:
            return self._embedders.setdefault(embedder.model, embedder)

    def step(self, model: ModelId) -> EmbedStep:
        """What embeds with ``model``. Raises ``EmbedderError``."""
        embedder = self.embedder(model)
        with self._lock:
            if model not in self._steps:
                self._steps[model] = EmbedStep(self._ledger.index, self._ledger.vectors(model), embedder)
            return self._steps[model]
