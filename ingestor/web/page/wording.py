"""How the page writes times, durations, figures and places. Pure. What it gives is escaped by the templates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

from markupsafe import Markup, escape

from ingestor import wire

_STEPS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))
_WORD = re.compile(r"\w+")
_SCHEMES = frozenset({"http", "https"})
_LEAST = 4  # letters of a word of the question that is marked in what was found


def duration(seconds: float | None) -> str:
    """About so long: ``0.38 s``, ``12 s``, ``4 min``, ``3 h``, ``9 d``."""
    if seconds is None:
        return "–"
    for size, unit in _STEPS:
        if seconds >= size * 0.995:
            return f"{round(seconds / size)} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"


def relative(at: float, now: float) -> str:
    """``4 min ago``, ``in 3 h``, ``now``."""
    seconds = at - now
    if abs(seconds) < 1:
        return "now"
    told = duration(max(1.0, round(abs(seconds))))
    return f"in {told}" if seconds > 0 else f"{told} ago"


def machine_time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def person_time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M")


def number(value: float) -> str:
    return f"{value:,.0f}"


def count(value: int, one: str, several: str = "") -> str:
    """``1 document``, ``1,204 documents``."""
    return f"{value:,} {one if value == 1 else several or one + 's'}"


def web_link(url: str) -> str:
    """``url`` where a browser may be sent there, else nothing: it comes from a source, and may be of any scheme."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme.lower() in _SCHEMES and parts.netloc else ""


def readable(path: str) -> str:
    """An item's id or ``uri`` as people write it."""
    return unquote(path.removeprefix("ingestor:"))


def spot(hit: wire.Neighbour | wire.Place) -> str:
    """Where in its document: ``page 3 · lines 4-9``."""
    told = [f"page {hit.page}"] if hit.page is not None else []
    if hit.lines is not None:
        first, last = hit.lines
        told.append(f"line {first}" if first == last else f"lines {first}–{last}")
    return " · ".join(told)


def marked(text: str, query: str) -> Markup:
    """``text``, escaped, with the words of the question marked."""
    words = {word.lower() for word in _WORD.findall(query) if len(word) >= _LEAST}
    parts, done = [], 0
    for found in _WORD.finditer(text):
        if found[0].lower() in words:
            parts += [escape(text[done : found.start()]), Markup("<mark>{}</mark>").format(found[0])]
            done = found.end()
    return Markup("").join([*parts, escape(text[done:])])


def run_told(run: wire.RunReply) -> str:
    """What a run did, in a line."""
    counts = run.documents
    did = [
        f"{value:,} {name}"
        for name in ("added", "updated", "moved", "deleted", "failed")
        if (value := getattr(counts, name))
    ]
    return ", ".join(did) or f"nothing new among {count(counts.unchanged, 'document')}"


def runs_told(runs: Sequence[wire.RunReply]) -> str:
    """What became of runs that somebody asked for."""
    told = [
        f"{run.source}: {run_told(run)}." if run.outcome == "ok" else f"{run.source}: {run.outcome}. {run.message}"
        for run in runs
    ]
    return " ".join(told) or "There was nothing to do."
