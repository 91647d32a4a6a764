"""Quiet hours for the scheduler. Imported by ``schedule`` when it makes a trigger, because it imports APScheduler."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

from apscheduler.triggers.base import BaseTrigger

from ingestor.timing import Window, after_quiet


class QuietTrigger(BaseTrigger):  # type: ignore[misc]  # it ships no types
    """The turns of another trigger; those that fall into quiet hours are one, at their end."""

    def __init__(self, turns: Any, timezone: tzinfo, quiet: Sequence[Window]) -> None:
        self._turns = turns
        self.timezone = timezone
        self._quiet = quiet

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        turn: datetime | None = self._turns.get_next_fire_time(previous, now)
        return None if turn is None else after_quiet(turn.astimezone(self.timezone), self._quiet)
