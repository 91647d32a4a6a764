"""Points in time as people write them."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta

_AGO = re.compile(r"(\d{1,6})(min|[hdw])")
_SECONDS = {"min": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def moment(text: str, *, end: bool = False) -> float:
    """Seconds since the epoch of ``2026-11-20``, ``2026-11-20T14:30`` (with an offset, or this machine's time) or
    ``7d`` (so long ago: min, h, d, w). Of a day alone the beginning, or its ``end``. ``ValueError`` says how to
    write one."""
    given = text.strip()
    if match := _AGO.fullmatch(given):
        return time.time() - int(match[1]) * _SECONDS[match[2]]
    try:
        at = datetime.fromisoformat(given)
        if end and len(given) == len("2026-11-20"):
            at += timedelta(days=1, microseconds=-1)
        return at.timestamp()
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is no time; write one like 2026-11-20, 2026-11-20T14:30 or 7d") from None
