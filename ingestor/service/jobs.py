"""The jobs of maintenance, and what the ledger remembers of each: over restarts, and for ``status``. Light."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from ingestor.ledger.upkeep import Upkeep
from ingestor.service.schedule import Timing

_KEY = "maintenance."


class Job(StrEnum):
    RETENTION = "retention"
    REBUILD = "rebuild"
    PROBE = "probe"
    VERIFY = "verify"
    QUARANTINE_RETRY = "quarantine_retry"
    BACKUP = "backup"


class JobOutcome(StrEnum):
    OK = "ok"
    DIFFERS = "differs"
    FAILED = "failed"
    SUSPENDED = "suspended"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Which jobs are done, and when. ``backup_folder`` None is one in the state folder."""

    timings: Mapping[Job, Timing] = field(default_factory=dict)
    backup_folder: Path | None = None
    backup_keep: int = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class JobState:
    """``since``: when the job was first planned, or last done; ``done_at`` is None where it never was, ``well_at``
    where it never ended as ``ok``. Times are seconds since the epoch."""

    since: float
    next_run: float | None = None
    done_at: float | None = None
    well_at: float | None = None
    outcome: JobOutcome | None = None
    message: str = ""


def job_state(upkeep: Upkeep, job: Job) -> JobState | None:
    """None where the job was never planned."""
    text = upkeep.setting(_KEY + job)
    if text is None:
        return None
    values = json.loads(text)
    outcome = values.pop("outcome")
    return JobState(**values, outcome=None if outcome is None else JobOutcome(outcome))


def job_states(upkeep: Upkeep) -> Mapping[Job, JobState]:
    """Of every job that was ever planned."""
    return {job: state for job in Job if (state := job_state(upkeep, job)) is not None}


def keep_state(upkeep: Upkeep, job: Job, state: JobState) -> None:
    upkeep.set_setting(_KEY + job, json.dumps(asdict(state)))
