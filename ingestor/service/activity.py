"""How much was done, and how late it was: the last day in slots of half an hour."""

from __future__ import annotations

from collections.abc import Sequence

from ingestor import wire_reading
from ingestor.ledger.measures import Measures, Work

STEP_S = 1_800.0
SLOTS = 48


def activity(measures: Measures | None, source: str | None, now: float) -> wire_reading.ActivityReply:
    """Of one source, or of all. The last slot is the one that ``now`` is in. Without a ledger nothing was done."""
    since = (now // STEP_S - SLOTS + 1) * STEP_S
    if measures is None:
        return wire_reading.ActivityReply(since=since, step_s=STEP_S, slots=(wire_reading.Slot(),) * SLOTS)
    lags = {row.slot: row for row in measures.lag_over_time(since, STEP_S, source)}
    changed = spread(measures.work(since, source), since)
    slots = []
    for number, count in enumerate(changed):
        row = lags.get(number)
        slots.append(
            wire_reading.Slot(changed=round(count, 2))
            if row is None
            else wire_reading.Slot(changed=round(count, 2), edits=row.edits, p50=row.p50, p95=row.p95)
        )
    return wire_reading.ActivityReply(since=since, step_s=STEP_S, slots=tuple(slots))


def spread(runs: Sequence[Work], since: float) -> Sequence[float]:
    """Documents by slot. What a long run did is spread evenly over its time: only its end is on record, and a peak
    there would be none."""
    slots = [0.0] * SLOTS
    for run in runs:
        seconds = max(run.ended_at - run.started_at, 1e-3)
        for number in range(SLOTS):
            begin = since + number * STEP_S
            shared = min(run.ended_at, begin + STEP_S) - max(run.ended_at - seconds, begin)
            if shared > 0:
                slots[number] += run.changed * shared / seconds
    return slots
