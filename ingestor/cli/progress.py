"""How far long work is: bars on a terminal, nothing anywhere else."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestor.cli.output import clean, console
from ingestor.wire import Progress

if TYPE_CHECKING:
    from rich.progress import TaskID


_COUNTED = frozenset({"backup", "restore", "rebuild", "switch"})
"""Stages that are not about documents and count for themselves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """What a bar shows: ``total`` None while nobody knows how much there is."""

    name: str
    done: int
    total: int | None
    text: str


def phase(progress: Progress, peak: int = 0) -> Phase:
    """Documents while there are some to read; then what waits to be embedded and indexed, measured against
    ``peak``, the most that ever waited."""
    if progress.stage in _COUNTED:
        return Phase(name=progress.stage, done=progress.done, total=progress.total or None, text="")
    counts = f"{progress.documents:,} new  {progress.chunks:,} chunks"
    if progress.failed:
        counts += f"  {progress.failed:,} failed"
    seen = progress.documents + progress.unchanged + progress.failed
    waiting = waiting_of(progress)
    if progress.expected and seen >= progress.expected and waiting:
        text = f"{counts}  {progress.to_embed:,} to embed  {progress.to_index:,} to index"
        return Phase(name="indexing", done=max(peak, waiting) - waiting, total=max(peak, waiting), text=text)
    return Phase(
        name="reading" if progress.expected else "listing", done=seen, total=progress.expected or None, text=counts
    )


def waiting_of(progress: Progress) -> int:
    """What is committed and not yet searchable by meaning."""
    return progress.to_embed + progress.to_index


class Bars:
    """One bar per source. Called from any thread."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Rich

        self.rich = Rich(
            SpinnerColumn(),
            TextColumn("{task.fields[source]} {task.fields[phase]}", markup=False),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[text]}", markup=False, style="dim"),
            console=console(stderr=True),
            transient=True,
        )
        self._tasks: dict[str, _Bar] = {}
        self._lock = threading.Lock()

    def __call__(self, progress: Progress) -> None:
        with self._lock:
            bar = self._tasks.get(progress.source)
            if bar is None:
                name = clean(progress.source)
                bar = _Bar(self.rich.add_task("", total=None, source=name, phase="", rate="", text=""))
                self._tasks[progress.source] = bar
            bar.peak = max(bar.peak, waiting_of(progress))
            now = phase(progress, bar.peak)
            if bar.phase != now.name:
                # Another phase counts other things: its rate and remaining time begin anew.
                bar.phase = now.name
                self.rich.reset(bar.task, total=now.total)
            self.rich.update(bar.task, completed=now.done, total=now.total, phase=now.name, text=now.text)
            speed = next((task.speed for task in self.rich.tasks if task.id == bar.task), None)
            self.rich.update(bar.task, rate=f"{speed:,.0f}/s" if speed and speed >= 1 else "")


@dataclass(slots=True)
class _Bar:
    task: TaskID
    phase: str = ""
    peak: int = 0


@contextmanager
def shown() -> Iterator[Bars | _Silence]:
    """What to hand to an operation as its report."""
    if not sys.stderr.isatty():
        yield _Silence()
        return
    bars = Bars()
    with bars.rich:
        yield bars


class _Silence:
    def __call__(self, progress: Progress) -> None:
        """A log reader wants one line per run, and that comes at its end."""
