"""Durations, crontab lines and times of day: what they mean, and what is refused."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from ingestor.timing import after_quiet, cron_fields, parse_cron, parse_duration, parse_windows


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("1d", 86400), ("1h 5s", 3605)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    """Days, hours, minutes and seconds, in this order."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "0s", "5m1h", "-5m", "5 minutes", 300, None, "1.5h"])
def test_what_is_no_duration_is_refused(text: object) -> None:
    """A number without a unit could mean anything."""
    with pytest.raises(ValueError, match="90s, 5m or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["* * * *", "* * * * * *", 5])
def test_a_cron_expression_has_five_fields(text: object) -> None:
    """No seconds, no years."""
    with pytest.raises(ValueError, match="five fields"):
        parse_cron(text)


@pytest.mark.parametrize(
    "text",
    (
        *("60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *", "*/0 * * * *"),
        *("* * * foo *", "1,,2 * * * *", "0 2 * * ;rm", "* * * * mon-", "1- * * * *", "@daily * * * *"),
    ),
)
def test_a_field_that_means_nothing_is_refused(text: str) -> None:
    """And the sentence says what the field may hold."""
    with pytest.raises(ValueError, match="it goes from"):
        parse_cron(text)


@pytest.mark.parametrize(
    ("cron", "field", "values"),
    [
        ("30 2 * * 1-5", "day_of_week", "mon,tue,wed,thu,fri"),
        ("30 2 * * 0", "day_of_week", "sun"),
        ("30 2 * * 7", "day_of_week", "sun"),
        ("30 2 * * 5-7", "day_of_week", "sun,fri,sat"),
        ("30 2 * * */2", "day_of_week", "sun,tue,thu,sat"),
        ("30 2 * * SUN", "day_of_week", "sun"),
        ("30 2 * * *", "day_of_week", "*"),
        ("*/20 2 * * *", "minute", "0,20,40"),
        ("5/20 2 * * *", "minute", "5,25,45"),
        ("0 9-17/4 * * *", "hour", "9,13,17"),
        ("0 0 1 jan,jul *", "month", "1,7"),
    ],
)
def test_fields_mean_what_every_cron_means(cron: str, field: str, values: str) -> None:
    """Sunday is 0, and 7 as well."""
    (only,) = cron_fields(parse_cron(cron))
    assert only[field] == values


def test_a_day_of_the_month_or_of_the_week_will_do() -> None:
    """Where both are given, as crontab(5) has it."""
    first, second = cron_fields("0 4 1 * 1")
    assert (first["day"], first["day_of_week"]) == ("1", "*")
    assert (second["day"], second["day_of_week"]) == ("*", "mon")


@pytest.mark.parametrize(
    ("quiet", "now", "then"),
    [
        (["22:00-06:00"], "2026-11-27 21:59", "2026-11-27 21:59"),
        (["22:00-06:00"], "2026-11-27 22:00", "2026-11-28 06:00"),
        (["22:00-06:00"], "2026-11-28 05:59", "2026-11-28 06:00"),
        (["22:00-06:00"], "2026-11-28 06:00", "2026-11-28 06:00"),
        (["8:00-12:00", "13:00-17:30"], "2026-11-27 09:15", "2026-11-27 12:00"),
        (["8:00-12:00", "12:00-17:30"], "2026-11-27 09:15", "2026-11-27 17:30"),
        (["12:00-17:30", "8:00-12:00"], "2026-11-27 09:15", "2026-11-27 17:30"),
        (["23:00-24:00"], "2026-12-31 23:30", "2027-01-01 00:00"),
        ([], "2026-11-27 09:15", "2026-11-27 09:15"),
    ],
)
def test_quiet_hours_are_left_at_their_end(quiet: list[str], now: str, then: str) -> None:
    """Over midnight and over the end of the year; hours that touch are one."""
    zone = ZoneInfo("Europe/Berlin")
    found = after_quiet(datetime.fromisoformat(now).replace(tzinfo=zone), parse_windows(quiet))
    assert found == datetime.fromisoformat(then).replace(tzinfo=zone)


@pytest.mark.parametrize("quiet", [["22:00"], ["25:00-26:00"], ["22:00-22:00"], ["24:00-06:00"], [""], ["10-12"]])
def test_what_is_no_time_of_day_is_refused(quiet: list[str]) -> None:
    """From and to, by the clock of a day."""
    with pytest.raises(ValueError, match="write it like"):
        parse_windows(quiet)


def test_hours_that_are_the_whole_day_are_refused() -> None:
    """Nothing would ever be done."""
    with pytest.raises(ValueError, match="whole day"):
        parse_windows(["00:00-24:00"])
    with pytest.raises(ValueError, match="whole day"):
        parse_windows(["08:00-20:00", "20:00-08:00"])
