"""Turns of jobs: what a crontab means, quiet hours, what was missed, and lanes that do not wait for each other."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest

from ingestor.service.schedule import Lane, Schedule, Timing, _trigger, next_turn
from ingestor.timing import parse_windows
from tests.support.moved_clock import MovedClock

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# Far ahead: an interval begins with the trigger, so that before the present moment it has no turns.
FRIDAY = datetime(2099, 11, 27, 12, 0)


def turns(timing: Timing, days: float) -> list[datetime]:
    """Those that follow from Friday noon on, local time, without the zone."""
    trigger = _trigger(timing)
    began = now = FRIDAY.replace(tzinfo=trigger.timezone)
    found: list[datetime] = []
    turn: datetime | None = began  # an interval without a turn before it would begin at this very moment
    while (turn := trigger.get_next_fire_time(turn, now)) is not None and turn < began + timedelta(days=days):
        found.append(turn.replace(tzinfo=None))
        now = turn
    return found


def test_monday_to_friday_is_what_a_crontab_says() -> None:
    """1-5, whatever the library counts from."""
    found = turns(Timing(cron="30 2 * * 1-5"), 7)
    assert [turn.strftime("%a") for turn in found] == ["Mon", "Tue", "Wed", "Thu", "Fri"]
    assert {(turn.hour, turn.minute) for turn in found} == {(2, 30)}


def test_either_day_will_do() -> None:
    """The first of the month, and each Monday."""
    found = turns(Timing(cron="0 4 1 * 1"), 7)
    assert [(turn.day, turn.strftime("%a")) for turn in found] == [(30, "Mon"), (1, "Tue")]


@pytest.mark.parametrize("timing", [{"interval_s": 900.0}, {"cron": "*/15 * * * *"}])
def test_nothing_begins_in_quiet_hours_and_their_end_is_a_turn(timing: dict[str, object]) -> None:
    """By interval and by cron, jitter included; outside of them everything is as it was."""
    quiet = parse_windows(["22:00-06:00", "12:30-13:30"])
    found = turns(Timing(quiet=quiet, **timing), 2)  # type: ignore[arg-type]
    assert not [turn for turn in found if any(window.holds(turn.hour * 60 + turn.minute) for window in quiet)]
    assert {(turn.hour, turn.minute) for turn in found} >= {(6, 0), (13, 30)}
    assert len(found) > 2 * 15 * 3  # fifteen hours a day, four an hour less jitter


def test_a_turn_that_only_quiet_hours_hold_is_done_at_their_end() -> None:
    """Every day once."""
    found = turns(Timing(cron="0 3 * * *", quiet=parse_windows(["22:00-06:00"])), 3)
    assert [(turn.day, turn.hour) for turn in found] == [(28, 6), (29, 6), (30, 6)]


@pytest.mark.parametrize(
    ("timing", "last", "now", "turn"),
    [
        (Timing(interval_s=3600), "11:30:00", "12:00:00", "12:30:00"),
        (Timing(interval_s=3600), "09:00:00", "12:00:00", "12:02:00"),
        (Timing(cron="0 14 * * *"), "11:30:00", "12:00:00", "14:00:00"),
        (Timing(cron="0 10 * * *"), "09:00:00", "12:00:00", "12:02:00"),
        (Timing(cron="0 10 * * *", quiet=parse_windows(["11:00-13:00"])), "09:00:00", "12:00:00", "13:00:00"),
    ],
)
def test_a_turn_that_was_missed_is_caught_up_soon_after_the_start(
    timing: Timing, last: str, now: str, turn: str
) -> None:
    """And one that was not is waited for; jitter is not part of the bargain."""

    def at(text: str) -> float:
        hour, minute, second = map(int, text.split(":"))
        return FRIDAY.replace(hour=hour, minute=minute, second=second).timestamp()

    found = next_turn(timing, last=at(last), at=at(now))
    assert found is not None
    assert 0.0 <= found.timestamp() - at(turn) <= 60.0


def test_a_long_job_of_maintenance_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others of its lane wait for it; watchers are still looked after, which is a sign of life."""
    clock, schedule = MovedClock(monkeypatch), Schedule()
    held, goes_on, second, prompt = (threading.Event() for _ in range(4))

    def long() -> None:
        held.set()
        goes_on.wait(30)

    schedule.start()
    try:
        last = clock.now()
        schedule.add("long", Timing(interval_s=3600), long, lane=Lane.MAINTENANCE, last=last)
        schedule.add("next", Timing(interval_s=3660), second.set, lane=Lane.MAINTENANCE, last=last + 120)
        schedule.add("prompt", Timing(interval_s=7200), prompt.set)
        clock.move(3 * 3600, schedule)
        assert held.wait(30)
        assert prompt.wait(30)
        assert not second.is_set()
        goes_on.set()
        assert second.wait(30)
    finally:
        goes_on.set()
        schedule.stop()
