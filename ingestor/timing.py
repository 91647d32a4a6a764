"""When things are done, as people write it: durations, lines of a crontab, times of day. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import NamedTuple

_DURATION = re.compile(r"(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?")
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class _Field(NamedTuple):
    """``names`` stand for the numbers from ``least`` on."""

    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day_of_week", 0, 7, _DAYS),
)
_ITEM = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")
_WINDOW = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-(?:([01]?\d|2[0-3]):([0-5]\d)|(24:00))")
_DAY = 24 * 60


def parse_duration(value: object) -> float:
    """Seconds of ``90s``, ``5m``, ``1h30m``, ``1d``. ``ValueError`` says how to write one."""
    match = _DURATION.fullmatch(value.replace(" ", "")) if isinstance(value, str) and value else None
    seconds = sum(int(n) * _SECONDS[unit] for unit, n in match.groupdict().items() if n) if match else 0
    if seconds < 1:
        raise ValueError(f"{value!r} is no duration; write one like 90s, 5m or 1h30m")
    return float(seconds)


def parse_cron(value: object) -> str:
    """A crontab expression of five fields. ``ValueError`` says what is wrong with it."""
    fields = value.split() if isinstance(value, str) else []
    if len(fields) != len(_FIELDS):
        raise ValueError(f"{value!r} is no cron expression; write five fields, like 30 2 * * 1-5")
    for text, field in zip(fields, _FIELDS, strict=True):
        if not _values(text, field):
            what = f"{field.least} to {field.most}" + (
                f" or {field.names[0]} to {field.names[-1]}" if field.names else ""
            )
            name = field.name.replace("_", " ")
            raise ValueError(f"{text!r} is no {name} of a cron expression; it goes from {what}")
    return " ".join(fields)


def is_cron(value: str) -> bool:
    """Whether a text that is one or the other is meant as a crontab expression."""
    return len(value.split()) == len(_FIELDS)


def cron_fields(cron: str) -> Sequence[dict[str, str]]:
    """Values by the names of the fields, as lists of numbers and of ``sun`` to ``sat``; several are alternatives.

    As every cron has it, 0 and 7 are Sunday, and where both a day of the month and of the week are given, either will
    do."""
    whole = {field.name: _listed(text, field) for text, field in zip(cron.split(), _FIELDS, strict=True)}
    if "*" in {whole["day"], whole["day_of_week"]}:
        return [whole]
    return [whole | {"day_of_week": "*"}, whole | {"day": "*"}]


def _listed(text: str, field: _Field) -> str:
    if text == "*":
        return text
    found = _values(text, field)
    if field.names is _DAYS:
        return ",".join(_DAYS[day] for day in sorted({value % 7 for value in found}))
    return ",".join(str(value) for value in sorted(found))


def _values(text: str, field: _Field) -> set[int]:
    """What the text of a field stands for; empty where it means nothing."""
    found: set[int] = set()
    for item in text.lower().split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            return set()
        first, last, step = match.groups()
        begin = field.least if first is None else _number(first, field)
        if last is not None:
            end = _number(last, field)
        elif first is None or step:  # a step from one value on goes to the end
            end = field.most - (field.names is _DAYS)  # 7 is 0 once more
        else:
            end = begin
        if begin is None or end is None or not field.least <= begin <= end <= field.most or step == "0":
            return set()
        found.update(range(begin, end + 1, int(step or 1)))
    return found


def _number(text: str, field: _Field) -> int | None:
    if text in field.names:
        return field.names.index(text) + field.least
    return int(text) if text.isdecimal() else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """From ``start`` to before ``end``, every day, over midnight where that is earlier. Minutes of the day."""

    start: int
    end: int

    def holds(self, minute: int) -> bool:
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


def parse_windows(values: Sequence[str]) -> tuple[Window, ...]:
    """Times of day like ``22:00-06:00``. ``ValueError`` says what is wrong with them."""
    windows = []
    for value in values:
        match = _WINDOW.fullmatch(value.replace(" ", ""))
        hour, minute, to_hour, to_minute, midnight = match.groups() if match else ("", "", "", "", "")
        window = Window(
            start=int(hour or 0) * 60 + int(minute or 0),
            end=_DAY if midnight else int(to_hour or 0) * 60 + int(to_minute or 0),
        )
        if match is None or window.start == window.end:
            raise ValueError(f"{value!r} is no time of day; write it like 22:00-06:00")
        windows.append(window)
    if windows and all(any(window.holds(minute) for window in windows) for minute in range(_DAY)):
        raise ValueError("these hours are the whole day; `ingestor pause` leaves a source alone")
    return tuple(windows)


def after_quiet(moment: datetime, quiet: Sequence[Window]) -> datetime:
    """The first moment from ``moment`` on, by its own clock, that is in none of these hours."""
    for _ in quiet:  # the end of one may lie in another
        minute = moment.hour * 60 + moment.minute
        window = next((window for window in quiet if window.holds(minute)), None)
        if window is None:
            break
        days = 1 if window.end <= minute or window.end == _DAY else 0
        end = time(*divmod(window.end % _DAY, 60))
        moment = datetime.combine(moment.date() + timedelta(days=days), end, tzinfo=moment.tzinfo)
    return moment
