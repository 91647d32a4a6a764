"""Embeds the units that have no vector yet, and says which chunks are complete.

Vectors are content-addressed: a unit is embedded once, wherever it stands, and what a kill interrupts is
at most one batch that was embedded but not committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ingestor.faultpoint import reached
from ingestor.model import GenerationId, UnitId
from ingestor.ports import Embedder, EmbedLedger, VectorStore

_BATCH_UNITS = 256
_BATCH_CHARACTERS = 24_000  # about 6,000 tokens, a second's work: what a stop waits for and a kill loses


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbedOutcome:
    """``embedded`` and ``reused`` count units, ``ready`` counts chunks. By source: a unit that several
    sources hold counts for the one whose chunk came first."""

    embedded: int = 0
    reused: int = 0
    ready: int = 0
    embedded_by_source: Mapping[str, int] = field(default_factory=dict, compare=False)
    reused_by_source: Mapping[str, int] = field(default_factory=dict, compare=False)


class EmbedStep:
    """One thread. The embedder is not touched, and so its model not loaded, while nothing is missing."""

    def __init__(self, ledger: EmbedLedger, vectors: VectorStore, embedder: Embedder) -> None:
        self._ledger = ledger
        self._vectors = vectors
        self._embedder = embedder

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory; else the next step that has work loads it."""
        return self._embedder.loaded

    def step(self, generation: GenerationId, limit: int, stopping: Callable[[], bool] = lambda: False) -> EmbedOutcome:
        """Complete at most ``limit`` chunks, the newest first; fewer when ``stopping``. An outcome without
        ready chunks means that nothing waits (or that it was stopped). Raises ``EmbedderError``."""
        waiting = self._ledger.unembedded(generation, limit)
        if not waiting:
            return EmbedOutcome()
        units = list(dict.fromkeys(unit for _, chunk_units in waiting for unit in chunk_units))
        missing = self._vectors.missing(units)
        embedded: set[UnitId] = set()
        for batch, texts in _batches(missing, self._ledger.unit_texts(missing) if missing else ()):
            if stopping():
                break
            reached("embed.batch")
            made = self._embedder.embed(texts)
            reached("embed.commit")
            self._vectors.add(batch, made)
            reached("embed.commit.done")
            embedded.update(batch)
        still_missing = set(missing) - embedded
        complete = [row for row, chunk_units in waiting if still_missing.isdisjoint(chunk_units)]
        if complete:
            reached("embed.ready")
            self._ledger.mark_ready(generation, complete)
        by_source = self._by_source(waiting, embedded, set(units) - set(missing))
        return EmbedOutcome(
            embedded=len(embedded),
            reused=len(units) - len(missing),
            ready=len(complete),
            embedded_by_source=by_source[0],
            reused_by_source=by_source[1],
        )

    def _by_source(
        self, waiting: Sequence[tuple[int, tuple[UnitId, ...]]], embedded: set[UnitId], reused: set[UnitId]
    ) -> tuple[Counter[str], Counter[str]]:
        sources = self._ledger.sources_of([row for row, _ in waiting])
        counts, seen = (Counter[str](), Counter[str]()), set[UnitId]()
        for row, chunk_units in waiting:
            for unit in chunk_units:
                if unit not in seen:
                    seen.add(unit)
                    counts[0][sources.get(row, "")] += unit in embedded
                    counts[1][sources.get(row, "")] += unit in reused
        return counts


def _batches(units: Sequence[UnitId], texts: Sequence[str]) -> Iterator[tuple[list[UnitId], list[str]]]:
    """Units of like length together, so that little is padded; each batch is about a second's work."""
    batch: list[UnitId] = []
    batch_texts: list[str] = []
    characters = 0
    for text, unit in sorted(zip(texts, units, strict=True), key=lambda pair: len(pair[0])):
        if batch and (len(batch) == _BATCH_UNITS or characters + len(text) > _BATCH_CHARACTERS):
            yield batch, batch_texts
            batch, batch_texts, characters = [], [], 0
        batch.append(unit)
        batch_texts.append(text)
        characters += len(text)
    if batch:
        yield batch, batch_texts
