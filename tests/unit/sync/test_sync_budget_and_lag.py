"""ingestor.sync.budget (R8) and ingestor.sync.lag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.sync.budget import ErrorBudget
from ingestor.sync.lag import LagPercentiles, edited_at, lag, percentiles


def _after(reads: str) -> ErrorBudget:
    budget = ErrorBudget()
    for read in reads:
        budget = budget.failed() if read == "E" else budget.succeeded()
    return budget


@pytest.mark.parametrize(
    ("reads", "exceeded"),
    [
        ("", False),
        ("E" * 20, False),
        ("E" * 21, True),
        ("." + "E" * 21, True),
        ("E" * 20 + "." + "E" * 20, False),
        ("E." * 49, False),
        ("E." * 50, True),
        ("E.." * 33, False),
        ("E.." * 33 + "E", True),
        ("E..." * 50, False),
        ("EEE......." * 10, False),
        ("EEE......." * 10 + "E", True),
    ],
)
def test_error_budget(reads: str, exceeded: bool) -> None:
    """A run may fail to read 20 items in a row and 30 % of at least 100, and no more."""
    budget = _after(reads)
    assert budget.exceeded is exceeded
    assert bool(budget.reason) is exceeded


def test_the_reason_tells_the_numbers() -> None:
    """The person who looks at a stopped run reads how many reads failed."""
    assert _after("E" * 21).reason == "21 items in a row could not be read (at most 20)."
    assert _after("E." * 50).reason == "50 of 100 items could not be read (50%, at most 30%)."


def test_limits_can_be_set() -> None:
    """A budget of none in a row stops at the first error."""
    assert ErrorBudget(most_in_a_row=0).failed().exceeded


@pytest.mark.parametrize(
    ("modified", "seen", "previous", "expected"),
    [
        (150.0, 200.0, 100.0, 150.0),
        (99.0, 200.0, 100.0, 99.0),
        (97.0, 200.0, 100.0, None),
        (200.0, 200.0, 100.0, 200.0),
        (201.0, 200.0, 100.0, 200.0),
        (203.0, 200.0, 100.0, None),
        (150.0, 200.0, None, None),
        (None, 200.0, 100.0, None),
        (0.0, 200.0, 100.0, None),
    ],
    ids=[
        "between the scans",
        "within the grain before the last scan",
        "older: copied with its time",
        "just now",
        "within the grain ahead of us",
        "in the future",
        "first listing",
        "source tells no time",
        "time of an archive",
    ],
)
def test_edit_time(modified: float | None, seen: float, previous: float | None, expected: float | None) -> None:
    """A file's time counts as its edit only between the previous proven scan and now."""
    assert edited_at(modified, seen_at=seen, previous_scan_started_at=previous) == expected


@given(
    modified=st.floats(-1e12, 1e12),
    seen=st.floats(-1e12, 1e12),
    previous=st.floats(-1e12, 1e12),
)
def test_lag_is_never_negative_nor_longer_than_the_scan_interval(modified: float, seen: float, previous: float) -> None:
    """Whatever the clocks do, the lag at the moment of seeing lies within the interval and its grain."""
    edited = edited_at(modified, seen_at=seen, previous_scan_started_at=previous)
    if edited is not None:
        assert 0 <= seen - edited <= max(0.0, seen - previous) + 2.01


def test_lag_between_two_clocks() -> None:
    """A searchable moment before the edit counts as no lag."""
    assert lag(100.0, 101.5) == 1.5
    assert lag(100.0, 99.0) == 0.0


@pytest.mark.parametrize(
    ("lags", "expected"),
    [
        ([], LagPercentiles()),
        ([3.0], LagPercentiles(p50=3.0, p95=3.0)),
        ([4.0, 1.0], LagPercentiles(p50=1.0, p95=4.0)),
        ([float(i) for i in range(100, 0, -1)], LagPercentiles(p50=50.0, p95=95.0)),
    ],
)
def test_percentiles(lags: list[float], expected: LagPercentiles) -> None:
    """Percentiles are lags that were measured; none were, none is shown."""
    assert percentiles(lags) == expected
