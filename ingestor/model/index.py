"""The vector index as the ledger sees it: rows to write, generations."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ingestor.model.ids import ChunkId, GenerationId, Hash, ModelId, UnitId


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingRow:
    """A chunk whose written state is not the wanted one (R2); ``units`` are (unit, weight) in order.

    A tombstone has ``alive`` False and no content; ``everything`` means all that the scope holds, and the collection
    with it. ``wanted`` is what settling compares with; ``source`` is whose run the write counts for, ``scope`` the
    collection that it is about ('' is the one without a name).
    """

    chunk_id: ChunkId
    wanted: Hash
    alive: bool
    everything: bool = False
    source: str = ""
    scope: str = ""
    text: str = ""
    metadata: dict[str, str | int] = field(default_factory=dict)
    units: tuple[tuple[UnitId, int], ...] = ()


class GenerationState(StrEnum):
    BUILDING = "building"
    SERVING = "serving"
    KEPT = "kept"
    CONDEMNED = "condemned"


@dataclass(frozen=True, kw_only=True, slots=True)
class Generation:
    """One vector index: ``location`` is a folder name under the state folder or a collection's own name. A kept
    one follows the ledger until ``kept_until``; without that it is to be removed. ``scopes`` have a collection of
    their own in it, or will have with their first row."""

    generation_id: GenerationId
    model: ModelId
    location: str
    state: GenerationState
    manifest: str | None = None
    kept_until: float | None = None
    scopes: frozenset[str] = frozenset()

    @property
    def follows(self) -> bool:
        """Whether it is kept equal to the ledger."""
        if self.state is GenerationState.KEPT:
            return self.kept_until is not None
        return self.state is not GenerationState.CONDEMNED


class SwitchOutcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSwitch:
    """The wish to search by another model; under way while it has no ``outcome``.

    ``questions`` is the evaluation set as it was given, ``report`` what came of it (JSON), ``margin`` the share of
    the answers that may be lost. ``keep_s``: for how long the generation that served goes on following the ledger.
    """

    model: ModelId
    name: str
    keep_s: float
    margin: float
    begun_at: float
    questions: str | None = None
    report: str = ""
    outcome: SwitchOutcome | None = None
    ended_at: float | None = None
