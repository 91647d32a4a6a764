"""Lag: the time from an edit in the source to its being searchable.

The moment of an edit is known only as far as a file's time can be believed. A copy keeps the time of
its original, an unpacked archive brings times of last year, and a clock may be wrong; counted as edits
they would make days of lag out of nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

GRAIN = 2.0
"""Seconds by which a source's clock and its rounding of times may differ from ours (FAT, SMB)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LagPercentiles:
    """Seconds; None without a measurement."""

    p50: float | None = None
    p95: float | None = None


def edited_at(
    modified_at: float | None, *, seen_at: float, previous_scan_started_at: float | None, grain: float = GRAIN
) -> float | None:
    """When the change was made, or None where that cannot be told.

    Believed only between the start of the previous proven scan, which did not see the change yet, and
    the moment at which this one saw it. Without a previous scan there is no lag: the content was there
    before we were.
    """
    if modified_at is None or previous_scan_started_at is None:
        return None
    if not previous_scan_started_at - grain <= modified_at <= seen_at + grain:
        return None
    return min(modified_at, seen_at)


def lag(edited: float, searchable: float) -> float:
    """Seconds, never negative: the two moments may come from two clocks."""
    return max(0.0, searchable - edited)


def percentiles(lags: Iterable[float]) -> LagPercentiles:
    """Median and 95th percentile by nearest rank: both are lags that somebody waited."""
    ordered = sorted(lags)
    if not ordered:
        return LagPercentiles()
    return LagPercentiles(p50=_rank(ordered, 0.50), p95=_rank(ordered, 0.95))


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, ceil(share * len(ordered)) - 1)]
