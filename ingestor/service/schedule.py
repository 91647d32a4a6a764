"""When sources are scanned and maintenance is done. The scheduler's jobs are derived from the configuration
at every start and kept in memory: what was missed while nothing ran is caught up by one scan at start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler

_JITTER_SHARE = 0.1  # of the interval, so that many sources do not scan in step
_JITTER_MOST_S = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Every ``interval_s`` seconds, or by ``cron`` (five fields, local time)."""

    interval_s: float = 300.0
    cron: str | None = None


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
            executors={"default": ThreadPoolExecutor(2)},
            # No grace time: a late turn is better late than never, and several late ones are one.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._scheduler.start()

    def add(self, name: str, timing: Timing, action: Callable[[], None]) -> None:
        """Put a job in, in place of one of the same name."""
        if self._scheduler is None:
            return
        self._scheduler.add_job(action, trigger=_trigger(timing), id=name, replace_existing=True)

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


def _trigger(timing: Timing) -> Any:
    from apscheduler.triggers.cron import CronTrigger
    from apscheduler.triggers.interval import IntervalTrigger

    if timing.cron is not None:
        trigger = CronTrigger.from_crontab(timing.cron)
        trigger.jitter = 5
        return trigger
    jitter = min(_JITTER_MOST_S, timing.interval_s * _JITTER_SHARE)
    # APScheduler draws whole seconds of jitter; an interval of seconds has none.
    return IntervalTrigger(seconds=max(1.0, timing.interval_s), jitter=int(jitter) or None)
