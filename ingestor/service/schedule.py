"""When sources are scanned and maintenance is done. The scheduler's jobs are derived from the configuration
at every start and kept in memory: what was missed while nothing ran is caught up by one scan at start, and by
one turn of each job of maintenance soon after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ingestor.timing import Window, after_quiet, cron_fields

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler

_JITTER_SHARE = 0.1  # of the interval, so that many sources do not scan in step
_JITTER_MOST_S = 60
_CRON_JITTER_S = 5
_CATCH_UP_S = 120.0  # after a start, which has enough to do


class Lane(StrEnum):
    """Jobs of one lane never hold up those of the other. Maintenance is done one after the other."""

    PROMPT = "prompt"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Every ``interval_s`` seconds, or by ``cron`` (five fields, local time); never to begin within ``quiet``, but at
    its end."""

    interval_s: float = 300.0
    cron: str | None = None
    quiet: tuple[Window, ...] = ()


class Schedule:
    """Jobs by name. A job that is still running when its next turn comes is left out, not doubled."""

    def __init__(self) -> None:
        self._scheduler: BackgroundScheduler | None = None

    def start(self) -> None:
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.jobstores.memory import MemoryJobStore
        from apscheduler.schedulers.background import BackgroundScheduler

        self._scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={Lane.PROMPT.value: ThreadPoolExecutor(2), Lane.MAINTENANCE.value: ThreadPoolExecutor(1)},
            # No grace time: a late turn is better late than never, and several late ones are one.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._scheduler.start()

    def add(
        self,
        name: str,
        timing: Timing,
        action: Callable[[], None],
        *,
        lane: Lane = Lane.PROMPT,
        last: float | None = None,
    ) -> None:
        """Put a job in, in place of one of the same name. ``last``: when it was done last; a turn that was missed since
        is caught up soon."""
        if self._scheduler is None:
            return
        first = {} if last is None else {"next_run_time": next_turn(timing, last=last, at=now())}
        self._scheduler.add_job(
            action, trigger=_trigger(timing), id=name, replace_existing=True, executor=lane.value, **first
        )

    def remove(self, name: str) -> None:
        if self._scheduler is not None and self._scheduler.get_job(name) is not None:
            self._scheduler.remove_job(name)

    def next_run(self, name: str) -> float | None:
        """Seconds since the epoch of the job's next turn."""
        job = self._scheduler.get_job(name) if self._scheduler is not None else None
        return job.next_run_time.timestamp() if job is not None and job.next_run_time else None

    def stop(self) -> None:
        """No job begins any more; one that runs is not waited for. Safe to call twice."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None


def now() -> float:
    """The wall clock, which a test may move."""
    return time.time()


def next_turn(timing: Timing, *, last: float, at: float) -> datetime | None:
    """The turn after the one at ``last``, where that is still to come; else one soon, out of quiet hours. None where
    there is no other."""
    trigger = _trigger(timing)
    before = datetime.fromtimestamp(last, tz=trigger.timezone)
    turn: datetime | None = trigger.get_next_fire_time(before, before)
    soon = datetime.fromtimestamp(at, tz=trigger.timezone) + timedelta(seconds=_CATCH_UP_S)
    return None if turn is None else max(turn, after_quiet(soon, timing.quiet))


def _trigger(timing: Timing) -> Any:
    from apscheduler.triggers.combining import OrTrigger
    from apscheduler.triggers.cron import CronTrigger
    from apscheduler.triggers.interval import IntervalTrigger

    from ingestor.service.quiet import QuietTrigger

    if timing.cron is not None:
        crons = [CronTrigger(**fields, jitter=_CRON_JITTER_S) for fields in cron_fields(timing.cron)]
        return QuietTrigger(crons[0] if len(crons) == 1 else OrTrigger(crons), crons[0].timezone, timing.quiet)
    jitter = min(_JITTER_MOST_S, timing.interval_s * _JITTER_SHARE)
    # APScheduler draws whole seconds of jitter; an interval of seconds has none.
    interval = IntervalTrigger(seconds=max(1.0, timing.interval_s), jitter=int(jitter) or None)
    return QuietTrigger(interval, interval.timezone, timing.quiet)
