"""A few chunks in a ledger in memory, embedded with the stub."""

from __future__ import annotations

from ingestor.embedding.worker import EmbedStep
from ingestor.model import GenerationId
from tests.support.memory_ledger import MemoryLedger
from tests.support.memory_vectors import MemoryVectors
from tests.support.stub_embedder import StubEmbedder


def fill(ledger: MemoryLedger, count: int, start: int = 0) -> None:
    """Chunks ``c00000`` and so on, three units each, one of them in every chunk."""
    for number in range(start, start + count):
        words = [f"Sentence {number} speaks of topic{number % 97} and item{number}.", f"It costs {number * 7} crowns."]
        ledger.put(f"c{number:05}", [*words, "All prices include tax."], title=f"Title {number % 10}", page=number)


def embed_all(ledger: MemoryLedger, vectors: MemoryVectors, generation: GenerationId) -> int:
    """Embed what waits; the number of units embedded."""
    embedded = 0
    step = EmbedStep(ledger, vectors, StubEmbedder())
    while (outcome := step.step(generation, 1_000)).ready:
        embedded += outcome.embedded
    return embedded
