"""A generation with its store."""

from __future__ import annotations

from ingestor.index.chroma import ChromaIndex
from ingestor.index.projector import Projector
from ingestor.model import Generation
from ingestor.ports import IndexLedger, VectorStore


class Opened:
    """``sound`` is false from any failure until a probe has passed, ``mending`` is true while rows that the probe
    found damaged are written again, ``published`` has the scopes that other readers find under public names, None
    while nobody finds any of it. After a failure, what does not serve is left alone until ``retry_at``."""

    def __init__(self, generation: Generation, index: ChromaIndex, ledger: IndexLedger, vectors: VectorStore) -> None:
        self.generation = generation
        self.index = index
        self.vectors = vectors
        self.projector = Projector(ledger, vectors, index)
        self.sound = False
        self.mending = False
        self.published: frozenset[str] | None = None
        self.faults = 0
        self.retry_at = 0.0

    @property
    def usable(self) -> bool:
        """Whether search may ask it."""
        return self.sound and not self.mending
