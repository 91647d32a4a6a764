"""How often a host is asked: a bucket of tokens for each, shared by all sources that ask it.

A host that says when to come again is believed, within reason: servers have been seen to say centuries.
"""

from __future__ import annotations

import threading
import time
from email.utils import parsedate_to_datetime

MOST_PAUSE_S = 3600.0
"""No longer is a host left alone, whatever it says."""
WAITED_S = 10.0
"""So long a request waits for its turn; a longer pause ends the run, and the schedule comes back."""

_BURST = 10.0  # requests that may follow each other at once


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait of a ``Retry-After`` header, which gives a number or a date; None where it says nothing.
    Clamped to an hour; what is past, or below 0, is 0."""
    if value is None or not (given := value.strip()):
        return None
    try:
        seconds = float(given)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(given).timestamp() - now
        except (ValueError, OverflowError, OSError):
            return None
    if seconds != seconds:  # noqa: PLR0124  # "nan" is a number to Python
        return None
    return min(max(seconds, 0.0), MOST_PAUSE_S)


class Bucket:
    """The pace of one host, for any number of threads. ``rate`` is in requests a second."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._tokens = _BURST
        self._at = time.monotonic()
        self._closed_until = 0.0
        self._lock = threading.Lock()

    def slow_down(self, rate: float) -> None:
        """The slowest of those that ask a host sets its pace."""
        with self._lock:
            self._rate = min(self._rate, rate)

    def pause(self, seconds: float) -> None:
        """Ask nothing for so long: the host wished it."""
        with self._lock:
            self._closed_until = max(self._closed_until, time.monotonic() + seconds)

    def paused_s(self) -> float:
        """How long the host still wishes to be left alone."""
        with self._lock:
            return max(0.0, self._closed_until - time.monotonic())

    def take(self) -> float:
        """Take a token; the seconds to wait before it may be used."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(_BURST, self._tokens + (now - self._at) * self._rate)
            self._at = now
            self._tokens -= 1.0
            return max(0.0, -self._tokens / self._rate)


class Pace:
    """The buckets of every host that is asked by one process."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()

    def of(self, host: str, rate: float) -> Bucket:
        with self._lock:
            bucket = self._buckets.setdefault(host, Bucket(rate))
        bucket.slow_down(rate)
        return bucket


PACE = Pace()
"""That of this process: two sources of one host share what it can bear."""
