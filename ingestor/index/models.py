"""What the manager of generations asks about models; the service answers."""

from __future__ import annotations

from typing import Protocol

from ingestor.model import Generation, ModelId
from ingestor.ports import VectorStore


class Models(Protocol):
    """Which models there are and which one is wished for. Called with the manager's lock held: never calls it."""

    def first(self) -> ModelId:
        """The configured one: what a ledger without any generation begins with."""

    def known(self, model: ModelId) -> bool:
        """Whether it can be loaded by a name; generations of any other are left to be removed."""

    def store(self, model: ModelId) -> VectorStore:
        """Its unit vectors."""

    def wished(self) -> ModelId | None:
        """The model of an open switch."""

    def may_serve(self, generation: Generation) -> bool:
        """Whether a generation of the wished model may take the place of the serving one. Quick."""

    def keep_until(self, now: float) -> float | None:
        """How long what a switch replaces is kept; None: not at all."""
