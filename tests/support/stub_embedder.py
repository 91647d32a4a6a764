"""An embedder without a model: words hashed into 384 dimensions. Equal words, near vectors; no torch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ingestor.model import ModelId

DIMENSIONS = 384


class StubEmbedder:
    """Keeps the port's contract. ``embedded`` counts the texts given to ``embed``, in batches."""

    def __init__(self, model: str = "stub") -> None:
        self._model = ModelId(model)
        self.batches: list[int] = []

    @property
    def model(self) -> ModelId:
        return self._model

    @property
    def dimensions(self) -> int:
        return DIMENSIONS

    @property
    def loaded(self) -> bool:
        return True

    @property
    def embedded(self) -> int:
        return sum(self.batches)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.batches.append(len(texts))
        return np.stack([_vector(text) for text in texts]) if texts else np.empty((0, DIMENSIONS), dtype=np.float32)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return _vector(text)


def _vector(text: str) -> NDArray[np.float32]:
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[0] = 1e-3  # an empty text has a vector, too
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for half in (digest[:4], digest[4:]):
            number = int.from_bytes(half, "little")
            vector[1 + (number >> 1) % (DIMENSIONS - 1)] += 1.0 if number & 1 else -1.0
    if not np.linalg.norm(vector) > 1e-3:
        vector[0] = 1.0
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)
