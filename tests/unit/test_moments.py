"""Points in time as people write them."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from ingestor.moments import moment


def test_a_day_has_a_beginning_and_an_end() -> None:
    """Whichever of the two is meant; an hour is itself."""
    begin, end = moment("2026-11-20"), moment("2026-11-20", end=True)
    assert end - begin == pytest.approx(86_400, abs=3_601)  # an hour more or less where clocks change
    assert moment("2026-11-20T14:30", end=True) == moment("2026-11-20T14:30")


def test_an_offset_is_heeded() -> None:
    """Without one it is this machine's time."""
    assert moment("2026-11-20T14:30+02:00") == datetime(2026, 11, 20, 12, 30, tzinfo=UTC).timestamp()
    assert moment("2026-11-20T14:30Z") == datetime(2026, 11, 20, 14, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(("text", "seconds"), [("30min", 1_800), ("2h", 7_200), (" 7d ", 604_800), ("2w", 1_209_600)])
def test_so_long_ago(text: str, seconds: float) -> None:
    """Minutes, hours, days and weeks."""
    assert time.time() - moment(text) == pytest.approx(seconds, abs=5)


@pytest.mark.parametrize("text", ["", "yesterday", "7", "7m", "2026-13-01", "9999999d", "nan"])
def test_anything_else_is_told(text: str) -> None:
    """With how to write one."""
    with pytest.raises(ValueError, match="write one like"):
        moment(text)
