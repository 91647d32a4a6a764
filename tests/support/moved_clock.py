"""A wall clock that a test moves, for the schedule and for what is remembered of it."""

from __future__ import annotations

import time
from datetime import datetime, tzinfo
from typing import Any

import pytest
from apscheduler.schedulers import base

from ingestor.service import maintenance, schedule


class MovedClock:
    """Real time and ``ahead`` seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        clock = self

        class Moved(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Any:
                return datetime.fromtimestamp(clock.now(), tz)

        monkeypatch.setattr(base, "datetime", Moved)
        for module in (maintenance, schedule):
            monkeypatch.setattr(module, "now", self.now)

    def now(self) -> float:
        return time.time() + self.ahead

    def move(self, seconds: float, moved: schedule.Schedule) -> None:
        """So much time passes, and the schedule sees it."""
        self.ahead += seconds
        assert moved._scheduler is not None
        moved._scheduler.wakeup()
