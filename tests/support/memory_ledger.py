"""A ledger in memory, as the embed worker, the projector and the generations see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ingestor.model import (
    ChunkId,
    Generation,
    GenerationId,
    GenerationState,
    Hash,
    ModelId,
    PendingRow,
    UnitId,
    blake,
)


@dataclass
class State:
    """The index state of one chunk in one generation."""

    wanted: Hash
    written: Hash | None = None
    alive: bool = True
    ready: bool = False


@dataclass
class Chunk:
    row: int
    text: str
    units: tuple[tuple[UnitId, int], ...]
    metadata: dict[str, str | int] = field(default_factory=dict)

    def wanted(self) -> Hash:
        return blake(repr((self.text, self.units, sorted(self.metadata.items()))).encode())


class MemoryLedger:
    """Implements ``EmbedLedger`` and ``IndexLedger``; ``put`` and ``drop`` stand for the sync engine."""

    def __init__(self) -> None:
        self.chunks: dict[ChunkId, Chunk] = {}
        self.unit_ids: dict[str, UnitId] = {}
        self.states: dict[GenerationId, dict[ChunkId, State]] = {}
        self._generations: dict[GenerationId, Generation] = {}
        self._rows = 0

    # -- the sync engine's side ------------------------------------------------------------------

    def put(self, chunk_id: str, sentences: Sequence[str], **metadata: str | int) -> None:
        units = tuple((self._unit(sentence), len(sentence)) for sentence in sentences)
        self._rows += 1
        chunk = Chunk(row=self._rows, text=" ".join(sentences), units=units, metadata={"kind": "md", **metadata})
        self.chunks[ChunkId(chunk_id)] = chunk
        for states in self.states.values():
            tombstone = states.get(ChunkId(chunk_id))
            written = tombstone.written if tombstone is not None else None
            states[ChunkId(chunk_id)] = State(wanted=chunk.wanted(), written=written)

    def describe(self, chunk_id: str, **metadata: str | int) -> None:
        """New metadata for a chunk that is there; its text and units never change."""
        chunk = self.chunks[ChunkId(chunk_id)]
        chunk.metadata.update(metadata)
        for states in self.states.values():
            states[ChunkId(chunk_id)].wanted = chunk.wanted()

    def drop(self, chunk_id: str) -> None:
        del self.chunks[ChunkId(chunk_id)]
        for states in self.states.values():
            states[ChunkId(chunk_id)].alive = False
            states[ChunkId(chunk_id)].wanted = blake(b"gone", chunk_id.encode())

    def _unit(self, text: str) -> UnitId:
        return self.unit_ids.setdefault(text, UnitId(len(self.unit_ids) + 1))

    # -- EmbedLedger -----------------------------------------------------------------------------

    def unembedded(self, generation: GenerationId, limit: int) -> Sequence[tuple[int, tuple[UnitId, ...]]]:
        waiting = [
            (self.chunks[chunk_id].row, tuple(unit for unit, _ in self.chunks[chunk_id].units))
            for chunk_id, state in self.states[generation].items()
            if state.alive and not state.ready
        ]
        return sorted(waiting, reverse=True)[:limit]

    def unit_texts(self, units: Sequence[UnitId]) -> Sequence[str]:
        texts = {unit: text for text, unit in self.unit_ids.items()}
        return [texts[unit] for unit in units]

    def sources_of(self, chunks: Sequence[int]) -> dict[int, str]:
        return dict.fromkeys(chunks, "memory")

    def mark_ready(self, generation: GenerationId, chunks: Sequence[int]) -> None:
        rows = set(chunks)
        for chunk_id, state in self.states[generation].items():
            if chunk_id in self.chunks and self.chunks[chunk_id].row in rows:
                state.ready = True

    # -- IndexLedger -----------------------------------------------------------------------------

    def generations(self) -> Sequence[Generation]:
        return list(self._generations.values())

    def add_generation(self, model: ModelId, location: str, state: GenerationState) -> Generation:
        generation_id = GenerationId(len(self._generations) + 1)
        generation = Generation(generation_id=generation_id, model=model, location=location, state=state)
        self._generations[generation_id] = generation
        self.states[generation_id] = {chunk_id: State(wanted=chunk.wanted()) for chunk_id, chunk in self.chunks.items()}
        return generation

    def set_generation(
        self, generation: GenerationId, state: GenerationState, *, keep_until: float | None = None
    ) -> None:
        if state is GenerationState.SERVING:
            for other in self._generations.values():
                if other.state is GenerationState.SERVING:
                    self._generations[other.generation_id] = replace(
                        other, state=GenerationState.KEPT, kept_until=keep_until
                    )
        self._generations[generation] = replace(self._generations[generation], state=state)
        if state is GenerationState.CONDEMNED:
            self.states[generation] = {}

    def set_manifest(self, generation: GenerationId, manifest: str | None) -> None:
        self._generations[generation] = replace(self._generations[generation], manifest=manifest)

    def pending(self, generation: GenerationId, limit: int) -> Sequence[PendingRow]:
        due: list[PendingRow] = []
        for chunk_id, state in self.states[generation].items():
            if state.wanted == state.written:
                continue
            if not state.alive:
                due.append(PendingRow(chunk_id=chunk_id, wanted=state.wanted, alive=False))
            elif state.ready:
                due.append(self._row(chunk_id, state))
        return sorted(due, key=lambda row: not row.alive)[:limit]

    def settle(self, generation: GenerationId, rows: Sequence[PendingRow]) -> None:
        states = self.states[generation]
        for row in rows:
            state = states.get(row.chunk_id)
            if state is None or state.wanted != row.wanted:
                continue
            if row.alive:
                state.written = row.wanted
            else:
                del states[row.chunk_id]

    def expected(self, generation: GenerationId, after: ChunkId, limit: int) -> Sequence[PendingRow]:
        ids = sorted(
            chunk_id
            for chunk_id, state in self.states[generation].items()
            if state.alive and state.written is not None and chunk_id > after
        )
        return [self._row(chunk_id, self.states[generation][chunk_id]) for chunk_id in ids[:limit]]

    def unsettle(self, generation: GenerationId, chunks: Sequence[ChunkId] | None, scope: str = "") -> None:
        assert not scope  # it has none
        states = self.states[generation]
        for chunk_id in list(states) if chunks is None else chunks:
            if chunk_id in states:
                states[chunk_id].written = None
            else:
                states[chunk_id] = State(wanted=blake(b"gone", chunk_id.encode()), alive=False)

    def _row(self, chunk_id: ChunkId, state: State) -> PendingRow:
        chunk = self.chunks[chunk_id]
        return PendingRow(
            chunk_id=chunk_id,
            wanted=state.wanted,
            alive=True,
            text=chunk.text,
            metadata=dict(chunk.metadata),
            units=chunk.units,
        )
