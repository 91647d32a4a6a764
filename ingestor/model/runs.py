"""Runs of a source: why they begin, how they end, what they count, what they leave behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from connectors.base import ItemId, Scope
from ingestor.model.ids import RunId
from ingestor.model.operations import Applied


class Trigger(StrEnum):
    SCHEDULE = "schedule"
    WATCH = "watch"
    HOOK = "hook"
    SYNC = "sync"
    BACKFILL = "backfill"
    STARTUP = "startup"


class Outcome(StrEnum):
    OK = "ok"
    PARTIAL = "partial"
    SUSPENDED = "suspended"
    HELD = "held"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"


class SourceState(StrEnum):
    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    OFFLINE = "offline"
    HELD = "held"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Deletions of one source that wait for a person."""

    plan_id: str
    source: str
    reason: str
    items: tuple[ItemId, ...]
    created_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceMemory:
    """What earlier runs of a source left behind: the cursor (R4), the root's identity and when absence
    was last proven (R5), the guard's figures, the held plan, and who may read at each place."""

    cursor: str | None = None
    identity: str | None = None
    proven_at: float | None = None
    live: int = 0
    live_peak: int = 0
    plan: Plan | None = None
    grants: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class Tally:
    """The running counts of one run, in the hands of the stage that counts. Not frozen: it is a counter."""

    expected: int = 0
    added: int = 0
    updated: int = 0
    moved: int = 0
    deleted: int = 0
    unchanged: int = 0
    failed: int = 0
    bytes_read: int = 0
    chunks: Applied = field(default_factory=Applied)
    current: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunCounts:
    """The counts of one run, as CONTRACTS promises them."""

    added: int = 0
    updated: int = 0
    moved: int = 0
    deleted: int = 0
    unchanged: int = 0
    failed: int = 0
    chunks_added: int = 0
    chunks_removed: int = 0
    chunks_kept: int = 0
    embedded: int = 0
    reused: int = 0
    index_writes: int = 0
    bytes_read: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class RunReport:
    """One finished pass over one source."""

    run_id: RunId
    source: str
    trigger: Trigger
    scope: Scope
    outcome: Outcome
    started_at: float
    ended_at: float
    counts: RunCounts
    message: str = ""
    plan_id: str | None = None
