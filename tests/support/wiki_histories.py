"""The long form of random histories of faults: many of them, one after another, and a report of what was met."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.faults_report import campaign_seed, write_report

COUNT = 200

History = Callable[[Path, int], tuple[int, int, int]]
"""Of a folder and a seed; runs, faulty answers, and runs that ended as outages."""


def play(folder: Path, history: History, *, kinds: int, report: str, title: str, count: int = COUNT) -> None:
    """Each in a folder of its own; each fails by itself where something was deleted wrongly."""
    seed, totals = campaign_seed(), [0, 0, 0]
    for number in range(count):
        place = folder / str(number)
        place.mkdir()
        totals = [sum(pair) for pair in zip(totals, history(place, seed + number), strict=True)]
    write_report(
        report,
        title,
        [
            f"Seeds {seed} to {seed + count - 1}; {count} histories, {totals[0]} runs.",
            f"{totals[1]} faulty answers of {kinds} kinds; {totals[2]} runs ended as outages.",
            "",
            "Wrong deletions: 0. At the end of each history the ledger was the wiki.",
        ],
    )
