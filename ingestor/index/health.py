"""How the vector index is, for people and for monitoring."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ingestor.index.probe import Damage, ProbeReport


class IndexState(StrEnum):
    READY = "ready"
    BUILDING = "building"
    DOWN = "down"


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexHealth:
    """For people and for the service's loop. ``retry_in`` is in seconds, 0 when a step may be taken now."""

    state: IndexState
    note: str = ""
    retry_in: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Probed:
    """What the last probe that came to its end found. ``at`` is in seconds since the epoch."""

    at: float
    rows: int
    wrecked: bool
    found: Mapping[Damage, int]


def probed(report: ProbeReport) -> Probed:
    """The report of a probe that has just ended, without its details."""
    found = {damage: report.count(damage) for damage in Damage}
    return Probed(at=time.time(), rows=report.checked, wrecked=report.wrecked, found=found)
