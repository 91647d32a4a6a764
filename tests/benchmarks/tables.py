"""How measurements are taken and shown: percentiles over repeats, tables, and what they were taken on."""

from __future__ import annotations

import datetime as dt
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(kw_only=True)
class Table:
    """Rows of text under headings; prints itself, also as Markdown."""

    title: str
    headings: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        self.rows.append([str(cell) for cell in cells])

    def show(self) -> None:
        widths = [max(len(row[place]) for row in [self.headings, *self.rows]) for place in range(len(self.headings))]
        print(f"\n{self.title}")
        for row in [self.headings, ["-" * width for width in widths], *self.rows]:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), flush=True)

    def markdown(self) -> str:
        lines = [f"## {self.title}", ""]
        lines += [f"| {' | '.join(row)} |" for row in [self.headings, ["---"] * len(self.headings), *self.rows]]
        return "\n".join(lines) + "\n"


def timed(action: Callable[[], object]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def repeated(action: Callable[[], object], times: int, *, warm: int = 1) -> list[float]:
    """Seconds of each of ``times`` calls, after ``warm`` that do not count."""
    for _ in range(warm):
        action()
    return [timed(action) for _ in range(times)]


def p50(seconds: Sequence[float]) -> float:
    return statistics.median(seconds)


def p95(seconds: Sequence[float]) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}" if seconds < 1 else f"{seconds * 1000:,.0f}"


def rate(count: float, seconds: float) -> str:
    return f"{count / seconds:,.0f}" if seconds else "-"


def machine() -> str:
    """What the figures were measured on, in a line. The load at the start says how quiet it was."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{platform.system()} {platform.machine()}, {_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )


def today() -> str:
    return dt.datetime.now(tz=dt.UTC).date().isoformat()


def commit() -> str:
    """The commit that is measured; marked when the tree differs from it."""
    asked = [["git", "rev-parse", "--short", "HEAD"], ["git", "status", "--porcelain", "--untracked-files=no"]]
    head, changed = (subprocess.run(words, cwd=HERE, capture_output=True, text=True, check=False) for words in asked)
    if head.returncode:
        return "not committed"
    return head.stdout.strip() + (" with changes" if changed.stdout.strip() else "")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
