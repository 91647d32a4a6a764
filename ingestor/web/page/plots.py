"""The plots of lag and throughput: where what stands, for a template that draws it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ingestor import wire_reading
from ingestor.web.page.wording import clock, count, duration, number

WIDTH, HEIGHT = 640, 180
LEFT, RIGHT, TOP, BOTTOM = 60, 8, 10, 22

_LAG_TICKS = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0)
_ROUND = (1, 2, 5, 10)
_LABEL_EVERY = 8  # slots: four hours


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """From ``top`` to ``bottom``, in the coordinates of the drawing; ``dot`` is one more mark on it."""

    x: float
    width: float
    top: float
    bottom: float
    label: str
    dot: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """``summary`` says in words what is to be seen, ``rows`` the figures, under ``columns``."""

    key: str
    title: str
    summary: str
    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    hours: Sequence[Tick]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def lag_plot(activity: wire_reading.ActivityReply) -> Plot:
    """Median and 95th percentile by slot, on a logarithmic scale: it goes from a tenth of a second to days."""
    known = [(n, slot.edits, slot.p50, slot.p95) for n, slot in enumerate(activity.slots)]
    seen = [(n, edits, p50, p95) for n, edits, p50, p95 in known if p50 is not None and p95 is not None]
    low = max((tick for tick in _LAG_TICKS if all(tick <= max(p50, 0.01) for _, _, p50, _ in seen)), default=0.1)
    high = min((tick for tick in _LAG_TICKS if all(tick >= p95 for *_, p95 in seen) and tick > low), default=1e7)
    low, high = (low, high) if seen else (0.1, 60.0)

    def y(seconds: float) -> float:
        share = math.log(max(seconds, low) / low) / math.log(high / low)
        return _inside(share)

    bars = [
        Bar(
            x=_x(n, activity),
            width=_slot(activity),
            top=y(p95),
            bottom=y(p50),
            dot=y(p50),
            label=f"{_when(n, activity)}: {count(edits, 'edit')}, half in {duration(p50)}, 95 % in {duration(p95)}",
        )
        for n, edits, p50, p95 in seen
    ]
    if seen:
        edits = sum(row[1] for row in seen)
        worst = max(seen, key=lambda row: row[3])
        summary = (
            f"{count(edits, 'edit')} became searchable in the last day. The slowest half hour was that of"
            f" {_when(worst[0], activity)} UTC, with 95 % within {duration(worst[3])}."
        )
    else:
        summary = "No edit became searchable in the last day."
    return Plot(
        key="lag",
        title="Lag of edits",
        summary=summary,
        bars=bars,
        ticks=[Tick(at=y(tick), label=_tick(tick)) for tick in _LAG_TICKS if low <= tick <= high],
        hours=_hours(activity),
        columns=("Half hour (UTC)", "Edits", "Half within", "95 % within"),
        rows=[(_when(n, activity), number(edits), duration(p50), duration(p95)) for n, edits, p50, p95 in seen],
    )


def throughput_plot(activity: wire_reading.ActivityReply) -> Plot:
    """Documents that were added, updated, moved or deleted, by slot."""
    seen = [(n, slot.changed) for n, slot in enumerate(activity.slots) if slot.changed > 0]
    step = _round_step(max((changed for _, changed in seen), default=0.0))
    high = step * max(1, math.ceil(max((changed for _, changed in seen), default=0.0) / step))
    bars = [
        Bar(
            x=_x(n, activity),
            width=_slot(activity),
            top=min(_inside(changed / high), _inside(0) - 1.5),  # a little is not nothing
            bottom=_inside(0),
            label=f"{_when(n, activity)}: {_about(changed)}",
        )
        for n, changed in seen
    ]
    if seen:
        most = max(seen, key=lambda row: row[1])
        summary = (
            f"{_about(sum(changed for _, changed in seen))} changed in the last day; most of them in the half hour of"
            f" {_when(most[0], activity)} UTC ({_about(most[1])})."
        )
    else:
        summary = "No document changed in the last day."
    return Plot(
        key="throughput",
        title="Documents changed",
        summary=summary,
        bars=bars,
        ticks=[Tick(at=_inside(n * step / high), label=number(n * step)) for n in range(round(high / step) + 1)],
        hours=_hours(activity),
        columns=("Half hour (UTC)", "Documents"),
        rows=[(_when(n, activity), number(max(1, round(changed)))) for n, changed in seen],
    )


def _tick(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 60 else duration(seconds)


def _about(documents: float) -> str:
    return count(max(1, round(documents)), "document")


def _round_step(most: float) -> int:
    """The distance of about four lines up to ``most``."""
    wanted = max(1.0, most / 4)
    size: int = 10 ** int(math.log10(wanted))
    return next(factor * size for factor in _ROUND if factor * size >= wanted)


def _inside(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _slot(activity: wire_reading.ActivityReply) -> float:
    return (WIDTH - LEFT - RIGHT) / len(activity.slots)


def _x(number: int, activity: wire_reading.ActivityReply) -> float:
    return round(LEFT + number * _slot(activity), 1)


def _when(number: int, activity: wire_reading.ActivityReply) -> str:
    return clock(activity.since + number * activity.step_s)


def _hours(activity: wire_reading.ActivityReply) -> Sequence[Tick]:
    return [Tick(at=_x(n, activity), label=_when(n, activity)) for n in range(0, len(activity.slots), _LABEL_EVERY)]
